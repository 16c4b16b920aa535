//! The vectors of `protocol/golden/journal/{version}/{order}.json`: an order, and the row that it came to. Nothing in
//! them may ever change; a new kind of order, or version, needs new ones.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::ledger::{Order, OrderKind};

/// One with members that no version has: rows keep them.
const UNKNOWN_MEMBERS: &str = "2/unknown-members.json";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/journal")
}

fn read(name: impl AsRef<Path>) -> Value {
    let path = golden().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// All vectors with their names, oldest version first.
fn vectors() -> Vec<(String, Value)> {
    let mut vectors = Vec::new();
    for version in 1..=Row::VERSION {
        let folder = fs::read_dir(golden().join(version.to_string())).unwrap();
        for file in folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
            let name = format!("{version}/{file}");
            vectors.push((name.clone(), read(name)));
        }
    }
    vectors.sort_by(|(a, _), (b, _)| a.cmp(b));
    vectors
}

/// The words of all variants, as the derived reader lists them when it meets one that it does not know.
fn kinds_of_orders() -> BTreeSet<String> {
    let error = serde_json::from_value::<OrderKind>(json!({ "?": {} })).unwrap_err().to_string();
    let (_, list) = error.split_once("expected one of ").expect(&error);
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The formula of version 2 once more, by hand and knowing nothing of [`Row`].
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => write!(out, "{truth}").unwrap(),
        Value::Number(number) => write!(out, "{}", number.as_i64().unwrap()).unwrap(),
        Value::String(text) => quoted(text, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut names: Vec<_> = members.keys().collect();
            names.sort_by(|a, b| a.chars().cmp(b.chars()));
            out.push('{');
            for (i, name) in names.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                quoted(name, out);
                out.push(':');
                canonical(&members[name], out);
            }
            out.push('}');
        }
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(c)).unwrap(),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// The formulas of docs/LEDGER.md over plain JSON.
fn digest_of(row: &Value) -> String {
    let mut text = String::new();
    match row["version"].as_u64().unwrap() {
        // in the order of the struct: the one in which this list has them
        1 => {
            let names = "id version wallet_id seq at transaction_id ordinal transactions kind status resolves currency \
                         amount debit credit overdraft description asset_id reference_id metadata idempotency_key \
                         request_hash asked_by balances batch writer previous";
            for name in names.split(' ').filter(|name| !row[*name].is_null()) {
                write!(text, "{}\"{name}\":", if text.is_empty() { "{" } else { "," }).unwrap();
                match name {
                    "balances" => balances_of_version_1(&row[name], &mut text),
                    _ => canonical(&row[name], &mut text),
                }
            }
            text.push_str(",\"hash\":\"\"}");
        }
        _ => {
            let mut row = row.clone();
            row.as_object_mut().unwrap().remove("hash");
            canonical(&row, &mut text);
        }
    }
    hex::encode(Sha256::digest(&text))
}

fn balances_of_version_1(balances: &Value, out: &mut String) {
    let mut before = '{';
    for currency in Currency::ALL.iter().filter(|currency| !balances[currency.code()].is_null()) {
        write!(out, "{before}\"{}\":", currency.code()).unwrap();
        let mut before_amount = '{';
        for name in ["available", "held", "pending", "earned", "paid_out", "adjusted", "deposited", "spent"] {
            if let Some(amount) = balances[currency.code()][name].as_i64() {
                write!(out, "{before_amount}\"{name}\":{amount}").unwrap();
                before_amount = ',';
            }
        }
        out.push('}');
        before = ',';
    }
    out.push('}');
}

#[test]
fn every_kind_of_order_has_a_vector_in_each_version() {
    let kinds = kinds_of_orders();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    for version in 1..=Row::VERSION {
        for kind in &kinds {
            let vector = read(format!("{version}/{kind}.json"));
            let order: Order = serde_json::from_value(vector["order"].clone()).unwrap();
            assert_eq!((order.name(), &vector["row"]["version"]), (kind.as_str(), &json!(version)));
        }
    }
}

#[test]
fn each_digest_is_that_of_its_vector() {
    for (name, vector) in vectors() {
        let row = Row::from_value(vector["row"].clone()).unwrap();
        assert_eq!(row.hash, row.digest(), "{name}");
        assert_eq!(row.hash, digest_of(&vector["row"]), "{name}: by the second implementation");
    }
}

/// No member is renamed, left out or added on the way, be it of the row, its balances or the order.
#[test]
fn vectors_are_the_same_after_reading_and_writing() {
    for (name, vector) in vectors() {
        let row = Row::from_value(vector["row"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&row).unwrap(), vector["row"], "{name}");
        let text = row.to_json().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), vector["row"], "{name}");
        assert_eq!(Row::from_json(&text).unwrap(), row, "{name}");
        if name != UNKNOWN_MEMBERS {
            assert_eq!(row.other, BTreeMap::new(), "{name}");
            let order: Order = serde_json::from_value(vector["order"].clone()).unwrap();
            assert_eq!(serde_json::to_value(&order).unwrap(), vector["order"], "{name}");
            assert_eq!(json!(order.request_hash()), vector["request_hash"], "{name}");
            assert_eq!(row.request_hash, order.request_hash(), "{name}");
        }
    }
}

#[test]
fn a_member_by_another_name_is_another_digest() {
    for (name, vector) in vectors() {
        for member in vector["row"].as_object().unwrap().keys().filter(|member| *member != "hash") {
            let mut renamed = vector["row"].clone();
            let members = renamed.as_object_mut().unwrap();
            let value = members.remove(member).unwrap();
            members.insert(format!("{member}_"), value);
            let same = Row::from_value(renamed).is_ok_and(|row| row.digest() == row.hash);
            assert!(!same, "{name}: {member}");
        }
    }
}

#[test]
fn text_at_rest_is_what_was_hashed_and_the_hash() {
    for (name, vector) in vectors().into_iter().filter(|(name, _)| !name.starts_with("1/")) {
        let row = Row::from_value(vector["row"].clone()).unwrap();
        let (text, hash) = (row.to_json().unwrap(), format!("\"hash\":\"{}\",", row.hash));
        assert_eq!(text.matches(&hash).count(), 1, "{name}");
        assert_eq!(hex::encode(Sha256::digest(text.replace(&hash, ""))), row.hash, "{name}");
    }
}

#[test]
fn unknown_members_are_kept_and_hashed() {
    let vector = read(UNKNOWN_MEMBERS);
    let row = Row::from_value(vector["row"].clone()).unwrap();
    assert_eq!(row.other.keys().collect::<Vec<_>>(), ["amounts", "tax", "zone"]);
    let mut less = row.clone();
    less.other.remove("zone").unwrap();
    assert_ne!(less.digest(), row.hash);
    // null is absent, as stores have it
    let mut with_null = vector["row"].clone();
    with_null["nothing"] = Value::Null;
    assert_eq!(Row::from_value(with_null).unwrap(), row);
    for number in [json!(0.5), json!(1e20), json!(u64::MAX), json!([{ "a": 1.5 }]), json!(1_u64 << 53)] {
        let mut row = vector["row"].clone();
        row["other"] = number;
        assert!(matches!(Row::from_value(row.clone()), Err(RowError::Malformed(_))), "{row}");
        assert!(matches!(Row::from_json(&row.to_string()), Err(RowError::Malformed(_))), "{row}");
    }
}

#[test]
fn rows_of_newer_software_are_told_apart_from_damaged_ones() {
    let row = read("2/bonus.json")["row"].clone();
    let id = row["id"].as_str().unwrap().to_owned();
    let newer = |row: &Value| {
        let both = [Row::from_value(row.clone()), Row::from_json(&row.to_string())];
        both.map(|read| match read {
            Err(RowError::Newer { id, version }) => Some((id, version)),
            _ => None,
        })
    };
    let of_version = |version: u64, member: &str, value: Value| {
        let mut row = row.clone();
        row["version"] = json!(version);
        row[member] = value;
        row
    };
    let next = u64::from(Row::VERSION) + 1;
    for version in [next, 1 << 40] {
        let same = of_version(version, "zone", json!("EU"));
        // nothing of a kind that is known here
        let strange = of_version(version, "kind", json!("fee"));
        let fraction = of_version(version, "rate", json!(0.19));
        for row in [same, strange, fraction] {
            assert_eq!(newer(&row), [Some((id.clone(), version)), Some((id.clone(), version))], "{row}");
        }
    }
    for damaged in [of_version(2, "kind", json!("fee")), of_version(2, "amount", json!("much")), json!({}), json!(7)] {
        assert_eq!(newer(&damaged), [None, None], "{damaged}");
        assert!(Row::from_value(damaged).is_err());
    }
}

#[test]
fn ids_name_places() {
    let wallet = ObjectId::derived(&["wallet"]);
    assert_eq!(Row::place(&Row::id_of(wallet, 7)), Some((wallet, 7)));
    assert_eq!(Row::place(&Row::id_of(wallet, Row::SEQ_MAX)), Some((wallet, Row::SEQ_MAX)));
    for id in ["", "-", "7", &format!("{wallet}"), &format!("{wallet}-"), &format!("{wallet}-7x"), "x-000000000007"] {
        assert_eq!(Row::place(id), None, "{id}");
    }
}
