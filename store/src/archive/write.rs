//! Writes the archive format of mongodump.

use std::io::Write;

use mongodb::bson::doc;

use super::format::{CRC, Checksum, MAGIC, TERMINATOR, VERSION, header, to_bytes};
use super::{indexes, io_failed};
use crate::Result;
use crate::records::Collection;

/// What mongorestore takes for the version of the server that was dumped; it must look like one.
const SERVER_VERSION: &str = "8.0.0";

/// Writes collections one after the other.
pub struct ArchiveWriter<W: Write> {
    out: W,
    database: String,
    open: Option<(Collection, Checksum, bool)>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Writes the prelude; every collection is named in it, also those that turn out to be empty.
    ///
    /// # Errors
    /// `Internal` when `out` can't be written.
    pub fn new(mut out: W, database: &str) -> Result<Self> {
        let header = doc! {
            "concurrent_collections": 1_i32,
            "version": VERSION,
            "server_version": SERVER_VERSION,
            "tool_version": concat!("metastamp ", env!("CARGO_PKG_VERSION")),
        };
        let mut prelude = MAGIC.to_le_bytes().to_vec();
        prelude.extend(to_bytes(&header)?);
        for collection in Collection::ALL {
            prelude.extend(to_bytes(&doc! {
                "db": database,
                "collection": collection.name(),
                "metadata": indexes::metadata(collection),
                "size": 0_i32,
                "type": "collection",
            })?);
        }
        prelude.extend(TERMINATOR.to_le_bytes());
        out.write_all(&prelude).map_err(io_failed)?;
        Ok(Self { out, database: database.to_owned(), open: None })
    }

    /// Records that follow are of this collection; the one before is ended.
    pub fn begin(&mut self, collection: Collection) -> Result<()> {
        self.end()?;
        self.open = Some((collection, CRC.digest(), false));
        Ok(())
    }

    /// One record, as BSON.
    pub fn record(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some((collection, checksum, begun)) = &mut self.open {
            if !*begun {
                let head = to_bytes(&header(&self.database, collection.name(), false, 0))?;
                self.out.write_all(&head).map_err(io_failed)?;
                *begun = true;
            }
            checksum.update(bytes);
            self.out.write_all(bytes).map_err(io_failed)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let Some((collection, checksum, begun)) = self.open.take() else { return Ok(()) };
        let mut tail = Vec::new();
        if begun {
            tail.extend(TERMINATOR.to_le_bytes());
        }
        tail.extend(to_bytes(&header(&self.database, collection.name(), true, checksum.finalize()))?);
        tail.extend(TERMINATOR.to_le_bytes());
        self.out.write_all(&tail).map_err(io_failed)
    }

    /// Ends the last collection and gives the writer back.
    pub fn finish(mut self) -> Result<W> {
        self.end()?;
        Ok(self.out)
    }
}
