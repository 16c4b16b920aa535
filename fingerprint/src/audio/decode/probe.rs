//! What `ffprobe` tells of a file that ffmpeg has to decode.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::Watch;
use super::foreign::FORMATS;
use crate::audio::tags;
use crate::video::child::{Budget, Child, input};
use crate::{FingerprintError, Limits, Tools};

/// Bytes of the answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const ENTRIES: &str = "format=format_name,duration:format_tags:\
    stream=codec_type,codec_name,channels,duration,bits_per_sample,bits_per_raw_sample:\
    stream_tags:stream_disposition=default";
/// Streams without a header that tells their length: ffprobe guesses it from the bit rate.
const WITHOUT_LENGTH: [&str; 6] = ["mp3", "aac", "ac3", "eac3", "amr", "dts"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Format {
    format_name: String,
    duration: Option<String>,
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stream {
    codec_type: Option<String>,
    codec_name: Option<String>,
    channels: u32,
    duration: Option<String>,
    bits_per_sample: u32,
    bits_per_raw_sample: Option<String>,
    disposition: Disposition,
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Disposition {
    default: u8,
}

/// The sound of a file.
#[derive(Debug, Default)]
pub(super) struct Probed {
    pub(super) codec: Option<String>,
    pub(super) container: String,
    /// Of codecs without loss.
    pub(super) bit_depth: Option<u32>,
    /// Seconds, as the headers say them; they need not agree with each other.
    pub(super) claims: Vec<f64>,
    pub(super) tags: Vec<(&'static str, String)>,
}

/// What can be found out; nothing where `ffprobe` has no answer.
///
/// # Errors
/// Those of `watch`.
pub(super) fn probe(
    path: &Path,
    tools: &Tools,
    limits: &Limits,
    watch: &mut Watch<'_>,
) -> Result<Probed, FingerprintError> {
    match ask(path, tools, limits, watch) {
        Ok(answer) => Ok(answer.map(Probed::from).unwrap_or_default()),
        Err(error @ (FingerprintError::Cancelled | FingerprintError::Io(_))) => Err(error),
        Err(_) => Ok(Probed::default()),
    }
}

fn ask(path: &Path, tools: &Tools, limits: &Limits, watch: &mut Watch<'_>) -> Result<Option<Answer>, FingerprintError> {
    let options = ["-v", "error", "-print_format", "json", "-show_entries", ENTRIES];
    let arguments = options.into_iter().map(Into::into).chain(input(path, FORMATS)?);
    let mut child = Child::spawn(&tools.ffprobe, "ffprobe", arguments, Budget::new(limits, 0.0))?;
    let answer = child.read_all(ANSWER_BYTES_MAX, watch)?;
    child.finish(watch)?;
    Ok(answer.and_then(|answer| serde_json::from_slice(&answer).ok()))
}

impl From<Answer> for Probed {
    fn from(Answer { streams, format }: Answer) -> Self {
        // The choice of ffmpeg: the one marked as default, then the one with most channels, the first of equals.
        let stream = streams
            .into_iter()
            .filter(|stream| stream.codec_type.as_deref() == Some("audio"))
            .rev()
            .max_by_key(|stream| (stream.disposition.default, stream.channels))
            .unwrap_or_default();
        let seconds = |text: &Option<String>| text.as_deref()?.parse::<f64>().ok().filter(|s| s.is_finite());
        let tells = !WITHOUT_LENGTH.contains(&format.format_name.as_str());
        let claims = [seconds(&stream.duration), seconds(&format.duration)].into_iter().flatten();
        let raw = stream.bits_per_raw_sample.as_deref().and_then(|bits| bits.parse().ok());
        let bits = raw.or(Some(stream.bits_per_sample)).filter(|bits| *bits > 0);
        Self {
            bit_depth: bits.filter(|_| stream.codec_name.as_deref().is_some_and(is_lossless)),
            claims: claims.filter(|_| tells).collect(),
            tags: tags::of_ffprobe(format.tags.iter().chain(&stream.tags)),
            codec: stream.codec_name,
            container: format.format_name,
        }
    }
}

fn is_lossless(codec: &str) -> bool {
    codec.starts_with("pcm_") || matches!(codec, "flac" | "alac" | "wavpack" | "ape" | "tta" | "mlp" | "truehd")
}
