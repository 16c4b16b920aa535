//! Samples of any format to 16 bits and to floats.
//!
//! To 16 bits as FFmpeg converts: integers are cut off, floats rounded to the nearest, ties to even.

use symphonia::core::audio::sample::Sample;
use symphonia::core::audio::{Audio, AudioBuffer, GenericAudioBufferRef};

use super::Block;
use crate::vector::fast;

/// Fills `block` with `channels` channels. When the buffer has fewer the last is repeated, when it has more the rest
/// is left out.
pub(super) fn fill(buffer: &GenericAudioBufferRef<'_>, channels: usize, block: &mut Block) {
    match buffer {
        GenericAudioBufferRef::U8(b) => {
            planes(b, channels, block, |x| (i16::from(x) - 128) << 8, |x| (f32::from(x) - 128.0) / 128.0);
        }
        GenericAudioBufferRef::S8(b) => {
            planes(b, channels, block, |x| i16::from(x) << 8, |x| f32::from(x) / 128.0);
        }
        GenericAudioBufferRef::U16(b) => {
            planes(b, channels, block, |x| (x ^ 0x8000) as i16, |x| f32::from((x ^ 0x8000) as i16) / 32768.0);
        }
        GenericAudioBufferRef::S16(b) => planes(b, channels, block, |x| x, |x| f32::from(x) / 32768.0),
        GenericAudioBufferRef::U24(b) => {
            let signed = |x: u32| x as i32 - (1 << 23);
            planes(b, channels, block, |x| (signed(x.inner()) >> 8) as i16, |x| signed(x.inner()) as f32 / 8_388_608.0);
        }
        GenericAudioBufferRef::S24(b) => {
            planes(b, channels, block, |x| (x.inner() >> 8) as i16, |x| x.inner() as f32 / 8_388_608.0);
        }
        GenericAudioBufferRef::U32(b) => {
            let signed = |x: u32| (x ^ 0x8000_0000) as i32;
            planes(b, channels, block, |x| (signed(x) >> 16) as i16, |x| signed(x) as f32 / 2_147_483_648.0);
        }
        GenericAudioBufferRef::S32(b) => {
            planes(b, channels, block, |x| (x >> 16) as i16, |x| x as f32 / 2_147_483_648.0);
        }
        GenericAudioBufferRef::F32(b) => planes(b, channels, block, |x| round(sane(x)), sane),
        GenericAudioBufferRef::F64(b) => {
            planes(b, channels, block, |x| round(sane(x as f32)), |x| sane(x as f32));
        }
    }
}

fn planes<S: Sample>(
    buffer: &AudioBuffer<S>,
    channels: usize,
    block: &mut Block,
    integer: impl Fn(S) -> i16 + Copy,
    float: impl Fn(S) -> f32 + Copy,
) {
    block.planes.resize_with(channels, Vec::new);
    block.mono.clear();
    let planes = buffer.num_planes();
    for (channel, out) in block.planes.iter_mut().enumerate() {
        let Some(plane) = planes.checked_sub(1).and_then(|last| buffer.plane(channel.min(last))) else {
            out.clear();
            continue;
        };
        out.resize(plane.len(), 0);
        if channel == 0 {
            block.mono.resize(plane.len(), 0.0);
        }
        fast!(one_plane(plane, channel == 0, out, &mut block.mono, integer, float));
    }
    if channels > 1 {
        let part = 1.0 / channels as f32;
        block.mono.iter_mut().for_each(|sum| *sum *= part);
    }
}

/// To 16 bits, and added to `mono` unless it is the first.
#[inline(always)]
fn one_plane<S: Sample>(
    plane: &[S],
    first: bool,
    out: &mut [i16],
    mono: &mut [f32],
    integer: impl Fn(S) -> i16,
    float: impl Fn(S) -> f32,
) {
    for ((x, out), mono) in plane.iter().zip(out).zip(mono) {
        *out = integer(*x);
        *mono = if first { float(*x) } else { *mono + float(*x) };
    }
}

/// Not a number, infinite or absurdly loud: silence. Files with such samples exist.
#[inline(always)]
fn sane(x: f32) -> f32 {
    if x.abs() <= 1e6 { x } else { 0.0 }
}

/// To the nearest of 16 bits. Adding 1.5 * 2^23 leaves the integer in the low bits: `round_ties_even` is a call to a
/// library on processors without an instruction for it, and this runs for every sample.
#[inline(always)]
fn round(x: f32) -> i16 {
    const MAGIC: f32 = 12_582_912.0;
    let scaled = (x * 32768.0).clamp(-32768.0, 32767.0);
    ((scaled + MAGIC).to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32) as i16
}

#[cfg(test)]
mod tests {
    use super::{round, sane};

    #[test]
    fn rounds_to_even_and_clips() {
        let of = |x: f32| round(x / 32768.0);
        assert_eq!([0.5, 1.5, -0.5, -1.5, 2.4, -2.6].map(of), [0, 2, 0, -2, 2, -3]);
        assert_eq!([1.0, -1.0, 2.0, -5.0, 0.0].map(round), [32767, -32768, 32767, -32768, 0]);
    }

    #[test]
    fn what_is_no_sample_is_silence() {
        assert_eq!([f32::NAN, f32::INFINITY, -f32::INFINITY, 1e30, -0.25].map(sane), [0.0, 0.0, 0.0, 0.0, -0.25]);
    }
}
