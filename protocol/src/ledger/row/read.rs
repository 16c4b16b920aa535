//! Reading rows: those of newer software are told apart from those that are damaged, and no member gets lost.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Row;

/// Largest whole number that every reader of JSON has exactly: 2^53 - 1.
const WHOLE_MAX: u64 = (1 << 53) - 1;

/// Why something stored is no row to this software.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// By newer software, whose rules are not known here. Nothing can be said about it, and nothing may follow it.
    #[error("row {id} is of the newer version {version}, at most {} is read here", Row::VERSION)]
    Newer { id: String, version: u64 },
    #[error(transparent)]
    Malformed(#[from] serde_json::Error),
}

impl Row {
    /// # Errors
    /// When it is of a newer version, or no row.
    pub fn from_json(text: &str) -> Result<Self, RowError> {
        match serde_json::from_str::<Row>(text) {
            Ok(row) if row.version <= Row::VERSION => Ok(row),
            // Looked at again: a newer row may have members that make no sense here.
            read => {
                Self::check_version(&serde_json::from_str(text)?)?;
                Ok(read?)
            }
        }
    }

    /// # Errors
    /// When it is of a newer version, or no row.
    pub fn from_value(value: Value) -> Result<Self, RowError> {
        Self::check_version(&value)?;
        Ok(serde_json::from_value(value)?)
    }

    /// Comes before anything else is looked at: what newer rows look like is not known here.
    ///
    /// # Errors
    /// When it is of a newer version.
    pub fn check_version(row: &Value) -> Result<(), RowError> {
        let whole = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as u64);
        let number = |value: &Value| value.as_u64().or_else(|| value.as_f64().and_then(whole));
        let version = row.get("version").and_then(number).unwrap_or_default();
        if version <= u64::from(Row::VERSION) {
            return Ok(());
        }
        let id = row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(RowError::Newer { id, version })
    }
}

/// Members that are not known. Null is as good as absent, because stores leave it out; numbers are whole, because only
/// those have one form in every language.
pub(super) fn other<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Value>, D::Error> {
    let mut members = BTreeMap::<String, Value>::deserialize(deserializer)?;
    members.retain(|_, value| !value.is_null());
    match members.iter().find(|(_, value)| !has_one_form(value)) {
        None => Ok(members),
        Some((name, _)) => Err(D::Error::custom(format!("{name} has a number that is not whole, or too large"))),
    }
}

fn has_one_form(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_i64().is_some_and(|number| number.unsigned_abs() <= WHOLE_MAX),
        Value::Array(items) => items.iter().all(has_one_form),
        Value::Object(members) => members.values().all(has_one_form),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}
