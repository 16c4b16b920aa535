//! The object store: one contract for every S3 server, and what only the embedded service promises.

#![allow(clippy::unwrap_used)]

#[path = "objects/bucket.rs"]
mod bucket;
#[path = "objects/contract.rs"]
mod contract;
#[path = "objects/crash.rs"]
mod crash;
#[path = "objects/faults.rs"]
mod faults;
#[path = "objects/local.rs"]
mod local;
#[path = "objects/protocol.rs"]
mod protocol;
#[path = "objects/support.rs"]
mod support;
#[path = "objects/uploads.rs"]
mod uploads;

use metastamp_chaos::ObjectServer;
use metastamp_store::objects::LocalS3;
use support::Target;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_service_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let service = LocalS3::start(dir.path()).await.unwrap();
    let target = Target::local(&service, "contract-bucket");
    run(&target, true).await;
    bucket::no_settings(&target.objects()).await;
    service.shutdown().await;
}

/// The same cases on a server of its own, and what becomes of them when it breaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_keeps_the_contract() {
    let mut server = tokio::task::spawn_blocking(|| ObjectServer::start().unwrap()).await.unwrap();
    let target = Target::server(&server, "metastamp-contract");
    run(&target, false).await;
    bucket::settings(&target, &target.objects()).await;
    faults::contract(&mut server, &target).await;
}

/// The same cases on another server, when the environment names one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_server_keeps_the_contract() {
    let Some(target) = Target::from_env("metastamp-contract") else { return };
    let strict = std::env::var("METASTAMP_TEST_S3_STRICT").is_ok();
    run(&target, strict).await;
}

/// A strict server keeps any key (those on top of file trees don't) and makes no bucket unasked.
async fn run(target: &Target, strict: bool) {
    let spool = tempfile::tempdir().unwrap();
    let objects = target.objects();
    contract::contract(objects.clone(), strict).await;
    bucket::contract(&objects).await;
    uploads::contract(target, objects.clone(), spool.path()).await;
    protocol::contract(target, objects, strict).await;
}
