//! A melody for a bell, as an uncompressed WAV file.

use std::f64::consts::TAU;

const RATE: u32 = 22_050;
/// Semitones above A4 and the beat at which each is struck: a pentatonic tune that ends where it began.
const TUNE: [(f64, f64); 9] =
    [(-9.0, 0.0), (-5.0, 1.0), (-2.0, 2.0), (0.0, 3.0), (3.0, 4.0), (0.0, 5.0), (-2.0, 6.0), (-5.0, 7.0), (-9.0, 8.0)];
const BEAT_S: f64 = 0.3;
/// The last bell rings out.
const LENGTH_S: f64 = 3.6;
/// Partials of a bell: ratio to the fundamental, loudness, and how fast they fade.
const PARTIALS: [(f64, f64, f64); 4] = [(1.0, 1.0, 2.2), (2.0, 0.5, 3.0), (2.997, 0.25, 4.5), (4.2, 0.12, 7.0)];

/// 16 bit, mono, 22,050 Hz.
pub fn melody() -> Vec<u8> {
    let samples = (LENGTH_S * f64::from(RATE)) as u32;
    let data: Vec<u8> = (0..samples).flat_map(|n| sample(f64::from(n) / f64::from(RATE)).to_le_bytes()).collect();
    wav(&data)
}

/// The sum of all bells that were struck before `t`, in seconds.
fn sample(t: f64) -> i16 {
    let struck = TUNE.iter().map(|&(semitones, beat)| (440.0 * (semitones / 12.0).exp2(), t - beat * BEAT_S));
    let sound: f64 = struck.filter(|&(_, age)| age >= 0.0).map(|(pitch, age)| bell(pitch, age)).sum();
    // Fading out at the very end avoids a click.
    let fade = ((LENGTH_S - t) / 0.2).min(1.0);
    ((sound * fade * 0.3).tanh() * f64::from(i16::MAX)) as i16
}

fn bell(pitch: f64, age: f64) -> f64 {
    let attack = (age / 0.004).min(1.0);
    PARTIALS
        .iter()
        .map(|&(ratio, loud, decay)| attack * loud * (-decay * age).exp() * (TAU * pitch * ratio * age).sin())
        .sum()
}

/// A RIFF header before PCM samples.
fn wav(data: &[u8]) -> Vec<u8> {
    const CHANNELS: u16 = 1;
    const BYTES_PER_SAMPLE: u16 = 2;
    let data_len = data.len() as u32;
    let mut out = Vec::with_capacity(44 + data.len());
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + data_len).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16_u32.to_le_bytes());
    out.extend_from_slice(&1_u16.to_le_bytes()); // PCM
    out.extend_from_slice(&CHANNELS.to_le_bytes());
    out.extend_from_slice(&RATE.to_le_bytes());
    out.extend_from_slice(&(RATE * u32::from(CHANNELS * BYTES_PER_SAMPLE)).to_le_bytes());
    out.extend_from_slice(&(CHANNELS * BYTES_PER_SAMPLE).to_le_bytes());
    out.extend_from_slice(&(8 * BYTES_PER_SAMPLE).to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data_len.to_le_bytes());
    out.extend_from_slice(data);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_describes_the_samples() {
        let wav = melody();
        let number = |at: usize| u32::from_le_bytes(wav[at..at + 4].try_into().unwrap());
        let short = |at: usize| u16::from_le_bytes(wav[at..at + 2].try_into().unwrap());
        assert_eq!((&wav[..4], &wav[8..16], &wav[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
        assert_eq!(number(4) as usize, wav.len() - 8);
        assert_eq!((short(20), short(22), number(24), number(28), short(32), short(34)), (1, 1, 22_050, 44_100, 2, 16));
        assert_eq!(number(40) as usize, wav.len() - 44);
        assert_eq!(number(40), (3.6 * 22_050.0) as u32 * 2);
    }

    #[test]
    fn it_sounds_and_does_not_clip() {
        let wav = melody();
        let samples: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let loudest = samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
        assert!((8_000..32_767).contains(&loudest), "{loudest}");
        assert!(samples.last().is_some_and(|s| s.unsigned_abs() < 100), "it ends quietly");
    }
}
