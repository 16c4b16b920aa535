//! Headers that lie, files that were joined, and what a sound says of itself. The inputs are made of the golden files.
#![allow(clippy::unwrap_used)]

#[path = "audio/synth.rs"]
mod synth;

use std::path::{Path, PathBuf};
use std::process::Command;

use metastamp_fingerprint::{Limits, Metadata, NoProgress, Tools, audio};
use serde_json::{Value, json};

fn media(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/audio").join(name)).unwrap()
}

fn metadata(name: &str, bytes: &[u8]) -> Metadata {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let found = audio::fingerprint(&path, &Tools::default(), &Limits::default(), &mut NoProgress);
    found.unwrap_or_else(|error| panic!("{name}: {error}")).metadata
}

/// The sound is so long, and the header says so (if it says anything else).
fn assert_seconds(name: &str, bytes: &[u8], seconds: f64, header: Option<f64>) {
    let metadata = metadata(name, bytes);
    let near = |member: &str, wanted: f64| metadata[member].as_f64().is_some_and(|found| (found - wanted).abs() < 0.4);
    assert!(near("duration", seconds), "{name}: {metadata:?}");
    match header {
        Some(header) => assert!(near("header_duration", header), "{name}: {metadata:?}"),
        None => assert!(!metadata.contains_key("header_duration"), "{name}: {metadata:?}"),
    }
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

fn patched(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

/// A WAVE file of eight seconds through ffmpeg.
fn encoded(directory: &Path, name: &str) -> Vec<u8> {
    let source = directory.join("source.wav");
    std::fs::write(&source, synth::wav(22_050, 1, 16)).unwrap();
    let target: PathBuf = directory.join(name);
    let done = Command::new("ffmpeg").args(["-v", "error", "-y", "-i"]).args([&source, &target]).status().unwrap();
    assert!(done.success(), "{name}");
    std::fs::read(target).unwrap()
}

#[test]
fn a_number_of_frames_is_not_believed() {
    let mp3 = media("stereo.mp3");
    let at = if mp3.windows(4).any(|w| w == b"Info") { find(&mp3, b"Info") } else { find(&mp3, b"Xing") };
    assert_seconds("whole.mp3", &mp3, 8.0, None);
    assert_seconds("fewer.mp3", &patched(&mp3, at + 8, &40_u32.to_be_bytes()), 8.0, Some(1.0));
    assert_seconds("more.mp3", &patched(&mp3, at + 8, &4000_u32.to_be_bytes()), 8.0, Some(104.4));
}

#[test]
fn joined_files_are_read_to_the_end() {
    let joined = |a: &str, b: &str| [media(a), media(b)].concat();
    assert_seconds("same.mp3", &joined("stereo.mp3", "stereo.mp3"), 16.0, Some(8.0));
    assert_seconds("other.mp3", &joined("stereo.mp3", "mono.mp3"), 16.0, Some(8.0));
    assert_seconds("same.ogg", &joined("stereo.ogg", "stereo.ogg"), 16.0, Some(8.0));
    assert_seconds("same.aac", &joined("stereo.aac", "stereo.aac"), 16.0, None);
    assert_seconds("other.aac", &joined("stereo.aac", "mono.aac"), 16.0, None);
    let directory = tempfile::tempdir().unwrap();
    let flac = encoded(directory.path(), "a.flac");
    let metadata = metadata("joined.flac", &[&flac[..], &flac[..]].concat());
    // ffmpeg, and so fpcalc, loses the frames on both sides of the seam.
    assert!(metadata["duration"].as_f64().unwrap() > 15.0, "{metadata:?}");
    assert_eq!(metadata["header_duration"], 8.0);
    let opus = joined("mono.opus", "mono.opus");
    assert!(self::metadata("joined.opus", &opus)["duration"].as_f64().unwrap() > 15.5);
}

#[test]
fn a_flac_header_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let flac = encoded(directory.path(), "a.flac");
    let claiming = |samples: u32| {
        let word = u64::from_be_bytes(flac[18..26].try_into().unwrap()) >> 36 << 36;
        patched(&flac, 18, &(word | u64::from(samples)).to_be_bytes())
    };
    assert_seconds("unknown.flac", &claiming(0), 8.0, None);
    assert_seconds("fewer.flac", &claiming(22_050 * 2), 8.0, Some(2.0));
    assert_seconds("more.flac", &claiming(22_050 * 80), 8.0, Some(80.0));
}

#[test]
fn sizes_of_wave_files_are_not_believed() {
    let wav = synth::wav(22_050, 1, 16);
    let (at, real) = (find(&wav, b"data") + 4, (wav.len() - 44) as u32);
    let claiming = |size: u32| patched(&wav, at, &size.to_le_bytes());
    assert_seconds("none.wav", &claiming(0), 8.0, Some(0.0));
    assert_seconds("unknown.wav", &claiming(u32::MAX), 8.0, None);
    assert_seconds("odd.wav", &claiming(real - 1), 8.0, None);
    assert_seconds("more.wav", &claiming(real * 3), 8.0, Some(24.0));
    assert_seconds("fewer.wav", &claiming(real / 4), 8.0, Some(2.0));
    let no_riff = patched(&claiming(0), 4, &[0; 4]);
    assert_seconds("nothing.wav", &no_riff, 8.0, Some(0.0));
    for (name, size, header) in
        [("large.wav", i64::from(real), None), ("minus.wav", -1, None), ("zero.wav", 0, Some(0.0))]
    {
        let mut file = b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0".to_vec();
        file.extend([size, size, size / 2].iter().flat_map(|size| size.to_le_bytes()));
        file.extend([0; 4]);
        file.extend(&wav[12..]);
        let at = find(&file, b"data") + 4;
        assert_seconds(name, &patched(&file, at, &[0xff; 4]), 8.0, header);
    }
}

#[test]
fn sizes_of_aiff_files_are_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let aiff = encoded(directory.path(), "a.aiff");
    let (common, sound) = (find(&aiff, b"COMM") + 10, find(&aiff, b"SSND") + 4);
    let claiming = |at: usize, size: u32| patched(&aiff, at, &size.to_be_bytes());
    assert_seconds("few.aiff", &claiming(common, 22_050), 8.0, None);
    assert_seconds("none.aiff", &claiming(sound, 0), 8.0, Some(0.0));
    assert_seconds("huge.aiff", &claiming(sound, u32::MAX), 8.0, None);
    assert_seconds("fewer.aiff", &claiming(sound, 22_050 * 2 + 8), 8.0, Some(1.0));
}

#[test]
fn lengths_in_mp4_are_not_believed() {
    let m4a = media("stereo.m4a");
    assert_seconds("whole.m4a", &m4a, 8.0, None);
    let movie = patched(&m4a, find(&m4a, b"mvhd") + 20, &2000_u32.to_be_bytes());
    assert_seconds("movie.m4a", &movie, 8.0, Some(2.0));
    let at = find(&m4a, b"mdhd");
    let scale = u32::from_be_bytes(m4a[at + 16..at + 20].try_into().unwrap());
    assert_seconds("track.m4a", &patched(&m4a, at + 20, &(scale * 2).to_be_bytes()), 8.0, Some(2.0));
}

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = [&id[..], &(body.len() as u32).to_le_bytes(), body].concat();
    chunk.resize(chunk.len() + chunk.len() % 2, 0);
    chunk
}

/// A WAVE file with more chunks behind its sound.
fn tagged_wav(chunks: &[u8]) -> Vec<u8> {
    let wav = [&synth::wav(22_050, 1, 16)[..], chunks].concat();
    let size = (wav.len() as u32 - 8).to_le_bytes();
    patched(&wav, 4, &size)
}

/// An ID3v2.4 tag of text frames in UTF-8.
fn id3(frames: &[(&str, &str)]) -> Vec<u8> {
    let syncsafe = |size: usize| [21, 14, 7, 0].map(|shift| (size >> shift & 127) as u8);
    let frame =
        |(id, text): &(&str, &str)| [id.as_bytes(), &syncsafe(text.len() + 1), &[0, 0, 3], text.as_bytes()].concat();
    let frames: Vec<u8> = frames.iter().flat_map(frame).collect();
    [&b"ID3\x04\0\0"[..], &syncsafe(frames.len()), &frames].concat()
}

fn assert_tags(name: &str, bytes: &[u8], wanted: &Value) {
    let found = metadata(name, bytes);
    for (member, text) in wanted.as_object().unwrap() {
        assert_eq!(found.get(member), Some(text), "{name}: {member}");
    }
}

#[test]
fn wave_files_tell_of_themselves_in_chunks() {
    let info =
        |title: &[u8]| chunk(b"LIST", &[b"INFO", &chunk(b"INAM", title)[..], &chunk(b"IART", b"Ann\0")].concat());
    let utf8 = tagged_wav(&info("K\u{e4}se\0".as_bytes()));
    assert_tags("utf8.wav", &utf8, &json!({ "title": "K\u{e4}se", "artist": "Ann" }));
    let (shift_jis, _, _) = encoding_rs::SHIFT_JIS.encode("\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{6b4c}\u{3067}\u{3059}");
    assert_tags(
        "jis.wav",
        &tagged_wav(&info(&shift_jis)),
        &json!({ "title": "\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{6b4c}\u{3067}\u{3059}" }),
    );
    let both = [chunk(b"id3 ", &id3(&[("TIT2", "New"), ("TALB", "Album")])), info(b"Old")].concat();
    assert_tags("both.wav", &tagged_wav(&both), &json!({ "title": "New", "album": "Album", "artist": "Ann" }));
}

#[test]
fn all_values_of_a_frame_and_the_first_of_two_tags() {
    let sound = media("mono.mp3");
    let several = [&id3(&[("TPE1", "Ann\0Bob\0Cid"), ("TIT2", "One")])[..], &sound].concat();
    assert_tags("several.mp3", &several, &json!({ "artist": "Ann; Bob; Cid", "title": "One" }));
    let two = [&id3(&[("TIT2", "First")])[..], &id3(&[("TIT2", "Second"), ("TPE1", "Ann")]), &sound].concat();
    assert_tags("two.mp3", &two, &json!({ "title": "First", "artist": "Ann" }));
    let mut old = [&b"TAG"[..], &[0; 125]].concat();
    old[3..6].copy_from_slice(b"Old");
    let ends = [&id3(&[("TIT2", "A title that is longer than thirty characters")])[..], &sound, &old].concat();
    assert_tags("ends.mp3", &ends, &json!({ "title": "A title that is longer than thirty characters" }));
}

#[test]
fn what_ffmpeg_reads_has_a_codec_and_a_format() {
    let directory = tempfile::tempdir().unwrap();
    for (name, codec, format) in [
        ("a.wv", "wavpack", "wv"),
        ("a.mka", "vorbis", "matroska,webm"),
        ("a.caf", "pcm_s16be", "caf"),
        ("a.mp2", "mp2", "mp3"),
        ("a.w64", "pcm_s16le", "w64"),
    ] {
        let bytes = encoded(directory.path(), name);
        assert_tags(name, &bytes, &json!({ "codec": codec, "format": format }));
    }
    assert_tags("a.opus", &media("mono.opus"), &json!({ "codec": "opus", "format": "ogg" }));
}
