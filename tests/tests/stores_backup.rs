//! Everything moves to servers and back, and is backed up there while nodes write, with nothing lost.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use metastamp_chaos::node::run_to_end;
use metastamp_chaos::servers::Servers;
use metastamp_tests::cluster::{settled, turn};
use metastamp_tests::kept::Kept;
use metastamp_tests::{NodeOptions, accepted, media, member, start};
use serde_json::Value;

use crate::backup::{embedded, only_archive};

const WITHIN: Duration = Duration::from_secs(120);

type Env = Vec<(String, String)>;

/// Runs a command that must succeed.
fn run(home: &Path, env: &Env, args: &[&str]) {
    let pairs: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let output = run_to_end(home, args, &pairs, WITHIN).unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&text));
}

/// A file of settings, as an operator would write it.
fn env_file(home: &Path, name: &str, env: &Env) -> PathBuf {
    let path = home.join(name);
    let lines: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    std::fs::write(&path, lines.concat()).unwrap();
    path
}

/// What the manifest of an archive says of its records.
fn collections(archive: &Path) -> Value {
    let name = archive.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.gz").to_owned();
    let output = Command::new("tar").arg("-xzOf").arg(archive).arg(format!("{name}/manifest.json")).output().unwrap();
    let manifest: Value = serde_json::from_slice(&output.stdout).unwrap();
    manifest["collections"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_servers_is_backed_up_and_moves_back() {
    let _turn = turn().await;
    let servers = tokio::task::block_in_place(Servers::shared).unwrap();
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let env = |name: &str| {
        let dir = home.join(name).to_str().unwrap().to_owned();
        [servers.env(), vec![("DATA_DIR".to_owned(), dir)]].concat()
    };
    let (first, second) = (env("first"), env("second"));

    let mut node = start(embedded());
    let client = member(&node).await;
    for n in 0..12 {
        accepted(&client, &media::text(&format!("{n}.txt"), &n.to_string())).await;
    }
    accepted(&client, &media::large_png("large.png", 7)).await;
    settled(&client).await;
    node.terminate(Duration::from_secs(30)).unwrap();
    let source = Kept::named(&[], &node.data_dir()).await.everything().await;

    let from = format!("embedded:{}", node.data_dir().display());
    let to = env_file(home, "first.env", &first);
    run(home, &first, &["migrate", "--from", &from, "--to", to.to_str().unwrap(), "--quiet"]);
    assert_eq!(Kept::named(&first, home).await.everything().await, source, "on servers");
    let back = home.join("back");
    let to = format!("embedded:{}", back.display());
    run(home, &first, &["migrate", "--from", "env", "--to", &to, "--quiet"]);
    let bucket: Env = first.iter().filter(|(name, _)| name == "S3_BUCKET_NAME").cloned().collect();
    assert_eq!(Kept::named(&bucket, &back).await.everything().await, source, "and back");

    // a node goes on there, and a backup is taken while it writes
    let mut options = NodeOptions::new();
    options.env = first.clone();
    let mut node = start(options);
    let client = member(&node).await;
    let uploads = tokio::spawn({
        let client = client.clone();
        async move {
            for n in 0..40 {
                let asset = accepted(&client, &media::text(&format!("more-{n}.txt"), &format!("m{n}"))).await;
                if n % 3 == 0 {
                    client.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap();
                }
            }
        }
    });
    let (path, on_first) = (home.to_owned(), first.clone());
    let backup = move || run(&path, &on_first, &["backup", "--full", "--quiet", "--dir", "while"]);
    tokio::task::spawn_blocking(backup).await.unwrap();
    uploads.await.unwrap();
    node.terminate(Duration::from_secs(30)).unwrap();

    let archive = only_archive(&home.join("while"));
    run(home, &second, &["restore", archive.to_str().unwrap()]);
    run(home, &second, &["fsck", "--deep"]);
    run(home, &second, &["backup", "--full", "--quiet", "--dir", "restored"]);
    let restored = collections(&only_archive(&home.join("restored")));
    assert!(restored["assets"]["records"].as_u64().unwrap() >= 13, "{restored}");
    let (records, _) = Kept::named(&second, home).await.everything().await;
    for (collection, (count, digest)) in records {
        let said = &restored[collection.name()];
        assert_eq!((said["records"].as_u64(), said["digest"].as_str()), (Some(count), Some(digest.as_str())));
    }
}
