//! The audio track of a video, fingerprinted while the frames are.
//!
//! One ffmpeg decodes both: a second one would read the file again and cost as much to start as a second of video to
//! decode. It writes samples into a named pipe in the temporary directory, a thread of ours reads them. The parent
//! holds the pipe open for writing too, so that opening never waits and the reader's end comes when the child has
//! ended and the parent lets go, also when ffmpeg never opened it.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::audio::{self, AudioFingerprint};
use crate::guard::no_panic;
use crate::{Limits, Progress};

/// Rate and channels of a track, as ffmpeg is told to give them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    /// For `-map 0:INDEX`.
    pub(super) index: u32,
    /// Hz.
    pub(super) rate: u32,
    pub(super) channels: u32,
    /// As ffprobe spells it.
    pub(super) codec: Option<String>,
}

/// A named pipe.
#[derive(Debug)]
pub(super) struct Fifo {
    /// Kept as long as the child may still open or write it.
    keeper: File,
    reader: File,
}

impl Fifo {
    /// Makes the pipe at `path`.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        // For both, which does not wait for the other side; the two after it find one there.
        let both = OpenOptions::new().read(true).write(true).open(path)?;
        let reader = File::open(path)?;
        let keeper = OpenOptions::new().write(true).open(path)?;
        drop(both);
        Ok(Self { keeper, reader })
    }

    /// What the child writes.
    pub(super) fn reader(&self) -> io::Result<File> {
        self.reader.try_clone()
    }

    /// Ends the readers once no child has it open. Dropping does the same.
    pub(super) fn close(self) {
        drop(self.keeper);
    }
}

/// Set when nobody waits for the sound any more.
#[derive(Debug, Default)]
pub(super) struct Stop(AtomicBool);

impl Stop {
    /// Sets it when the guard is dropped.
    pub(super) fn on_drop(&self) -> StopOnDrop<'_> {
        StopOnDrop(self)
    }
}

/// See [`Stop::on_drop`].
pub(super) struct StopOnDrop<'a>(&'a Stop);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Fingerprint of interleaved 16-bit samples of the track, whose codec is told as that of the file. `None` for a track that has none: a video whose sound is broken or
/// empty is a video still.
pub(super) fn fingerprint(mut samples: File, track: Track, limits: &Limits, stop: &Stop) -> Option<AudioFingerprint> {
    let mut progress = |_: u8| match stop.0.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let progress: &mut dyn Progress = &mut progress;
    let found = no_panic("sound", || audio::from_pcm(&mut samples, track.rate, track.channels, limits, progress));
    // ffmpeg gives up altogether when one of its outputs is closed. Ends with the child at the latest.
    let _ = io::copy(&mut samples, &mut io::sink());
    let mut found = found.ok()?;
    let codec = track.codec.unwrap_or_else(|| "unknown".to_owned());
    found.metadata.insert("codec".to_owned(), codec.into());
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_pipe_that_nobody_opened_ends_when_its_keeper_goes() {
        let directory = tempfile::tempdir().unwrap();
        let mut pipe = Fifo::new(&directory.path().join("sound")).unwrap();
        let mut reader = pipe.reader().unwrap();
        pipe.keeper.write_all(b"abc").unwrap();
        pipe.close();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"abc");
    }

    #[test]
    fn what_is_no_sound_has_no_fingerprint() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("empty");
        std::fs::write(&path, b"").unwrap();
        let open = || File::open(&path).unwrap();
        let track = |rate, channels| Track { index: 0, rate, channels, codec: Some("aac".to_owned()) };
        let (limits, stop) = (Limits::default(), Stop::default());
        assert!(fingerprint(open(), track(44_100, 2), &limits, &stop).is_none());
        assert!(fingerprint(open(), track(0, 0), &limits, &stop).is_none());
        drop(stop.on_drop());
        std::fs::write(&path, vec![7; 4 << 20]).unwrap();
        assert!(fingerprint(open(), track(8_000, 1), &limits, &stop).is_none());
    }
}
