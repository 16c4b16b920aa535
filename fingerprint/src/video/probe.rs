//! What `ffprobe` tells of a file, and the metadata made of it.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::child::{Budget, Child, Watch, input};
use super::extent::{Extent, measure};
use super::sound::Track;
use crate::{FingerprintError, Limits, Metadata, Tools};

/// Demuxers that may read a video, as ffmpeg names them. What playlists, scripts and image patterns would need is left
/// out.
pub(super) const FORMATS: &str = "mov,avi,matroska";
/// Frames per second of a file that does not tell them.
const FPS_UNKNOWN: f64 = 30.0;
/// Bytes of the answer; what is asked for takes a few hundred per stream.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Preference of ffmpeg for the stream that is marked as default, in pixels.
const DEFAULT_STREAM_PIXELS: u64 = 5_000_000;
/// Bytes that a second takes at least, for the budget of time: 400 kbit/s.
const BYTES_PER_SECOND: f64 = 50_000.0;
/// Seconds and frames that a header may be off without being wrong.
const SECONDS_OFF: f64 = 0.25;
const FRAMES_OFF: u64 = 2;
/// Seconds behind the last sampled frame and the sound that are not looked into.
const SECONDS_OPEN: f64 = 1.0;
/// Characters of a tag that are kept.
const TAG_CHARS_MAX: usize = 256;
/// Entries of the answer that are of interest.
const ENTRIES: &str = "format=format_name,duration,bit_rate:format_tags=title,artist,creation_time,encoder:\
    stream=index,codec_type,codec_name,codec_long_name,codec_tag_string,profile,width,height,pix_fmt,\
    sample_aspect_ratio,display_aspect_ratio,avg_frame_rate,r_frame_rate,duration,nb_frames,bit_rate,sample_rate,\
    channels,color_space,color_transfer,field_order:stream_disposition=default,attached_pic:stream_tags=rotate:\
    stream_side_data=rotation";

#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Format {
    duration: Option<String>,
    bit_rate: Option<String>,
    format_name: Option<String>,
    tags: Tags,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tags {
    title: Option<String>,
    artist: Option<String>,
    creation_time: Option<String>,
    encoder: Option<String>,
    rotate: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stream {
    index: u32,
    codec_type: Option<String>,
    codec_name: Option<String>,
    codec_long_name: Option<String>,
    codec_tag_string: Option<String>,
    profile: Option<String>,
    width: u32,
    height: u32,
    pix_fmt: Option<String>,
    sample_aspect_ratio: Option<String>,
    display_aspect_ratio: Option<String>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    duration: Option<String>,
    nb_frames: Option<String>,
    bit_rate: Option<String>,
    sample_rate: Option<String>,
    channels: Option<u32>,
    color_space: Option<String>,
    color_transfer: Option<String>,
    field_order: Option<String>,
    disposition: Disposition,
    tags: Tags,
    side_data_list: Vec<SideData>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Disposition {
    default: u8,
    attached_pic: u8,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SideData {
    rotation: Option<f64>,
}

impl Stream {
    fn is_video(&self) -> bool {
        self.codec_type.as_deref() == Some("video")
    }

    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Frames that the header says there are.
    fn told_frames(&self) -> Option<u64> {
        self.nb_frames.as_deref().and_then(|count| count.parse().ok()).filter(|&count: &u64| count > 0)
    }

    fn fps(&self) -> Option<f64> {
        let rate = |text: &Option<String>| text.as_deref().and_then(ratio).filter(|&fps| fps > 0.0);
        rate(&self.avg_frame_rate).or_else(|| rate(&self.r_frame_rate))
    }

    /// Degrees counter-clockwise, 0 to 359, as ffprobe tells them.
    fn rotation(&self) -> i64 {
        let matrix = self.side_data_list.iter().find_map(|data| data.rotation);
        // Older versions tell of a tag, which counts clockwise.
        let tag = || self.tags.rotate.as_deref().and_then(|text| text.parse::<f64>().ok()).map(|degrees| -degrees);
        matrix.or_else(tag).filter(|degrees| degrees.is_finite()).map_or(0, |degrees| degrees.round() as i64)
    }
}

/// What is in a video file.
#[derive(Debug)]
pub(super) struct Probe {
    video: Stream,
    audio: Option<Stream>,
    format: Format,
    file_size: u64,
    /// Frames per second, [`FPS_UNKNOWN`] when the file does not tell.
    pub(super) fps: f64,
    /// Frames the file says it has, or as many as its length would hold.
    pub(super) frame_count: u64,
    /// Seconds of the file, 0 when unknown.
    pub(super) duration: f64,
    /// What the header says where the packets say something else.
    header_duration: Option<f64>,
    header_frame_count: Option<u64>,
}

/// Asks `ffprobe` about the file at `path`.
///
/// # Errors
/// [`FingerprintError::Malformed`] when it can't be read or has no video track, [`FingerprintError::LimitExceeded`]
/// when what it announces is too much.
pub(super) fn probe(
    path: &Path,
    tools: &Tools,
    limits: &Limits,
    watch: &mut Watch<'_>,
) -> Result<Probe, FingerprintError> {
    let file_size = std::fs::metadata(path)?.len();
    let options = ["-v", "error", "-print_format", "json", "-show_entries", ENTRIES];
    let arguments = options.into_iter().map(Into::into).chain(input(path, FORMATS)?);
    let mut child = Child::spawn(&tools.ffprobe, "ffprobe", arguments, Budget::new(limits, 0.0))?;
    let answer = child.read_all(ANSWER_BYTES_MAX, watch)?;
    let Some(answer) = answer else { return Err(FingerprintError::malformed("video has too many tracks")) };
    child.finish(watch)?.check("video")?;
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|_| FingerprintError::malformed("video could not be read"))?;
    let mut probe = Probe::new(answer, file_size, limits)?;
    let most = limits.video_seconds_max as f64;
    if probe.duration > most {
        let seconds = file_size as f64 / BYTES_PER_SECOND;
        probe.correct(measure(path, probe.index(), seconds, tools, limits, watch)?);
    }
    if probe.duration > most {
        let message = format!("video is {:.0} seconds long, at most {most} are allowed", probe.duration);
        return Err(FingerprintError::limit("video_seconds_max", message));
    }
    Ok(probe)
}

impl Probe {
    fn new(answer: Answer, file_size: u64, limits: &Limits) -> Result<Self, FingerprintError> {
        let Answer { mut streams, format } = answer;
        let has_cover = streams.iter().any(|stream| stream.is_video() && stream.disposition.attached_pic != 0);
        let audio = streams.iter().position(|stream| stream.codec_type.as_deref() == Some("audio"));
        let audio = audio.map(|at| std::mem::take(&mut streams[at]));
        // The choice of ffmpeg, and so of iscc-sdk: the largest, the first of equals.
        let video = streams
            .into_iter()
            .filter(|stream| stream.is_video() && stream.disposition.attached_pic == 0)
            .rev()
            .max_by_key(|stream| stream.pixels() + u64::from(stream.disposition.default) * DEFAULT_STREAM_PIXELS);
        let Some(video) = video else {
            let but = if has_cover { ", only a cover picture" } else { "" };
            return Err(FingerprintError::malformed(format!("file has no video track{but}")));
        };
        if video.width == 0 || video.height == 0 {
            return Err(FingerprintError::malformed("video has no picture size"));
        }
        let pixels = video.pixels();
        if pixels > limits.video_pixels_max {
            let (width, height, most) = (video.width, video.height, limits.video_pixels_max);
            let message = format!("frames of {width}x{height} have {pixels} pixels, at most {most} are allowed");
            return Err(FingerprintError::limit("video_pixels_max", message));
        }
        let fps = video.fps();
        let track = seconds(&video.duration);
        let told = video.told_frames();
        let duration = seconds(&format.duration).or(track);
        let duration = duration.unwrap_or_else(|| told.zip(fps).map_or(0.0, |(count, fps)| count as f64 / fps));
        let fps = fps.unwrap_or(FPS_UNKNOWN);
        let frame_count = told.unwrap_or_else(|| (track.unwrap_or(duration) * fps).round() as u64);
        let (header_duration, header_frame_count) = (None, None);
        Ok(Self { video, audio, format, file_size, fps, frame_count, duration, header_duration, header_frame_count })
    }

    /// Whether the header can't be right, after `sampled` frames came out, one in every `step`, the last of them
    /// `last` seconds from the start, and `sound` seconds of sound.
    pub(super) fn is_doubtful(&self, sampled: u64, step: u64, last: f64, sound: f64) -> bool {
        let more = self.frame_count.saturating_add(step) <= sampled.saturating_sub(1).saturating_mul(step);
        let fewer = self.frame_count > sampled.saturating_add(1).saturating_mul(step);
        let end = last + step as f64 / self.fps + SECONDS_OPEN;
        let track = seconds(&self.video.duration);
        let shorter = self.duration + SECONDS_OFF < last.max(sound) || track.is_some_and(|s| s + SECONDS_OFF < last);
        let longer = self.duration > end.max(sound + SECONDS_OPEN) || track.is_some_and(|track| track > end);
        more || fewer || shorter || longer
    }

    /// Takes what was measured for true.
    pub(super) fn correct(&mut self, extent: Extent) {
        if extent.frames == 0 {
            return;
        }
        let off =
            |claimed: Option<f64>, seconds: f64| claimed.filter(|claimed| (claimed - seconds).abs() > SECONDS_OFF);
        let file = off(seconds(&self.format.duration), extent.end);
        self.header_duration = file.or(off(seconds(&self.video.duration), extent.video_end));
        if off(Some(self.duration), extent.end).is_some() {
            self.duration = extent.end;
        }
        // Some count one frame more or less than there are, which says nothing.
        if self.frame_count.abs_diff(extent.frames) > FRAMES_OFF {
            self.header_frame_count = self.video.told_frames();
            self.frame_count = extent.frames;
        }
    }

    /// Of the video track, for `-map 0:INDEX`.
    pub(super) fn index(&self) -> u32 {
        self.video.index
    }

    /// The first audio track, when the file tells enough of it.
    pub(super) fn track(&self) -> Option<Track> {
        let audio = self.audio.as_ref()?;
        let rate = audio.sample_rate.as_deref()?.parse().ok()?;
        Some(Track { index: audio.index, rate, channels: audio.channels?, codec: audio.codec_name.clone() })
            .filter(|track| track.rate > 0 && track.channels > 0)
    }

    /// Width and height of the frames after ffmpeg has turned them as the file asks for.
    pub(super) fn frame_size(&self) -> (u32, u32) {
        let Stream { width, height, .. } = self.video;
        // ffmpeg turns by exactly these; other angles keep the size.
        if self.video.rotation().rem_euclid(180) == 90 { (height, width) } else { (width, height) }
    }

    /// Width over height as people see a frame of [`frame_size`](Self::frame_size): pixels need not be square.
    pub(super) fn display_ratio(&self) -> f64 {
        let (width, height) = self.frame_size();
        let pixel =
            self.video.sample_aspect_ratio.as_deref().and_then(ratio).filter(|pixel| (0.1..10.0).contains(pixel));
        let pixel = pixel.unwrap_or(1.0);
        let turned = (width, height) != (self.video.width, self.video.height);
        f64::from(width) / f64::from(height) * if turned { 1.0 / pixel } else { pixel }
    }

    /// Each frame is a keyframe: a pass over keyframes would be the whole work.
    pub(super) fn is_intra_only(&self) -> bool {
        let codec = self.video.codec_name.as_deref().unwrap_or_default();
        const INTRA: [&str; 12] = [
            "mjpeg", "prores", "dnxhd", "rawvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "v210", "dvvideo", "png",
            "cfhd",
        ];
        INTRA.contains(&codec)
    }

    /// Seconds to budget for: what the file says, or what its bytes would hold at 400 kbit/s.
    pub(super) fn budget_seconds(&self) -> f64 {
        self.duration.max(self.file_size as f64 / BYTES_PER_SECOND)
    }

    /// The metadata of DOMAIN.md and what people ask about.
    pub(super) fn metadata(&self) -> Metadata {
        let video = &self.video;
        let mut metadata = Metadata::new();
        let mut put = |key: &str, value: serde_json::Value| {
            metadata.insert(key.into(), value);
        };
        let whole = self.duration as u64;
        let codec = video.codec_name.clone().unwrap_or_else(|| "unknown".into());
        // Without a printable tag ffprobe writes its bytes: `[0][0][0][0]`.
        let tag = video.codec_tag_string.clone().filter(|tag| !tag.contains('[')).unwrap_or_else(|| codec.clone());
        put("width", json!(video.width));
        put("height", json!(video.height));
        put("resolution", json!(format!("{}x{}", video.width, video.height)));
        put("frame_rate", json!(rounded(self.fps, 1_000.0)));
        put("frame_count", json!(self.frame_count));
        put("duration", json!(rounded(self.duration, 1_000.0)));
        if let Some(claimed) = self.header_duration {
            put("header_duration", json!(rounded(claimed, 1_000.0)));
        }
        if let Some(claimed) = self.header_frame_count {
            put("header_frame_count", json!(claimed));
        }
        put("duration_formatted", json!(format!("{:02}:{:02}:{:02}", whole / 3_600, whole / 60 % 60, whole % 60)));
        put("codec_name", json!(codec_name(&tag, &codec, video.codec_long_name.as_deref())));
        put("codec", json!(tag));
        put("video_codec", json!(codec));
        put("file_size", json!(self.file_size));
        put("rotation", json!(video.rotation()));
        put("has_audio", json!(self.audio.is_some()));
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
        let audio = self.audio.as_ref();
        let numbers = [
            ("bit_rate", number(&self.format.bit_rate)),
            ("video_bit_rate", number(&video.bit_rate)),
            ("audio_sample_rate", audio.and_then(|audio| number(&audio.sample_rate))),
            ("audio_channels", audio.and_then(|audio| audio.channels).map(u64::from)),
        ];
        for (key, value) in numbers {
            if let Some(value) = value {
                put(key, json!(value));
            }
        }
        let tags = &self.format.tags;
        let texts = [
            ("container", &self.format.format_name),
            ("profile", &video.profile),
            ("pixel_format", &video.pix_fmt),
            ("display_aspect_ratio", &video.display_aspect_ratio),
            ("color_space", &video.color_space),
            ("color_transfer", &video.color_transfer),
            ("field_order", &video.field_order),
            ("title", &tags.title),
            ("artist", &tags.artist),
            ("creation_time", &tags.creation_time),
            ("encoder", &tags.encoder),
        ];
        let audio_codec = audio.and_then(|audio| audio.codec_name.as_ref());
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)));
        for (key, text) in texts.chain(audio_codec.map(|codec| ("audio_codec", codec))) {
            put(key, json!(text.chars().take(TAG_CHARS_MAX).collect::<String>()));
        }
        metadata
    }
}

/// Of a length as ffprobe writes it.
fn seconds(text: &Option<String>) -> Option<f64> {
    text.as_deref().and_then(|text| text.parse::<f64>().ok()).filter(|seconds| *seconds >= 0.0)
}

/// `30000/1001` or `16:11` as a number.
fn ratio(text: &str) -> Option<f64> {
    let (above, below) = text.split_once(['/', ':'])?;
    let (above, below) = (above.parse::<f64>().ok()?, below.parse::<f64>().ok()?);
    Some(above / below).filter(|ratio| ratio.is_finite())
}

/// `value` to the nearest `1 / parts`.
pub(super) fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// The name people know a codec by: of its tag, else of what ffprobe calls it.
fn codec_name(tag: &str, codec: &str, long_name: Option<&str>) -> String {
    let known = |name: &str| {
        Some(match name.to_ascii_lowercase().as_str() {
            "avc1" => "H.264/AVC",
            "h264" => "H.264",
            "hevc" | "hvc1" | "hev1" => "H.265/HEVC",
            "mp4v" | "mpeg4" => "MPEG-4",
            "xvid" => "XviD",
            "divx" | "dx50" => "DivX",
            "vp8" | "vp80" => "VP8",
            "vp9" | "vp90" | "vp09" => "VP9",
            "av01" | "av1" => "AV1",
            "mjpg" | "mjpeg" => "Motion JPEG",
            _ => return None,
        })
    };
    known(tag).or_else(|| known(codec)).or(long_name).unwrap_or(codec).chars().take(TAG_CHARS_MAX).collect()
}
