//! MPEG-7 video signatures (ISO/IEC 15938-3, amendment 4) as ffmpeg's filter `signature` writes them, and the ISCC
//! Video-Code of them (ISO 24138; reference: `read_mp7_signature` of iscc-sdk 0.9.7, `gen_video_code_v0`).
//!
//! The file is a row of bits: header, segments of frames (skipped), then 689 bits for each frame. A frame's signature
//! is 380 values of 0 to 2, five in a byte as digits to base three. Only sums and what was seen are kept: a code takes
//! 24 bytes per distinct frame, whatever the file holds.

use std::collections::HashSet;
use std::io::{self, BufRead, ErrorKind};

use crate::FingerprintError;

/// Values of a frame's signature.
const VALUES: usize = 380;
/// Values in a byte.
const VALUES_PER_BYTE: usize = 5;
const HEADER_BITS_BEFORE_FRAME_COUNT: u64 = 129;
const HEADER_BITS_BEFORE_SEGMENT_COUNT: u64 = 16 + 1 + 32 + 32;
const SEGMENT_BITS: u64 = 4 * 32 + 1 + 5 * 243;
/// Flag, time, confidence and five words of eight bits.
const FRAME_BITS_BEFORE_SIGNATURE: u64 = 1 + 32 + 8 + 5 * 8;
/// Length of the ISCC unit.
const CODE_BITS: u32 = 64;

/// ISCC Video-Code, 64 bits, of the signature that `reader` holds.
///
/// # Errors
/// [`FingerprintError::Malformed`] when the signature ends early or has no frames, errors of the reader.
pub(super) fn iscc_code(reader: impl BufRead) -> Result<String, FingerprintError> {
    let mut bits = Bits { reader, byte: 0, left: 0 };
    bits.skip(HEADER_BITS_BEFORE_FRAME_COUNT)?;
    let frames = bits.take(32)?;
    bits.skip(HEADER_BITS_BEFORE_SEGMENT_COUNT)?;
    let segments = bits.take(32)?;
    bits.skip(u64::from(segments) * SEGMENT_BITS)?;
    bits.skip(1)?;
    let mut sums = vec![0_i32; VALUES];
    // The code is over distinct frames. 128 bits of a digest stand for one.
    let mut seen = HashSet::new();
    for _ in 0..frames {
        bits.skip(FRAME_BITS_BEFORE_SIGNATURE)?;
        let mut values = [0; VALUES];
        let (groups, _) = values.as_chunks_mut::<VALUES_PER_BYTE>();
        for group in groups {
            let byte = bits.take(8)?;
            *group = [81, 27, 9, 3, 1].map(|place| (byte / place % 3) as u8);
        }
        let digest = blake3::hash(&values);
        let (halves, _) = digest.as_bytes().as_chunks::<16>();
        if seen.insert(halves[0]) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = sum.saturating_add(i32::from(value));
            }
        }
    }
    if seen.is_empty() {
        return Err(FingerprintError::malformed("no frame of the video could be decoded"));
    }
    // The code depends on the sums alone, and one frame is its own sum.
    iscc_lib::gen_video_code_v0(&[sums], CODE_BITS)
        .map(|code| code.iscc)
        .map_err(|_| FingerprintError::malformed("video has no usable signature"))
}

/// Bits of a reader, the highest of each byte first.
struct Bits<R> {
    reader: R,
    byte: u8,
    /// Bits of `byte` that were not taken yet.
    left: u32,
}

impl<R: BufRead> Bits<R> {
    fn next_byte(&mut self) -> Result<u8, FingerprintError> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// The next `count` bits, at most 32, as a number.
    fn take(&mut self, count: u32) -> Result<u32, FingerprintError> {
        let mut value = 0_u64;
        let mut missing = count;
        while missing > 0 {
            if self.left == 0 {
                self.byte = self.next_byte()?;
                self.left = 8;
            }
            let taken = missing.min(self.left);
            self.left -= taken;
            value = value << taken | (u64::from(self.byte) >> self.left) & ((1 << taken) - 1);
            missing -= taken;
        }
        Ok(value as u32)
    }

    fn skip(&mut self, count: u64) -> Result<(), FingerprintError> {
        let buffered = count.min(u64::from(self.left));
        self.left -= buffered as u32;
        let (mut bytes, rest) = ((count - buffered) / 8, (count - buffered) % 8);
        while bytes > 0 {
            let available = match self.reader.fill_buf() {
                Ok([]) => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
                Ok(buffer) => buffer.len(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let passed = bytes.min(available as u64);
            self.reader.consume(passed as usize);
            bytes -= passed;
        }
        self.take(rest as u32).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bits_are_taken_and_skipped_across_bytes() {
        let mut bits = Bits { reader: &[0b1010_1100, 0xff, 0x00, 0x12, 0x34, 0x56, 0x78, 0x9a][..], byte: 0, left: 0 };
        assert_eq!(bits.take(3).unwrap(), 0b101);
        bits.skip(2).unwrap();
        assert_eq!(bits.take(5).unwrap(), 0b10011);
        bits.skip(14).unwrap();
        assert_eq!(bits.take(32).unwrap(), 0x1234_5678);
        bits.skip(8).unwrap();
        assert!(bits.take(1).is_err());
        assert!(bits.skip(1).is_err());
    }

    #[test]
    fn announced_frames_that_are_missing_are_an_error() {
        let mut bytes = [0; 100];
        bytes[16..21].fill(0xff);
        assert!(matches!(iscc_code(&bytes[..]), Err(FingerprintError::Malformed(_))));
        assert!(matches!(iscc_code(&[][..]), Err(FingerprintError::Malformed(_))));
        assert!(matches!(iscc_code(&vec![0; 1_000][..]), Err(FingerprintError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..4_000)) {
            let _ = iscc_code(&bytes[..]);
        }

        #[test]
        fn few_frames_of_any_bytes_have_a_code(mut bytes in proptest::collection::vec(any::<u8>(), 400..2_000)) {
            // One frame, no segments.
            bytes[16..35].fill(0);
            bytes[20] = 0b1000_0000;
            prop_assert!(iscc_code(&bytes[..]).unwrap().starts_with("ISCC:"));
        }
    }
}
