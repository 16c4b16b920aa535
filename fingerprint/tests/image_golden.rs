//! Images against the codes of imagehash, pdqhash and iscc-sdk.
//!
//! `IMAGE_GOLDEN_DIR=DIR cargo test --test image_golden` takes the larger set of `golden/make_image.py --all DIR`.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use metastamp_fingerprint::{ImageFingerprint, Limits, NoProgress, image};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    file: String,
    phash: String,
    ahash: String,
    dhash: String,
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
