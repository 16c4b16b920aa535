//! Backups of running nodes, and what comes back out of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use metastamp_chaos::node::{binary, run_to_end};
use metastamp_store::records::Collection;
use metastamp_tests::kept::{Everything, Kept};
use metastamp_tests::{DONE_WITHIN, NodeOptions, accepted, media, member, start};

const WITHIN: Duration = Duration::from_secs(120);

pub fn metastamp(home: &Path, data: &Path, args: &[&str]) -> (i32, String) {
    let env = [("DATA_DIR", data.to_str().unwrap())];
    let Output { status, stdout, stderr } = run_to_end(home, args, &env, WITHIN).unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.code().unwrap(), text)
}

/// What is kept on this data directory.
pub async fn everything(data: &Path) -> Everything {
    Kept::of(data).await.everything().await
}

/// A node on embedded stores, whatever the others are on.
pub fn embedded() -> NodeOptions {
    let options = NodeOptions::new().env("MONGODB_URL", "embedded").env("REDIS_URL", "embedded");
    options.env("S3_ENDPOINT_URL", "embedded").env("S3_BUCKET_NAME", "metastamp-assets")
}

pub fn only_archive(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).unwrap().flatten().flat_map(|day| std::fs::read_dir(day.path()).unwrap());
    let mut archives: Vec<_> =
        files.flatten().map(|file| file.path()).filter(|path| path.to_str().unwrap().ends_with(".tar.gz")).collect();
    assert_eq!(archives.len(), 1, "{archives:?}");
    archives.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restores_everything_into_an_empty_system() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    for n in 0..6 {
        let file = if n % 2 == 0 {
            media::png(&format!("{n}.png"), n)
        } else {
            media::text(&format!("{n}.txt"), &n.to_string())
        };
        let asset = accepted(&client, &file).await;
        client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    }
    accepted(&client, &media::large_png("large.png", 99)).await;
    node.terminate(Duration::from_secs(30)).unwrap();
    let (home, before) = (tempfile::tempdir().unwrap(), everything(&node.data_dir()).await);
    let backups = home.path().join("backups");
    let (code, text) =
        metastamp(home.path(), &node.data_dir(), &["backup", "--full", "--dir", backups.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    let archive = only_archive(&backups);
    let name = archive.to_str().unwrap();
    assert!(Path::new(&format!("{name}.sha256")).exists() && text.contains(name), "{text}");
    assert_eq!(metastamp(home.path(), home.path(), &["restore", "--verify", name]).0, 0);
    assert_eq!(metastamp(home.path(), home.path(), &["backup", "--verify", name]).0, 0);

    let fresh = home.path().join("fresh");
    let (code, text) = metastamp(home.path(), &fresh, &["restore", name]);
    assert_eq!(code, 0, "an empty system needs no word: {text}");
    assert_eq!(everything(&fresh).await, before);
    let (code, text) = metastamp(home.path(), &fresh, &["fsck", "--deep"]);
    assert_eq!(code, 0, "{text}");
    // now there is something
    let (code, text) = metastamp(home.path(), &fresh, &["restore", name]);
    assert!(code == 1 && text.contains("--yes"), "{code}: {text}");
    assert_eq!(metastamp(home.path(), &fresh, &["restore", "--yes", name]).0, 0);
    assert_eq!(everything(&fresh).await, before);
    // a node goes on with it
    let node = start(NodeOptions::new().data_dir(&fresh));
    let again = metastamp_tests::anonymous(&node);
    drop((again, node));
    damaged_archives_touch_nothing(home.path(), &archive, &fresh).await;
}

async fn damaged_archives_touch_nothing(home: &Path, archive: &Path, data: &Path) {
    let before = everything(data).await;
    let whole = std::fs::read(archive).unwrap();
    let broken = home.join("broken.tar.gz");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    for (what, bytes) in [("cut off", &whole[..whole.len() - 1]), ("flipped", &flipped), ("empty", &[])] {
        std::fs::write(&broken, bytes).unwrap();
        let (code, text) = metastamp(home, data, &["restore", "--yes", broken.to_str().unwrap()]);
        assert_eq!(code, 4, "{what}: {text}");
    }
    assert_eq!(everything(data).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_while_uploads_go_on_fits_together() {
    let node = start(NodeOptions::new());
    let client = member(&node).await;
    for n in 0..10 {
        accepted(&client, &media::text(&format!("before-{n}.txt"), &n.to_string())).await;
    }
    let uploads = tokio::spawn({
        let client = client.clone();
        async move {
            for n in 0..60 {
                let asset = accepted(&client, &media::text(&format!("meanwhile-{n}.txt"), &format!("m{n}"))).await;
                if n % 3 == 0 {
                    client.delete(&format!("/api/v1/assets/{}", asset.id)).send().await.unwrap();
                }
            }
        }
    });
    let home = tempfile::tempdir().unwrap();
    let (path, data) = (home.path().to_owned(), node.data_dir());
    let backup = move || metastamp(&path, &data, &["backup", "--full", "--quiet", "--dir", "backups"]);
    let (code, text) = tokio::task::spawn_blocking(backup).await.unwrap();
    assert_eq!(code, 0, "{text}");
    uploads.await.unwrap();
    let archive = only_archive(&home.path().join("backups"));
    let fresh = home.path().join("fresh");
    let (code, text) = metastamp(home.path(), &fresh, &["restore", archive.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = metastamp(home.path(), &fresh, &["fsck", "--deep"]);
    assert_eq!(code, 0, "{text}");
    let (records, _) = everything(&fresh).await;
    assert!(records[&Collection::Assets].0 >= 10, "{records:?}");
}

#[test]
fn old_archives_go_and_a_few_stay() {
    let home = tempfile::tempdir().unwrap();
    let backups = home.path().join("backups");
    for n in 1..=9 {
        let day = backups.join(format!("2024010{n}"));
        std::fs::create_dir_all(&day).unwrap();
        std::fs::write(day.join(format!("metastamp_backup_2024010{n}_020000.tar.gz")), "old").unwrap();
    }
    let data = home.path().join("data");
    let (code, text) = metastamp(home.path(), &data, &["backup", "--dry-run", "-r", "30"]);
    assert_eq!((code, text.matches("would remove").count()), (0, 3), "{text}");
    assert!(!data.exists(), "a dry run makes nothing");
    let (code, text) = metastamp(home.path(), &data, &["backup", "-q", "-r", "30"]);
    assert_eq!(code, 0, "{text}");
    let left = std::fs::read_dir(&backups).unwrap().count();
    assert_eq!(left, 7, "seven stay, with the new one");
}

#[test]
fn the_scripts_say_what_is_wrong_by_their_exit_codes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let home = tempfile::tempdir().unwrap();
    let run = |script: &str, args: &[&str], program: &Path| {
        let mut command = Command::new(root.join("scripts").join(script));
        command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
        command.env("METASTAMP_BIN", program).env("DATA_DIR", home.path().join("data"));
        // as cron does: from nowhere in particular
        let output = command.current_dir("/").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    };
    let program = binary().unwrap();
    let backups = home.path().join("backups");
    let dir = backups.to_str().unwrap();
    for script in ["backup.sh", "restore.sh"] {
        let (code, text) = run(script, &["--help"], &program);
        assert!(code == 0 && text.contains("Exit codes"), "{text}");
        assert_eq!(run(script, &["--unknown"], &program).0, 6);
    }
    assert_eq!(run("backup.sh", &["--retention", "soon"], &program).0, 6);
    assert_eq!(run("restore.sh", &["/no/such/file"], &program).0, 6);
    assert_eq!(run("backup.sh", &["-n"], Path::new("/no/such/program")).0, 2);
    let (code, text) = run("backup.sh", &["-n", "-d", dir], &program);
    assert!(code == 0 && text.contains(dir), "{code}: {text}");
    let (code, text) = run("backup.sh", &["--full", "-q", "-d", dir], &program);
    assert_eq!(code, 0, "{text}");
    let archive = only_archive(&backups);
    let (code, text) = run("restore.sh", &["--verify", archive.to_str().unwrap()], &program);
    assert_eq!(code, 0, "{text}");
    std::fs::write(&archive, "nothing of the kind").unwrap();
    assert_eq!(run("restore.sh", &["--yes", archive.to_str().unwrap()], &program).0, 4);
}

/// The scripts stand in a repository of their own here, with a `.env` in the dialect of Compose.
#[test]
fn the_scripts_read_the_env_file_as_a_node_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("scripts/lib");
    std::fs::create_dir_all(&copy).unwrap();
    for file in ["backup.sh", "lib/metastamp.sh"] {
        std::fs::copy(root.join("scripts").join(file), home.path().join("scripts").join(file)).unwrap();
    }
    let run = |env_file: &str| {
        std::fs::write(home.path().join(".env"), env_file).unwrap();
        let mut command = Command::new(home.path().join("scripts/backup.sh"));
        command.arg("-n").env_clear().env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
        let output = command.env("METASTAMP_BIN", binary().unwrap()).current_dir("/").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    };
    let (code, text) =
        run("\u{feff}APP_NAME=META-STAMP V3\r\nKIND=nightly\r\nBACKUP_DIR = ./my ${KIND} backups # here\r\n");
    assert!(code == 0 && text.contains("my nightly backups"), "{code}: {text}");
    assert!(!text.contains("# here"), "{text}");
    let (code, text) = run("APP_NAME=x\nBACKUP_DIR='open\n");
    assert!(code == 1 && text.contains("line 2: "), "{code}: {text}");
}
