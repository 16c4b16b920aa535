//! Works of all kinds at once, through a cluster, from the command line: every fingerprint is the one that the same file
//! gets without any node.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use metastamp_chaos::FleetOptions;
use metastamp_chaos::node::run_to_end;
use metastamp_tests::cluster::{fleet, turn};
use metastamp_tests::{PASSWORD, UploadFile, media, unique_email};
use serde_json::Value;

const TEXTS: usize = 120;
const PICTURES: usize = 40;
const SOUNDS: usize = 20;
const FILMS: usize = 20;
/// The test ends long before.
const WITHIN: Duration = Duration::from_secs(900);
/// What of a fingerprint must be the same.
const FIELDS: [&str; 11] = [
    "perceptual_hashes",
    "pdq",
    "chromaprint",
    "spectral_data",
    "video_hashes",
    "text_hash",
    "text_length",
    "text_features",
    "iscc",
    "digests",
    "algorithms",
];

fn works() -> Vec<UploadFile> {
    let texts =
        (0..TEXTS).map(|n| UploadFile::text(&format!("text-{n}.{}", ["txt", "md"][n % 2]), &format!("work {n}")));
    let pictures = (0..PICTURES).map(|n| match n % 3 {
        0 => media::png(&format!("picture-{n}.png"), n as u32),
        1 => media::jpeg(&format!("picture-{n}.jpg"), n as u32),
        _ => media::webp(&format!("picture-{n}.webp"), n as u32),
    });
    let sounds = (0..SOUNDS).map(|n| media::tune(&format!("sound-{n}.wav"), 3 + n as u32 % 5));
    let films = (0..FILMS).map(|n| {
        let film = media::film(&format!("film-{n}.mp4"));
        // a box that players pass over makes each another file
        let mut bytes = film.bytes.to_vec();
        bytes.extend(b"\0\0\0\x0cfree");
        bytes.extend((n as u32).to_be_bytes());
        UploadFile { bytes: bytes.into(), ..film }
    });
    texts.chain(pictures).chain(sounds).chain(films).collect()
}

/// The JSON lines of a command, by the names of the files.
fn lines(home: &Path, args: &[&str]) -> BTreeMap<String, Value> {
    let output = run_to_end(home, args, &[], WITHIN).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let parse = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let file = Path::new(line["file"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned();
        (file, line)
    };
    text.lines().map(parse).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_works_of_all_kinds_are_fingerprinted_right() {
    let _turn = turn().await;
    let fleet = fleet(FleetOptions::of(3)).await;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("works");
    std::fs::create_dir(&folder).unwrap();
    let works = works();
    for work in &works {
        std::fs::write(folder.join(&work.name), &work.bytes).unwrap();
    }
    let url = fleet.addresses()[0].get();
    let login = ["login", "--register", "--url", &url, &unique_email()];
    let output = run_to_end(home.path(), &login, &[("METASTAMP_PASSWORD", PASSWORD)], WITHIN).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let alone = lines(home.path(), &["fingerprint", "--json", "works"]);
    let through_cluster = lines(home.path(), &["upload", "--json", "works"]);
    assert_eq!((alone.len(), through_cluster.len()), (works.len(), works.len()));
    for (file, alone) in &alone {
        let fingerprint = &through_cluster[file]["fingerprint"];
        assert_eq!(fingerprint["processing_status"], "completed", "{file}: {fingerprint}");
        for field in FIELDS {
            let expected = if field == "perceptual_hashes" && alone[field].is_null() {
                &serde_json::json!({})
            } else {
                &alone[field]
            };
            assert_eq!(&fingerprint[field], expected, "{file}: {field}");
        }
    }
    let ended_jobs = |node: &usize| {
        let lines = fleet.node(*node).log().lines();
        lines.iter().any(|line| metastamp_chaos::workload::job_ended(line).is_some())
    };
    let at_work = (0..fleet.len()).filter(ended_jobs).count();
    assert!(at_work > 1, "one node did everything");
}
