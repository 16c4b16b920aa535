//! One fingerprint in one process, to measure it: `cargo run --release --example one -- [OPTION] FILE`
//!
//! * no option: what a job does; the digests come with the upload and are given
//! * `--json`: the same, and shows it
//! * `--first`: a video up to its first answer
//! * `--exact`: the hashes of a picture and nothing else
//! * `--matching`: a picture on the path for look-ups
//! * `--digests`: the streaming pass over a file
//! * `--empty`: nothing at all, what the process itself costs

use std::fs::File;
use std::io::{BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;

use metastamp_fingerprint::digest::of_reader;
use metastamp_fingerprint::file::fingerprint_file;
use metastamp_fingerprint::image::{exact_hashes, matching_hashes};
use metastamp_fingerprint::{FingerprintError, Limits, NoProgress, Progress, Tools};
use metastamp_protocol::FileKind;
use metastamp_protocol::files::kind_of_name;
use metastamp_protocol::fingerprint::{Digests, VideoHashes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (option, file) = match arguments.as_slice() {
        [option] if option == "--empty" => return Ok(()),
        [file] => ("", Path::new(file)),
        [option, file] => (option.as_str(), Path::new(file)),
        _ => return Err("one [--json | --first | --exact | --matching | --digests | --empty] FILE".into()),
    };
    let limits = Limits::default();
    let mut out = std::io::stdout();
    match option {
        "--digests" => writeln!(out, "{}", serde_json::to_string(&of_reader(File::open(file)?, &mut NoProgress)?)?)?,
        "--exact" => {
            let hashes = exact_hashes(BufReader::new(File::open(file)?), &limits)?;
            writeln!(out, "{}", serde_json::to_string(&hashes)?)?;
        }
        "--matching" => {
            let hashes = matching_hashes(BufReader::new(File::open(file)?), &limits)?;
            writeln!(out, "{}", serde_json::to_string(&hashes)?)?;
        }
        _ => {
            let kind = file.to_str().and_then(kind_of_name).unwrap_or(FileKind::Audio);
            let mut watch = Watch { first_only: option == "--first", frames: None };
            let known = Digests {
                sha256: "0".repeat(64),
                blake3: "0".repeat(64),
                iscc_data: "ISCC:GAAQAAAAAAAAAAAA".to_owned(),
                iscc_instance: "ISCC:IAAQAAAAAAAAAAAA".to_owned(),
                ..Digests::default()
            };
            let tools = Tools::default();
            let report = fingerprint_file(file, kind, "work", Some(known), &tools, &limits, &mut watch);
            match (report, watch.frames) {
                (Err(FingerprintError::Cancelled), Some(frames)) => writeln!(out, "{frames} frames")?,
                (report, _) if option == "--json" => {
                    writeln!(out, "{}", serde_json::to_string(&report?.content)?)?;
                }
                (report, _) => writeln!(out, "{}", serde_json::to_string(&report?.content)?.len())?,
            }
        }
    }
    Ok(())
}

/// Stops after the first answer, when only that is wanted.
struct Watch {
    first_only: bool,
    frames: Option<usize>,
}

impl Progress for Watch {
    fn report(&mut self, _percent: u8) -> ControlFlow<()> {
        if self.first_only && self.frames.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn first(&mut self, hashes: &VideoHashes) {
        self.frames = Some(hashes.frame_hashes.len());
    }
}
