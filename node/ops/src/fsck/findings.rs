//! What can be wrong.

use std::collections::BTreeMap;

/// Findings of a class that are named; the others are counted.
const NAMED_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    StoresApart,
    AssetWithoutObject,
    ObjectWithoutRow,
    SizeMismatch,
    DigestMismatch,
    UnreadableObject,
    FingerprintWithoutAsset,
    JobWithoutAsset,
    ProcessingWithoutJob,
    ReadyWithoutFingerprint,
    DuplicateKey,
    ExpiredSession,
    Senseless,
}

impl Class {
    pub const ALL: [Class; 13] = [
        Class::StoresApart,
        Class::AssetWithoutObject,
        Class::ObjectWithoutRow,
        Class::SizeMismatch,
        Class::DigestMismatch,
        Class::UnreadableObject,
        Class::FingerprintWithoutAsset,
        Class::JobWithoutAsset,
        Class::ProcessingWithoutJob,
        Class::ReadyWithoutFingerprint,
        Class::DuplicateKey,
        Class::ExpiredSession,
        Class::Senseless,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Class::StoresApart => "stores_apart",
            Class::AssetWithoutObject => "asset_without_object",
            Class::ObjectWithoutRow => "object_without_row",
            Class::SizeMismatch => "size_mismatch",
            Class::DigestMismatch => "digest_mismatch",
            Class::UnreadableObject => "unreadable_object",
            Class::FingerprintWithoutAsset => "fingerprint_without_asset",
            Class::JobWithoutAsset => "job_without_asset",
            Class::ProcessingWithoutJob => "processing_without_job",
            Class::ReadyWithoutFingerprint => "ready_without_fingerprint",
            Class::DuplicateKey => "duplicate_key",
            Class::ExpiredSession => "expired_session",
            Class::Senseless => "undecodable_record",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Class::StoresApart => {
                "stores that do not belong together (metastamp restore FILE, or metastamp init --adopt)"
            }
            Class::AssetWithoutObject => "assets without their object",
            Class::ObjectWithoutRow => "objects without a row",
            Class::SizeMismatch => "objects of another size than their row says",
            Class::DigestMismatch => "objects of another digest than their row says",
            Class::UnreadableObject => "objects that can't be read, in a store that answers",
            Class::FingerprintWithoutAsset => "fingerprints without an asset",
            Class::JobWithoutAsset => "jobs without an asset",
            Class::ProcessingWithoutJob => "assets that wait for a job that is not there",
            Class::ReadyWithoutFingerprint => "assets whose fingerprint is not there",
            Class::DuplicateKey => "keys that several assets name",
            Class::ExpiredSession => "upload sessions that ran out",
            Class::Senseless => "records that make no sense",
        }
    }

    /// What mending does.
    pub fn remedy(self) -> &'static str {
        match self {
            Class::AssetWithoutObject | Class::SizeMismatch | Class::DigestMismatch => "marked as failed",
            Class::ObjectWithoutRow => "removed",
            Class::FingerprintWithoutAsset | Class::JobWithoutAsset => "removed",
            Class::ProcessingWithoutJob | Class::ReadyWithoutFingerprint => "queued again",
            Class::ExpiredSession => "discarded",
            // the disk, or the store behind it, may give them again
            Class::StoresApart | Class::DuplicateKey | Class::Senseless | Class::UnreadableObject => "nothing",
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Found {
    pub count: u64,
    /// The first ones, with what is to be said of each.
    pub ids: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Findings(BTreeMap<Class, Found>);

impl Findings {
    pub fn add(&mut self, class: Class, id: impl ToString) {
        let found = self.0.entry(class).or_default();
        found.count += 1;
        if found.ids.len() < NAMED_MAX {
            found.ids.push(id.to_string());
        }
    }

    pub fn of(&self, class: Class) -> Found {
        self.0.get(&class).cloned().unwrap_or_default()
    }

    pub fn total(&self) -> u64 {
        self.0.values().map(|found| found.count).sum()
    }
}
