//! The commands that people type, against a running node.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use metastamp_chaos::node::run_to_end;
use metastamp_tests::{NodeOptions, NodeProcess, PASSWORD, SharedNode, anonymous, media, unique_email};
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(60);

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

/// Runs a command in `home`; gives exit code and both streams.
fn command(home: &Path, args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = run_to_end(home, args, env, WITHIN).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A home directory in which an account is logged in.
fn logged_in(node: &NodeProcess) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let (email, url) = (unique_email(), node.address().get());
    let args = ["login", "--register", "--url", &url, &email];
    let (code, out, err) = command(home.path(), &args, &[("METASTAMP_PASSWORD", PASSWORD)]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!out.contains(PASSWORD) && !out.contains("eyJ"), "a secret is printed: {out}");
    home
}

#[test]
fn files_are_uploaded_watched_and_listed() {
    let node = NODE.get();
    let home = logged_in(&node);
    for file in [media::text("note.txt", "typed"), media::png("picture.png", 1)] {
        std::fs::write(home.path().join(&file.name), &file.bytes).unwrap();
    }
    let (code, out, err) = command(home.path(), &["upload", "note.txt", "picture.png"], &[]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("note.txt") && out.contains("picture.png"), "{out}");
    let (code, out, err) = command(home.path(), &["upload", "--json", "picture.png"], &[]);
    assert_eq!(code, 0, "{out}{err}");
    let line: Value = serde_json::from_str(out.trim()).unwrap();
    assert!(line.to_string().contains("phash"), "{line}");
    let (code, out, err) = command(home.path(), &["assets", "--json"], &[]);
    assert_eq!(code, 0, "{out}{err}");
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list["total"], 2, "{list}");
    let (code, out, err) = command(home.path(), &["assets"], &[]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("note.txt") && out.contains("picture.png"), "{out}");
}

#[test]
fn refused_files_do_not_stop_the_others() {
    let node = NODE.get();
    let home = logged_in(&node);
    std::fs::write(home.path().join("fine.txt"), "fine").unwrap();
    std::fs::write(home.path().join("run.exe"), "no").unwrap();
    std::fs::write(home.path().join("empty.txt"), "").unwrap();
    let files = ["upload", "missing.txt", "run.exe", "empty.txt", "fine.txt"];
    let (code, out, err) = command(home.path(), &files, &[]);
    assert_eq!(code, 1, "{out}{err}");
    let (_, out, _) = command(home.path(), &["assets", "--json"], &[]);
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&list["total"], &list["assets"][0]["file_name"]), (&1.into(), &"fine.txt".into()), "{list}");
}

#[test]
fn without_a_login_people_are_told_what_to_do() {
    let node = NODE.get();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a.txt"), "a").unwrap();
    let url = node.address().get();
    for args in [&["upload", "a.txt", "--url", &url][..], &["assets", "--url", &url]] {
        let (code, out, err) = command(home.path(), args, &[]);
        assert_ne!(code, 0, "{out}");
        assert!(err.contains("metastamp login"), "{err}");
    }
    let args = ["login", "--url", &url, "nobody@example.test"];
    let (code, out, err) = command(home.path(), &args, &[("METASTAMP_PASSWORD", "wrong-word-1")]);
    assert!(code != 0 && !err.is_empty(), "{out}{err}");
}

#[tokio::test]
async fn the_demo_fills_a_node_with_works_of_each_kind() {
    let node = NODE.get();
    let home = tempfile::tempdir().unwrap();
    let url = node.address().get();
    let run = || {
        let (code, out, err) = command(home.path(), &["demo", "--url", &url], &[]);
        assert_eq!(code, 0, "{out}{err}");
        out
    };
    let out = run();
    // it may be run again
    run();
    assert!(out.contains("demo@metastamp.io") && out.contains("demo1234"), "no account to log in with: {out}");
    let login = anonymous(&node).login("demo@metastamp.io", "demo1234").await.unwrap();
    let client = anonymous(&node).with_token(&login.expect(200).unwrap().text("/token").unwrap());
    for kind in ["text", "image", "audio", "video"] {
        let answer = client.get(&format!("/api/v1/assets?file_type={kind}")).send().await.unwrap();
        assert!(answer.json().unwrap()["total"].as_u64().is_some_and(|total| total > 0), "no {kind}: {answer}");
    }
}

#[test]
fn init_may_be_run_again_and_again() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let env = [("DATA_DIR", data.to_str().unwrap()), ("ADMIN_PASSWORD", "admin-pass-42")];
    for _ in 0..2 {
        let (code, out, err) = command(home.path(), &["init", "--verbose"], &env);
        assert_eq!(code, 0, "{out}{err}");
        assert!(!out.contains("admin-pass-42") && !err.contains("admin-pass-42"), "a given password is printed: {out}");
    }
}
