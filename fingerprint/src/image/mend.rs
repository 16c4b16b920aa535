//! What writers of Exif get wrong before the first directory is read, put right.

use super::blocks::is_tiff;

/// Bytes in front of a block that are looked through for its start: `Exif\0\0` once, twice, or cut short.
const PREFIX_BYTES_MAX: usize = 16;
/// Tags that point to a directory: of the camera, of the place, of compatibility.
const POINTERS: [u16; 3] = [0x8769, 0x8825, 0xa005];
/// Types of a pointer: a number of 32 bits, and the one that TIFF has for directories.
const LONG: u16 = 4;
const DIRECTORY: u16 = 13;

/// The TIFF structure in `block`, without what stands before it, its pointers of the type that Exif has for them.
pub(super) fn tiff(block: &[u8]) -> Vec<u8> {
    let start = (0..=PREFIX_BYTES_MAX.min(block.len())).find(|&at| is_tiff(&block[at..])).unwrap_or(0);
    let mut block = block[start..].to_vec();
    retype_pointers(&mut block);
    block
}

/// Pointers of the first directory that are of the type of TIFF's own directories.
fn retype_pointers(block: &mut [u8]) -> Option<()> {
    let little = block.starts_with(b"II");
    let word = |bytes: &[u8], at: usize| -> Option<u16> {
        let pair = bytes.get(at..)?.first_chunk::<2>()?;
        Some(if little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) })
    };
    let offset = block.get(4..)?.first_chunk::<4>()?;
    let offset = if little { u32::from_le_bytes(*offset) } else { u32::from_be_bytes(*offset) } as usize;
    for entry in 0..usize::from(word(block, offset)?) {
        let at = offset + 2 + entry * 12;
        let (tag, kind) = (word(block, at)?, word(block, at + 2)?);
        if POINTERS.contains(&tag) && kind == DIRECTORY {
            let long = if little { LONG.to_le_bytes() } else { LONG.to_be_bytes() };
            block.get_mut(at + 2..at + 4)?.copy_from_slice(&long);
        }
    }
    Some(())
}
