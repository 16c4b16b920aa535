//! Data-Code of ISO 24138:2024: similar for similar bytes.
//!
//! The same as the library in use gives, faster and in constant memory: bytes are cut into chunks where a rolling hash of
//! what stands before has its lowest bits zero (`cdc.py` of iscc-core), each chunk is hashed, and the hashes go into a
//! [`MinHash`].

use iscc_lib::codec::{MainType, SubType, Version, encode_component};
use xxhash_rust::xxh32::xxh32;

use super::gear::GEAR;
use super::minhash::MinHash;

/// Bytes of a chunk that the rolling hash passes over.
const CHUNK_BYTES_MIN: usize = 256;
/// Up to here the hash needs [`MASK_SHORT`], behind it [`MASK_LONG`].
const CHUNK_BYTES_CENTER: usize = 640;
const CHUNK_BYTES_MAX: usize = 8_192;
const MASK_SHORT: u64 = (1 << 11) - 1;
const MASK_LONG: u64 = (1 << 9) - 1;
/// Bytes that [`search`] looks at in a row.
const STEP: usize = 4;

/// [`GEAR`] times 2, 4, 8 and 16.
static GEARS: [[u64; 256]; STEP] = {
    let mut gears = [[0; 256]; STEP];
    let mut at = 0;
    while at < STEP * 256 {
        gears[at / 256][at % 256] = (GEAR[at % 256] as u64) << (at / 256 + 1);
        at += 1;
    }
    gears
};

/// A Data-Code in the making.
///
/// Memory: at most one chunk more than the largest piece that was fed.
#[derive(Debug)]
pub(crate) struct DataCode {
    /// The last bytes, within the first chunk that may go on, and what is fed.
    pending: Vec<u8>,
    features: Vec<u32>,
    minhash: MinHash,
    any: bool,
}

impl DataCode {
    pub(crate) fn new() -> Self {
        Self { pending: Vec::new(), features: Vec::new(), minhash: MinHash::new(), any: false }
    }

    /// Adds `bytes`, which follow what was fed before. Small pieces cost more: up to a chunk is searched again.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        // Where less is left, more bytes could change the cut.
        while self.pending.len() - at > CHUNK_BYTES_MIN {
            let rest = &self.pending[at..];
            let cut = cut(rest);
            if cut == rest.len() && cut < CHUNK_BYTES_MAX {
                break;
            }
            self.features.push(xxh32(&rest[..cut], 0));
            at += cut;
        }
        self.pending.drain(..at);
        self.any |= at > 0;
        self.minhash.update(&self.features);
        self.features.clear();
    }

    /// The code with `bits` bits, `ISCC:GA…`; `None` when the standard has no such number.
    pub(crate) fn finish(mut self, bits: u32) -> Option<String> {
        if !self.any || !self.pending.is_empty() {
            self.minhash.update(&[xxh32(&self.pending, 0)]);
        }
        let code = encode_component(MainType::Data, SubType::None, Version::V0, bits, &self.minhash.digest()).ok()?;
        Some(format!("ISCC:{code}"))
    }
}

/// Length of the chunk that `bytes` start with; all of them when they hold no place to cut.
fn cut(bytes: &[u8]) -> usize {
    let bytes = &bytes[..bytes.len().min(CHUNK_BYTES_MAX)];
    let mut hash = 0;
    let mut from = CHUNK_BYTES_MIN.min(bytes.len());
    for (to, mask) in [(CHUNK_BYTES_CENTER, MASK_SHORT), (CHUNK_BYTES_MAX, MASK_LONG)] {
        let to = to.min(bytes.len());
        match search(&bytes[from..to], mask, &mut hash) {
            Some(found) => return from + found,
            None => from = to,
        }
    }
    from
}

/// The number of bytes after which the lowest bits of the hash are zero for the first time.
///
/// The hash after a byte is half of the one before plus the gear of the byte. Of several bytes in a row only the last
/// division is made, the hashes in between are larger by a power of two: so each byte waits for one addition only. The
/// hash is below 2^32.
#[inline]
fn search(bytes: &[u8], mask: u64, hash: &mut u64) -> Option<usize> {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for (index, step) in steps.iter().enumerate() {
        let mut sum = *hash;
        for at in 0..STEP {
            sum += GEARS[at][usize::from(step[at])];
            if sum & mask << (at + 1) == 0 {
                return Some(index * STEP + at + 1);
            }
        }
        *hash = sum >> STEP;
    }
    for (index, &byte) in rest.iter().enumerate() {
        *hash = (*hash + GEARS[0][usize::from(byte)]) >> 1;
        if *hash & mask == 0 {
            return Some(steps.len() * STEP + index + 1);
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours(bytes: &[u8], pieces: usize) -> String {
        let mut code = DataCode::new();
        bytes.chunks(pieces).for_each(|piece| code.update(piece));
        code.finish(256).unwrap()
    }

    fn theirs(bytes: &[u8]) -> String {
        iscc_lib::gen_data_code_v0(bytes, 256).unwrap().iscc
    }

    /// Bytes of several kinds, some of which give short chunks and some long ones.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let kind = prop_oneof![
            Just(vec![0]),
            Just(b"text and more text, ".to_vec()),
            proptest::collection::vec(any::<u8>(), 1..2),
            proptest::collection::vec(any::<u8>(), 1..40),
            proptest::collection::vec(any::<u8>(), 900..3000),
        ];
        let run = (kind, 1_usize..12_000).prop_map(|(kind, length)| kind.into_iter().cycle().take(length).collect());
        proptest::collection::vec(run, 0..8).prop_map(|runs: Vec<Vec<u8>>| runs.concat())
    }

    proptest! {
        #[test]
        fn equals_the_library(bytes in bytes(), pieces in 1_usize..20_000) {
            prop_assert_eq!(ours(&bytes, pieces.max(50)), theirs(&bytes));
        }

        #[test]
        fn chunks_equal_the_library(bytes in bytes()) {
            let (mut rest, mut chunks) = (&bytes[..], Vec::new());
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(cut(rest));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(chunks, if bytes.is_empty() { Vec::new() } else {
                iscc_lib::alg_cdc_chunks(&bytes, false, 1024).unwrap()
            });
        }
    }

    #[test]
    fn sizes_around_the_bounds() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for bound in [0, CHUNK_BYTES_MIN, CHUNK_BYTES_CENTER, CHUNK_BYTES_MAX, 2 * CHUNK_BYTES_MAX] {
            for length in bound.saturating_sub(5)..bound + 5 {
                for bytes in [&bytes[..length], &vec![7; length]] {
                    assert_eq!(ours(bytes, 1_000), theirs(bytes), "{length}");
                }
            }
        }
    }
}
