//! Videos that are broken, odd or meant to do harm: each gives a fingerprint or a reason.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use metastamp_fingerprint::video::{self, VideoFingerprint};
use metastamp_fingerprint::{FingerprintError, Limits, NoProgress, Progress, Tools};
use metastamp_protocol::fingerprint::VideoHashes;
use tempfile::TempDir;

type Outcome = Result<VideoFingerprint, FingerprintError>;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/video").join(name)
}

fn run(path: &Path) -> Outcome {
    video::fingerprint(path, &Tools::default(), &Limits::default(), &mut NoProgress)
}

fn run_limited(name: &str, limits: &Limits) -> Outcome {
    video::fingerprint(&golden(name), &Tools::default(), limits, &mut NoProgress)
}

/// The reason of a refusal, which is short and names no path.
fn reason(outcome: Outcome) -> String {
    let error = outcome.map(|found| found.metadata).unwrap_err().to_string();
    assert!(!error.contains('/') && !error.contains("tmp") && error.len() < 120, "{error}");
    error
}

fn ffmpeg(arguments: &str, output: &Path) {
    let arguments = arguments.split_whitespace();
    let status = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments).arg(output).status();
    assert!(status.unwrap().success());
}

fn written(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Replaces the four bytes `at` bytes behind the first `tag`.
fn patched(mut bytes: Vec<u8>, tag: &[u8], at: usize, value: u32) -> Vec<u8> {
    let found = bytes.windows(tag.len()).position(|window| window == tag).unwrap();
    bytes[found + at..found + at + 4].copy_from_slice(&value.to_be_bytes());
    bytes
}

#[test]
fn what_is_no_video_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let secret = written(&directory, "secret.txt", b"secret");
    let script = format!("ffconcat version 1.0\nfile '{}'\n", golden("h264.mp4").display());
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n", secret.display());
    let noise: Vec<u8> = (0..200_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let files: [(&str, &[u8]); 6] = [
        ("empty.mp4", b""),
        ("text.avi", b"not a video at all"),
        ("script.mp4", script.as_bytes()),
        ("playlist.mov", playlist.as_bytes()),
        ("noise.mp4", &noise),
        ("concat:a|b.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isomiso2"),
    ];
    for (name, bytes) in files {
        let refused = reason(run(&written(&directory, name, bytes)));
        assert!(refused.contains("video"), "{name}: {refused}");
    }
    assert!(matches!(run(&directory.path().join("absent.mp4")), Err(FingerprintError::Io(_))));
}

#[test]
fn sound_alone_and_covers_are_no_video() {
    let directory = tempfile::tempdir().unwrap();
    let sound = directory.path().join("sound.mp4");
    ffmpeg("-f lavfi -i sine=440:d=1 -c:a aac", &sound);
    assert_eq!(reason(run(&sound)), "file has no video track");
    let covered = directory.path().join("covered.mp4");
    let inputs = format!("-i {} -f lavfi -i color=red:s=64x64:d=0.04", sound.display());
    ffmpeg(&format!("{inputs} -map 0 -map 1 -c:a copy -c:v mjpeg -frames:v 1 -disposition:v attached_pic"), &covered);
    assert_eq!(reason(run(&covered)), "file has no video track, only a cover picture");
}

#[test]
fn truncated_files_count_as_far_as_they_go() {
    let directory = tempfile::tempdir().unwrap();
    // The index of this one is at its end.
    let mp4 = fs::read(golden("h264.mp4")).unwrap();
    let cut = written(&directory, "cut.mp4", &mp4[..mp4.len() / 2]);
    assert_eq!(reason(run(&cut)), "video ends too early or is damaged");

    let avi = fs::read(golden("xvid.avi")).unwrap();
    let whole = run(&golden("xvid.avi")).unwrap().video_hashes;
    let cut = run(&written(&directory, "cut.avi", &avi[..avi.len() / 2])).unwrap().video_hashes;
    assert!(cut.frame_hashes.len() < whole.frame_hashes.len());
    assert!(whole.frame_hashes.starts_with(&cut.frame_hashes[..cut.frame_hashes.len() - 1]));
}

#[test]
fn damaged_files_give_a_fingerprint_or_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    for (name, seed) in [("h264.mp4", 3_usize), ("xvid.avi", 5), ("mjpeg.avi", 7), ("ten_bit.mp4", 11), ("vp9.mp4", 13)]
    {
        let mut bytes = fs::read(golden(name)).unwrap();
        let length = bytes.len();
        for at in 0..60 {
            bytes[64 + (at * 7_919 * seed) % (length - 64)] ^= (at * 31 + seed) as u8 | 1;
        }
        match run(&written(&directory, name, &bytes)) {
            Ok(found) => assert!(!found.video_hashes.frame_hashes.is_empty()),
            Err(error) => drop(reason(Err(error))),
        }
    }
}

#[test]
fn odd_sizes_have_a_fingerprint() {
    let directory = tempfile::tempdir().unwrap();
    for size in ["1x1", "2x300", "20000x2"] {
        let path = directory.path().join(format!("{size}.mov"));
        ffmpeg(&format!("-f lavfi -i testsrc=s={size}:r=4:d=2 -c:v png -pix_fmt rgb24"), &path);
        let found = run(&path).unwrap();
        assert_eq!(found.video_hashes.frame_hashes.len(), 2, "{size}");
        assert_eq!(found.metadata["resolution"], size);
        assert_eq!(found.pictures.len(), 2);
    }
}

#[test]
fn sound_of_eight_channels_and_none_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let many = directory.path().join("many.mov");
    let sound = "-f lavfi -i sine=440:d=4:r=48000 -ac 8 -c:a pcm_s16le";
    ffmpeg(&format!("-f lavfi -i testsrc=s=64x64:r=4:d=4 -c:v png {sound}"), &many);
    let found = run(&many).unwrap();
    assert_eq!((&found.metadata["has_audio"], &found.metadata["audio_channels"]), (&true.into(), &8.into()));
    assert!(found.audio.is_some());
    let silent = run(&golden("rotated.mp4")).unwrap();
    assert_eq!((silent.metadata["has_audio"].clone(), silent.audio), (false.into(), None));
}

#[test]
fn without_keyframes_or_with_one_there_are_frames_or_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let headless = directory.path().join("headless.avi");
    let source = golden("xvid.avi");
    // Everything but keyframes is left.
    ffmpeg(&format!("-i {} -c copy -copyinkf -bsf:v noise=drop=key", source.display()), &headless);
    match run(&headless) {
        Ok(found) => assert!(!found.video_hashes.frame_hashes.is_empty()),
        Err(error) => drop(reason(Err(error))),
    }
    let mut seen = Seen::default();
    video::fingerprint(&golden("long_gop.mp4"), &Tools::default(), &Limits::default(), &mut seen).unwrap();
    assert_eq!(seen.first.unwrap().frame_hashes.len(), 1);
}

#[test]
fn lying_headers_cost_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = fs::read(golden("bframes.mp4")).unwrap();
    // The time scale and the length of the whole file: a day and a half, and the frames of the truth.
    let long = patched(bytes.clone(), b"mvhd", 20, 130_000_000);
    let found = run(&written(&directory, "long.mp4", &long)).unwrap();
    assert_eq!(found.metadata["header_duration"], 130_000.0);
    assert!(found.metadata["duration"].as_f64().unwrap() < 60.0, "{:?}", found.metadata);
    // The size within the sample description; the stream tells another.
    let wide = patched(bytes, b"avc1", 28, 60_000 << 16 | 60_000);
    let found = run(&written(&directory, "wide.mp4", &wide)).unwrap();
    assert_eq!(found.metadata["resolution"], "160x120");
}

#[test]
fn limits_are_held() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let few = run_limited("h264.mp4", &limits(|limits| limits.video_frames_max = 3));
    assert_eq!(reason(few), "video has more than 3 frames to look at");
    let small = run_limited("h264.mp4", &limits(|limits| limits.video_pixels_max = 1_000));
    assert_eq!(reason(small), "frames of 320x180 have 57600 pixels, at most 1000 are allowed");
    let short = run_limited("h264.mp4", &limits(|limits| limits.video_seconds_max = 2));
    assert!(reason(short).starts_with("video is 6 seconds long, at most 2"));
    let quick = run_limited("h264.mp4", &limits(|limits| limits.ffmpeg_wall_seconds_max = 0));
    assert!(matches!(quick, Err(FingerprintError::LimitExceeded { limit: "ffmpeg_wall_seconds_max", .. })));
    let lean = run_limited("h264.mp4", &limits(|limits| limits.ffmpeg_memory_bytes_max = 1 << 20));
    drop(reason(lean));
}

#[test]
fn missing_programs_are_said_to_be_missing() {
    let nowhere = || PathBuf::from("/nowhere/program");
    for (tools, name) in [
        (Tools { ffprobe: nowhere(), ..Tools::default() }, "ffprobe"),
        (Tools { ffmpeg: nowhere(), ..Tools::default() }, "ffmpeg"),
    ] {
        let outcome = video::fingerprint(&golden("h264.mp4"), &tools, &Limits::default(), &mut NoProgress);
        assert_eq!(reason(outcome), format!("this file needs {name}, which is not installed here"));
    }
}

/// Stops at `stop_at` percent.
#[derive(Default)]
struct Seen {
    percents: Vec<u8>,
    first: Option<VideoHashes>,
    stop_at: Option<u8>,
}

impl Progress for Seen {
    fn report(&mut self, percent: u8) -> ControlFlow<()> {
        self.percents.push(percent);
        if self.stop_at.is_some_and(|stop| percent >= stop) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn first(&mut self, hashes: &VideoHashes) {
        assert!(self.first.is_none());
        assert!(self.percents.iter().all(|&percent| percent < 50));
        self.first = Some(hashes.clone());
    }
}

#[test]
fn keyframes_come_first_and_progress_never_falls() {
    let mut seen = Seen::default();
    let path = golden("h264.mp4");
    let found = video::fingerprint(&path, &Tools::default(), &Limits::default(), &mut seen).unwrap();
    let first = seen.first.unwrap();
    assert_eq!(first.sampling, "keyframes");
    assert!((1..=6).contains(&first.frame_hashes.len()));
    // The first frame is a keyframe.
    assert_eq!(first.frame_hashes[0], found.video_hashes.frame_hashes[0]);
    assert_eq!(first.average_hash.len(), 64);
    assert!(seen.percents.is_sorted() && seen.percents.last() == Some(&100));
    assert!(found.audio.is_some_and(|audio| !audio.chromaprint.items().is_empty()));
}

#[test]
fn work_stops_wherever_it_is_asked_to() {
    for stop_at in [0, 2, 10, 50, 90, 100] {
        let mut seen = Seen { stop_at: Some(stop_at), ..Seen::default() };
        let outcome = video::fingerprint(&golden("h264.mp4"), &Tools::default(), &Limits::default(), &mut seen);
        assert!(matches!(outcome, Err(FingerprintError::Cancelled)), "{stop_at}");
        assert!(seen.percents.iter().filter(|&&percent| percent >= stop_at).count() == 1);
    }
}
