//! What a file of each modality gives, held byte for byte against the documents in `protocol/golden/fingerprint/`:
//! `report` as the command line prints it, `stored` as it lies in the stores, `view` as clients see it.
//!
//! `UPDATE_GOLDEN=1 cargo test --package metastamp-fingerprint --test golden_documents` writes them anew, after a section was
//! added; what else has changed there is a breach of the contract.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use metastamp_fingerprint::digest::of_reader;
use metastamp_fingerprint::file::Found;
use metastamp_fingerprint::{Limits, NoProgress, Tools, fingerprint_file};
use metastamp_protocol::files::kind_of_name;
use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_protocol::http::FingerprintView;
use metastamp_protocol::{FileKind, Fingerprint, ObjectId, ProcessingStatus, Timestamp};

fn sample(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file)
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/golden/fingerprint").join(name)
}

/// Holds `text` against the golden document, or writes it there.
fn hold(name: &str, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden(name), text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(golden(name)).unwrap(), "{name}");
}

fn found(file: &str) -> (FileKind, Found) {
    let kind = kind_of_name(file).unwrap();
    let name = file.rsplit('/').next().unwrap();
    let (tools, limits) = (Tools::default(), Limits::default());
    (kind, fingerprint_file(&sample(file), kind, name, None, &tools, &limits, &mut NoProgress).unwrap())
}

fn hold_documents(name: &str, kind: FileKind, content: FingerprintContent) {
    let stored = stored(kind, content);
    hold(&format!("{name}.stored.json"), &serde_json::to_string(&stored).unwrap());
    let link = |id: ObjectId, name: &str| format!("http://node/{}/{name}", id.to_hex());
    let view = FingerprintView::new(&stored, None, None, &link);
    hold(&format!("{name}.view.json"), &serde_json::to_string(&view).unwrap());
}

fn pending(kind: FileKind) -> Fingerprint {
    let [id, asset, user] = ["fingerprint", "asset", "user"].map(|of| ObjectId::derived(&[of]));
    Fingerprint::pending(id, asset, user, kind, Timestamp(1_764_000_000_123))
}

fn stored(kind: FileKind, mut content: FingerprintContent) -> Fingerprint {
    if let Some(sound) = &mut content.chromaprint {
        sound.raw = None;
    }
    Fingerprint {
        processing_status: ProcessingStatus::Completed,
        content,
        processing_duration: Some(0.25),
        completed_at: Some(Timestamp(1_764_000_000_123)),
        ..pending(kind)
    }
}

#[test]
fn texts_and_pictures_give_what_they_gave() {
    for (name, file) in
        [("image", "image/orientation_border.jpg"), ("text", "text/prose_de.txt"), ("pdf", "pdf/letter.pdf")]
    {
        let (kind, Found { content, pictures }) = found(file);
        hold(&format!("{name}.report.json"), &serde_json::to_value(&content).unwrap().to_string());
        let pictures = pictures.into_iter().map(|picture| picture.about).collect();
        hold_documents(name, kind, FingerprintContent { pictures, ..content });
    }
}

/// But for what hangs on how a processor rounds: measures of spectra, and the size of pictures made of them.
#[test]
fn sounds_and_films_give_what_they_gave() {
    for (name, file) in [("audio", "audio/mono.mp3"), ("video", "video/late_start.mp4")] {
        let (kind, Found { mut content, pictures }) = found(file);
        let mut pictures: Vec<_> = pictures.into_iter().map(|picture| picture.about).collect();
        if std::env::var_os("UPDATE_GOLDEN").is_none() {
            let golden = fs::read_to_string(golden(&format!("{name}.stored.json"))).unwrap();
            let golden: Fingerprint = serde_json::from_str(&golden).unwrap();
            assert!(content.spectral_data().is_some() && golden.content.spectral_data().is_some());
            content.spectral_data = golden.content.spectral_data;
            for (picture, golden) in pictures.iter_mut().zip(golden.content.pictures) {
                picture.size = golden.size;
            }
        }
        hold(&format!("{name}.report.json"), &serde_json::to_value(&content).unwrap().to_string());
        hold_documents(name, kind, FingerprintContent { pictures, ..content });
    }
}

#[test]
fn any_file_has_digests() {
    let digests = of_reader(fs::File::open(sample("audio/mono.opus")).unwrap(), &mut NoProgress).unwrap();
    hold("any.report.json", &serde_json::to_value(&digests).unwrap().to_string());
    let content = FingerprintContent { digests: Some(digests), ..FingerprintContent::default() };
    hold_documents("any", FileKind::Url, content);
}

#[test]
fn what_waits_has_nothing_yet() {
    hold("pending.stored.json", &serde_json::to_string(&pending(FileKind::Image)).unwrap());
}
