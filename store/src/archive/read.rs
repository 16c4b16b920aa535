//! Reads the archive format of mongodump, ours or anybody's.

use std::collections::HashMap;
use std::io::Read;

use mongodb::bson::{Document, deserialize_from_slice};

use super::format::{
    CRC, Checksum, DOCUMENT_BYTES_MAX, DOCUMENT_BYTES_MIN, MAGIC, NAMESPACES_MAX, TERMINATOR, VERSION, text,
};
use super::{damaged, io_failed};
use crate::Result;

/// A collection of some database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Namespace {
    pub database: String,
    pub collection: String,
}

#[derive(Debug, PartialEq)]
pub enum Event {
    /// A record: index of its namespace, and its BSON.
    Record(usize, Vec<u8>),
    /// The last record of this namespace was given, and its checksum is right.
    End(usize),
}

struct State {
    checksum: Option<Checksum>,
}

/// Gives the records of an archive in the order in which they lie there.
pub struct ArchiveReader<R> {
    input: R,
    named: Vec<Namespace>,
    namespaces: Vec<Namespace>,
    index: HashMap<Namespace, usize>,
    states: Vec<State>,
    current: Option<usize>,
}

/// What stands at a place where a document may begin.
enum Piece {
    Document(Vec<u8>),
    Terminator,
    EndOfFile,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads the prelude.
    ///
    /// # Errors
    /// `Internal` when this is no archive, or one of another version.
    pub fn new(mut input: R) -> Result<Self> {
        let mut magic = [0; 4];
        input.read_exact(&mut magic).map_err(|e| damaged(format!("no beginning: {e}")))?;
        if u32::from_le_bytes(magic) != MAGIC {
            return Err(damaged("it does not begin as an archive of mongodump"));
        }
        let mut reader = Self {
            input,
            named: Vec::new(),
            namespaces: Vec::new(),
            index: HashMap::new(),
            states: Vec::new(),
            current: None,
        };
        let Piece::Document(header) = reader.piece()? else { return Err(damaged("no header")) };
        let version = text(&parse(&header)?, "version")?;
        if version != VERSION {
            return Err(damaged(format!("format version {version:?} is unknown, known: {VERSION}")));
        }
        loop {
            match reader.piece()? {
                Piece::Document(bytes) => {
                    let namespace = namespace(&parse(&bytes)?)?;
                    if reader.named.len() == NAMESPACES_MAX {
                        return Err(damaged("too many collections"));
                    }
                    reader.named.push(namespace);
                }
                Piece::Terminator => return Ok(reader),
                Piece::EndOfFile => return Err(damaged("it ends within its prelude")),
            }
        }
    }

    /// The collections that the prelude names.
    pub fn named(&self) -> &[Namespace] {
        &self.named
    }

    /// The namespace of an [`Event`].
    pub fn namespace(&self, index: usize) -> &Namespace {
        &self.namespaces[index]
    }

    /// What comes next; none at the end, when every collection that was begun has ended.
    ///
    /// # Errors
    /// `Internal` when the archive is cut off, a checksum is wrong, or the structure makes no sense.
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            let piece = self.piece()?;
            match (self.current, piece) {
                (Some(current), Piece::Document(bytes)) => {
                    if let Some(checksum) = &mut self.states[current].checksum {
                        checksum.update(&bytes);
                    }
                    return Ok(Some(Event::Record(current, bytes)));
                }
                (Some(_), Piece::Terminator) => self.current = None,
                (None, Piece::Document(bytes)) => {
                    if let Some(ended) = self.head(&parse(&bytes)?)? {
                        return Ok(Some(Event::End(ended)));
                    }
                }
                (None, Piece::EndOfFile) => return self.end().map(|()| None),
                (None, Piece::Terminator) => return Err(damaged("a terminator where a block should begin")),
                (Some(_), Piece::EndOfFile) => return Err(damaged("it ends within a block")),
            }
        }
    }

    /// Begins a block, or ends a collection: then gives which.
    fn head(&mut self, header: &Document) -> Result<Option<usize>> {
        let namespace = namespace(header)?;
        let index = match self.index.get(&namespace) {
            Some(index) => *index,
            None if self.namespaces.len() == NAMESPACES_MAX => return Err(damaged("too many collections")),
            None => {
                self.namespaces.push(namespace.clone());
                self.states.push(State { checksum: Some(CRC.digest()) });
                self.index.insert(namespace, self.namespaces.len() - 1);
                self.namespaces.len() - 1
            }
        };
        let name = self.namespaces[index].collection.clone();
        if self.states[index].checksum.is_none() {
            return Err(damaged(format!("{name} goes on after its end")));
        }
        if !header.get_bool("EOF").unwrap_or(false) {
            self.current = Some(index);
            return Ok(None);
        }
        let found = self.states[index].checksum.take().map(|checksum| checksum.finalize());
        // the first versions of mongodump wrote none
        if let Ok(expected) = header.get_i64("CRC")
            && found != Some(expected.cast_unsigned())
        {
            return Err(damaged(format!("the checksum of {name} is wrong")));
        }
        match self.piece()? {
            Piece::Terminator => Ok(Some(index)),
            _ => Err(damaged(format!("no terminator after the end of {name}"))),
        }
    }

    fn end(&self) -> Result<()> {
        match self.states.iter().position(|state| state.checksum.is_some()) {
            Some(open) => Err(damaged(format!("{} has no end", self.namespaces[open].collection))),
            None => Ok(()),
        }
    }

    fn piece(&mut self) -> Result<Piece> {
        let mut length = [0; 4];
        let first = read_some(&mut self.input, &mut length)?;
        if first == 0 {
            return Ok(Piece::EndOfFile);
        }
        if first < 4 {
            return Err(damaged("it is cut off"));
        }
        let length_bytes = u32::from_le_bytes(length);
        if length_bytes == TERMINATOR {
            return Ok(Piece::Terminator);
        }
        if !(DOCUMENT_BYTES_MIN..=DOCUMENT_BYTES_MAX).contains(&length_bytes) {
            return Err(damaged(format!("a document of {length_bytes} bytes")));
        }
        let mut bytes = length.to_vec();
        let rest = u64::from(length_bytes) - 4;
        // grows with what is really there, not with what is announced
        let read = (&mut self.input).take(rest).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
        if read as u64 != rest {
            return Err(damaged("it is cut off within a document"));
        }
        Ok(Piece::Document(bytes))
    }
}

/// As many bytes as there are, up to the buffer's length.
fn read_some(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::Other => return Err(io_failed(error)),
            Err(error) => return Err(damaged(error)),
        }
    }
    Ok(filled)
}

fn parse(bytes: &[u8]) -> Result<Document> {
    deserialize_from_slice(bytes).map_err(|e| damaged(format!("a header that is no document: {e}")))
}

fn namespace(document: &Document) -> Result<Namespace> {
    Ok(Namespace { database: text(document, "db")?, collection: text(document, "collection")? })
}
