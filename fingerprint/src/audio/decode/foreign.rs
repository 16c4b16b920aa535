//! Files that ffmpeg has to decode: as a child process, through a pipe, as 16-bit samples in a WAVE stream.

use std::ffi::OsString;
use std::path::Path;

use super::probe::probe;
use super::{Block, Claim, Info, Layout, Next, Source, Watch};
use crate::audio::tags;
use crate::video::child::{Budget, Child, input};
use crate::{FingerprintError, Limits, Tools};

/// Demuxers that may read sound. What playlists and scripts would need is left out.
pub(super) const FORMATS: &str = "wav,w64,mp3,aac,flac,ogg,mov,matroska,aiff,caf,wv,ape,tta,ac3,amr";
/// Samples per channel of a block.
const FRAMES: usize = 8192;
/// Seconds of sound that one byte is worth at most, at the lowest rate of any codec (half a kilobyte a second), for
/// the budget of time.
const SECONDS_PER_BYTE: f64 = 1.0 / 512.0;
/// Bytes of the header of the stream that are read at most.
const HEADER_BYTES_MAX: usize = 4096;

/// A running decoder.
pub(super) struct Foreign {
    child: Option<Child>,
    info: Info,
    bytes: Vec<u8>,
    frames: u64,
}

impl Foreign {
    /// `known`: what a look at the file has told already, if anything.
    ///
    /// # Errors
    /// [`FingerprintError::Malformed`] when ffmpeg finds no sound, [`FingerprintError::Unsupported`] when it is not
    /// installed, [`FingerprintError::LimitExceeded`], [`FingerprintError::Io`].
    pub(super) fn open(
        path: &Path,
        known: Option<Info>,
        tools: &Tools,
        limits: &Limits,
        watch: &mut Watch<'_>,
    ) -> Result<Self, FingerprintError> {
        let file_size = std::fs::metadata(path).map_err(FingerprintError::Io)?.len();
        let seconds = (file_size as f64 * SECONDS_PER_BYTE).min(limits.audio_seconds_max as f64);
        let mut arguments: Vec<OsString> = ["-nostdin", "-v", "error"].map(OsString::from).into();
        arguments.extend(input(path, FORMATS).map_err(FingerprintError::Io)?);
        // One second more than is allowed, so that a longer sound is noticed.
        let duration = limits.audio_seconds_max.saturating_add(1).to_string();
        let output = ["-vn", "-sn", "-dn", "-t", &duration, "-c:a", "pcm_s16le", "-bitexact", "-f", "wav", "pipe:1"];
        arguments.extend(output.map(OsString::from));
        let mut child = Child::spawn(&tools.ffmpeg, "ffmpeg", arguments, Budget::new(limits, seconds))?;
        let Some(header) = Header::read(&mut child, watch)? else {
            child.finish(watch)?.check("sound")?;
            return Err(FingerprintError::malformed("the file has no sound in it"));
        };
        let info = header.info(known, probe(path, tools, limits, watch)?);
        Ok(Self { child: Some(child), info, bytes: Vec::new(), frames: 0 })
    }
}

impl Source for Foreign {
    fn info(&self) -> &Info {
        &self.info
    }

    fn next(&mut self, block: &mut Block, watch: &mut Watch<'_>) -> Result<Next, FingerprintError> {
        let Some(child) = &mut self.child else { return Ok(Next::End) };
        let channels = self.info.layout.channels();
        self.bytes.resize(FRAMES * channels * 2, 0);
        let count = child.fill(&mut self.bytes, watch)?;
        let frames = block.fill_from_s16le(&self.bytes[..count], channels);
        self.frames += frames as u64;
        if frames > 0 {
            return Ok(Next::Block);
        }
        if let Some(child) = self.child.take() {
            let ending = child.finish(watch)?;
            // A file that ends early has given what it has.
            if self.frames == 0 {
                ending.check("sound")?;
            }
        }
        Ok(Next::End)
    }
}

/// What a WAVE header says.
struct Header {
    rate: u32,
    channels: u16,
    mask: Option<u64>,
}

impl Header {
    /// Up to the first sample; `None` when there is no such header.
    fn read(child: &mut Child, watch: &mut Watch<'_>) -> Result<Option<Self>, FingerprintError> {
        let mut start = [0; 12];
        if child.fill(&mut start, watch)? < start.len() || &start[..4] != b"RIFF" || &start[8..] != b"WAVE" {
            return Ok(None);
        }
        let mut found = None;
        let mut read = 0;
        loop {
            let mut chunk = [0; 8];
            if child.fill(&mut chunk, watch)? < chunk.len() {
                return Ok(None);
            }
            if &chunk[..4] == b"data" {
                return Ok(found);
            }
            let length = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]) as usize;
            read += length;
            if read > HEADER_BYTES_MAX {
                return Ok(None);
            }
            let mut body = vec![0; length + length % 2];
            if child.fill(&mut body, watch)? < body.len() {
                return Ok(None);
            }
            if &chunk[..4] == b"fmt " {
                found = Self::format(&body);
            }
        }
    }

    /// What there is to say of the sound: `known` from a look at the file here, and from ffprobe.
    fn info(&self, known: Option<Info>, probed: super::probe::Probed) -> Info {
        let mut info = known.unwrap_or(Info {
            rate: self.rate,
            layout: Layout::new(0, None),
            codec: String::new(),
            container: String::new(),
            bit_depth: None,
            frames_announced: None,
            claims: Vec::new(),
            tags: Vec::new(),
        });
        info.rate = self.rate;
        info.layout = Layout::new(usize::from(self.channels), self.mask);
        let told = |text: &str| !text.is_empty() && text != "unknown";
        if !told(&info.codec) {
            info.codec = probed.codec.filter(|codec| told(codec)).unwrap_or_else(|| "unknown".to_owned());
        }
        if !told(&info.container) {
            info.container = probed.container;
        }
        info.bit_depth = info.bit_depth.or(probed.bit_depth);
        info.claims.extend(probed.claims.into_iter().map(Claim::Seconds));
        tags::merge(&mut info.tags, probed.tags);
        info
    }

    fn format(body: &[u8]) -> Option<Self> {
        let half = |at: usize| Some(u16::from_le_bytes([*body.get(at)?, *body.get(at + 1)?]));
        let whole = |at: usize| Some(u32::from(half(at)?) | u32::from(half(at + 2)?) << 16);
        Some(Self { channels: half(2)?, rate: whole(4)?, mask: whole(20).map(u64::from) })
    }
}
