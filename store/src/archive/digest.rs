//! Whether two stores keep the same records.

use metastamp_protocol::ledger::{Row, Transaction};
use metastamp_protocol::partner::{ApiKey, Partner, UsageEvent};
use metastamp_protocol::{Asset, Fingerprint, Job, UploadSession, User};
use mongodb::bson::Document;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::format::to_bytes;
use crate::Result;
use crate::records::{Collection, decode, encode};

/// Count and digest of a set of records: the sum, modulo 2^256, of the SHA-256 of each. A sum, because order says
/// nothing: backends sort old ids differently, and archives may be interleaved.
///
/// Each record counts in the form in which we would write it today, so that one that came from elsewhere has the same
/// digest on every backend. The bucket of an asset does not count: it is the installation's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordsDigest {
    count: u64,
    /// Little-endian.
    sum: [u64; 4],
}

impl RecordsDigest {
    /// Tells whether the record makes sense; it counts either way.
    ///
    /// # Errors
    /// `Internal` when the record has no BSON form.
    pub fn add(&mut self, collection: Collection, record: &Document) -> Result<bool> {
        let canonical = canonical(collection, record);
        let digest = Sha256::digest(to_bytes(canonical.as_ref().unwrap_or(record))?);
        let mut carry = false;
        for (limb, bytes) in self.sum.iter_mut().zip(digest.chunks_exact(8)) {
            let addend = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            let (sum, over) = limb.overflowing_add(addend);
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, over || again);
        }
        self.count += 1;
        Ok(canonical.is_some())
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// 64 hex digits.
    pub fn hex(&self) -> String {
        hex::encode(self.sum.map(u64::to_le_bytes).concat())
    }
}

/// None when the record makes no sense: then it counts as it is.
fn canonical(collection: Collection, record: &Document) -> Option<Document> {
    match collection {
        Collection::Users => renewed::<User>(collection, record),
        Collection::Assets => renewed::<Asset>(collection, record).map(|mut asset| {
            asset.remove("s3_bucket");
            asset
        }),
        Collection::Fingerprints => renewed::<Fingerprint>(collection, record),
        Collection::Jobs => renewed::<Job>(collection, record),
        Collection::Uploads => renewed::<UploadSession>(collection, record),
        Collection::Repeats => only(record, &["_id", "first"]),
        Collection::Garbage => only(record, &["_id", "since"]),
        Collection::RevokedSessions => only(record, &["_id", "until"]),
        Collection::WalletJournal => renewed::<Row>(collection, record),
        Collection::WalletTransactions => renewed::<Transaction>(collection, record),
        Collection::UsageEvents => renewed::<UsageEvent>(collection, record),
        Collection::Partners => renewed::<Partner>(collection, record),
        Collection::ApiKeys => renewed::<ApiKey>(collection, record),
        Collection::Wallet | Collection::Analytics => Some(record.clone()),
    }
}

fn renewed<T: DeserializeOwned + Serialize>(collection: Collection, record: &Document) -> Option<Document> {
    encode(collection, &decode::<T>(collection, record.clone()).ok()?).ok()
}

fn only(record: &Document, names: &[&str]) -> Option<Document> {
    names.iter().map(|name| Some(((*name).to_owned(), record.get(name)?.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{doc, oid::ObjectId};

    use super::*;

    #[test]
    fn order_does_not_count_and_every_field_does() {
        let records: Vec<_> = (0..20).map(|n| doc! { "_id": ObjectId::new(), "n": n }).collect();
        let digest = |records: &[Document]| {
            let mut digest = RecordsDigest::default();
            for record in records {
                assert!(digest.add(Collection::Wallet, record).unwrap());
            }
            digest
        };
        let mut turned = records.clone();
        turned.reverse();
        assert_eq!(digest(&records), digest(&turned));
        turned[3].insert("n", 99);
        assert_ne!(digest(&records), digest(&turned));
        assert_ne!(digest(&records), digest(&records[1..]));
    }

    #[test]
    fn old_and_new_shapes_of_a_user_are_the_same_user() {
        let id = ObjectId::new();
        let at = mongodb::bson::DateTime::from_millis(1_764_168_600_123);
        let old = doc! {
            "_id": id.to_hex(), "email": "a@example.org", "name": "A", "password_hash": "x",
            "created_at": "2025-11-26T14:50:00.123456", "updated_at": "2025-11-26T14:50:00.123456",
        };
        let user: User = decode(Collection::Users, old.clone()).unwrap();
        let new = encode(Collection::Users, &user).unwrap();
        assert_eq!(new.get_object_id("_id").unwrap(), id);
        assert_eq!(new.get_datetime("created_at").unwrap(), &at);
        assert_eq!(canonical(Collection::Users, &old).unwrap(), canonical(Collection::Users, &new).unwrap());
        assert_eq!(canonical(Collection::Users, &doc! { "_id": 1 }), None);
    }
}
