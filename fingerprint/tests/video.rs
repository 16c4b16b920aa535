//! The videos of `golden/` against what imagehash, pdqhash, ffprobe and iscc-sdk say of them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use metastamp_fingerprint::video::{self, VideoFingerprint};
use metastamp_fingerprint::{FingerprintError, Limits, Metadata, NoProgress, Progress, Tools};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    file: String,
    frame_hashes: Vec<String>,
    frame_pdq: Vec<(String, u8)>,
    frame_timestamps: Vec<f64>,
    average_hash: String,
    /// None where the reference fails.
    iscc: Option<String>,
    metadata: Metadata,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn run(path: &Path, progress: &mut dyn Progress) -> Result<VideoFingerprint, FingerprintError> {
    video::fingerprint(path, &Tools::default(), &Limits::default(), progress)
}

/// What differs from the reference, in words.
fn differences(vector: &Vector, found: &VideoFingerprint) -> Vec<String> {
    let mut different = Vec::new();
    let mut check = |what: &str, equal: bool| {
        if !equal {
            different.push(format!("{}: {what}", vector.file));
        }
    };
    let hashes = &found.video_hashes;
    check("frame hashes", hashes.frame_hashes == vector.frame_hashes);
    let pdq = hashes.frame_pdq.iter().cloned().zip(hashes.frame_pdq_quality.iter().copied());
    check("pdq", pdq.collect::<Vec<_>>() == vector.frame_pdq);
    check("timestamps", hashes.frame_timestamps == vector.frame_timestamps);
    check("average", hashes.average_hash == vector.average_hash);
    check("iscc", vector.iscc.as_ref().is_none_or(|iscc| *iscc == found.iscc_content));
    for (key, value) in vector.metadata.iter().filter(|(_, value)| !value.is_null()) {
        check(&format!("{key} {:?} {value}", found.metadata.get(key)), found.metadata.get(key) == Some(value));
    }
    check("count", hashes.total_frames_analyzed == vector.frame_hashes.len() as u64);
    check("sampling", hashes.sampling == "complete" && found.iscc_content.starts_with("ISCC:E"));
    let names: Vec<&str> = found.pictures.iter().map(|picture| picture.about.name.as_str()).collect();
    check("pictures", names == ["thumbnail", "contact_sheet"]);
    different
}

#[test]
fn everything_equals_the_references() {
    let vectors: Vec<Vector> = serde_json::from_slice(&fs::read(golden().join("video.json")).unwrap()).unwrap();
    assert!(vectors.len() > 20);
    let mut different = Vec::new();
    for vector in vectors {
        let found = run(&golden().join("video").join(&vector.file), &mut NoProgress)
            .unwrap_or_else(|error| panic!("{}: {error}", vector.file));
        different.extend(differences(&vector, &found));
    }
    assert!(different.is_empty(), "{different:#?}");
}

#[test]
fn headers_of_films_are_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let found = |name: &str, patches: &[(&[u8], usize, [u8; 4])]| {
        let mut bytes = fs::read(golden().join("video").join(name)).unwrap();
        for (what, behind, with) in patches {
            let at = bytes.windows(what.len()).position(|window| window == *what).unwrap() + behind;
            bytes[at..at + 4].copy_from_slice(with);
        }
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        run(&path, &mut NoProgress).unwrap()
    };
    let told = |metadata: &Metadata, names: [&str; 2]| names.map(|name| metadata.get(name).and_then(|v| v.as_f64()));
    // Of more seconds than any film may have, too.
    for milliseconds in [500_u32, 100_000_000] {
        let film = found("long_gop.mp4", &[(b"mvhd", 20, milliseconds.to_be_bytes())]).metadata;
        let claim = f64::from(milliseconds) / 1_000.0;
        assert_eq!(told(&film, ["duration", "header_duration"]), [Some(12.0), Some(claim)]);
        assert_eq!(told(&film, ["frame_count", "header_frame_count"]), [Some(300.0), None]);
    }
    let many = 9_000_u32.to_le_bytes();
    let film = found("xvid.avi", &[(b"avih", 24, many), (b"strh", 40, many)]);
    assert_eq!(told(&film.metadata, ["duration", "header_duration"]), [Some(5.0), Some(600.0)]);
    assert_eq!(told(&film.metadata, ["frame_count", "header_frame_count"]), [Some(75.0), Some(9_000.0)]);
    assert_eq!(film.video_hashes.total_video_frames, 75);
    let sound = found("late_start.mp4", &[]).audio.unwrap();
    assert_eq!(sound.metadata["codec"], "aac");
}
