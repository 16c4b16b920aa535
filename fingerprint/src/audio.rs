//! Sound.
//!
//! One decode pass feeds everything: the 16-bit samples go to [`chromaprint`], their mean as floats goes to the
//! spectral block and to the pictures. Memory does not depend on the length, apart from the fingerprint itself.

mod chromaprint;
mod decode;
mod metadata;
mod picture;
mod resample;
mod spectral;
mod tags;
mod transform;

use std::io::Read;
use std::path::Path;

use metastamp_protocol::fingerprint::{Algorithms, Chromaprint, SpectralData, algorithm};

pub use self::chromaprint::decompress;
use self::decode::{Block, Next, Pcm, Source};
use self::picture::{Spectrogram, Waveform};
use crate::progress::step;
use crate::{EncodedPicture, FingerprintError, Limits, Metadata, Progress, Tools};

/// What [`fingerprint`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioFingerprint {
    pub chromaprint: Chromaprint,
    pub spectral_data: SpectralData,
    /// ISCC Audio-Code, 64 bits. Empty when the sound is shorter than about 2.7 seconds: then there is none.
    pub iscc_content: String,
    pub metadata: Metadata,
    /// `waveform` and `spectrogram`.
    pub pictures: Vec<EncodedPicture>,
    pub algorithms: Algorithms,
}

/// Fingerprint of the audio file at `path`. Broken parts are left out; a file that ends early counts as far as it goes.
///
/// # Errors
/// [`FingerprintError::Malformed`] when there is no sound in it, [`FingerprintError::Unsupported`] when it is of a kind
/// that can't be decoded, [`FingerprintError::LimitExceeded`] when it is longer than `audio_seconds_max`,
/// [`FingerprintError::Cancelled`], [`FingerprintError::Io`].
pub fn fingerprint(
    path: &Path,
    tools: &Tools,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<AudioFingerprint, FingerprintError> {
    let file_size = std::fs::metadata(path).map_err(FingerprintError::Io)?.len();
    // A sound may be read twice, but progress does not go back.
    let mut highest = 0;
    let progress: &mut dyn Progress = &mut |percent: u8| {
        highest = percent.max(highest);
        progress.report(highest)
    };
    let mut source = decode::open(path, tools, limits, &mut || step(progress, 0))?;
    if let Some(found) = analyse(&mut *source, Some(file_size), limits, progress)? {
        return Ok(found);
    }
    let known = source.info().clone();
    drop(source);
    let mut source = decode::open_elsewhere(path, known, tools, limits, &mut || step(progress, 0))?;
    analyse(&mut *source, Some(file_size), limits, progress)?.ok_or_else(no_sound)
}

fn no_sound() -> FingerprintError {
    FingerprintError::malformed("the file has no sound in it")
}

/// Fingerprint of sound that is decoded already, such as a track of a video: interleaved signed 16-bit samples, little
/// end first, until `reader` ends. `rate` in Hz. The same as [`fingerprint`] of these samples in a WAVE file, but that
/// the metadata know nothing of a file.
///
/// # Errors
/// As [`fingerprint`].
pub fn from_pcm(
    reader: impl Read,
    rate: u32,
    channels: u32,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<AudioFingerprint, FingerprintError> {
    analyse(&mut Pcm::new(reader, rate, channels)?, None, limits, progress)?.ok_or_else(no_sound)
}

/// Samples per channel between two reports of progress.
const REPORT_EVERY: u64 = 1 << 17;

/// `None` when another source has to read the sound.
fn analyse(
    source: &mut dyn Source,
    file_size: Option<u64>,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<Option<AudioFingerprint>, FingerprintError> {
    let info = source.info().clone();
    let frames_max = limits.audio_seconds_max.saturating_mul(u64::from(info.rate));
    let mut chromaprint = chromaprint::Fingerprinter::new(info.rate, &info.layout);
    let mut spectral = spectral::Spectral::new(info.rate);
    let (mut waveform, mut spectrogram) = (Waveform::new(), Spectrogram::new());
    let mut block = Block::default();
    let (mut frames, mut reported) = (0_u64, 0_u64);
    step(progress, 0)?;
    loop {
        match source.next(&mut block, &mut || step(progress, percent(frames, info.frames_announced)))? {
            Next::Block => {}
            Next::End => break,
            Next::Elsewhere => return Ok(None),
        }
        frames += block.mono.len() as u64;
        if frames > frames_max {
            let message = format!("sound is longer than {} seconds", limits.audio_seconds_max);
            return Err(FingerprintError::limit("audio_seconds_max", message));
        }
        chromaprint.push(&block.planes);
        spectral.push(&block.mono, &mut |mel| spectrogram.push(mel))?;
        waveform.push(&block.mono);
        if frames - reported >= REPORT_EVERY {
            reported = frames;
            step(progress, percent(frames, info.frames_announced))?;
        }
    }
    if frames == 0 {
        return Err(no_sound());
    }
    step(progress, 95)?;
    let chromaprint = chromaprint.finish();
    let spectral_data = spectral.finish(&mut |mel| spectrogram.push(mel))?;
    let seconds = frames as f64 / f64::from(info.rate);
    let mut tags = info.tags.clone();
    tags.extend(source.late_tags().into_iter().filter(|(name, _)| !info.tags.iter().any(|(known, _)| known == name)));
    let fingerprint = AudioFingerprint {
        iscc_content: iscc_content(chromaprint.items())?,
        chromaprint,
        spectral_data,
        metadata: metadata::of(&info, tags, frames, file_size),
        pictures: vec![waveform.finish(seconds)?, spectrogram.finish(seconds)?],
        algorithms: Algorithms::from([
            ("chromaprint", algorithm::CHROMAPRINT),
            ("mel_spectrogram_hash", algorithm::MEL_SPECTROGRAM_HASH),
            ("chromagram_hash", algorithm::CHROMAGRAM_HASH),
            ("spectral_data", algorithm::SPECTRAL_DATA),
            ("iscc_content", algorithm::ISCC_AUDIO),
        ]),
    };
    step(progress, 100)?;
    Ok(Some(fingerprint))
}

/// Of the part that took most time; the rest is for the end.
fn percent(frames: u64, announced: Option<u64>) -> u8 {
    announced.filter(|all| *all > 0).map_or(50, |all| (frames.saturating_mul(95) / all).min(95) as u8)
}

/// The ISCC Audio-Code of the items, as iscc-sdk makes it: of the whole length, items as signed numbers. Empty when
/// the sound is too short for a single item: the code of nothing would be that of every such sound.
fn iscc_content(raw: &[u32]) -> Result<String, FingerprintError> {
    if raw.is_empty() {
        return Ok(String::new());
    }
    let signed: Vec<i32> = raw.iter().map(|item| item.cast_signed()).collect();
    iscc_lib::gen_audio_code_v0(&signed, 64)
        .map(|code| code.iscc)
        .map_err(|_| FingerprintError::malformed("the sound has no content code"))
}

/// To so many decimals.
fn rounded(value: f64, decimals: i32) -> f64 {
    let factor = 10_f64.powi(decimals);
    (value * factor).round() / factor
}
