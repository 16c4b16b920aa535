//! Moving everything from one set of stores to another.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use metastamp_chaos::node::{binary, run_to_end};
use metastamp_tests::kept::{Everything, Kept};
use metastamp_tests::{DONE_WITHIN, accepted, media, member, start};

use crate::backup::embedded;

/// How often it is looked how far a move is.
const POLL: Duration = Duration::from_millis(2);

/// Embedded stores only, whatever other tests are on.
fn metastamp(home: &Path, data: &Path, args: &[&str]) -> (i32, String) {
    let data = data.to_str().unwrap();
    let env = [
        ("DATA_DIR", data),
        ("MONGODB_URL", "embedded"),
        ("REDIS_URL", "embedded"),
        ("S3_ENDPOINT_URL", "embedded"),
        ("S3_BUCKET_NAME", "metastamp-assets"),
    ];
    let output = run_to_end(home, args, &env, Duration::from_secs(120)).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

async fn everything(data: &Path) -> Everything {
    Kept::named(&[], data).await.everything().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_goes_on_and_ends_equal() {
    let mut node = start(embedded());
    let client = member(&node).await;
    for n in 0..40 {
        accepted(&client, &media::text(&format!("{n}.txt"), &n.to_string())).await;
    }
    accepted(&client, &media::large_png("large.png", 5)).await;
    node.terminate(Duration::from_secs(30)).unwrap();
    let (home, source) = (tempfile::tempdir().unwrap(), node.data_dir());
    let to = format!("embedded:{}", home.path().join("target").display());
    let args = ["migrate", "--from", "embedded", "--to", &to, "--quiet"];
    let target = home.path().join("target");
    // killed at the start, and each time when some more bytes are there
    let mut ended = false;
    for files in [0, 5, 15, 30] {
        let mut command = Command::new(binary().unwrap());
        command.args(args).env_clear().env("DATA_DIR", &source).current_dir(home.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let there = || target.join("metastamp.db").exists() && files_below(&target.join("objects")) > files;
        let began = Instant::now();
        while !ended && !there() {
            assert!(began.elapsed() < DONE_WITHIN, "{files} files were not moved");
            ended = child.try_wait().unwrap().is_some_and(|status| status.success());
            std::thread::sleep(POLL);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!ended || files > 0, "it was not broken off once");
        if ended {
            break;
        }
    }
    if !ended {
        let (code, text) = metastamp(home.path(), &source, &args);
        assert_eq!(code, 0, "{text}");
    }
    assert_eq!(everything(&target).await, everything(&source).await);
    let (code, text) = metastamp(home.path(), &target, &["fsck", "--deep"]);
    assert_eq!(code, 0, "{text}");
    // it is done: what is there now is not of a move any more
    let (code, text) = metastamp(home.path(), &source, &args);
    assert!(code == 1 && text.contains("--yes"), "{code}: {text}");
}

#[test]
fn nonsense_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let same = metastamp(home.path(), &data, &["migrate", "--from", "embedded", "--to", "env"]);
    assert!(same.0 == 2 && same.1.contains("same place"), "{same:?}");
    let missing = metastamp(home.path(), &data, &["migrate", "--to", "no-such.env"]);
    assert_eq!(missing.0, 2, "{missing:?}");
}

fn files_below(dir: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let count = |path: std::path::PathBuf| if path.is_dir() { files_below(&path) } else { 1 };
    entries.flatten().map(|entry| count(entry.path())).sum()
}
