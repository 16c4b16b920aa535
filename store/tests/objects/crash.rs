//! Processes that are killed at any instant: what was acknowledged stays, what was not leaves nothing behind.
//!
//! The writers are this test binary, started again with the name of the ignored test below.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use metastamp_chaos::client::eventually;
use metastamp_store::objects::Swept;

use super::contract::read;
use super::local::{blobs, start};
use super::support::{digest, noise};

const DIR: &str = "METASTAMP_TEST_CRASH_DIR";
const NAME: &str = "METASTAMP_TEST_CRASH_NAME";

fn spawn(dir: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writer_process", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(NAME, name)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn journal(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("acknowledged-{name}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_objects_survive_kill_9() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("objects");
    for round in 0..4 {
        let mut children: Vec<Child> = (0..2).map(|writer| spawn(root.path(), &format!("{round}-{writer}"))).collect();
        // a moment while both write, another one each time
        let wanted = 10 + 3 * round;
        let written = || async {
            let lines = |writer| std::fs::read(journal(root.path(), &format!("{round}-{writer}"))).unwrap_or_default();
            let acknowledged = |writer| lines(writer).iter().filter(|byte| **byte == b'\n').count();
            Ok((0..2).all(|writer| acknowledged(writer) >= wanted).then_some(()))
        };
        eventually("both writers write", Duration::from_secs(60), written).await.unwrap();
        children.iter_mut().for_each(|child| child.kill().unwrap());
        children.iter_mut().for_each(|child| assert!(!child.wait().unwrap().success()));
    }
    let (service, objects) = start(&dir).await;
    let mut acknowledged = 0;
    for name in (0..4).flat_map(|round| (0..2).map(move |writer| format!("{round}-{writer}"))) {
        let Ok(lines) = std::fs::read_to_string(journal(root.path(), &name)) else { continue };
        for line in lines.lines() {
            let (key, expected) = line.split_once(' ').unwrap();
            assert_eq!(digest(&read(&objects, key).await), expected, "{key}");
            acknowledged += 1;
        }
    }
    assert!(acknowledged > 50, "only {acknowledged} objects were acknowledged: the test proves nothing");
    let mut listed = 0;
    let mut next = None;
    loop {
        let page = objects.list("", next.as_deref(), 1000).await.unwrap();
        listed += page.objects.len();
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    // a write under way at the kill may be there or not
    assert!((acknowledged..=acknowledged + 8 * 4).contains(&listed), "{acknowledged} acknowledged, {listed} listed");
    service.sweep_orphan_blobs(Duration::ZERO).await.unwrap();
    assert_eq!(blobs(&dir).len(), listed);
    assert_eq!(service.sweep_orphan_blobs(Duration::ZERO).await.unwrap(), Swept::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a child of the test above"]
async fn writer_process() {
    let (Ok(root), Ok(name)) = (std::env::var(DIR), std::env::var(NAME)) else { return };
    let root = PathBuf::from(root);
    let (_service, objects) = start(&root.join("objects")).await;
    let writers = (0..4_u64).map(|writer| {
        let (objects, name) = (objects.clone(), name.clone());
        let mut file: File = OpenOptions::new().create(true).append(true).open(journal(&root, &name)).unwrap();
        async move {
            for number in 0.. {
                let bytes = noise(writer * 1_000_000 + number, 1 + (number as usize * 7919) % 400_000);
                let key = format!("{name}/{writer}/{number}");
                objects.put(&key, "a/b", bytes.clone()).await.unwrap();
                file.write_all(format!("{key} {}\n", digest(&bytes)).as_bytes()).unwrap();
            }
        }
    });
    futures_util::future::join_all(writers).await;
}
