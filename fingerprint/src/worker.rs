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

use metastamp_protocol::FileKind;
use metastamp_protocol::fingerprint::{Digests, FingerprintContent, Picture, VideoHashes};
use serde::{Deserialize, Serialize};

use crate::file::{Found, fingerprint_file};
use crate::{FingerprintError, Limits, Progress, Tools};

/// Longest line that either side reads.
pub const LINE_BYTES_MAX: u64 = 256 << 20;

/// A file to be fingerprinted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    pub path: PathBuf,
    pub kind: FileKind,
    /// What the creator calls the file.
    pub name: String,
    /// If they are known already, the file is not read for them.
    pub digests: Option<Digests>,
    pub tools: Tools,
    /// Where pictures are put, each under its name; it exists.
    pub pictures_dir: PathBuf,
}

/// What the process says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// 0 to 100.
    Progress(u8),
    /// A first answer of a video: nothing but `video_hashes`.
    First(Box<FingerprintContent>),
    /// What was found, and the pictures that lie in [`Request::pictures_dir`].
    Done { report: Box<FingerprintContent>, pictures: Vec<Picture> },
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
    match found.and_then(|found| done(found, &request.pictures_dir)) {
        Ok(message) => message,
        Err(error) => Message::Failed { message: error.to_string(), again: matches!(error, FingerprintError::Io(_)) },
    }
}

fn done(found: Found, dir: &Path) -> Result<Message, FingerprintError> {
    for picture in &found.pictures {
        fs::write(dir.join(&picture.about.name), &picture.bytes)?;
    }
    let pictures = found.pictures.into_iter().map(|picture| picture.about).collect();
    Ok(Message::Done { report: Box::new(found.content), pictures })
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
        let video_hashes = Some(hashes.clone().into());
        let first = FingerprintContent { video_hashes, ..FingerprintContent::default() };
        // if nobody reads, the next report of progress ends the work
        let _ = say(self.output, &Message::First(Box::new(first)));
    }
}

fn say(output: &mut impl Write, message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
