//! Standard output. A reader that goes away is no reason to fail.

use std::io::Write;

pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
