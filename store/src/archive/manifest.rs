//! What a bundle says about itself.

use std::collections::BTreeMap;

use metastamp_protocol::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of the bundle's layout.
pub const FORMAT: u32 = 1;
/// Version of the shape of records.
pub const SCHEMA_VERSION: u32 = 1;
/// The program that writes, as manifests name it.
pub fn program() -> String {
    format!("metastamp {}", metastamp_protocol::VERSION)
}

/// A manifest has a few kilobytes, whatever the size of the bundle.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// When the view of the records was taken.
    pub created_at: Timestamp,
    /// The program that wrote it, with its version.
    pub program: String,
    pub source: Source,
    pub schema_version: u32,
    /// Whether all records were seen at one instant.
    pub one_instant: bool,
    pub dump: DumpSum,
    /// By collection.
    pub collections: BTreeMap<String, CollectionSum>,
    /// None when the backup is one of records only.
    pub objects: Option<ObjectsSum>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// `embedded` or `mongodb`.
    pub documents: String,
    pub database: String,
    pub bucket: String,
}

/// `dump.gz`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DumpSum {
    pub size: u64,
    pub sha256: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionSum {
    pub records: u64,
    /// See [`super::RecordsDigest`].
    pub digest: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectsSum {
    /// Objects in the bundle, and their bytes.
    pub kept: u64,
    pub bytes: u64,
    /// Assets that were deleted while the backup ran: a restore leaves their records out.
    pub deleted: u64,
    /// Assets whose object was not there: their records are restored as they are.
    pub lost: u64,
    /// Objects that are not what the asset's record says; they are kept as they were found.
    pub differing: u64,
    /// Digest of `objects.jsonl`, which holds a line for each asset.
    pub list_sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// In the bundle.
    Kept,
    /// Deleted, with its record, while the backup ran.
    Deleted,
    /// Not there, though the record is.
    Lost,
}

/// A line of `objects.jsonl`; those that are kept stand in the order of the bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectLine {
    pub key: String,
    pub asset_id: String,
    pub state: Kept,
    /// Path in the bundle, below its root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    #[serde(default)]
    pub size: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_type: String,
}
