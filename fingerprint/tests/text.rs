//! Texts of many languages and encodings against iscc-sdk, iscc-core, and a second implementation of words and shingles.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use metastamp_fingerprint::text::{Shingles, TextFingerprint, fingerprint};
use metastamp_fingerprint::{Limits, NoProgress, Tools, fingerprint_file};
use metastamp_protocol::FileKind;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Files that iscc-sdk reads as something else than they are, and we do not.
const OTHER_ENCODING: [&str; 1] = ["plain_utf16le.txt"];

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    file: String,
    normalized_hash: String,
    shingles: u32,
    shingles_sha256: String,
    iscc: String,
    units: Vec<String>,
}

fn golden() -> Vec<(PathBuf, Vector)> {
    let golden: Golden = serde_json::from_str(include_str!("../golden/text.json")).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/text");
    golden.texts.into_iter().map(|vector| (folder.join(&vector.file), vector)).collect()
}

fn of(bytes: &[u8]) -> TextFingerprint {
    fingerprint(bytes, Some(bytes.len() as u64), &Limits::default(), &mut NoProgress).unwrap()
}

#[test]
fn codes_equal_iscc_sdk() {
    let vectors = golden();
    assert!(vectors.len() >= 39);
    for (path, vector) in vectors {
        let (tools, limits) = (Tools::default(), Limits::default());
        let found =
            fingerprint_file(&path, FileKind::Text, &vector.file, None, &tools, &limits, &mut NoProgress).unwrap();
        let iscc = found.content.iscc.unwrap();
        let ours = [iscc.meta.unwrap(), iscc.content.unwrap(), iscc.data, iscc.instance];
        if OTHER_ENCODING.contains(&vector.file.as_str()) {
            assert_ne!(ours[1], vector.units[1], "{}", vector.file);
            continue;
        }
        assert_eq!(ours.to_vec(), vector.units, "{}", vector.file);
        assert_eq!(iscc.code, vector.iscc, "{}", vector.file);
    }
}

#[test]
fn words_and_shingles_equal_a_second_implementation() {
    for (path, vector) in golden() {
        let features = of(&fs::read(path).unwrap()).features;
        assert_eq!(features.normalized_hash, vector.normalized_hash, "{}", vector.file);
        assert_eq!(features.shingles.count, vector.shingles, "{}", vector.file);
        let hashes: Vec<u8> = Shingles::load(&features.shingles).unwrap().hashes().flat_map(u64::to_le_bytes).collect();
        assert_eq!(hex::encode(Sha256::digest(hashes)), vector.shingles_sha256, "{}", vector.file);
    }
}

#[test]
fn encodings_and_languages_are_told() {
    let expected = [
        ("prose_en.txt", "ascii", Some("en")),
        ("prose_de.txt", "utf-8", Some("de")),
        ("prose_fr.txt", "utf-8", Some("fr")),
        ("prose_ru.txt", "utf-8", Some("ru")),
        ("prose_zh.txt", "utf-8", Some("zh")),
        ("prose_ja.txt", "utf-8", Some("ja")),
        ("prose_ko.txt", "utf-8", Some("ko")),
        ("prose_th.txt", "utf-8", Some("th")),
        ("prose_el.txt", "utf-8", Some("el")),
        ("prose_ar.txt", "utf-8", Some("ar")),
        ("prose_hi.txt", "utf-8", Some("hi")),
        ("late.txt", "utf-8", Some("en")),
        ("bom_utf8.txt", "utf-8-sig", Some("de")),
        ("bom_utf16le.txt", "utf-16le", Some("de")),
        ("bom_utf16be.txt", "utf-16be", Some("ru")),
        ("bom_utf32le.txt", "utf-32le", Some("fr")),
        ("plain_utf16le.txt", "utf-16le", Some("fr")),
        ("latin1_fr.txt", "windows-1252", Some("fr")),
        ("windows1251.txt", "windows-1251", Some("ru")),
        ("koi8r.txt", "koi8-u", Some("ru")),
        ("windows1253.txt", "windows-1253", Some("el")),
        ("shift_jis.txt", "shift_jis", Some("ja")),
        ("euc_jp.txt", "euc-jp", Some("ja")),
        ("iso2022jp.txt", "iso-2022-jp", Some("ja")),
        ("gb18030.txt", "gbk", Some("zh")),
        ("euc_kr.txt", "euc-kr", Some("ko")),
        ("one.txt", "ascii", None),
        ("marks.txt", "ascii", None),
    ];
    let vectors = golden();
    for (file, encoding, language) in expected {
        let (path, _) = vectors.iter().find(|(_, vector)| vector.file == file).unwrap();
        let metadata = of(&fs::read(path).unwrap()).metadata;
        assert_eq!(metadata["encoding"], encoding, "{file}");
        assert_eq!(metadata.get("language").and_then(|code| code.as_str()), language, "{file}");
    }
}
