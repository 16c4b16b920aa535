//! From files to blocks of samples, one after the other: never the whole sound in memory.

mod claim;
mod convert;
mod foreign;
mod iff;
mod media;
mod native;
mod pcm;
mod probe;

use std::path::Path;

pub(super) use self::iff::{Chunk, Form, Outline};
pub(super) use self::pcm::Pcm;

use crate::vector::fast;
use crate::{FingerprintError, Limits, Tools};

/// Samples a second that are worth looking at. The reference can't fingerprint below either.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;
/// More channels than any layout has.
const CHANNELS_MAX: usize = 64;

/// Channels and, when known, the speakers they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    channels: usize,
    mask: Option<u64>,
}

impl Layout {
    /// `mask` as in WAVE files: one bit per speaker, channels in the order of the bits. Without one (or with
    /// one that does not fit) the usual layout for so many channels is taken.
    pub(super) fn new(channels: usize, mask: Option<u64>) -> Self {
        let fits = |mask: &u64| mask.count_ones() as usize == channels;
        Self { channels, mask: mask.filter(fits).or_else(|| usual(channels)) }
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn mask(&self) -> Option<u64> {
        self.mask
    }
}

/// What FFmpeg takes when a file does not tell.
fn usual(channels: usize) -> Option<u64> {
    match channels {
        // centre
        1 => Some(0x4),
        2 => Some(0x3),
        // 2.1, 4.0, 5.0, 5.1, 6.1, 7.1
        3 => Some(0xb),
        4 => Some(0x107),
        5 => Some(0x37),
        6 => Some(0x3f),
        7 => Some(0x70f),
        8 => Some(0x63f),
        _ => None,
    }
}

/// What is known before the first sample.
#[derive(Debug, Clone)]
pub(super) struct Info {
    /// Hz.
    pub(super) rate: u32,
    pub(super) layout: Layout,
    /// As ffprobe spells it: `mp3`, `pcm_s16le`, ...
    pub(super) codec: String,
    /// As ffprobe spells it.
    pub(super) container: String,
    /// Bits of a sample, of codecs without loss.
    pub(super) bit_depth: Option<u32>,
    /// Samples per channel that are expected; not to be believed.
    pub(super) frames_announced: Option<u64>,
    /// How long the sound is as headers say it.
    pub(super) claims: Vec<Claim>,
    /// Name and text, as [`super::metadata`] spells the names.
    pub(super) tags: Vec<(&'static str, String)>,
}

impl Info {
    /// # Errors
    /// [`FingerprintError::Unsupported`] for rates and channels that no sound has.
    fn check(&self) -> Result<(), FingerprintError> {
        if !RATES.contains(&self.rate) {
            let message = format!("sound with {} samples a second is not supported", self.rate);
            return Err(FingerprintError::unsupported(message));
        }
        match self.layout.channels() {
            0 => Err(FingerprintError::malformed("the sound has no channels")),
            1..=CHANNELS_MAX => Ok(()),
            more => Err(FingerprintError::unsupported(format!("sound with {more} channels is not supported"))),
        }
    }
}

/// What a header says of the length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Claim {
    Seconds(f64),
    /// The sound is longer than that by this factor.
    Of(f64),
}

impl Claim {
    /// In seconds, of a sound that is `seconds` long.
    pub(super) fn seconds(self, seconds: f64) -> f64 {
        match self {
            Self::Seconds(claimed) => claimed,
            Self::Of(factor) => seconds / factor,
        }
    }
}

/// Some samples, in both forms that are needed. Reused from one to the next.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// 16-bit samples, one vector per channel, all equally long.
    pub(super) planes: Vec<Vec<i16>>,
    /// The mean of all channels, 1 is full scale; always finite.
    pub(super) mono: Vec<f32>,
}

impl Block {
    /// Fills the block from interleaved 16-bit samples; how many per channel. An incomplete last one is left out.
    fn fill_from_s16le(&mut self, bytes: &[u8], channels: usize) -> usize {
        self.planes.resize_with(channels, Vec::new);
        let part = 1.0 / (32768.0 * channels as f32);
        if let [left, right] = &mut self.planes[..] {
            let (pairs, _) = bytes.as_chunks::<4>();
            left.resize(pairs.len(), 0);
            right.resize(pairs.len(), 0);
            self.mono.resize(pairs.len(), 0.0);
            fast!(split_pairs(pairs, left, right, &mut self.mono, part));
            return pairs.len();
        }
        self.planes.iter_mut().for_each(Vec::clear);
        self.mono.clear();
        for samples in bytes.chunks_exact(channels * 2) {
            let mut sum = 0_i32;
            for (plane, bytes) in self.planes.iter_mut().zip(samples.chunks_exact(2)) {
                let sample = i16::from_le_bytes([bytes[0], bytes[1]]);
                plane.push(sample);
                sum += i32::from(sample);
            }
            self.mono.push(sum as f32 * part);
        }
        self.mono.len()
    }
}

/// Left and right of `pairs`, and their sum times `part`.
#[inline(always)]
fn split_pairs(pairs: &[[u8; 4]], left: &mut [i16], right: &mut [i16], mono: &mut [f32], part: f32) {
    for (((pair, left), right), mono) in pairs.iter().zip(left).zip(right).zip(mono) {
        *left = i16::from_le_bytes([pair[0], pair[1]]);
        *right = i16::from_le_bytes([pair[2], pair[3]]);
        *mono = (i32::from(*left) + i32::from(*right)) as f32 * part;
    }
}

/// Asked now and then whether to go on; an error ends the work.
pub(super) type Watch<'a> = dyn FnMut() -> Result<(), FingerprintError> + 'a;

/// How it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The block has been filled.
    Block,
    End,
    /// The file has more sound, which this source can't read: another one has to, from the start.
    Elsewhere,
}

/// Gives blocks.
pub(super) trait Source {
    fn info(&self) -> &Info;

    /// Fills `block` with at least one sample per channel.
    ///
    /// # Errors
    /// [`FingerprintError::Malformed`] when nothing after this point can be made sense of and nothing came before.
    fn next(&mut self, block: &mut Block, watch: &mut Watch<'_>) -> Result<Next, FingerprintError>;

    /// Tags that only turned up on the way, such as those at the end of the file.
    fn late_tags(&mut self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// Opens the file at `path`: in this process when it can be decoded here, otherwise with ffmpeg.
///
/// # Errors
/// See [`FingerprintError`].
pub(super) fn open(
    path: &Path,
    tools: &Tools,
    limits: &Limits,
    watch: &mut Watch<'_>,
) -> Result<Box<dyn Source>, FingerprintError> {
    let (reason, known) = match native::open(path, false)? {
        Opened::Here(source) => {
            source.info().check()?;
            return Ok(source);
        }
        Opened::Elsewhere(reason, known) => (reason, known),
    };
    match foreign(path, known, tools, limits, watch) {
        // What was found out here says more than that ffmpeg can't do it either.
        Err(FingerprintError::Malformed(_) | FingerprintError::Unsupported(_)) => Err(reason),
        opened => opened,
    }
}

/// Opens a file again that has more sound than `known`, the source of [`open`], could read. Where ffmpeg can't read it
/// either, that source is taken as far as it goes.
///
/// # Errors
/// See [`FingerprintError`].
pub(super) fn open_elsewhere(
    path: &Path,
    known: Info,
    tools: &Tools,
    limits: &Limits,
    watch: &mut Watch<'_>,
) -> Result<Box<dyn Source>, FingerprintError> {
    match foreign(path, Some(known), tools, limits, watch) {
        Err(reason @ (FingerprintError::Malformed(_) | FingerprintError::Unsupported(_))) => {
            match native::open(path, true)? {
                Opened::Here(source) => Ok(source),
                Opened::Elsewhere(..) => Err(reason),
            }
        }
        opened => opened,
    }
}

fn foreign(
    path: &Path,
    known: Option<Info>,
    tools: &Tools,
    limits: &Limits,
    watch: &mut Watch<'_>,
) -> Result<Box<dyn Source>, FingerprintError> {
    let source = foreign::Foreign::open(path, known, tools, limits, watch)?;
    source.info().check()?;
    Ok(Box::new(source))
}

/// What a look at a file has led to.
enum Opened {
    Here(Box<dyn Source>),
    /// Why not here, and what is known nevertheless.
    Elsewhere(FingerprintError, Option<Info>),
}
