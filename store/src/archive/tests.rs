use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use metastamp_protocol::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use tempfile::TempDir;

use super::format::{CRC, MAGIC, TERMINATOR, header, to_bytes};
use super::*;
use crate::documents::embedded::EmbeddedDocuments;
use crate::ports::Records as _;
use crate::records::Collection;

fn records(count: usize) -> Vec<Document> {
    (0..count)
        .map(|n| doc! { "_id": ObjectId::new(), "user_id": ObjectId::new(), "note": format!("number {n}") })
        .collect()
}

/// A block as any writer makes it.
fn block(database: &str, collection: &str, records: &[Document]) -> Vec<u8> {
    let mut bytes = to_bytes(&header(database, collection, false, 0)).unwrap();
    records.iter().for_each(|record| bytes.extend(to_bytes(record).unwrap()));
    bytes.extend(TERMINATOR.to_le_bytes());
    bytes
}

fn end(database: &str, collection: &str, records: &[Document]) -> Vec<u8> {
    let all: Vec<u8> = records.iter().flat_map(|record| to_bytes(record).unwrap()).collect();
    let mut bytes = to_bytes(&header(database, collection, true, CRC.checksum(&all))).unwrap();
    bytes.extend(TERMINATOR.to_le_bytes());
    bytes
}

fn prelude(names: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = MAGIC.to_le_bytes().to_vec();
    bytes.extend(to_bytes(&doc! { "concurrent_collections": 4, "version": "0.1", "server_version": "8.0.4", "tool_version": "100.12.0" }).unwrap());
    for (database, collection) in names {
        bytes.extend(
            to_bytes(
                &doc! { "db": *database, "collection": *collection, "metadata": "{}", "size": 0, "type": "collection" },
            )
            .unwrap(),
        );
    }
    bytes.extend(TERMINATOR.to_le_bytes());
    bytes
}

/// As mongodump writes with several collections at once: blocks lie among each other, and there are strangers.
fn interleaved(wallets: &[Document], analytics: &[Document]) -> Vec<u8> {
    let strangers = records(2);
    let half = wallets.len() / 2;
    [
        prelude(&[
            ("metastamp", "wallet"),
            ("metastamp", "analytics"),
            ("metastamp", "strangers"),
            ("admin", "system.version"),
        ]),
        block("metastamp", "wallet", &wallets[..half]),
        block("metastamp", "strangers", &strangers),
        block("metastamp", "analytics", analytics),
        block("metastamp", "wallet", &wallets[half..]),
        end("metastamp", "strangers", &strangers),
        end("metastamp", "wallet", wallets),
        // an empty one has a block without records
        block("admin", "system.version", &[]),
        end("admin", "system.version", &[]),
        end("metastamp", "analytics", analytics),
    ]
    .concat()
}

fn file(dir: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_mongodump_interleaves_is_read() {
    let (wallets, analytics) = (records(5), records(3));
    let dir = tempfile::tempdir().unwrap();
    let plain = interleaved(&wallets, &analytics);
    for bytes in [plain.clone(), gzip(&plain)] {
        let verified = verify(&file(&dir, &bytes), None, &|_| {}).unwrap();
        assert_eq!(verified.database, "metastamp");
        assert!(verified.skipped.contains("metastamp.strangers"), "{:?}", verified.skipped);
        assert_eq!(verified.collections[&Collection::Wallet].records, 5);
        let mut found = Vec::new();
        verified
            .records(&mut |collection, record| {
                found.push((collection, record));
                Ok(())
            })
            .unwrap();
        let of = |wanted| found.iter().filter(|(c, _)| *c == wanted).map(|(_, r)| r.clone()).collect::<Vec<_>>();
        assert_eq!(of(Collection::Wallet), wallets);
        assert_eq!(of(Collection::Analytics), analytics);
        assert!(verify(&file(&dir, &bytes), Some("other"), &|_| {}).is_err());
    }
}

#[test]
fn a_foreign_archive_that_is_cut_off_anywhere_is_refused() {
    let plain = interleaved(&records(4), &records(2));
    let dir = tempfile::tempdir().unwrap();
    for bytes in [plain.clone(), gzip(&plain)] {
        for length in 0..bytes.len() {
            assert!(verify(&file(&dir, &bytes[..length]), None, &|_| {}).is_err(), "cut off after {length}");
        }
        let trailing = [bytes.as_slice(), b"x"].concat();
        assert!(verify(&file(&dir, &trailing), None, &|_| {}).is_err(), "with a trailing byte");
    }
}

/// A bundle of a few records and two objects.
async fn bundle(dir: &Path) -> PathBuf {
    let documents = EmbeddedDocuments::open(&dir.join("source")).unwrap();
    documents.put_records(Collection::Wallet, records(4)).await.unwrap();
    let dump_path = dir.join("dump.gz");
    let mut snapshot = documents.snapshot().await.unwrap();
    let dumped = dump(&mut *snapshot, "metastamp", &dump_path, None, |_, _| {}).await.unwrap();
    let mut bundle = BundleWriter::create(dir, "backup", 0).unwrap();
    bundle.add_file("dump.gz", &dump_path).unwrap();
    let (mut list, mut bytes) = (String::new(), 0);
    for (name, content) in [("a", "aaaa"), ("b", "bb")] {
        let path = format!("objects/uploads/{name}");
        let sha256 = bundle.add(&path, content.len() as u64, content.as_bytes()).unwrap();
        let line = ObjectLine {
            key: format!("uploads/{name}"),
            asset_id: ObjectId::new().to_hex(),
            state: Kept::Kept,
            path,
            size: content.len() as u64,
            sha256,
            content_type: "text/plain".to_owned(),
        };
        bytes += line.size;
        list += &(serde_json::to_string(&line).unwrap() + "\n");
    }
    let list_sha256 = bundle.add("objects.jsonl", list.len() as u64, list.as_bytes()).unwrap();
    let manifest = Manifest {
        format: FORMAT,
        created_at: Timestamp(1),
        program: "test".to_owned(),
        source: Source { documents: "embedded".to_owned(), database: "metastamp".to_owned(), bucket: "b".to_owned() },
        schema_version: SCHEMA_VERSION,
        one_instant: dumped.one_instant,
        dump: dumped.dump,
        collections: dumped.collections,
        objects: Some(ObjectsSum { kept: 2, bytes, list_sha256, ..ObjectsSum::default() }),
    };
    let text = serde_json::to_string_pretty(&manifest).unwrap();
    bundle.add("manifest.json", text.len() as u64, text.as_bytes()).unwrap();
    let path = dir.join("backup.tar.gz");
    bundle.finish(&path).unwrap();
    path
}

#[tokio::test]
async fn a_bundle_gives_back_what_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = bundle(dir.path()).await;
    let verified = verify(&path, None, &|_| {}).unwrap();
    assert_eq!(verified.collections[&Collection::Wallet].records, 4);
    assert_eq!(verified.collections.len(), Collection::ALL.len(), "empty collections are in it too");
    let mut objects = Vec::new();
    verified
        .objects(&|_| {}, &mut |line, input| {
            let mut content = String::new();
            input.read_to_string(&mut content).unwrap();
            objects.push((line.key, content));
            Ok(())
        })
        .unwrap();
    assert_eq!(objects, [("uploads/a".to_owned(), "aaaa".to_owned()), ("uploads/b".to_owned(), "bb".to_owned())]);
    // what tar and gzip of the system would see
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut plain).unwrap();
    let names: Vec<_> = tar::Archive::new(plain.as_slice())
        .entries()
        .unwrap()
        .map(|e| e.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(names[0], "backup/dump.gz");
}

#[tokio::test]
async fn a_bundle_that_was_changed_in_any_byte_or_cut_off_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = bundle(dir.path()).await;
    let whole = std::fs::read(&path).unwrap();
    // most of a tar file is padding: a bit in each byte all the same, another one each time
    for at in 0..whole.len() {
        let mut broken = whole.clone();
        broken[at] ^= 1 << (at % 8);
        assert!(verify(&file(&dir, &broken), None, &|_| {}).is_err(), "byte {at}");
    }
    for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        assert!(verify(&file(&dir, &whole[..length]), None, &|_| {}).is_err(), "cut off after {length}");
    }
    assert!(verify(&file(&dir, &[whole.as_slice(), &[0]].concat()), None, &|_| {}).is_err(), "a trailing byte");
    assert!(verify(&file(&dir, &whole), None, &|_| {}).is_ok());
}

#[tokio::test]
async fn the_checksum_file_is_one_of_sha256sum() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, b"abc");
    write_checksum(&path).unwrap();
    let text = std::fs::read_to_string(dir.path().join("file.sha256")).unwrap();
    assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  file\n");
}
