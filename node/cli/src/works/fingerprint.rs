//! `metastamp fingerprint`: a table for people, or one JSON object per file.

use std::path::Path;

use anyhow::Context;
use metastamp_fingerprint::file::Found;
use metastamp_setup::out;
use metastamp_setup::progress::Progress;
use metastamp_setup::table::{human_size, pairs};
use serde_json::{Value, json};

use super::FingerprintArgs;
use super::kind::kind_of;
use super::run::{self, Outcome};
use crate::client::report_rows;

/// # Errors
/// When one of the files has no fingerprint: the others have been printed all the same.
pub fn fingerprint(args: &FingerprintArgs) -> anyhow::Result<()> {
    let files = run::expand(&args.files, &|name| kind_of(name).is_some()).context("files can't be listed")?;
    anyhow::ensure!(!files.is_empty(), "there is no file with a known ending");
    if let Some(dir) = &args.pictures {
        std::fs::create_dir_all(dir).with_context(|| format!("{} can't be made", dir.display()))?;
    }
    let progress = Progress::new(args.quiet);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = args.jobs.map_or(cores, usize::from);
    let (count, mut failed, mut complaint) = (files.len(), 0, None);
    run::all(files, jobs, &progress, |outcome| {
        if let (Ok(found), Some(dir)) = (&outcome.found, &args.pictures) {
            complaint = complaint.take().or(keep_pictures(found, &outcome.path, dir).err());
        }
        if let Err(error) = &outcome.found {
            failed += 1;
            progress.warn(&format!("{}: {error}", outcome.path.display()));
        }
        if args.json { out::line(&object(&outcome).to_string()) } else { print(&outcome) }
    });
    if let Some(error) = complaint {
        return Err(error.context("a picture can't be written"));
    }
    anyhow::ensure!(failed == 0, "{failed} of {count} files have no fingerprint");
    Ok(())
}

/// As the API spells it, with the name of the file.
fn object(outcome: &Outcome) -> Value {
    let mut object = match &outcome.found {
        Ok(found) => serde_json::to_value(&found.content).unwrap_or_default(),
        Err(error) => json!({ "error_message": error.to_string() }),
    };
    if let Some(members) = object.as_object_mut() {
        members.insert("file".to_owned(), json!(outcome.path.to_string_lossy()));
        members.insert("fingerprint_type".to_owned(), json!(outcome.kind));
        let status = if outcome.found.is_ok() { "completed" } else { "failed" };
        members.insert("processing_status".to_owned(), json!(status));
        let seconds = (outcome.took.as_secs_f64() * 1_000.0).round() / 1_000.0;
        members.insert("processing_duration".to_owned(), json!(seconds));
        if let Some(frames) = members.get("video_hashes").and_then(|video| video.get("frame_hashes")).cloned() {
            members.insert("perceptual_hashes".to_owned(), json!({ "frame_hashes": frames }));
        }
    }
    object
}

fn print(outcome: &Outcome) {
    let mut rows = vec![("file".to_owned(), outcome.path.to_string_lossy().into_owned())];
    match &outcome.found {
        Ok(found) => {
            let size =
                found.content.metadata.get("file_size").and_then(Value::as_u64).map(human_size).unwrap_or_default();
            let kind = outcome.kind.map(|kind| kind.as_str()).unwrap_or_default();
            rows.push(("type".to_owned(), format!("{kind}, {size}")));
            rows.extend(report_rows(&object(outcome)));
        }
        Err(error) => rows.push(("failed".to_owned(), error.to_string())),
    }
    for line in pairs(&rows) {
        out::line(&line);
    }
    out::line("");
}

fn keep_pictures(found: &Found, path: &Path, dir: &Path) -> anyhow::Result<()> {
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    for picture in &found.pictures {
        let ending = if picture.about.media_type == "image/png" { "png" } else { "jpg" };
        let target = dir.join(format!("{stem}.{}.{ending}", picture.about.name));
        std::fs::write(&target, &picture.bytes).with_context(|| target.display().to_string())?;
    }
    Ok(())
}
