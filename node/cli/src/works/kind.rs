//! Which kind of work a file on this machine is: all that the engine reads, which is more than may be uploaded.

use std::fs::FileType;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use metastamp_fingerprint::FingerprintError;
use metastamp_protocol::FileKind;
use metastamp_protocol::files::{extension, kind_of_name};

const SOUNDS: [&str; 20] = [
    "mp2", "mpga", "wave", "w64", "rf64", "bwf", "aif", "aiff", "aifc", "oga", "opus", "spx", "m4b", "mka", "caf",
    "wv", "ape", "tta", "ac3", "amr",
];
const VIDEOS: [&str; 6] = ["m4v", "mkv", "webm", "3gp", "3g2", "qt"];

/// By the ending of the name.
pub fn kind_of(name: &str) -> Option<FileKind> {
    kind_of_name(name).or_else(|| {
        let ending = extension(name)?;
        let is_one_of = |endings: &[&str]| endings.contains(&ending.as_str());
        match () {
            () if is_one_of(&SOUNDS) => Some(FileKind::Audio),
            () if is_one_of(&VIDEOS) => Some(FileKind::Video),
            () => None,
        }
    })
}

/// Nothing but files with a beginning and an end: a pipe would be waited for, a device never ends.
///
/// # Errors
/// [`FingerprintError::Unsupported`] that says what it is instead, [`FingerprintError::Io`].
pub fn check_is_file(path: &Path) -> Result<(), FingerprintError> {
    let kind = std::fs::metadata(path).map_err(FingerprintError::Io)?.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(FingerprintError::Unsupported(format!("this is {}, not a file", name_of(kind))))
}

fn name_of(kind: FileType) -> &'static str {
    match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_engine_reads_has_a_kind() {
        for name in ["a.aif", "a.AIFF", "a.opus", "a.mka", "a.w64", "a.m4b", "a.mp3", "a.flac"] {
            assert_eq!(kind_of(name), Some(FileKind::Audio), "{name}");
        }
        for name in ["a.mkv", "a.m4v", "a.WEBM", "a.3gp", "a.mp4"] {
            assert_eq!(kind_of(name), Some(FileKind::Video), "{name}");
        }
        assert_eq!((kind_of("a.exe"), kind_of("mkv"), kind_of(".opus")), (None, None, None));
    }

    #[test]
    fn what_is_no_file_is_refused_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket.mp3");
        let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, what) in
            [(directory.path(), "a directory"), (Path::new("/dev/zero"), "a device"), (&socket, "a socket")]
        {
            let error = check_is_file(path).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        let file = directory.path().join("a.mp3");
        std::fs::write(&file, b"").unwrap();
        assert!(check_is_file(&file).is_ok());
        assert!(matches!(check_is_file(&directory.path().join("none")), Err(FingerprintError::Io(_))));
    }
}
