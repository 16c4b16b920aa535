//! Uploads: from the name of a file to the asset, whatever the way its bytes come in.
//!
//! ```text
//! Ingest::admit --> Admission::open --> Incoming::write --> Incoming::finish --> Uploaded::commit --> Stored
//!   a free slot       name, kind          the first bytes      the object           the asset
//!                                         judged, all of them  is whole
//!                                         counted, hashed
//!                                         and stored
//! ```
//!
//! Whatever is dropped before the commit never was: its session is given up, and its object cleaned away.

mod incoming;
mod meter;
mod session;
mod slots;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metastamp_actors::System;
pub use metastamp_actors::upload::Stored;
use metastamp_protocol::files::{self, Refusal, sanitise};
use metastamp_protocol::{ErrorCode, FileKind, NewUpload, ObjectId};
use metastamp_store::objects::Objects;

pub use self::incoming::{About, Incoming, Uploaded};
use self::meter::{Meter, too_large, use_presigned};
use self::slots::{UploadSlot, UploadSlots};
use crate::Deps;
use crate::error::{Error, Result};
use crate::fair::Origin;
use crate::removal::Removal;

/// Characters of a title.
pub const TITLE_CHARS_MAX: usize = 255;
/// Characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 2_000;

#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest file.
    pub bytes_max: u64,
    /// Files of this size or more are refused when they are sent through a node.
    pub direct_bytes_below: u64,
    /// Without dots.
    pub allowed_extensions: Vec<String>,
    /// Where uploads put what does not fit into memory.
    pub temp_dir: PathBuf,
    /// How long one upload may take.
    pub time_max: Duration,
}

/// Takes files in. Cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    tools: Arc<Tools>,
    slots: UploadSlots,
}

/// What uploads work with.
struct Tools {
    actors: System,
    objects: Objects,
    removal: Removal,
    settings: Settings,
}

/// What is said of a file before its first byte.
#[derive(Debug, Clone)]
pub struct Announced<'a> {
    /// As it was sent.
    pub name: &'a str,
    pub kind: FileKind,
    pub digesting: Digesting,
}

/// When the digest of a file becomes known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digesting {
    /// With the last byte.
    AsItPasses,
    /// Its SHA-256 was stated before: other bytes are refused.
    StatedBefore([u8; 32]),
}

impl Ingest {
    pub fn new(deps: &Deps, settings: Settings) -> Self {
        let (actors, objects) = (deps.actors.clone(), deps.objects.clone());
        let tools = Tools { actors, objects, removal: Removal::new(deps), settings };
        Self { tools: Arc::new(tools), slots: UploadSlots::default() }
    }

    /// What is at or above the direct limit is refused while it is read, so nothing larger needs to pass.
    pub fn direct_bytes_max(&self) -> u64 {
        self.tools.settings.bytes_max.min(self.tools.settings.direct_bytes_below)
    }

    /// Judges a size that was announced. `envelope_bytes` of it need not be the file's.
    ///
    /// # Errors
    /// 413 for what can't be but too large.
    pub fn check_announced(&self, bytes: u64, envelope_bytes: u64) -> Result<()> {
        let bytes_max = self.tools.settings.bytes_max;
        if bytes > bytes_max + envelope_bytes {
            return Err(too_large(bytes, bytes_max));
        }
        Ok(())
    }

    /// The same of a file that is sent through a node.
    ///
    /// # Errors
    /// 400 for what can't be but too large for that.
    pub fn check_announced_to_a_node(&self, bytes: u64, envelope_bytes: u64) -> Result<()> {
        let direct_below = self.tools.settings.direct_bytes_below;
        if bytes >= direct_below + envelope_bytes { Err(use_presigned(direct_below)) } else { Ok(()) }
    }

    /// Takes a slot for a file of this user.
    ///
    /// # Errors
    /// 429 when the user or the address it comes from has too many uploads under way, 503 when the node has.
    pub fn admit(&self, user_id: ObjectId, origin: Origin) -> Result<Admission> {
        Ok(Admission { _slot: self.slots.take(user_id, origin)?, tools: self.tools.clone(), user_id })
    }
}

/// Leave to send a file; dropped, the slot is free for the next one.
pub struct Admission {
    tools: Arc<Tools>,
    user_id: ObjectId,
    _slot: UploadSlot,
}

impl Admission {
    /// Judges the name and makes it safe. Nothing is stored before the first bytes are judged as well.
    ///
    /// # Errors
    /// 415 for an extension that is not taken here.
    pub fn open(&self, file: Announced) -> Result<Incoming> {
        let Announced { name, kind, digesting } = file;
        let settings = &self.tools.settings;
        let shown = files::shown_name(name);
        files::judge_extension(&shown, kind, &settings.allowed_extensions).map_err(refused)?;
        let file_name = sanitise(name);
        let new = NewUpload {
            id: ObjectId::generate(),
            user_id: self.user_id,
            original_file_name: (shown != file_name && !shown.is_empty()).then_some(shown),
            file_name,
            kind,
            receiver: self.tools.actors.node().clone(),
        };
        let meter = Meter::new(settings.direct_bytes_below, settings.bytes_max, digesting);
        Ok(Incoming::new(self.tools.clone(), new, meter))
    }

    /// Does the work of an upload within the time that one may take.
    ///
    /// # Errors
    /// 408 when the time is over.
    pub async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let late = |_| Error::new(ErrorCode::UploadFailed, "The upload took too long").status(408);
        tokio::time::timeout(self.tools.settings.time_max, work).await.map_err(late)?
    }
}

fn refused(refusal: Refusal) -> Error {
    let code = match refusal {
        Refusal::BlockedExtension(_) | Refusal::DangerousContent(_) => ErrorCode::DangerousFileType,
        Refusal::WrongExtension(..) | Refusal::Mismatch { .. } | Refusal::NotRead { .. } | Refusal::Unrecognised(_) => {
            ErrorCode::InvalidFileType
        }
    };
    let mut message = refusal.to_string();
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Error::new(code, message).detail("reason", refusal.to_string())
}

#[cfg(test)]
mod tests;
