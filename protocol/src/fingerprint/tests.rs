//! The documents in `golden/fingerprint/`: one of each modality, as stores keep it and as clients see it. The tests of
//! `metastamp-fingerprint` make them of files.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::http::FingerprintView;

/// What has a fingerprint: `any` is a file of no modality, `pending` one that is waiting.
const NAMES: [&str; 7] = ["image", "audio", "video", "text", "pdf", "any", "pending"];

fn golden(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/fingerprint");
    std::fs::read_to_string(directory.join(name)).unwrap()
}

fn stored(name: &str) -> Fingerprint {
    serde_json::from_str(&golden(&format!("{name}.stored.json"))).unwrap()
}

fn view(fingerprint: &Fingerprint) -> String {
    let link = |id: ObjectId, name: &str| format!("http://node/{}/{name}", id.to_hex());
    serde_json::to_string(&FingerprintView::new(fingerprint, None, None, &link)).unwrap()
}

#[test]
fn what_is_stored_is_written_as_it_was_read() {
    for name in NAMES {
        let text = golden(&format!("{name}.stored.json"));
        let fingerprint: Fingerprint = serde_json::from_str(&text).unwrap();
        assert!(fingerprint.rest.is_empty(), "{name}: {:?}", fingerprint.rest);
        assert_eq!(serde_json::to_string(&fingerprint).unwrap(), text, "{name}");
    }
}

#[test]
fn sections_are_read_as_what_they_are() {
    let (image, audio, video, text) = (stored("image"), stored("audio"), stored("video"), stored("text"));
    assert!(image.content.perceptual_hashes().is_some() && image.content.pdq.is_some());
    assert_eq!(image.content.pdq.unwrap().dihedral.len(), PDQ_FORMS.len());
    assert!(audio.content.spectral_data().is_some() && audio.content.chromaprint.unwrap().raw.is_none());
    assert_eq!(video.content.video_hashes().unwrap().frame_hashes.len(), 5);
    assert!(text.content.text_features.unwrap().shingles.count > 0);
    assert!(stored("any").content.digests.is_some());
}

#[test]
fn clients_see_what_they_always_saw() {
    for name in NAMES {
        assert_eq!(view(&stored(name)), golden(&format!("{name}.view.json")), "{name}");
    }
}

/// While nodes of two versions are at work, an older one reads and writes what a newer one has stored.
#[test]
fn what_a_newer_version_added_survives() {
    let mut newer: Value = serde_json::from_str(&golden("video.stored.json")).unwrap();
    newer["clip_embedding"] = json!({ "model": "clip@1", "vector": [0.5, -0.25] });
    newer["retries"] = json!(3);
    for section in ["chromaprint", "spectral_data", "video_hashes", "iscc", "digests", "metadata", "algorithms"] {
        newer[section]["newer"] = json!("member");
    }
    assert_survives(&newer);
    let mut newer: Value = serde_json::from_str(&golden("image.stored.json")).unwrap();
    for pointer in ["/perceptual_hashes", "/pdq", "/pdq/trimmed"] {
        newer.pointer_mut(pointer).unwrap()["newer"] = json!([1, { "a": null }]);
    }
    assert_survives(&newer);
    let mut newer: Value = serde_json::from_str(&golden("text.stored.json")).unwrap();
    for pointer in ["/text_features", "/text_features/language", "/text_features/shingles"] {
        newer.pointer_mut(pointer).unwrap()["newer"] = json!(1.5);
    }
    assert_survives(&newer);
}

fn assert_survives(document: &Value) {
    let fingerprint: Fingerprint = serde_json::from_str(&document.to_string()).unwrap();
    assert_eq!(&serde_json::to_value(&fingerprint).unwrap(), document);
    let again: Fingerprint = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(again, fingerprint);
}

/// The original system had sections of these names in shapes of its own.
#[test]
fn sections_of_the_original_are_kept_and_shown_as_they_are() {
    let mut document: Value = serde_json::from_str(&golden("pending.stored.json")).unwrap();
    document["perceptual_hashes"] = json!({ "phash": "00ff", "frames": null });
    document["spectral_data"] = json!({});
    document["video_hashes"] = json!({ "frame_hashes": ["aa", "bb"], "fps": "25" });
    assert_survives(&document);
    let fingerprint: Fingerprint = serde_json::from_value(document.clone()).unwrap();
    let content = &fingerprint.content;
    assert!(content.perceptual_hashes().is_none() && content.video_hashes().is_none());
    assert_eq!(content.phash(), Some("00ff"));
    let seen: Value = serde_json::from_str(&view(&fingerprint)).unwrap();
    for section in ["perceptual_hashes", "spectral_data", "video_hashes"] {
        assert_eq!(seen[section], document[section], "{section}");
    }
    document.as_object_mut().unwrap().remove("perceptual_hashes");
    let seen: Value = serde_json::from_str(&view(&serde_json::from_value(document).unwrap())).unwrap();
    assert_eq!(seen["perceptual_hashes"], json!({ "frame_hashes": ["aa", "bb"] }));
}

/// No line of the table names a member that no work has.
#[test]
fn every_line_that_people_see_stands_in_a_golden_document() {
    let views: Vec<Value> =
        NAMES.map(|name| serde_json::from_str(&golden(&format!("{name}.view.json"))).unwrap()).into();
    let stands = |path: &str| views.iter().any(|view| view.pointer(path).is_some_and(|value| !value.is_null()));
    for line in LINES.into_iter().flatten() {
        assert!(stands(line.path), "{}", line.path);
        match line.show {
            Show::WithQuality(quality) => assert!(stands(quality), "{quality}"),
            Show::TextCounts { words, lines } => assert!(stands(words) && stands(lines), "{words} {lines}"),
            Show::Text | Show::Beginning | Show::Frames => {}
        }
    }
    assert!(MAIN_HASHES.into_iter().all(stands));
}

#[test]
fn long_lists_of_frames_are_thinned_out_evenly() {
    let mut video = stored("video").content.video_hashes().unwrap().clone();
    let before = video.clone();
    video.thin_out(5);
    assert_eq!(video, before);
    video.thin_out(2);
    assert_eq!(video.frame_timestamps, [before.frame_timestamps[0], before.frame_timestamps[3]]);
    assert_eq!([video.frame_hashes.len(), video.frame_pdq.len(), video.frame_pdq_quality.len()], [2; 3]);
}
