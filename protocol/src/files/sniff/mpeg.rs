//! Frames of MPEG sound: Layer III, which is MP3, and ADTS, which carries AAC.

use super::super::Format;

/// Frames in a row that no accident makes.
const CHAIN: usize = 3;

const KBITS_1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBITS_2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const RATES: [usize; 3] = [44_100, 48_000, 32_000];

/// By the frame at the start. The byte order mark of UTF-16 looks like Layer I.
pub(super) fn starts(head: &[u8]) -> Option<Format> {
    frame(head).map(|(format, _)| format)
}

/// By frames in a row behind something else: what is left of a cut, zeros, tags.
pub(super) fn behind_other_bytes(head: &[u8]) -> Option<Format> {
    let syncs = (0..head.len()).filter(|&at| head[at] == 0xff);
    syncs.filter_map(|at| chain(&head[at..])).next()
}

fn chain(mut rest: &[u8]) -> Option<Format> {
    let (format, _) = frame(rest)?;
    for _ in 0..CHAIN {
        let (next, length) = frame(rest)?;
        if next != format || length == 0 {
            return None;
        }
        rest = rest.get(length..)?;
    }
    Some(format)
}

/// Format and length of the frame that begins here; the length is 0 when the frame does not say it.
fn frame(head: &[u8]) -> Option<(Format, usize)> {
    let (&first, &second, &third) = (head.first()?, head.get(1)?, head.get(2)?);
    if first != 0xff || second & 0xe0 != 0xe0 {
        return None;
    }
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    if layer == 0 {
        let valid = second & 0xf0 == 0xf0 && third >> 2 & 0xf < 13;
        return valid.then(|| (Format::Aac, adts_length(head)));
    }
    let (bitrate, rate) = (usize::from(third >> 4), usize::from(third >> 2 & 3));
    let valid = layer == 1 && version != 1 && bitrate != 0xf && rate != 3;
    valid.then(|| (Format::Mp3, layer_3_length(version, bitrate, rate, third >> 1 & 1)))
}

fn adts_length(head: &[u8]) -> usize {
    match head.get(3..6) {
        Some(&[a, b, c]) => usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c >> 5),
        _ => 0,
    }
}

fn layer_3_length(version: u8, bitrate: usize, rate: usize, padding: u8) -> usize {
    let (kbits, slots, shift) = match version {
        3 => (KBITS_1[bitrate], 144, 0),
        2 => (KBITS_2[bitrate], 72, 1),
        _ => (KBITS_2[bitrate], 72, 2),
    };
    match kbits {
        0 => 0,
        kbits => slots * kbits * 1_000 / (RATES[rate] >> shift) + usize::from(padding),
    }
}
