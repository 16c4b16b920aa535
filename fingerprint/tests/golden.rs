//! The images of `golden/` against the hashes that imagehash and Pillow give them.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use metastamp_fingerprint::{Limits, NoProgress, image};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    file: String,
    format: String,
    mode: String,
    width: u32,
    height: u32,
    phash: String,
    ahash: String,
    dhash: String,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn distance(a: &str, b: &str) -> u32 {
    let (a, b) = (hex::decode(a).unwrap(), hex::decode(b).unwrap());
    a.iter().zip(&b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[test]
fn hashes_equal_the_reference() {
    let vectors: Vec<Vector> = serde_json::from_slice(&fs::read(golden().join("image.json")).unwrap()).unwrap();
    assert!(vectors.len() > 40);
    let mut different = Vec::new();
    for vector in vectors {
        let file = BufReader::new(File::open(golden().join("images").join(&vector.file)).unwrap());
        let found = image::fingerprint(file, &Limits::default(), &mut NoProgress)
            .unwrap_or_else(|error| panic!("{}: {error}", vector.file));
        let metadata = &found.metadata;
        assert_eq!(metadata["format"], vector.format, "{}", vector.file);
        assert_eq!(metadata["mode"], vector.mode, "{}", vector.file);
        assert_eq!((&metadata["width"], &metadata["height"]), (&vector.width.into(), &vector.height.into()));
        let hashes = found.perceptual_hashes;
        let distances = [
            distance(&hashes.phash, &vector.phash),
            distance(&hashes.ahash, &vector.ahash),
            distance(&hashes.dhash, &vector.dhash),
        ];
        if distances != [0; 3] {
            different.push((vector.file, distances));
        }
    }
    assert!(different.is_empty(), "{different:?}");
}
