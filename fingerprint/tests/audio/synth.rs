//! The sounds of `golden/make_audio.py`, from the same formulas on integers.

#![allow(dead_code)] // each of those who include it uses its part

const NOTES: [u64; 12] = [220, 277, 330, 440, 523, 392, 349, 294, 587, 698, 247, 660];
const SECONDS: usize = 8;
const FULL: i64 = 1 << 23;

/// A WAVE file of [`SECONDS`]; `bits` -32 is for floats.
pub fn wav(rate: u32, channels: usize, bits: i64) -> Vec<u8> {
    file(&samples(rate, channels), rate, channels, bits)
}

/// Interleaved 24-bit samples: three triangle waves that change their notes, and noise.
pub fn samples(rate: u32, channels: usize) -> Vec<i64> {
    let rate = u64::from(rate);
    let frames = rate as usize * SECONDS;
    let mut out = vec![0; frames * channels];
    for channel in 0..channels {
        let mut phases = [0_u64; 3];
        for n in 0..frames {
            let mut total = 0_i64;
            for (voice, phase) in phases.iter_mut().enumerate() {
                let beat = n * (2 + voice + channel) / rate as usize;
                let index = (beat * (voice + 5) + channel + 3 * voice) % NOTES.len();
                *phase = (*phase + (NOTES[index] << 32) / rate) & 0xffff_ffff;
                let triangle = ((*phase >> 8) as i64 - FULL).abs() * 2 - FULL;
                total += triangle.div_euclid(4 + voice as i64);
            }
            total += (noise(n as u64, channel as u64) >> 8) as i64 / 40 - (1 << 24) / 80;
            out[n * channels + channel] = total.clamp(-FULL, FULL - 1);
        }
    }
    out
}

fn noise(n: u64, channel: u64) -> u64 {
    let mut x = (n.wrapping_mul(2_654_435_761) + 977 * channel + 1) & 0xffff_ffff;
    for factor in [0x045d_9f3b_u64, 0x119d_e1f3] {
        x ^= x >> 16;
        x = x.wrapping_mul(factor) & 0xffff_ffff;
    }
    x ^ (x >> 16)
}

/// Plain; extensible, with a mask, for more than two channels.
pub fn file(samples: &[i64], rate: u32, channels: usize, bits: i64) -> Vec<u8> {
    let data: Vec<u8> = match bits {
        8 => samples.iter().map(|x| ((x >> 16) + 128) as u8).collect(),
        16 => samples.iter().flat_map(|x| ((x >> 8) as i16).to_le_bytes()).collect(),
        24 => samples.iter().flat_map(|x| (*x as i32).to_le_bytes().into_iter().take(3)).collect(),
        32 => samples.iter().flat_map(|x| ((x << 8) as i32).to_le_bytes()).collect(),
        _ => samples.iter().flat_map(|x| ((*x as f64 / FULL as f64) as f32).to_le_bytes()).collect(),
    };
    let (tag, width) = if bits < 0 { (3_u16, 32_u16) } else { (1, bits as u16) };
    let block = channels as u16 * width / 8;
    let mut format = Vec::new();
    format.extend(if channels > 2 { 0xfffe_u16 } else { tag }.to_le_bytes());
    format.extend((channels as u16).to_le_bytes());
    format.extend(rate.to_le_bytes());
    format.extend((rate * u32::from(block)).to_le_bytes());
    format.extend(block.to_le_bytes());
    format.extend(width.to_le_bytes());
    if channels > 2 {
        let mask: u32 = if channels == 6 { 0x3f } else { 0x63f };
        format.extend([22, 0]);
        format.extend(width.to_le_bytes());
        format.extend(mask.to_le_bytes());
        format.extend(tag.to_le_bytes());
        format.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    }
    let mut out = Vec::new();
    let padded = data.len() + data.len() % 2;
    out.extend(b"RIFF");
    out.extend((20 + format.len() as u32 + padded as u32).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend((format.len() as u32).to_le_bytes());
    out.extend(&format);
    out.extend(b"data");
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(&data);
    out.resize(out.len() + data.len() % 2, 0);
    out
}
