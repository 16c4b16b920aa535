//! Domain types to records and back, by way of their JSON form.

use metastamp_protocol::Timestamp;
use metastamp_protocol::ledger::Row;
use mongodb::bson::{self, Bson, Document};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Collection, legacy, money, shape};
use crate::{Result, StoreError};

/// The record of a domain value. Its `id` becomes `_id`; members that are null are left out, or sparse indexes would
/// count them.
///
/// # Errors
/// `Internal` when the value is no JSON object or an id or instant in it is none.
pub fn encode<T: Serialize>(collection: Collection, value: &T) -> Result<Document> {
    let value = serde_json::to_value(value).map_err(|e| broken(collection, &e.to_string()))?;
    let Value::Object(mut object) = value else { return Err(broken(collection, "not an object")) };
    if let Some(id) = object.remove("id") {
        object.insert("_id".to_owned(), id);
    }
    let shape = shape::of(collection);
    let mut record = Document::new();
    // first, as the server itself would put it
    if let Some(id) = object.remove("_id") {
        record.insert("_id", to_bson(id, "_id", &shape).map_err(|e| broken(collection, &e))?);
    }
    for (name, value) in object {
        if !value.is_null() {
            let value = to_bson(value, &name, &shape).map_err(|e| broken(collection, &e))?;
            record.insert(name, value);
        }
    }
    Ok(record)
}

/// The domain value of a record; shapes of the original system are understood.
///
/// # Errors
/// `NewerVersion` for a row of a journal that newer software wrote; `Internal` when a required field is missing or makes
/// no sense.
pub fn decode<T: DeserializeOwned>(collection: Collection, record: Document) -> Result<T> {
    let value = to_value(collection, record);
    if collection == Collection::WalletJournal {
        Row::check_version(&value)?;
    }
    serde_json::from_value(value).map_err(|e| broken(collection, &e.to_string()))
}

/// The record as JSON, whatever it is.
pub(crate) fn to_value(collection: Collection, record: Document) -> Value {
    let shape = shape::of(collection);
    let mut object = Map::new();
    for (name, value) in record {
        object.insert(name.clone(), to_json(value, &name, &shape));
    }
    legacy::upgrade(collection, &mut object);
    if let Some(id) = object.remove("_id") {
        object.insert("id".to_owned(), id);
    }
    Value::Object(object)
}

fn broken(collection: Collection, why: &str) -> StoreError {
    StoreError::Internal(format!("a record of {} makes no sense: {why}", collection.name()))
}

fn to_bson(value: Value, path: &str, shape: &shape::Shape) -> std::result::Result<Bson, String> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Bool(b) => Bson::Boolean(b),
        Value::Number(n) => match n.as_i64() {
            Some(n) => Bson::Int64(n),
            None => Bson::Double(n.as_f64().unwrap_or_default()),
        },
        Value::String(text) if shape.ids.contains(&path) => {
            Bson::ObjectId(bson::oid::ObjectId::parse_str(&text).map_err(|e| format!("{path}: {e}"))?)
        }
        Value::String(text) if shape.dates.contains(&path) => {
            Bson::DateTime(date(&text).ok_or_else(|| format!("{path}: {text:?} is no instant"))?)
        }
        Value::String(text) if shape.decimals.contains(&path) => {
            Bson::Decimal128(text.parse().map_err(|_| format!("{path}: {text:?} is no decimal number"))?)
        }
        Value::String(text) => Bson::String(text),
        // Paths lead through objects only.
        Value::Array(items) => {
            let items: std::result::Result<_, _> = items.into_iter().map(|item| to_bson(item, "", shape)).collect();
            Bson::Array(items?)
        }
        Value::Object(members) => {
            let mut document = Document::new();
            for (name, value) in members {
                let value = to_bson(value, &below(path, &name), shape)?;
                document.insert(name, value);
            }
            Bson::Document(document)
        }
    })
}

/// Below a list there is no path: neither ids nor instants are looked for there.
fn below(path: &str, name: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}.{name}") }
}

fn date(text: &str) -> Option<bson::DateTime> {
    let at: Timestamp = serde_json::from_value(Value::String(text.to_owned())).ok()?;
    Some(bson::DateTime::from_millis(at.millis()))
}

fn to_json(value: Bson, path: &str, shape: &shape::Shape) -> Value {
    match value {
        // What is no amount counts as absent.
        amount if shape.decimals.contains(&path) => money::read(&amount).map_or(Value::Null, Value::String),
        Bson::ObjectId(id) => Value::String(id.to_hex()),
        Bson::DateTime(at) => Value::String(Timestamp(at.timestamp_millis()).to_string()),
        Bson::String(text) if shape.dates.contains(&path) => Value::String(legacy::instant(text)),
        Bson::String(text) | Bson::Symbol(text) => Value::String(text),
        Bson::Boolean(b) => Value::Bool(b),
        Bson::Int32(n) => Value::from(n),
        Bson::Int64(n) => Value::from(n),
        // NaN and infinities have no JSON form
        Bson::Double(n) => serde_json::Number::from_f64(n).map_or(Value::Null, Value::Number),
        Bson::Decimal128(n) => Value::String(n.to_string()),
        Bson::Array(items) => Value::Array(items.into_iter().map(|item| to_json(item, "", shape)).collect()),
        Bson::Document(members) => {
            let mut object = Map::new();
            for (name, value) in members {
                let value = to_json(value, &below(path, &name), shape);
                object.insert(name, value);
            }
            Value::Object(object)
        }
        Bson::Binary(bytes) => Value::String(hex::encode(bytes.bytes)),
        Bson::Null | Bson::Undefined => Value::Null,
        other => Value::String(other.to_string()),
    }
}
