//! Journals of older software hold, and rows of newer software are refused by their name, wherever they are met.

use std::fs;
use std::path::Path;

use metastamp_protocol::ObjectId;
use metastamp_protocol::ledger::Row;
use metastamp_store::Stores;
use metastamp_store::records::bson::doc;
use metastamp_store::records::{Bson, Collection, Document, encode};
use metastamp_tests::kept::Kept;
use metastamp_tests::money::{administrator, book, key, post, read, user_id};
use metastamp_tests::{DONE_WITHIN, NodeOptions, eventually, member, start};
use serde_json::{Value, json};

use crate::backup::metastamp;

const JOURNAL: Collection = Collection::WalletJournal;

async fn journal(stores: &Stores) -> Vec<Document> {
    stores.records.snapshot().await.unwrap().page(JOURNAL, None, 1_000).await.unwrap()
}

/// Right after the last row of a wallet, as newer software might write it.
async fn plant_newer(stores: &Stores, wallet_id: ObjectId) -> Bson {
    let head = stores.ledger.head(wallet_id).await.unwrap().unwrap();
    let next = Row {
        id: Row::id_of(wallet_id, head.seq + 1),
        seq: head.seq + 1,
        previous: head.hash.clone(),
        batch: ObjectId::generate(),
        transaction_id: ObjectId::generate(),
        idempotency_key: "fee/1".to_owned(),
        ..head
    };
    let mut record = encode(JOURNAL, &next).unwrap();
    record.extend(doc! { "version": i64::from(Row::VERSION) + 1, "kind": "fee", "rate": 0.19 });
    stores.records.put_records(JOURNAL, vec![record]).await.unwrap();
    Bson::String(next.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_rows_are_named_and_nothing_is_written_after_them() {
    let node = start(NodeOptions::new());
    let admin = administrator(&node).await;
    let client = member(&node).await;
    book(&admin, "bonuses", &client, "100.00", "USD", "to begin with").await;
    let wallet = user_id(&client).await;
    let kept = Kept::of(&node.data_dir()).await;
    let stores = &kept.stores;
    let shown_up_to = async || {
        let shown = stores.ledger.wallet(wallet.parse().unwrap(), metastamp_protocol::Timestamp::now()).await;
        shown.unwrap().last_seq
    };
    // on a server what is shown follows the journal
    let shown = || async {
        read(&client, "balance").await;
        Ok((shown_up_to().await == 1).then_some(()))
    };
    eventually("the bonus is shown", DONE_WITHIN, shown).await.unwrap();
    let id = plant_newer(stores, wallet.parse().unwrap()).await;
    let planted = journal(stores).await;

    let payout = json!({ "amount": "10.00" });
    let mut answers = vec![post(&client, "/api/v1/wallet/payouts", &key(), &payout).await];
    for path in ["statement", "statement?format=csv", "balance", "history", "history?format=csv"] {
        answers.push(client.get(&format!("/api/v1/wallet/{path}")).send().await.unwrap());
    }
    for answer in answers {
        assert_eq!((answer.status, answer.code().as_str()), (503, "NEWER_VERSION"), "{answer}");
        assert!(answer.header("retry-after").is_some(), "{answer}");
    }
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| metastamp(home.path(), &node.data_dir(), args);
    let (code, text) = run(&["audit", "--quiet"]);
    let found: Vec<_> = text.lines().filter(|line| line.contains("  ")).collect();
    assert_eq!((code, found.len()), (1, 1), "{text}");
    let newer = format!("newer version {}", Row::VERSION + 1);
    assert!(found[0].starts_with("newer-version  ") && found[0].contains(&newer), "{text}");
    for args in [&["wallet", "rebuild", &wallet][..], &["wallet", "rebuild", "--force", "--all"]] {
        let (code, text) = run(args);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("is left as it is: newer-version"), "{text}");
    }
    assert_eq!(journal(stores).await, planted, "nothing was written");
    assert_eq!(shown_up_to().await, 1, "what was shown is not given up");

    stores.records.remove_records(JOURNAL, vec![id]).await.unwrap();
    post(&client, "/api/v1/wallet/payouts", &key(), &payout).await.expect(201).unwrap();
    assert_eq!(read(&client, "balance").await["available"], json!(90.0));
    let (code, text) = run(&["audit"]);
    assert_eq!(code, 0, "{text}");
}

/// The rows of `protocol/golden/journal`, which the software of their version wrote.
#[tokio::test(flavor = "multi_thread")]
async fn journals_of_each_version_are_clean() {
    for version in 1..=Row::VERSION {
        let home = tempfile::tempdir().unwrap();
        let kept = Kept::of(home.path()).await;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../protocol/golden/journal/{version}"));
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let vector: Value = serde_json::from_str(&fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
            vector.get("order")?;
            Some(Row::from_value(vector["row"].clone()).unwrap())
        };
        let mut rows: Vec<Row> = fs::read_dir(folder).unwrap().filter_map(read).collect();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        let records = rows.iter().map(|row| encode(JOURNAL, row).unwrap()).collect();
        kept.stores.records.put_records(JOURNAL, records).await.unwrap();
        let mut wallets: Vec<_> = rows.iter().map(|row| row.wallet_id).collect();
        wallets.dedup();
        assert_eq!((rows.len(), wallets.len()), (8, 2));
        for wallet in wallets {
            kept.stores.ledger.project(wallet).await.unwrap();
            let wallet = wallet.to_hex();
            for args in [&["audit", "--wallet", &wallet][..], &["wallet", "rebuild", &wallet]] {
                let (code, text) = metastamp(home.path(), home.path(), args);
                assert_eq!(code, 0, "version {version}: {text}");
            }
        }
    }
}
