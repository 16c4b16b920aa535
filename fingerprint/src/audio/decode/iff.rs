//! The chunks of RIFF and IFF files (WAVE, RF64, BW64, AIFF, AIFC), and where their sound really is.
//!
//! The sizes in these headers are written before the sound and often never again: recorders that lose power leave 0,
//! pipes leave the largest number there is. So they are held against the bytes of the file. Where they don't agree, the
//! sizes are [mended](Outline::patches) on the way to the decoder.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Chunks that are looked at.
const CHUNKS_MAX: usize = 4096;
/// What stands where a size was not known, or is too large for its place.
const SIZE_UNKNOWN: u64 = 0xffff_ffff;
/// Bytes behind the sound that may be anything.
const REST_MAX: u64 = 64 << 10;
/// What else may stand behind the last chunk: tags of other formats.
const FOREIGN_TAGS: [&[u8]; 3] = [b"TAG", b"ID3", b"APE"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audio) enum Form {
    Wave,
    Aiff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audio) struct Chunk {
    pub(in crate::audio) id: [u8; 4],
    /// Of its first byte behind id and size.
    pub(in crate::audio) at: u64,
    /// As the header says it; the file may end before.
    pub(in crate::audio) size: u64,
}

/// What the file consists of.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::audio) struct Outline {
    pub(in crate::audio) form: Form,
    pub(in crate::audio) chunks: Vec<Chunk>,
    /// The sound in the file is so many times as long as the header says.
    pub(in crate::audio) sound_over_claim: Option<f64>,
    /// Bytes of the header that the decoder had better see, by their place in the file.
    pub(super) patches: Vec<(u64, [u8; 4])>,
    /// Where the decoder has to stop, when no number in the header can tell.
    pub(super) end: Option<u64>,
}

impl Outline {
    /// `None` for other files.
    pub(in crate::audio) fn of(file: &mut File) -> io::Result<Option<Self>> {
        let length = file.seek(SeekFrom::End(0))?;
        let Some(head) = read_at::<12>(file, 0)? else { return Ok(None) };
        let (form, large) = match (&head[..4], &head[8..]) {
            (b"RIFF", b"WAVE") => (Form::Wave, false),
            (b"RF64" | b"BW64", b"WAVE") => (Form::Wave, true),
            (b"FORM", b"AIFF" | b"AIFC") => (Form::Aiff, false),
            _ => return Ok(None),
        };
        let mut outline = Self { form, chunks: Vec::new(), sound_over_claim: None, patches: Vec::new(), end: None };
        let mut at = 12;
        while let Some(chunk) = outline.chunk(file, at)? {
            at = chunk.at.saturating_add(chunk.size).saturating_add(chunk.size % 2);
            let is_sound = chunk.id == *form.sound();
            outline.chunks.push(chunk);
            if is_sound {
                at = outline.weigh(file, chunk, length, large)?;
            }
            if outline.chunks.len() == CHUNKS_MAX {
                break;
            }
        }
        Ok(Some(outline))
    }

    fn chunk(&self, file: &mut File, at: u64) -> io::Result<Option<Chunk>> {
        let Some(head) = read_at::<8>(file, at)? else { return Ok(None) };
        let [a, b, c, d, size @ ..] = head;
        let size = match self.form {
            Form::Wave => u32::from_le_bytes(size),
            Form::Aiff => u32::from_be_bytes(size),
        };
        Ok(Some(Chunk { id: [a, b, c, d], at: at + 8, size: size.into() }))
    }

    /// Holds the size of the sound against the file; where the next chunk is.
    fn weigh(&mut self, file: &mut File, chunk: Chunk, length: u64, large: bool) -> io::Result<u64> {
        let there = length - chunk.at.min(length);
        let claimed = if large && chunk.size == SIZE_UNKNOWN { self.large_size(file)? } else { chunk.size };
        let is_unknown = claimed >= SIZE_UNKNOWN && claimed > there;
        let is_lie = claimed == 0 || claimed > there || !self.goes_on(file, chunk.at + claimed, length)?;
        let size = if is_lie { there } else { claimed };
        if is_lie && !is_unknown && claimed != there {
            // AIFF counts eight more bytes, which makes no difference here.
            self.sound_over_claim = Some(there as f64 / claimed.max(1) as f64);
        }
        if large || size != chunk.size {
            self.mend(chunk, size, length);
        }
        Ok(chunk.at.saturating_add(size).saturating_add(size % 2))
    }

    /// Whether what follows the sound at `at` looks like what may follow it.
    fn goes_on(&self, file: &mut File, at: u64, length: u64) -> io::Result<bool> {
        if length.saturating_sub(at) <= REST_MAX {
            return Ok(true);
        }
        for at in [at + at % 2, at] {
            let Some(head) = read_at::<8>(file, at)? else { return Ok(true) };
            let is_name = head[..4].iter().all(|byte| byte.is_ascii_alphanumeric() || b" _-()".contains(byte));
            let is_tag = FOREIGN_TAGS.iter().any(|tag| head.starts_with(tag));
            if is_name || is_tag {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Size of the sound in the chunk `ds64` of files over 4 GiB.
    fn large_size(&self, file: &mut File) -> io::Result<u64> {
        let Some(ds64) = self.chunks.iter().find(|chunk| &chunk.id == b"ds64") else { return Ok(u64::MAX) };
        Ok(read_at::<8>(file, ds64.at + 8)?.map_or(u64::MAX, u64::from_le_bytes))
    }

    fn mend(&mut self, chunk: Chunk, size: u64, length: u64) {
        let whole = u32::try_from(length - 8).unwrap_or(u32::MAX);
        let bytes = |size: u32| match self.form {
            Form::Wave => size.to_le_bytes(),
            Form::Aiff => size.to_be_bytes(),
        };
        let name = if self.form == Form::Wave { *b"RIFF" } else { *b"FORM" };
        let told = u32::try_from(size).unwrap_or(u32::MAX);
        self.end = (told == u32::MAX).then_some(chunk.at + size);
        self.patches = vec![(0, name), (4, bytes(whole)), (chunk.at - 4, bytes(told))];
    }
}

impl Form {
    fn sound(self) -> &'static [u8; 4] {
        match self {
            Form::Wave => b"data",
            Form::Aiff => b"SSND",
        }
    }
}

/// `None` where the file ends before.
pub(in crate::audio) fn read_at<const N: usize>(file: &mut File, at: u64) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
