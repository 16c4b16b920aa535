//! `metastamp upload`.

use std::cell::Cell;
use std::path::Path;

use anyhow::Context;
use futures_util::{StreamExt, stream};
use metastamp_protocol::files::{extension, kind_of_extension};
use metastamp_setup::out;
use metastamp_setup::progress::Progress;
use metastamp_setup::table::{pairs, plain};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::api::Api;
use super::args::UploadArgs;
use super::error::CallError;
use super::fingerprint::{Fingerprint, asset_rows};
use super::send::{Parcel, Stored};
use crate::works::expand;

/// What became of all files together. As an error it is the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, thiserror::Error)]
#[error("{}", self.summary())]
pub struct Tally {
    uploaded: usize,
    /// Uploaded, but their fingerprint failed or did not come.
    without_fingerprint: usize,
    refused: usize,
    skipped: usize,
}

impl Tally {
    fn is_success(&self) -> bool {
        self.without_fingerprint + self.refused + self.skipped == 0
    }

    fn total(&self) -> usize {
        self.uploaded + self.without_fingerprint + self.refused + self.skipped
    }

    fn summary(&self) -> String {
        let total = self.total();
        let mut parts = vec![format!("{} uploaded", self.uploaded + self.without_fingerprint)];
        for (count, what) in [
            (self.without_fingerprint, "of them without a fingerprint"),
            (self.refused, "failed"),
            (self.skipped, "not tried"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        format!("{total} {}: {}", if total == 1 { "file" } else { "files" }, parts.join(", "))
    }
}

/// Files on their way at once; nodes take five of one user.
const SENT_AT_ONCE: usize = 4;
/// Files that are sent or wait for their fingerprints at once.
const AT_ONCE: usize = 64;

/// Uploads all files, a few at once, and tells what became of each when it is known. Of directories, what they hold.
///
/// # Errors
/// When not logged in, or with a summary when a file was refused or got no fingerprint. The other files were uploaded.
pub async fn upload(args: UploadArgs) -> anyhow::Result<()> {
    let api = Api::open(args.url.as_deref(), Progress::new(false))?;
    let files = expand(&args.files, &is_accepted).context("files can't be listed")?;
    let mut tally = Tally::default();
    let sending = Semaphore::new(SENT_AT_ONCE);
    // set when the token is refused: it will not do better with the next file
    let refused = Cell::new(false);
    let work = files.iter().map(|path| {
        let (api, args, sending, refused) = (&api, &args, &sending, &refused);
        async move { (path, one(api, args, path, sending, refused).await) }
    });
    let mut work = stream::iter(work).buffer_unordered(AT_ONCE);
    while let Some((path, done)) = work.next().await {
        match done {
            Ok(None) => tally.skipped += 1,
            Ok(Some(done)) => {
                let fine = show(&api, &args, path, &done, files.len() > 1);
                if fine { tally.uploaded += 1 } else { tally.without_fingerprint += 1 }
            }
            Err(error) => {
                report_failure(&api, &args, path, &error);
                tally.refused += 1;
            }
        }
    }
    if !tally.is_success() {
        return Err(tally.into());
    }
    if files.len() > 1 {
        api.progress().note(&tally.summary());
    }
    Ok(())
}

/// Whether nodes take files of this name.
fn is_accepted(name: &str) -> bool {
    extension(name).and_then(|extension| kind_of_extension(&extension)).is_some()
}

/// A file that was uploaded.
struct Done {
    stored: Stored,
    /// `None` when nobody waited; what came of waiting otherwise.
    waited: Option<Result<Option<Fingerprint>, CallError>>,
}

/// `None` when it was not tried.
async fn one(
    api: &Api,
    args: &UploadArgs,
    path: &Path,
    sending: &Semaphore,
    refused: &Cell<bool>,
) -> Result<Option<Done>, CallError> {
    let mut parcel = Parcel::of_file(path);
    parcel.title.clone_from(&args.title);
    parcel.description.clone_from(&args.description);
    let stored = {
        // never closed
        let _turn = sending.acquire().await.ok();
        if refused.get() {
            return Ok(None);
        }
        let sent = api.send(&parcel).await;
        sent.inspect_err(|error| refused.set(refused.get() || error.needs_login()))?
    };
    let waited = match args.no_wait {
        true => None,
        false => Some(api.wait_for_fingerprint(&stored.asset).await),
    };
    Ok(Some(Done { stored, waited }))
}

/// Prints what became of an uploaded file; false when it should have a fingerprint and has none.
fn show(api: &Api, args: &UploadArgs, path: &Path, done: &Done, several: bool) -> bool {
    let stored = &done.stored;
    let print = |found, error| print(args, path, stored, found, error, several);
    match &done.waited {
        None => {
            print(None, None);
            true
        }
        Some(Ok(found)) => {
            if found.is_none() {
                api.progress()
                    .note(&format!("{}: this node makes no fingerprint of it", plain(stored.asset.shown_name())));
            }
            print(found.as_ref(), None);
            !found.as_ref().is_some_and(Fingerprint::is_failed)
        }
        // The upload is safe; only the waiting failed.
        Some(Err(error)) => {
            print(None, Some(error));
            api.progress().note(&format!("{}: {error}", plain(stored.asset.shown_name())));
            false
        }
    }
}

fn print(
    args: &UploadArgs,
    path: &Path,
    stored: &Stored,
    found: Option<&Fingerprint>,
    error: Option<&CallError>,
    several: bool,
) {
    if args.json {
        out::line(&json_line(path, Some(&stored.raw), found, error).to_string());
        return;
    }
    let lines = match found {
        Some(fingerprint) => fingerprint.lines(&stored.asset),
        None => {
            let mut rows = asset_rows(&stored.asset);
            rows.push(("status".to_owned(), stored.asset.status.clone()));
            pairs(&rows)
        }
    };
    for line in lines {
        out::line(&line);
    }
    if several {
        out::line("");
    }
}

fn report_failure(api: &Api, args: &UploadArgs, path: &Path, error: &CallError) {
    if args.json {
        out::line(&json_line(path, None, None, Some(error)).to_string());
    }
    match error {
        // Names its file itself.
        CallError::File { .. } => api.progress().note(&error.to_string()),
        error => api.progress().note(&format!("{}: {error}", plain(&path.to_string_lossy()))),
    }
}

/// One line per file, always with the same members.
fn json_line(path: &Path, asset: Option<&Value>, found: Option<&Fingerprint>, error: Option<&CallError>) -> Value {
    json!({
        "file": path.to_string_lossy(),
        "asset": asset,
        "fingerprint": found.map(|fingerprint| &fingerprint.raw),
        "error": error.map(CallError::as_json),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_every_file() {
        let tally = Tally { uploaded: 2, without_fingerprint: 1, refused: 1, skipped: 1 };
        assert_eq!(tally.to_string(), "5 files: 3 uploaded, 1 of them without a fingerprint, 1 failed, 1 not tried");
        assert!(!tally.is_success());
        let fine = Tally { uploaded: 1, ..Tally::default() };
        assert_eq!(fine.to_string(), "1 file: 1 uploaded");
        assert!(fine.is_success());
    }

    #[test]
    fn a_json_line_always_has_the_same_members() {
        let error = CallError::File { name: "a.exe".to_owned(), reason: "no".to_owned() };
        let line = json_line(Path::new("a.exe"), None, None, Some(&error));
        let members: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["asset", "error", "file", "fingerprint"]);
        assert_eq!(line["error"]["message"], "a.exe: no");
    }
}
