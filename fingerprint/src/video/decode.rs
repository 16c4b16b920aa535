//! Frames out of `ffmpeg`: raw RGB through a pipe, one at a time.
//!
//! Two passes. [`Frames::keyframes`] decodes keyframes only, for a first answer. [`Frames::complete`] decodes
//! everything once; behind the one decoder hang the sampled frames, in RGB, and ffmpeg's filter `signature`, fed as
//! iscc-sdk feeds it (five frames a second).
//!
//! Frames are turned as the file's display matrix asks for, which ffmpeg does on its own. Conversion to RGB is
//! ffmpeg's `scale` with its default flags, so that frames equal those of `ffmpeg -i FILE -pix_fmt rgb24`; it stands
//! behind the selection, and with an explicit size, so that a video which changes its size midway still gives frames
//! of one size. In the branch of the signature a `scale` takes what the filter can't read: formats, and
//! sides under 32 pixels, which make it crash. Everything else passes through.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;

use tempfile::TempDir;

use super::child::{Budget, Child, Watch, input};
use super::probe::{FORMATS, Probe};
use super::signature;
use super::sound::{Fifo, Track};
use crate::{FingerprintError, Limits, Tools};

/// Pixels of all frames up to which one thread decodes: some 20 seconds of work. Threads shorten the wait, but take
/// 5 to 10 % more processor time, and a node has other work for its cores.
const ONE_THREAD_PIXELS: u64 = 6_000_000_000;
/// Threads of the decoder of longer videos; more take memory with each, for little.
const THREADS_MAX: usize = 4;
/// Signature filter: frames a second, the default of iscc-sdk.
const SIGNATURE_FPS: u32 = 5;
/// How the complete pass is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Every frame goes into the signature, not five a second.
    pub(super) sign_all: bool,
    /// The audio track that is decoded too.
    pub(super) sound: Option<Track>,
}

/// Names within the temporary directory, which ffmpeg gets as it is: no character of it needs escaping.
const SIGNATURE_FILE: &str = "signature";
const TIMES_FILE: &str = "times";
const SOUND_FILE: &str = "sound";

/// The raw frames of one pass.
#[derive(Debug)]
pub(super) struct Frames {
    child: Child,
    /// Holds what the filters write; removed on drop.
    directory: TempDir,
    width: u32,
    height: u32,
    /// Bytes of a frame.
    buffer: Vec<u8>,
    /// Of the complete pass with sound.
    sound: Option<Fifo>,
}

/// What a pass leaves at its end.
#[derive(Debug)]
pub(super) struct Rest {
    /// Microseconds of each frame; `None` for frames without a time.
    pub(super) times: Vec<Option<i64>>,
    /// ISCC Video-Code, of a complete pass.
    pub(super) iscc: Option<String>,
    /// The decoder found faults, and went on or gave up.
    pub(super) has_errors: bool,
    /// ffmpeg crashed.
    pub(super) crashed: bool,
}

impl Frames {
    /// Keyframes, at least `interval` seconds apart.
    pub(super) fn keyframes(
        path: &Path,
        probe: &Probe,
        interval: f64,
        tools: &Tools,
        limits: &Limits,
    ) -> Result<Self, FingerprintError> {
        let select = format!("isnan(prev_selected_t)+gte(t-prev_selected_t,{interval:.3})");
        let graph = |directory: &str| format!("[0:{}]{}", probe.index(), sampled(&select, probe, directory));
        Self::start(path, probe, &["-skip_frame", "nokey"], graph, None, tools, limits)
    }

    /// Each frame whose number is a multiple of `step`, and the signature.
    pub(super) fn complete(
        path: &Path,
        probe: &Probe,
        step: u64,
        plan: &Plan,
        tools: &Tools,
        limits: &Limits,
    ) -> Result<Self, FingerprintError> {
        let select = format!("not(mod(n,{step}))");
        let rate = if plan.sign_all { String::new() } else { format!("fps=fps={SIGNATURE_FPS},") };
        let graph = |directory: &str| {
            format!(
                "[0:{}]split[a][b];[a]{};[b]{rate}scale='max(iw,32)':'max(ih,32)':flags=bicubic,\
                 signature=format=binary:filename={directory}/{SIGNATURE_FILE}[signed]",
                probe.index(),
                sampled(&select, probe, directory),
            )
        };
        Self::start(path, probe, &[], graph, Some(plan), tools, limits)
    }

    fn start(
        path: &Path,
        probe: &Probe,
        decoder: &[&str],
        graph: impl FnOnce(&str) -> String,
        plan: Option<&Plan>,
        tools: &Tools,
        limits: &Limits,
    ) -> Result<Self, FingerprintError> {
        let (width, height) = probe.frame_size();
        let directory = tempfile::Builder::new().prefix("metastamp-video-").tempdir_in(&tools.temp_dir)?;
        let graph = graph(&escaped(directory.path())?);
        let pixels_max = limits.video_pixels_max.min(i32::MAX as u64).to_string();
        let decoder_threads = decoder_threads(probe).to_string();
        let before = ["-nostdin", "-y", "-v", "error", "-max_pixels", &pixels_max, "-threads", &decoder_threads];
        let threads = ["-filter_complex_threads", "1", "-filter_complex", &graph];
        let output = ["-map", "[sampled]", "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"];
        let texts = |texts: &[&str]| texts.iter().map(OsString::from).collect::<Vec<_>>();
        let mut arguments = texts(&before);
        arguments.extend(texts(decoder));
        arguments.extend(input(path, FORMATS)?);
        arguments.extend(texts(&threads));
        arguments.extend(texts(&output));
        if plan.is_some() {
            arguments.extend(texts(&["-map", "[signed]", "-f", "null", "-"]));
        }
        let mut sound = None;
        if let Some(track) = plan.and_then(|plan| plan.sound.as_ref()) {
            let pipe = directory.path().join(SOUND_FILE);
            sound = Some(Fifo::new(&pipe)?);
            let Track { index, rate, channels, .. } = track;
            let (map, rate, channels) = (format!("0:{index}"), rate.to_string(), channels.to_string());
            arguments.extend(texts(&["-map", &map, "-ar", &rate, "-ac", &channels, "-f", "s16le"]));
            arguments.push(pipe.into());
        }
        let child = Child::spawn(&tools.ffmpeg, "ffmpeg", arguments, Budget::new(limits, probe.budget_seconds()))?;
        let bytes = width as usize * height as usize * 3;
        Ok(Self { child, directory, width, height, buffer: vec![0; bytes], sound })
    }

    /// Samples of the audio track, once; they end when this is dropped at the latest.
    pub(super) fn sound(&mut self) -> io::Result<Option<File>> {
        self.sound.as_ref().map(Fifo::reader).transpose()
    }

    /// Width and height of every frame.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The next frame, RGB, row by row; `None` at the end.
    pub(super) fn next(&mut self, watch: &mut Watch<'_>) -> Result<Option<&[u8]>, FingerprintError> {
        let filled = self.child.fill(&mut self.buffer, watch)?;
        Ok((filled == self.buffer.len()).then_some(&self.buffer))
    }

    /// Waits for the end of ffmpeg, of which `frames` frames were read.
    pub(super) fn finish(self, frames: usize, watch: &mut Watch<'_>) -> Result<Rest, FingerprintError> {
        let Self { child, directory, sound, .. } = self;
        let ending = child.finish(watch)?;
        if let Some(sound) = sound {
            sound.close();
        }
        let failed = match ending.check("video") {
            // What could be decoded counts; whether it is enough, others say.
            Err(FingerprintError::Malformed(_)) => true,
            other => other.map(|()| false)?,
        };
        let times = File::open(directory.path().join(TIMES_FILE));
        let times = times.map(|file| times_of(BufReader::new(file), frames)).unwrap_or_default();
        let iscc = match File::open(directory.path().join(SIGNATURE_FILE)) {
            Ok(file) if file.metadata()?.len() > 0 => {
                signature::iscc_code(BufReader::with_capacity(64 << 10, file)).ok()
            }
            _ => None,
        };
        let has_errors = failed || !ending.stderr.is_empty();
        Ok(Rest { times, iscc, has_errors, crashed: ending.status.signal().is_some() })
    }
}

/// Threads of the decoder.
fn decoder_threads(probe: &Probe) -> usize {
    let (width, height) = probe.frame_size();
    let pixels = (u64::from(width) * u64::from(height)).saturating_mul(probe.frame_count);
    if pixels <= ONE_THREAD_PIXELS {
        return 1;
    }
    thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}

/// The filters from a decoded frame to a sampled one in RGB; each leaves its time in a file.
fn sampled(select: &str, probe: &Probe, directory: &str) -> String {
    let (width, height) = probe.frame_size();
    format!(
        "select='{select}',settb=AVTB,metadata=mode=add:key=sampled:value=1,\
         metadata=mode=print:file={directory}/{TIMES_FILE},\
         scale={width}:{height}:flags=bicubic,format=rgb24[sampled]"
    )
}

/// The path as the value of a filter's option: two levels of escaping would be needed for these characters, so a
/// temporary directory that has them is refused.
fn escaped(path: &Path) -> Result<String, FingerprintError> {
    let harmless = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ' ' | '+' | '@' | '~');
    let name = path.to_str().filter(|name| name.chars().all(harmless));
    name.map(str::to_owned).ok_or_else(|| FingerprintError::unsupported("the temporary directory has an odd name"))
}

/// Times of frames from what the filter `metadata` wrote: `frame:0    pts:40000   pts_time:0.04`.
fn times_of(reader: impl BufRead, frames: usize) -> Vec<Option<i64>> {
    let lines = reader.lines().map_while(Result::ok);
    let frame = |line: String| -> Option<Option<i64>> {
        let rest = line.strip_prefix("frame:")?;
        Some(rest.split_once("pts:").and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok()))
    };
    lines.filter_map(frame).take(frames).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_other_lines_ignored() {
        let text = "frame:0    pts:0       pts_time:0\nsampled=1\nframe:1    pts:1001000 pts_time:1.001\nsampled=1\n\
                    frame:2    pts:NOPTS   pts_time:NOPTS\nframe:3    pts:-40 pts_time:-0.00004\nframe:4 pts:9\n";
        assert_eq!(times_of(text.as_bytes(), 4), [Some(0), Some(1_001_000), None, Some(-40)]);
        assert_eq!(times_of(&b"frame:0\n\xff\xff\nframe:1 pts:1"[..], 9), [None]);
    }

    #[test]
    fn odd_directories_are_refused() {
        assert!(escaped(Path::new("/tmp/metastamp-video-aB3")).is_ok());
        for odd in ["/tmp/a:b", "/tmp/a'b", "/tmp/a,b", "/tmp/a\\b", "/tmp/a[b", "/tmp/a;b", "/tmp/a\nb"] {
            assert!(escaped(Path::new(odd)).is_err(), "{odd}");
        }
    }
}
