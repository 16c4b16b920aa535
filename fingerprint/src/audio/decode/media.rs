//! A file as the decoders here see it: with a mended header.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

use super::iff::Outline;

/// A file, some of whose bytes are others.
pub(super) struct Media {
    file: File,
    at: u64,
    length: u64,
    patches: Vec<(u64, [u8; 4])>,
}

impl Media {
    /// `outline`: of a file that has one.
    pub(super) fn new(mut file: File, outline: Option<&Outline>) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        let at = file.seek(SeekFrom::Start(0))?;
        let end = outline.and_then(|outline| outline.end);
        let patches = outline.map(|outline| outline.patches.clone()).unwrap_or_default();
        Ok(Self { file, at, length: end.map_or(length, |end| end.min(length)), patches })
    }
}

impl Read for Media {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.file.read(&mut buffer[..wanted])?;
        let read = &mut buffer[..count];
        for (place, bytes) in &self.patches {
            for (place, byte) in (*place..).zip(bytes) {
                let inside = place.checked_sub(self.at).and_then(|at| usize::try_from(at).ok());
                if let Some(target) = inside.and_then(|at| read.get_mut(at)) {
                    *target = *byte;
                }
            }
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Media {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::End(by) => SeekFrom::Start(self.length.saturating_add_signed(by)),
            other => other,
        };
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

impl MediaSource for Media {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}
