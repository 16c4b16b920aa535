//! Music.

use std::path::{Path, PathBuf};

use metastamp_protocol::fingerprint::FingerprintContent;

use crate::table::{TOGETHER, Table};
use crate::{BoxError, Random, ffmpeg, files, fingerprint, on_all_cores};

/// Length of an original, seconds, and where it begins in its track.
const SECONDS: &str = "60";
const START: &str = "20";
/// Samples per second of an original, which is mono 16 bit.
const RATE: u32 = 44_100;

/// What ffmpeg does to an original, and the file it makes.
const ATTACKS: &[(&str, &[&str], &str)] = &[
    ("MP3 128 kbit/s", &["-c:a", "libmp3lame", "-b:a", "128k"], "mp3"),
    ("MP3 32 kbit/s", &["-c:a", "libmp3lame", "-b:a", "32k"], "mp3"),
    ("telephone band (300 to 3,400 Hz, 8 kHz)", &["-af", "highpass=f=300,lowpass=f=3400", "-ar", "8000"], "wav"),
    ("speed +1 %", &["-af", "asetrate=44541,aresample=44100"], "wav"),
    ("speed -1 %", &["-af", "asetrate=43659,aresample=44100"], "wav"),
    ("speed +2 %", &["-af", "asetrate=44982,aresample=44100"], "wav"),
    ("speed -2 %", &["-af", "asetrate=43218,aresample=44100"], "wav"),
    ("10 s of it", &["-ss", "23.456", "-t", "10"], "wav"),
    ("10 s of it as MP3 32 kbit/s", &["-ss", "23.456", "-t", "10", "-c:a", "libmp3lame", "-b:a", "32k"], "mp3"),
    ("half a semitone higher, as long", &["-af", "asetrate=45393,aresample=44100,atempo=0.97153"], "wav"),
];

/// White noise over the whole, in decibels below the music.
const NOISES: &[(&str, f64)] = &[("noise at 10 dB", 10.0), ("noise at 0 dB", 0.0)];

pub(crate) fn run(media: &Path) -> Result<(), BoxError> {
    let tracks: Vec<PathBuf> = files(&media.join("wesnoth-1.16-music"), &["ogg"])?;
    let folder = tempfile::tempdir()?;
    let done = on_all_cores(&tracks, |index, track| {
        let original = folder.path().join(format!("{index}.wav"));
        let (from, to) = (track.to_str().ok_or("path")?, original.to_str().ok_or("path")?.to_owned());
        let rate = RATE.to_string();
        ffmpeg(&["-ss", START, "-t", SECONDS, "-i", from, "-ac", "1", "-ar", &rate, "-map_metadata", "-1", &to])?;
        // The short ones are jingles and silence.
        if std::fs::metadata(&original)?.len() < u64::from(RATE) * 2 * 59 {
            return Ok(None);
        }
        let report = fingerprint(&original)?;
        let mut attacked = Vec::new();
        for (number, (_, arguments, extension)) in ATTACKS.iter().enumerate() {
            let file = folder.path().join(format!("{index}-{number}.{extension}"));
            let file_name = file.to_str().ok_or("path")?;
            ffmpeg(&[&["-i", &to], *arguments, &[file_name]].concat())?;
            attacked.push(fingerprint(&file)?);
            std::fs::remove_file(&file)?;
        }
        for (_, decibels) in NOISES {
            let file = folder.path().join(format!("{index}-noise.wav"));
            std::fs::write(&file, noisy(&std::fs::read(&original)?, *decibels, index as u64)?)?;
            attacked.push(fingerprint(&file)?);
            std::fs::remove_file(&file)?;
        }
        std::fs::remove_file(&original)?;
        Ok(Some((report, attacked)))
    })?;
    let (originals, attacked): (Vec<FingerprintContent>, Vec<Vec<FingerprintContent>>) =
        done.into_iter().flatten().unzip();
    let title = format!("Sound: {SECONDS} s of {} pieces of music", originals.len());
    let columns = [
        (TOGETHER, "**together**"),
        ("chromaprint", "Chromaprint"),
        ("iscc_content", "ISCC-Audio"),
        ("iscc_data", "ISCC-Data"),
        ("mel_spectrogram_hash", "digest of the spectrogram"),
        ("sha256", "SHA-256"),
    ];
    let names = ATTACKS.iter().map(|attack| attack.0).chain(NOISES.iter().map(|noise| noise.0));
    Table::of(title, &columns, &originals, &attacked, names)?.print()
}

/// The wave file with white noise `decibels` below its own power, over the whole.
fn noisy(wave: &[u8], decibels: f64, seed: u64) -> Result<Vec<u8>, BoxError> {
    let start = wave.windows(4).position(|four| four == b"data").ok_or("no samples")? + 8;
    let mut noisy = wave.to_vec();
    let samples: Vec<f64> =
        wave[start..].chunks_exact(2).map(|two| f64::from(i16::from_le_bytes([two[0], two[1]]))).collect();
    let power = samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64;
    let level = (power / 10_f64.powf(decibels / 10.0)).sqrt();
    let mut random = Random::new(seed + 1);
    // Half as loud, so that the noise is not cut off.
    for (two, sample) in noisy[start..].chunks_exact_mut(2).zip(samples) {
        let sample = (sample + random.normal() * level) / 2.0;
        two.copy_from_slice(&(sample.clamp(-32_768.0, 32_767.0) as i16).to_le_bytes());
    }
    Ok(noisy)
}
