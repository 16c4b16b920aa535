//! Sound against its references: fpcalc, librosa, iscc-core. `golden/make_audio.py` made the vectors.

#![allow(clippy::unwrap_used)]

#[path = "audio/synth.rs"]
mod synth;

use std::path::{Path, PathBuf};

use metastamp_fingerprint::audio::{self, AudioFingerprint};
use metastamp_fingerprint::{Limits, NoProgress, Tools};
use serde_json::Value;

fn golden() -> (PathBuf, Value) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let vectors = std::fs::read(directory.join("audio.json")).unwrap();
    (directory.join("audio"), serde_json::from_slice(&vectors).unwrap())
}

fn fingerprint(path: &Path) -> AudioFingerprint {
    audio::fingerprint(path, &Tools::default(), &Limits::default(), &mut NoProgress)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn items(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|item| item.as_u64().unwrap() as u32).collect()
}

fn number(value: &Value, name: &str) -> u32 {
    value[name].as_i64().unwrap() as u32
}

#[test]
fn chromaprint_of_pcm_is_fpcalcs_bit_for_bit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sound.wav");
    let (_, golden) = golden();
    let cases = golden["lossless"].as_array().unwrap();
    assert_eq!(cases.len(), 59);
    for case in cases {
        let (rate, channels, bits) = (number(case, "rate"), number(case, "channels"), case["bits"].as_i64().unwrap());
        let name = format!("{rate} Hz, {channels} channels, {bits} bits");
        std::fs::write(&path, synth::wav(rate, channels as usize, bits)).unwrap();
        let ours = fingerprint(&path);
        assert_eq!(ours.chromaprint.items(), items(&case["raw"]), "{name}");
        assert_eq!(ours.chromaprint.fingerprint, case["fingerprint"].as_str().unwrap(), "{name}");
        assert_eq!(ours.iscc_content, case["iscc"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn chromaprint_of_lossy_files_is_fpcalcs() {
    let (media, golden) = golden();
    for (name, case) in golden["lossy"].as_object().unwrap() {
        let ours = fingerprint(&media.join(name)).chromaprint.items().to_vec();
        let theirs = items(&case["raw"]);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let wrong: u32 = ours.iter().zip(&theirs).map(|(a, b)| (a ^ b).count_ones()).sum();
        let rate = f64::from(wrong) / (32 * ours.len()) as f64;
        assert!(rate <= 0.0024, "{name}: {rate}");
    }
}

#[test]
fn the_spectral_block_is_librosas() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sound.wav");
    let (_, golden) = golden();
    let mut compared = 0;
    for case in golden["lossless"].as_array().unwrap() {
        let Some(wanted) = case.get("spectral") else { continue };
        let (rate, channels) = (number(case, "rate"), number(case, "channels"));
        std::fs::write(&path, synth::wav(rate, channels as usize, 16)).unwrap();
        let ours = fingerprint(&path).spectral_data;
        let shape = |name: &str| [wanted[name][0].as_u64().unwrap(), wanted[name][1].as_u64().unwrap()];
        assert_eq!(ours.mel_spectrogram_shape, shape("mel_shape"));
        assert_eq!(ours.chromagram_shape, shape("chroma_shape"));
        assert!((ours.duration - wanted["duration"].as_f64().unwrap()).abs() <= 1e-3, "{rate} Hz, {channels} channels");
        // Other rates go through another filter of the same shape; then the values are not given.
        if ![22_050, 44_100].contains(&rate) {
            assert_eq!((ours.spectral_centroid_mean, ours.spectral_bandwidth_mean), (None, None), "{rate} Hz");
            compared += 1;
            continue;
        }
        for (name, ours) in [
            ("centroid_mean", ours.spectral_centroid_mean),
            ("centroid_std", ours.spectral_centroid_std),
            ("bandwidth_mean", ours.spectral_bandwidth_mean),
        ] {
            let wanted = wanted[name].as_f64().unwrap();
            let ours = ours.unwrap();
            assert!((ours - wanted).abs() <= 1e-3, "{rate} Hz, {channels} channels, {name}: {ours} for {wanted}");
        }
        compared += 1;
    }
    assert_eq!(compared, 20);
}

#[test]
fn where_the_resampler_decides_there_are_no_spectral_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sound.wav");
    for (rate, given) in [(22_050, true), (44_100, false)] {
        let mut samples = synth::samples(rate, 1);
        let silence = samples.len() / 2..samples.len() * 3 / 4;
        samples[silence].fill(0);
        std::fs::write(&path, synth::file(&samples, rate, 1, 16)).unwrap();
        let spectral = fingerprint(&path).spectral_data;
        assert_eq!(spectral.spectral_centroid_mean.is_some(), given, "{rate}");
        assert_eq!(spectral.spectral_centroid_std.is_some(), given, "{rate}");
        assert_eq!(spectral.spectral_bandwidth_mean.is_some(), given, "{rate}");
    }
}

#[test]
fn samples_from_a_pipe_are_fingerprinted_as_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sound.wav");
    let wav = synth::wav(44_100, 2, 16);
    std::fs::write(&path, &wav).unwrap();
    let file = fingerprint(&path);
    let pipe = audio::from_pcm(&wav[44..], 44_100, 2, &Limits::default(), &mut NoProgress).unwrap();
    assert_eq!(pipe.chromaprint, file.chromaprint);
    assert_eq!(pipe.spectral_data, file.spectral_data);
    assert_eq!(pipe.pictures, file.pictures);
    assert_eq!(pipe.metadata["duration"], file.metadata["duration"]);
    assert!(pipe.metadata.get("file_size").is_none());
}

#[test]
fn metadata_tell_what_the_file_is() {
    let (media, _) = golden();
    let metadata = fingerprint(&media.join("stereo.mp3")).metadata;
    let wanted = serde_json::json!({
        "duration": 8.0, "duration_formatted": "00:00:08", "sample_rate": 44100, "channels": 2, "codec": "mp3", "format": "mp3",
        "file_size": 96941, "estimated_bitrate_kbps": 96.94, "bitrate": "97 kbps",
        "title": "Golden", "artist": "Make Audio", "album": "Vectors",
    });
    assert_eq!(Value::Object(metadata), wanted);
}
