//! What the tests across crates share: nodes, clients that hold every answer against the contract, files of every kind.
//!
//! The tests themselves are in `tests/main.rs`, one binary, a module per subject.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a failure here is the test's failure")]

pub mod cluster;
pub mod contract;
pub mod kept;
pub mod media;
pub mod money;
pub mod objects;
pub mod raw;
mod shared;
pub mod token;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use metastamp_chaos::client::{Answer, AssetInfo, Client, FingerprintInfo, eventually};
pub use metastamp_chaos::{NodeOptions, NodeProcess, UploadFile};
pub use shared::SharedNode;

/// Password of every account the tests make.
pub const PASSWORD: &str = "correct-horse-7";
/// How long a fingerprint may take on a busy machine.
pub const DONE_WITHIN: Duration = Duration::from_secs(60);

/// A word that no other test of this run uses.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub fn unique_email() -> String {
    unique("person") + "@example.test"
}

/// A client without a token whose every answer is held against the contract.
pub fn anonymous(node: &NodeProcess) -> Client {
    Client::new(node.address()).unwrap().with_observer(contract::observer())
}

/// A client of a fresh account.
pub async fn member(node: &NodeProcess) -> Client {
    anonymous(node).register(&unique_email(), PASSWORD).await.unwrap()
}

/// Uploads a file that must be accepted.
pub async fn accepted(client: &Client, file: &UploadFile) -> AssetInfo {
    client.upload(file).await.unwrap().expect(201).unwrap().as_asset().unwrap()
}

/// Uploads a file that must be refused with this status and code.
pub async fn refused(client: &Client, file: &UploadFile, status: u16, code: &str) -> Answer {
    let answer = client.upload(file).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}: {answer}", file.name);
    answer
}

/// Whether the node keeps its stores on servers; tests that look into the files of the embedded ones ask.
pub fn on_servers(node: &NodeProcess) -> bool {
    node.setting("MONGODB_URL").is_some_and(|url| url != "embedded")
}

/// Starts a node of one's own.
pub fn start(options: NodeOptions) -> NodeProcess {
    NodeProcess::start(options).unwrap()
}
