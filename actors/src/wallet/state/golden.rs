//! The vectors of `protocol/golden/journal` once more: each order comes to exactly the row that is written there, for
//! each version, and their chains hold.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::wallet::audit::ChainAudit;

/// Orders and rows of one version, in the order of their chains.
fn vectors(version: u32) -> Vec<(Order, Row)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../protocol/golden/journal/{version}"));
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let vector: Value = serde_json::from_str(&fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        let order = serde_json::from_value(vector.get("order")?.clone()).unwrap();
        Some((order, Row::from_value(vector["row"].clone()).unwrap()))
    };
    let mut vectors: Vec<_> = fs::read_dir(folder).unwrap().filter_map(read).collect();
    vectors.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    vectors
}

#[test]
fn orders_come_to_the_rows_of_their_vectors() {
    for version in 1..=Row::VERSION {
        let mut before: Vec<Row> = Vec::new();
        for (order, row) in vectors(version) {
            let head = before.last().filter(|last| last.wallet_id == order.wallet_id);
            let mut book = Book::at(order.wallet_id, head);
            let stamp = Stamp { now: row.at, batch: row.batch, writer: row.writer.clone(), version };
            let subject = Subject::of(before.iter().filter(|row| row.transaction_id == order.subject()));
            assert_eq!(book.decide(&order, subject, &stamp).as_ref(), Ok(&row), "version {version}: {}", order.name());
            assert_eq!(book.apply(&row, subject), Ok(()));
            before.push(row);
        }
        assert_eq!(before.len(), 8);
    }
}

/// What was written until now is clean, and so is what newer software goes on with, or older after it.
#[test]
fn chains_of_each_version_and_of_several_are_clean() {
    for versions in [[1, 1], [1, 2], [2, 1], [2, 2]] {
        let rows: Vec<Row> = match versions {
            [a, b] if a == b => vectors(a).into_iter().map(|(_, row)| row).collect(),
            _ => alternating(versions),
        };
        for wallet in rows.chunk_by(|a, b| a.wallet_id == b.wallet_id) {
            let mut audit = ChainAudit::new(wallet[0].wallet_id);
            wallet.iter().for_each(|row| audit.row(row));
            assert_eq!(audit.end().listed, [], "{versions:?}");
        }
    }
}

/// The same orders, by writers of two versions in turn.
fn alternating(versions: [u32; 2]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (n, (order, row)) in vectors(1).into_iter().enumerate() {
        let head = rows.last().filter(|last| last.wallet_id == order.wallet_id);
        let stamp = Stamp { now: row.at, batch: row.batch, writer: row.writer, version: versions[n % 2] };
        let subject = Subject::of(rows.iter().filter(|row| row.transaction_id == order.subject()));
        let row = Book::at(order.wallet_id, head).decide(&order, subject, &stamp).unwrap();
        rows.push(row);
    }
    rows
}
