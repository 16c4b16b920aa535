//! Fingerprints in a process of their own: what one line of its standard input asks for, lines of its standard output
//! answer. A decoder that crashes, hangs or eats memory then takes nothing else with it.
//!
//! Lines are JSON. For each [`Request`] there are any number of [`Message::Progress`] and [`Message::First`], and then one
//! [`Message::Done`] or [`Message::Failed`]. The end of standard input ends the process at once, whatever it is doing.

use std::fs;
use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digests;
use crate::file::{Kind, fingerprint_file};
use crate::video::VideoHashes;
use crate::{FingerprintError, Limits, Picture, Progress, Report, Tools};

/// Longest line that either side reads.
pub const LINE_BYTES_MAX: u64 = 256 << 20;

/// A file to be fingerprinted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    pub path: PathBuf,
    pub kind: Kind,
    /// What the creator calls the file.
    pub name: String,
    /// If they are known already, the file is not read for them.
    pub digests: Option<Digests>,
    pub tools: Tools,
    /// Where pictures are put; it exists.
    pub pictures_dir: PathBuf,
}

/// A picture that lies in [`Request::pictures_dir`] under its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PictureFile {
    pub name: String,
    pub media_type: String,
    pub width: u32,
    pub height: u32,
}

/// What the process says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// 0 to 100.
    Progress(u8),
    /// A first answer of a video: a [`Report`] with nothing but `video_hashes`.
    First(Value),
    /// The [`Report`].
    Done { report: Value, pictures: Vec<PictureFile> },
    /// There is no fingerprint. `again` says that another attempt may work.
    Failed { message: String, again: bool },
}

/// Answers requests until standard input ends. `at_end` is called before the process leaves in the middle of work.
///
/// # Errors
/// When nobody reads what is said.
pub fn serve(
    input: impl BufRead + Send + 'static,
    mut output: impl Write + Send,
    at_end: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let (lines, requests) = mpsc::sync_channel::<String>(1);
    std::thread::spawn(move || {
        for line in input.lines() {
            let Ok(line) = line else { break };
            if lines.send(line).is_err() {
                break;
            }
        }
        at_end();
        std::process::exit(0);
    });
    for line in requests {
        let last = match serde_json::from_str::<Request>(&line) {
            Ok(request) => perform(&request, &mut Speaker { output: &mut output, told: None }),
            Err(error) => Message::Failed { message: format!("not a request: {error}"), again: false },
        };
        say(&mut output, &last)?;
    }
    Ok(())
}

/// Does what is asked for, and gives the last word on it: [`Message::Done`] or [`Message::Failed`].
pub fn perform(request: &Request, progress: &mut dyn Progress) -> Message {
    let found = fingerprint_file(
        &request.path,
        request.kind,
        &request.name,
        request.digests.clone(),
        &request.tools,
        &Limits::default(),
        progress,
    );
    match found.and_then(|report| done(report, &request.pictures_dir)) {
        Ok(message) => message,
        Err(error) => Message::Failed { message: error.to_string(), again: matches!(error, FingerprintError::Io(_)) },
    }
}

fn done(report: Report, dir: &Path) -> Result<Message, FingerprintError> {
    let mut pictures = Vec::new();
    for picture in &report.pictures {
        let Picture { name, media_type, width, height, bytes } = picture;
        fs::write(dir.join(name), bytes)?;
        let (name, media_type) = ((*name).to_owned(), (*media_type).to_owned());
        pictures.push(PictureFile { name, media_type, width: *width, height: *height });
    }
    let report = serde_json::to_value(&report).map_err(io::Error::other)?;
    Ok(Message::Done { report, pictures })
}

/// Tells progress as it comes; a reader that is gone stops the work.
struct Speaker<'a, W> {
    output: &'a mut W,
    told: Option<u8>,
}

impl<W: Write + Send> Progress for Speaker<'_, W> {
    fn report(&mut self, percent: u8) -> ControlFlow<()> {
        if self.told.replace(percent) == Some(percent) {
            return ControlFlow::Continue(());
        }
        match say(self.output, &Message::Progress(percent)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn first(&mut self, hashes: &VideoHashes) {
        let report = Report { video_hashes: Some(hashes.clone()), ..Report::default() };
        if let Ok(report) = serde_json::to_value(&report) {
            // if nobody reads, the next report of progress ends the work
            let _ = say(self.output, &Message::First(report));
        }
    }
}

fn say(output: &mut impl Write, message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
