//! Standard output and error, for programs that may stop listening.

use std::io::Write;

/// Writes one line to stdout. A reader that went away (`metastamp assets | head`) is not our failure.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Writes one line to stderr.
pub fn error_line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes to stderr without ending the line: the question before an answer.
pub fn ask(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
