//! What the archive says about a collection beside its records: the indexes that mongorestore makes.

use serde_json::{Value, json};

use crate::records::Collection;

/// An index: its fields, and whether it is unique, and sparse.
type Index = (&'static [(&'static str, i32)], bool, bool);

/// The indexes of chapter 4 of the deployment guide and our own; `_id` comes by itself.
fn indexes(collection: Collection) -> &'static [Index] {
    match collection {
        Collection::Users => &[
            (&[("email", 1)], true, false),
            (&[("auth0_id", 1)], true, true),
            (&[("created_at", 1)], false, false),
            (&[("role", 1)], false, false),
        ],
        Collection::Assets => &[
            (&[("user_id", 1)], false, false),
            (&[("user_id", 1), ("created_at", -1)], false, false),
            (&[("upload_status", 1)], false, false),
            (&[("file_type", 1)], false, false),
            (&[("created_at", 1)], false, false),
            (&[("s3_key", 1)], true, false),
            (&[("fingerprint_id", 1)], false, true),
        ],
        Collection::Fingerprints => &[
            (&[("asset_id", 1)], true, false),
            (&[("created_at", 1)], false, false),
            (&[("user_id", 1)], false, false),
            (&[("perceptual_hashes.phash", 1)], false, true),
        ],
        Collection::Wallet => &[
            (&[("user_id", 1)], true, false),
            (&[("transactions.timestamp", 1)], false, false),
            (&[("transactions.status", 1)], false, false),
            (&[("transactions.type", 1)], false, false),
        ],
        Collection::Analytics => &[
            (&[("asset_id", 1)], false, false),
            (&[("user_id", 1)], false, false),
            (&[("asset_id", 1), ("timestamp", -1)], false, false),
            (&[("timestamp", 1)], false, false),
            (&[("user_id", 1), ("created_at", -1)], false, false),
        ],
        Collection::Jobs => &[(&[("asset_id", 1)], true, false)],
        // `metastamp init` makes what else our own collections need
        Collection::Uploads | Collection::Repeats | Collection::Garbage | Collection::RevokedSessions => &[],
    }
}

/// The metadata of a collection as canonical Extended JSON.
pub(super) fn metadata(collection: Collection) -> String {
    let mut all = vec![json!({ "v": int(2), "key": { "_id": int(1) }, "name": "_id_" })];
    all.extend(indexes(collection).iter().map(index));
    json!({ "options": {}, "indexes": all, "collectionName": collection.name(), "type": "collection" }).to_string()
}

fn index((fields, unique, sparse): &Index) -> Value {
    let name: Vec<_> = fields.iter().map(|(field, direction)| format!("{field}_{direction}")).collect();
    let key: serde_json::Map<_, _> = fields.iter().map(|(field, way)| ((*field).to_owned(), int(*way))).collect();
    let mut index = json!({ "v": int(2), "key": key, "name": name.join("_") });
    for (option, wanted) in [("unique", *unique), ("sparse", *sparse)] {
        if wanted {
            index[option] = json!(true);
        }
    }
    index
}

fn int(number: i32) -> Value {
    json!({ "$numberInt": number.to_string() })
}
