//! Sound that somebody else has decoded already, from a pipe.

use std::io::Read;

use super::{Block, Info, Layout, Next, Source, Watch};
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
            claims: Vec::new(),
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

    fn next(&mut self, block: &mut Block, _watch: &mut Watch<'_>) -> Result<Next, FingerprintError> {
        let channels = self.info.layout.channels();
        self.bytes.clear();
        let wanted = FRAMES * channels * 2;
        (&mut self.reader).take(wanted as u64).read_to_end(&mut self.bytes).map_err(FingerprintError::Io)?;
        Ok(if block.fill_from_s16le(&self.bytes, channels) > 0 { Next::Block } else { Next::End })
    }
}
