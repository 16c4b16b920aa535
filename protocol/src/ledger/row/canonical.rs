//! The bytes of a row that are hashed, for each version. Rows are proved by them for ever: what is here may be added to,
//! and never changed.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Row;

/// SHA-256, hex.
pub(super) fn digest(row: &Row) -> String {
    let bytes = if row.version <= 1 { first(row) } else { without_hash(row) };
    hex::encode(Sha256::digest(bytes.unwrap_or_default()))
}

/// Version 1: members in the order of the struct, `hash` among them as an empty text. Members that it does not know were
/// never part of it.
fn first(row: &Row) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Row { hash: String::new(), other: BTreeMap::new(), ..row.clone() })
}

/// From version 2: without `hash`, members of all objects in the order of their names.
fn without_hash(row: &Row) -> serde_json::Result<Vec<u8>> {
    let mut value = sorted(row)?;
    if let Value::Object(members) = &mut value {
        // not swap_remove, which would disturb the order where objects keep the order of insertion
        members.retain(|name, _| name != "hash");
    }
    serde_json::to_vec(&value)
}

/// The text that a store keeps. From version 2 it is the hashed one, and `hash`, so that plain tools can check it.
pub(super) fn text(row: &Row) -> serde_json::Result<String> {
    match row.version {
        0 | 1 => serde_json::to_string(row),
        _ => serde_json::to_string(&sorted(row)?),
    }
}

/// By code points of names, whatever order the objects of the JSON library have by themselves.
fn sorted(row: &Row) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(row)?;
    value.sort_all_objects();
    Ok(value)
}
