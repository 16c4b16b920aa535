//! Images against the codes of imagehash, pdqhash and iscc-sdk.
//!
//! `IMAGE_GOLDEN_DIR=DIR cargo test --test image_golden` takes the larger set of `golden/make_image.py --all DIR`.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use metastamp_fingerprint::iscc::meta_code;
use metastamp_fingerprint::{ImageFingerprint, Limits, NoProgress, image};
use metastamp_protocol::fingerprint::OnWhite;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    file: String,
    phash: String,
    ahash: String,
    dhash: String,
    on_white: Option<OnWhite>,
    pdq: PdqVector,
    iscc: String,
}

#[derive(Deserialize)]
struct PdqVector {
    hash: String,
    quality: u8,
    dihedral: Vec<String>,
    trimmed: Option<TrimmedVector>,
}

#[derive(Deserialize)]
struct TrimmedVector {
    size: [u32; 2],
    hash: String,
    quality: u8,
    dihedral: Vec<String>,
}

/// Names of the codes that are not the reference's.
fn differences(found: &ImageFingerprint, wanted: &Vector) -> Vec<&'static str> {
    let hashes = &found.perceptual_hashes;
    let pdq = &found.pdq;
    let trimmed = match (&pdq.trimmed, &wanted.pdq.trimmed) {
        (None, None) => true,
        (Some(found), Some(wanted)) => {
            found.area[2..] == wanted.size
                && (&found.hash, found.quality, &found.dihedral) == (&wanted.hash, wanted.quality, &wanted.dihedral)
        }
        _ => false,
    };
    let checks = [
        ("phash", hashes.phash == wanted.phash),
        ("ahash", hashes.ahash == wanted.ahash),
        ("dhash", hashes.dhash == wanted.dhash),
        ("on_white", hashes.on_white == wanted.on_white),
        ("pdq", pdq.hash == wanted.pdq.hash && pdq.quality == wanted.pdq.quality),
        ("dihedral", pdq.dihedral == wanted.pdq.dihedral),
        ("trimmed", trimmed),
        ("iscc", found.iscc_content == wanted.iscc),
    ];
    checks.into_iter().filter(|(_, equal)| !equal).map(|(name, _)| name).collect()
}

#[test]
fn codes_equal_the_references() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let directory = std::env::var_os("IMAGE_GOLDEN_DIR").map_or(golden, PathBuf::from);
    let vectors: Vec<Vector> = serde_json::from_slice(&fs::read(directory.join("image_codes.json")).unwrap()).unwrap();
    assert!(vectors.len() > 80);
    let mut different = Vec::new();
    for vector in &vectors {
        let file = BufReader::new(File::open(directory.join(&vector.file)).unwrap());
        let found = image::fingerprint(file, &Limits::default(), &mut NoProgress)
            .unwrap_or_else(|error| panic!("{}: {error}", vector.file));
        let differences = differences(&found, vector);
        if !differences.is_empty() {
            different.push((&vector.file, differences));
        }
    }
    assert!(different.is_empty(), "{} of {}: {different:#?}", different.len(), vectors.len());
}

/// What a picture says of itself, as odd writers leave it, and what iscc-sdk, Pillow and the writer make of it.
#[derive(Deserialize)]
struct Told {
    file: String,
    title: Option<String>,
    description: Option<String>,
    meta: String,
    iscc: String,
    camera: Option<String>,
    date_taken: Option<String>,
    gps: Option<serde_json::Map<String, serde_json::Value>>,
    upright: [u32; 2],
}

#[test]
fn metadata_of_odd_writers_are_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let told: Vec<Told> = serde_json::from_slice(&fs::read(golden.join("metadata.json")).unwrap()).unwrap();
    assert!(told.len() > 25);
    for wanted in told {
        let name = &wanted.file;
        let file = BufReader::new(File::open(golden.join("metadata").join(name)).unwrap());
        let found = image::fingerprint(file, &Limits::default(), &mut NoProgress)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.embedded.title, wanted.title, "{name}");
        assert_eq!(found.embedded.description, wanted.description, "{name}");
        assert_eq!(meta_code(name, &found.embedded).unwrap(), wanted.meta, "{name}");
        assert_eq!(found.iscc_content, wanted.iscc, "{name}");
        assert_eq!([found.pictures[0].about.width, found.pictures[0].about.height], wanted.upright, "{name}");
        let text = |key: &str| found.metadata.get(key).and_then(serde_json::Value::as_str);
        assert_eq!(text("camera"), wanted.camera.as_deref(), "{name}");
        assert_eq!(text("dateTaken"), wanted.date_taken.as_deref(), "{name}");
        assert_eq!(found.gps, wanted.gps, "{name}");
        // People see the title in the first language alone.
        let shown = wanted.title.as_deref().map(|title| title.split(", lang=").next().unwrap());
        assert_eq!(text("title"), shown, "{name}");
    }
}
