//! Sound that somebody else has decoded already, from a pipe.

use std::io::Read;

use super::{Block, Info, Layout, Source};
use crate::FingerprintError;

/// Samples per channel of a block.
const FRAMES: usize = 8192;

/// Interleaved 16-bit samples, little end first.
pub(in crate::audio) struct Pcm<R> {
    reader: R,
    info: Info,
    bytes: Vec<u8>,
}

impl<R: Read> Pcm<R> {
    /// # Errors
    /// [`FingerprintError::Unsupported`] for rates and channels that no sound has.
    pub(in crate::audio) fn new(reader: R, rate: u32, channels: u32) -> Result<Self, FingerprintError> {
        let info = Info {
            rate,
            layout: Layout::new(channels as usize, None),
            codec: "pcm_s16le".to_owned(),
            container: String::new(),
            bit_depth: None,
            frames_announced: None,
            tags: Vec::new(),
        };
        info.check()?;
        Ok(Self { reader, info, bytes: Vec::new() })
    }
}

impl<R: Read> Source for Pcm<R> {
    fn info(&self) -> &Info {
        &self.info
    }

    fn next(&mut self, block: &mut Block) -> Result<bool, FingerprintError> {
        let channels = self.info.layout.channels();
        self.bytes.clear();
        let want = FRAMES * channels * 2;
        (&mut self.reader).take(want as u64).read_to_end(&mut self.bytes).map_err(FingerprintError::Io)?;
        let frame = channels * 2;
        let frames = self.bytes.len() / frame;
        block.planes.resize_with(channels, Vec::new);
        block.planes.iter_mut().for_each(Vec::clear);
        block.mono.clear();
        let part = 1.0 / (32768.0 * channels as f32);
        for samples in self.bytes.chunks_exact(frame) {
            let mut sum = 0_i32;
            for (plane, bytes) in block.planes.iter_mut().zip(samples.chunks_exact(2)) {
                let sample = i16::from_le_bytes([bytes[0], bytes[1]]);
                plane.push(sample);
                sum += i32::from(sample);
            }
            block.mono.push(sum as f32 * part);
        }
        Ok(frames > 0)
    }
}
