//! The archive format of mongodump, version 0.1: a magic number, a prelude of documents, then blocks.
//!
//! A block is a header that names a collection, its records, and a terminator. Blocks of several collections may be
//! interleaved; each collection ends with a header that carries the checksum of its records.

use crc::{CRC_64_XZ, Crc, Table};
use mongodb::bson::{Document, doc};

use super::damaged;
use crate::{Result, StoreError};

pub(super) const MAGIC: u32 = 0x8199_e26d;
pub(super) const TERMINATOR: u32 = 0xffff_ffff;
pub(super) const VERSION: &str = "0.1";
/// Largest document of the format: 16 MiB and what the server adds to it.
pub(super) const DOCUMENT_BYTES_MAX: u32 = 16 * 1024 * 1024 + 16 * 1024;
/// Shortest document: a length and an end.
pub(super) const DOCUMENT_BYTES_MIN: u32 = 5;
/// Collections that one archive may name.
pub(super) const NAMESPACES_MAX: usize = 10_000;

/// CRC-64 with the ECMA polynomial, reflected: what Go calls `crc64.ECMA`.
pub(super) static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);
pub(super) type Checksum = crc::Digest<'static, u64, Table<16>>;

/// Heads a block; with `eof` it ends the collection instead.
pub(super) fn header(database: &str, collection: &str, eof: bool, crc: u64) -> Document {
    doc! { "db": database, "collection": collection, "EOF": eof, "CRC": crc.cast_signed() }
}

pub(super) fn to_bytes(document: &Document) -> Result<Vec<u8>> {
    document.to_vec().map_err(|e| StoreError::Internal(format!("can't encode a record: {e}")))
}

pub(super) fn text(document: &Document, name: &str) -> Result<String> {
    document.get_str(name).map(str::to_owned).map_err(|_| damaged(format!("a header without {name}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_one_of_go() {
        assert_eq!(super::CRC.checksum(b"123456789"), 0x995d_c9bb_df19_39fa);
    }
}
