//! Broken, lying and unusual sound: each gives a fingerprint or a reason.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::path::Path;

use metastamp_fingerprint::audio::{self, AudioFingerprint};
use metastamp_fingerprint::{FingerprintError, Limits, NoProgress, Tools};

type Outcome = Result<AudioFingerprint, FingerprintError>;

fn fingerprint(name: &str, bytes: &[u8]) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    audio::fingerprint(&path, &Tools::default(), &Limits::default(), &mut NoProgress)
}

fn media(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/audio").join(name)).unwrap()
}

/// `tag` 1 is for integers, 3 for floats. `length` is what the header claims.
fn wav_claiming(length: u32, tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let block = (u32::from(channels) * u32::from(bits) / 8) as u16;
    let mut out = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0".to_vec();
    out.extend(tag.to_le_bytes());
    out.extend(channels.to_le_bytes());
    out.extend(rate.to_le_bytes());
    out.extend(rate.wrapping_mul(u32::from(block)).to_le_bytes());
    out.extend(block.to_le_bytes());
    out.extend(bits.to_le_bytes());
    out.extend(b"data");
    out.extend(length.to_le_bytes());
    out.extend(data);
    out
}

fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    wav_claiming(data.len() as u32, tag, channels, rate, bits, data)
}

/// A failure with a message for the creator: short, lower-case, without a path.
fn assert_reasoned(name: &str, outcome: &Outcome) {
    let error = outcome.as_ref().expect_err(name);
    assert!(!matches!(error, FingerprintError::Io(_)), "{name}: {error}");
    let message = error.to_string();
    assert!(message.len() < 80 && !message.contains('/'), "{name}: {message}");
    assert!(message.starts_with(|first: char| first.is_lowercase()), "{name}: {message}");
}

fn assert_whole(name: &str, outcome: Outcome) -> AudioFingerprint {
    let fingerprint = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(fingerprint.spectral_data.spectral_centroid_mean.is_none_or(f64::is_finite), "{name}");
    assert!(fingerprint.spectral_data.spectral_centroid_std.is_none_or(f64::is_finite), "{name}");
    assert!(fingerprint.spectral_data.spectral_bandwidth_mean.is_none_or(f64::is_finite), "{name}");
    let pictures: Vec<_> = fingerprint.pictures.iter().map(|picture| picture.about.name.as_str()).collect();
    assert_eq!(pictures, ["waveform", "spectrogram"], "{name}");
    assert_eq!(fingerprint.iscc_content.is_empty(), fingerprint.chromaprint.items().is_empty(), "{name}");
    fingerprint
}

#[test]
fn silence_has_a_fingerprint() {
    let silence = assert_whole("silence", fingerprint("a.wav", &wav(1, 1, 44_100, 16, &vec![0; 441_000])));
    assert_eq!(silence.spectral_data.spectral_centroid_mean, Some(0.0));
    assert_eq!(silence.chromaprint.items().len(), 19);
}

#[test]
fn very_short_sounds_have_no_items() {
    for samples in [1, 2, 100, 4000] {
        let short = assert_whole("short", fingerprint("a.wav", &wav(1, 1, 44_100, 16, &vec![7; samples * 2])));
        assert!(short.chromaprint.items().is_empty());
        assert_eq!(short.chromaprint.fingerprint, "AQAAAA");
    }
}

#[test]
fn headers_that_lie_are_not_believed() {
    let data = vec![3; 1000];
    let lie = assert_whole("4 GB", fingerprint("a.wav", &wav_claiming(0xffff_fff0, 1, 1, 44_100, 16, &data)));
    assert_eq!(lie.metadata["duration"], 0.011);
    for (name, bytes) in [
        ("no samples", wav(1, 1, 44_100, 16, &[])),
        ("no channels", wav(1, 0, 44_100, 16, &data)),
        ("200 channels", wav(1, 200, 44_100, 16, &vec![0; 4_000])),
        ("0 Hz", wav(1, 1, 0, 16, &data)),
        ("1 Hz", wav(1, 1, 1, 16, &data)),
        ("4 GHz", wav(1, 1, u32::MAX, 16, &data)),
        ("0 bits", wav(1, 1, 44_100, 0, &data)),
    ] {
        assert_reasoned(name, &fingerprint("a.wav", &bytes));
    }
}

#[test]
fn unusual_rates_and_channels_are_taken() {
    for (channels, rate) in [(1, 1_000), (1, 44_101), (1, 767_957), (8, 44_100), (12, 48_000), (3, 8_000)] {
        let data: Vec<u8> = (0..rate * u32::from(channels) * 2).map(|i| (i.wrapping_mul(i) >> 9) as u8).collect();
        let name = format!("{channels} channels, {rate} Hz");
        let sound = assert_whole(&name, fingerprint("a.wav", &wav(1, channels, rate, 16, &data)));
        assert_eq!(sound.metadata["duration"], 1.0, "{name}");
        assert!((sound.spectral_data.duration - 1.0).abs() < 0.001, "{name}");
    }
}

#[test]
fn samples_that_are_no_numbers_are_silence() {
    let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX];
    let data: Vec<u8> = bad.iter().cycle().take(100_000).flat_map(|x| x.to_le_bytes()).collect();
    let sound = assert_whole("not numbers", fingerprint("a.wav", &wav(3, 1, 44_100, 32, &data)));
    assert_eq!(sound.spectral_data.spectral_centroid_mean, Some(0.0));
}

#[test]
fn truncated_files_count_as_far_as_they_go() {
    for name in ["stereo.mp3", "mono.aac", "stereo.ogg"] {
        let bytes = media(name);
        let half = assert_whole(name, fingerprint(name, &bytes[..bytes.len() / 2]));
        let seconds = half.metadata["duration"].as_f64().unwrap();
        assert!((2.0..6.0).contains(&seconds), "{name}: {seconds}");
        for cut in [1, 10, 40, 200] {
            if let Ok(sound) = fingerprint(name, &bytes[..cut]) {
                assert_whole(name, Ok(sound));
            }
        }
    }
}

#[test]
fn corrupt_files_do_no_harm() {
    for name in ["stereo.mp3", "mono.mp3", "vbr.mp3", "stereo.aac", "stereo.ogg"] {
        let bytes = media(name);
        for seed in 1..6_u64 {
            let mut broken = bytes.clone();
            let mut state = seed;
            for _ in 0..200 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % broken.len();
                broken[at] = (state >> 20) as u8;
            }
            match fingerprint(name, &broken) {
                Ok(sound) => drop(assert_whole(name, Ok(sound))),
                outcome => assert_reasoned(name, &outcome),
            }
        }
    }
}

#[test]
fn what_is_no_sound_is_told_so() {
    let noise: Vec<u8> = (0..50_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let tag_only = [&b"ID3\x04\0\0\0\0\x0f\x76"[..], &[0; 3000]].concat();
    let tag_lies = [&b"ID3\x04\0\0\x7f\x7f\x7f\x7fTIT2\x0f\xff\xff\xff\0\0"[..], &[b'A'; 3000]].concat();
    for (name, bytes) in [
        ("empty.mp3", Vec::new()),
        ("text.wav", b"hello world ".repeat(100)),
        ("playlist.mp3", b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n".to_vec()),
        ("script.mp3", b"ffconcat version 1.0\nfile '/etc/passwd'\n".to_vec()),
        ("noise.aac", noise),
        ("tag.mp3", tag_only),
        ("lie.mp3", tag_lies),
    ] {
        assert_reasoned(name, &fingerprint(name, &bytes));
    }
}

#[test]
fn a_tag_of_very_many_frames_is_bounded() {
    let frames = b"TXXX\0\0\0\x04\0\0\0A\0B".repeat(100_000);
    let size = frames.len() as u32;
    let size = [21, 14, 7, 0].map(|shift| (size >> shift & 127) as u8);
    let bytes = [&b"ID3\x04\0\0"[..], &size, &frames, &media("mono.mp3")].concat();
    let sound = assert_whole("tags", fingerprint("a.mp3", &bytes));
    assert!(sound.metadata.len() < 30);
}

#[test]
fn a_longer_sound_than_allowed_is_refused() {
    let limits = Limits { audio_seconds_max: 2, ..Limits::default() };
    let data = vec![0; 44_100 * 2 * 3];
    let outcome = audio::from_pcm(&data[..], 44_100, 1, &limits, &mut NoProgress);
    assert!(matches!(&outcome, Err(FingerprintError::LimitExceeded { limit: "audio_seconds_max", .. })));
    assert_reasoned("long", &outcome);
    let exact = vec![0; 44_100 * 2 * 2];
    assert!(audio::from_pcm(&exact[..], 44_100, 1, &limits, &mut NoProgress).is_ok());
}

#[test]
fn stops_when_asked_and_never_goes_back() {
    let data = vec![0; 44_100 * 2 * 30];
    let mut last = 0;
    let mut watch = |percent: u8| {
        assert!(percent >= last);
        last = percent;
        ControlFlow::Continue(())
    };
    audio::from_pcm(&data[..], 44_100, 1, &Limits::default(), &mut watch).unwrap();
    assert_eq!(last, 100);
    let mut calls = 0;
    let mut stop = |_: u8| {
        calls += 1;
        if calls < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let outcome = audio::from_pcm(&data[..], 44_100, 1, &Limits::default(), &mut stop);
    assert!(matches!(outcome, Err(FingerprintError::Cancelled)));
}
