//! Moving pictures: frame hashes over the whole length, ISCC, sound, metadata and pictures, decoded by `ffmpeg`.
//!
//! 1. `ffprobe` tells what is in the file.
//! 2. A pass over keyframes gives a first answer.
//! 3. One decode of everything gives the sampled frames, the MPEG-7 signature behind the ISCC, and the first audio
//!    track, which a thread fingerprints as audio is.
//!
//! Memory does not grow with the length beyond the hashes themselves: one frame, a few small pictures.

mod average;
pub(crate) mod child;
mod children;
mod decode;
mod extent;
mod label;
mod pictures;
mod probe;
pub(crate) mod signature;
mod sound;

use std::path::Path;
use std::thread;
use std::time::Duration;

use metastamp_protocol::Object;
use metastamp_protocol::fingerprint::algorithm::{ISCC_VIDEO, PDQ, PHASH, VIDEO_AVERAGE};
use metastamp_protocol::fingerprint::{Algorithms, VideoHashes};

use self::average::Mean;
pub use self::children::kill_children;
use self::decode::{Frames, Plan, Rest};
use self::pictures::Pictures;
use self::probe::{Probe, rounded};
use self::sound::Stop;
use crate::audio::AudioFingerprint;
use crate::image::rgb_hashes;
use crate::progress::step;
use crate::{EncodedPicture, FingerprintError, Limits, Metadata, Progress, Tools};

/// Seconds from one sampled frame to the next, as far as whole frames allow.
const SAMPLING_INTERVAL: f64 = 1.0;
/// Keyframes of a first answer, at most about this many.
const KEYFRAMES: f64 = 64.0;
/// Between two looks at whether the sound is done.
const SOUND_TICK: Duration = Duration::from_millis(5);
/// Percent at which the stages end.
const PROBED: u8 = 2;
const KEYFRAMES_DONE: u8 = 10;
const FRAMES_DONE: u8 = 90;

/// What [`fingerprint`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoFingerprint {
    pub video_hashes: VideoHashes,
    /// Of the first audio track, when there is one.
    pub audio: Option<AudioFingerprint>,
    /// ISCC Video-Code, 64 bits.
    pub iscc_content: String,
    pub metadata: Metadata,
    /// `thumbnail` and `contact_sheet`.
    pub pictures: Vec<EncodedPicture>,
    pub algorithms: Algorithms,
}

/// Fingerprint of the video file at `path`. A first answer, from keyframes, goes to [`Progress::first`].
///
/// # Errors
/// [`FingerprintError::Malformed`] for files without a video track or without a frame that can be decoded,
/// [`FingerprintError::LimitExceeded`] for what takes too much, [`FingerprintError::Unsupported`] also where ffmpeg is
/// not installed.
pub fn fingerprint(
    path: &Path,
    tools: &Tools,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<VideoFingerprint, FingerprintError> {
    step(progress, 0)?;
    let mut probe = probe::probe(path, tools, limits, &mut || step(progress, 0))?;
    step(progress, PROBED)?;
    if !probe.is_intra_only() {
        // Broken files may have no keyframe that can be decoded, and yet frames.
        match keyframes(path, &probe, tools, limits, progress) {
            Ok(first) => progress.first(&first),
            Err(FingerprintError::Malformed(_)) => {}
            Err(error) => return Err(error),
        }
    }
    step(progress, KEYFRAMES_DONE)?;
    complete(path, &mut probe, tools, limits, progress)
}

/// The first answer.
fn keyframes(
    path: &Path,
    probe: &Probe,
    tools: &Tools,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<VideoHashes, FingerprintError> {
    let interval = (probe.duration / KEYFRAMES).max(SAMPLING_INTERVAL);
    let mut frames = Frames::keyframes(path, probe, interval, tools, limits)?;
    let mut hashes = Hashes::default();
    let mut watch = || step(progress, PROBED);
    while hashes.next(&mut frames, limits, &mut watch)?.is_some() {}
    let rest = frames.finish(hashes.count(), &mut watch)?;
    if hashes.count() == 0 {
        return Err(FingerprintError::malformed("no keyframe of the video could be decoded"));
    }
    Ok(hashes.finish(probe, &rest, "keyframes"))
}

/// Everything.
fn complete(
    path: &Path,
    probe: &mut Probe,
    tools: &Tools,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<VideoFingerprint, FingerprintError> {
    let mut plan = Plan { sign_all: false, sound: probe.track() };
    let (pass, iscc_content) = loop {
        let mut pass = Pass::run(path, probe, &plan, tools, limits, progress)?;
        let iscc = pass.rest.iscc.take();
        match iscc.filter(|_| pass.hashes.count() > 0) {
            Some(iscc) => break (pass, iscc),
            // Too short for a frame at five a second, which makes the filter of the signature crash: then every
            // frame counts.
            None if pass.rest.crashed && !plan.sign_all => plan.sign_all = true,
            // A codec of the sound that is unknown stops everything.
            None if plan.sound.is_some() => plan.sound = None,
            None => return Err(FingerprintError::malformed("no frame of the video could be decoded")),
        }
    };
    check_header(path, probe, &pass, tools, limits, progress)?;
    let video_hashes = pass.hashes.finish(probe, &pass.rest, "complete");
    let pictures = pass.pictures.finish(&video_hashes.frame_timestamps)?;
    let mut metadata = probe.metadata();
    metadata.insert("has_decode_errors".into(), pass.rest.has_errors.into());
    step(progress, 100)?;
    Ok(VideoFingerprint {
        video_hashes,
        audio: pass.audio,
        iscc_content,
        metadata,
        pictures,
        algorithms: Algorithms::from([
            ("frame_hashes", PHASH),
            ("frame_pdq", PDQ),
            ("average_hash", VIDEO_AVERAGE),
            ("iscc_content", ISCC_VIDEO),
        ]),
    })
}

/// Holds what the header says against what was decoded; where they don't fit, the packets are counted.
fn check_header(
    path: &Path,
    probe: &mut Probe,
    pass: &Pass,
    tools: &Tools,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<(), FingerprintError> {
    let (sampled, frame_step) = (pass.hashes.count() as u64, frame_step(probe));
    let planned = sampled.saturating_sub(1) as f64 * frame_step as f64 / probe.fps;
    let last = pass.rest.times.iter().flatten().max().map_or(planned, |time| *time as f64 / 1e6);
    let sound = pass.audio.as_ref().and_then(|sound| sound.metadata.get("duration")?.as_f64()).unwrap_or(0.0);
    if probe.is_doubtful(sampled, frame_step, last, sound) {
        let (index, seconds) = (probe.index(), probe.budget_seconds());
        probe.correct(extent::measure(path, index, seconds, tools, limits, &mut || step(progress, FRAMES_DONE))?);
    }
    Ok(())
}

/// One in so many frames is sampled. Saturates: absurd rates give one frame.
fn frame_step(probe: &Probe) -> u64 {
    ((probe.fps * SAMPLING_INTERVAL) as u64).max(1)
}

/// What one decode of everything gives.
struct Pass {
    hashes: Hashes,
    pictures: Pictures,
    rest: Rest,
    audio: Option<AudioFingerprint>,
}

impl Pass {
    fn run(
        path: &Path,
        probe: &Probe,
        plan: &Plan,
        tools: &Tools,
        limits: &Limits,
        progress: &mut dyn Progress,
    ) -> Result<Self, FingerprintError> {
        let frame_step = frame_step(probe);
        let expected = (probe.frame_count / frame_step).clamp(1, limits.video_frames_max.max(1));
        let stop = Stop::default();
        thread::scope(|scope| {
            let mut frames = Frames::complete(path, probe, frame_step, plan, tools, limits)?;
            // Whatever ends this scope ends the child first, with it the sound, and tells its thread.
            let _stop = stop.on_drop();
            let mut sound = None;
            if let (Some(samples), Some(track)) = (frames.sound()?, plan.sound.clone()) {
                let stop = &stop;
                let listen = move || sound::fingerprint(samples, track, limits, stop);
                sound = Some(thread::Builder::new().name("video-sound".into()).spawn_scoped(scope, listen)?);
            }
            let (width, height) = frames.size();
            let mut hashes = Hashes::default();
            let mut pictures = Pictures::new(probe.display_ratio(), expected as usize);
            loop {
                let done = (hashes.count() as u64).min(expected) * u64::from(FRAMES_DONE - KEYFRAMES_DONE) / expected;
                let percent = KEYFRAMES_DONE + done as u8;
                match hashes.next(&mut frames, limits, &mut || step(progress, percent))? {
                    Some(frame) => pictures.add(width, height, frame),
                    None => break,
                }
            }
            let rest = frames.finish(hashes.count(), &mut || step(progress, FRAMES_DONE))?;
            while sound.as_ref().is_some_and(|thread| !thread.is_finished()) {
                step(progress, FRAMES_DONE)?;
                thread::sleep(SOUND_TICK);
            }
            let audio = sound.and_then(|thread| thread.join().ok().flatten());
            Ok(Self { hashes, pictures, rest, audio })
        })
    }
}

/// Hashes of the frames of one pass.
#[derive(Debug, Default)]
struct Hashes {
    phash: Vec<String>,
    pdq: Vec<String>,
    quality: Vec<u8>,
    mean: Mean,
}

impl Hashes {
    fn count(&self) -> usize {
        self.phash.len()
    }

    /// Hashes the next frame, and returns it; `None` at the end.
    fn next<'a>(
        &mut self,
        frames: &'a mut Frames,
        limits: &Limits,
        watch: &mut child::Watch<'_>,
    ) -> Result<Option<&'a [u8]>, FingerprintError> {
        let (width, height) = frames.size();
        let Some(frame) = frames.next(watch)? else { return Ok(None) };
        if self.count() as u64 >= limits.video_frames_max {
            let message = format!("video has more than {} frames to look at", limits.video_frames_max);
            return Err(FingerprintError::limit("video_frames_max", message));
        }
        let (phash, pdq, quality) = rgb_hashes(width, height, frame);
        self.mean.add(&phash);
        self.phash.push(phash);
        self.pdq.push(pdq);
        self.quality.push(quality);
        Ok(Some(frame))
    }

    fn finish(self, probe: &Probe, rest: &Rest, sampling: &str) -> VideoHashes {
        let frame_step = (probe.fps * SAMPLING_INTERVAL).floor().max(1.0);
        // Frames without a time, and those of a video that changed its size midway, get the time they should have.
        let planned = |at: usize| at as f64 * frame_step / probe.fps;
        let whole = rest.times.len() == self.count();
        let time = |at: usize| rest.times.get(at).copied().flatten().filter(|_| whole).map(|time| time as f64 / 1e6);
        VideoHashes {
            frame_timestamps: (0..self.count())
                .map(|at| rounded(time(at).unwrap_or_else(|| planned(at)), 1e6))
                .collect(),
            total_frames_analyzed: self.count() as u64,
            average_hash: self.mean.hex(),
            frame_hashes: self.phash,
            frame_pdq: self.pdq,
            frame_pdq_quality: self.quality,
            sampling_interval: SAMPLING_INTERVAL,
            total_video_frames: probe.frame_count,
            fps: rounded(probe.fps, 100.0),
            sampling: sampling.to_owned(),
            rest: Object::new(),
        }
    }
}
