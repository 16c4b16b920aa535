//! The pace of backup and restore, by the commands themselves.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use metastamp_chaos::servers::Servers;

use crate::Kind;
use crate::fleet;
use crate::http::{Connection, Template};

const WORKS: u64 = 400;
const WORK_BYTES: usize = 256 << 10;

pub async fn measure(kind: Kind, servers: &Servers) {
    let data = tempfile::tempdir().unwrap();
    let settings = kind.settings(servers);
    let nodes = fleet::start(1, &data.path().join("full"), settings.clone()).await;
    let token = nodes[0].register().await;
    let template = Template::upload(&token, WORK_BYTES);
    for n in 0..WORKS {
        let status = Connection::open(&nodes[0].address).await.send(&template.render(n)).await;
        assert_eq!(status, 201);
    }
    nodes[0].wait_for_jobs(&token).await;
    drop(nodes);

    let dir = data.path().join("backups");
    let dir_text = dir.to_str().unwrap();
    let (full, fresh) = (data_dir(kind, data.path(), "full"), data_dir(kind, data.path(), "fresh"));
    let backup = timed(&["backup", "--full", "--quiet", "--dir", dir_text], &full, &settings);
    let archive = only_archive(&dir);
    let archive = archive.to_str().unwrap();
    let verify = timed(&["restore", "--verify", archive], &full, &settings);
    let restore = timed(&["restore", "--yes", archive], &fresh, &kind.settings(servers));
    // what creators gave, not what the archive takes: text packs well
    let mb = (WORKS as usize * WORK_BYTES) as f64 / 1e6;
    let mib = std::fs::metadata(archive).unwrap().len() as f64 / f64::from(1 << 20);
    println!(
        "| {} | {WORKS} of {} KiB | {mib:.1} | {:.1} | {:.1} | {:.1} |",
        kind.name(),
        WORK_BYTES >> 10,
        mb / backup,
        mb / verify,
        mb / restore
    );
}

/// The node on servers has a directory of its own below.
fn data_dir(kind: Kind, data: &Path, name: &str) -> PathBuf {
    match kind {
        Kind::Embedded => data.join(name),
        Kind::Servers => data.join(name).join("node-0"),
    }
}

/// Seconds that a command took.
fn timed(args: &[&str], data_dir: &Path, settings: &[(String, String)]) -> f64 {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_metastamp"))
        .args(args)
        .current_dir(std::env::temp_dir())
        .env_clear()
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .env("DATA_DIR", data_dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    started.elapsed().as_secs_f64()
}

fn only_archive(dir: &Path) -> PathBuf {
    let day = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let files = std::fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.to_str().unwrap().ends_with(".tar.gz")).unwrap()
}
