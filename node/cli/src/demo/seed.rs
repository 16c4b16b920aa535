//! Puts the demo works on a node, as its demo account.

use std::collections::HashMap;

use anyhow::{Context, bail};
use metastamp_setup::out;
use metastamp_setup::progress::Progress;
use metastamp_setup::table::columns;
use sha2::{Digest, Sha256};

use super::{Work, works};
use crate::client::{
    Api, AssetPage, AssetRow, CallError, Fingerprint, Parcel, Payload, is_loopback, normalise_url, open_session,
};

const EMAIL: &str = "demo@metastamp.io";
const PASSWORD: &str = "demo1234";
const PAGE_ASSETS: u64 = 100;
/// How many digits of a hash the summary shows.
const DIGITS: usize = 16;

/// Makes the demo account and its works on the node at `url`, waits for the fingerprints and prints what there is.
/// A second run uploads nothing again.
///
/// # Errors
/// When the node can't be reached, or a text or image could not be uploaded or fingerprinted.
pub async fn seed(url: &str) -> anyhow::Result<()> {
    let progress = Progress::new(false);
    let base = normalise_url(url)?;
    if !is_loopback(&base) {
        progress.note(&format!("the password of {EMAIL} is public: anybody who can reach {base} can use this account"));
    }
    let api = log_in(Api::new(base, None, progress)?).await?;
    let works = works().context("can't make the demo works")?;
    let there = known_assets(&api).await?;
    let mut rows = Vec::new();
    for work in &works {
        let key = (work.file_name.to_owned(), hex::encode(Sha256::digest(&work.bytes)));
        rows.push(match there.get(&key) {
            Some(asset) => (asset.clone(), true),
            None => (api.send(&parcel(work)).await?.asset, false),
        });
    }
    let mut shown = Vec::new();
    for (asset, known) in rows {
        let found = if known && asset.is_final() {
            api.fingerprint_of(&asset.id).await?
        } else {
            api.wait_for_fingerprint(&asset).await?
        };
        shown.push(Shown { asset, known, found });
    }
    report(&api, &shown)
}

/// Creates the account, or logs in when it exists.
async fn log_in(api: Api) -> anyhow::Result<Api> {
    let session = match open_session(&api, EMAIL, PASSWORD, true).await {
        Err(error) if matches!(error.code(), Some("EMAIL_EXISTS" | "REGISTRATION_DISABLED")) => {
            open_session(&api, EMAIL, PASSWORD, false).await
        }
        result => result,
    };
    let session = session.with_context(|| format!("can't use the demo account {EMAIL}"))?;
    Ok(api.with_token(session.token))
}

/// Everything the account has, by name and digest.
async fn known_assets(api: &Api) -> Result<HashMap<(String, String), AssetRow>, CallError> {
    let mut all = HashMap::new();
    for page in 1_u64.. {
        let query = [("page", page.to_string()), ("limit", PAGE_ASSETS.to_string())];
        let found: AssetPage = api.asset_page(&query).await?;
        let last = found.assets.is_empty() || page * PAGE_ASSETS >= found.total;
        for asset in found.assets {
            let digest = asset.sha256.clone().unwrap_or_default();
            all.insert((asset.file_name.clone(), digest), asset);
        }
        if last {
            break;
        }
    }
    Ok(all)
}

fn parcel(work: &Work) -> Parcel {
    Parcel {
        file_name: work.file_name.to_owned(),
        payload: Payload::Memory(work.bytes.clone().into()),
        title: Some(work.title.to_owned()),
        description: Some(work.description.to_owned()),
    }
}

/// A work with what became of it.
struct Shown {
    asset: AssetRow,
    /// It was there before this run.
    known: bool,
    found: Option<Fingerprint>,
}

impl Shown {
    /// Videos need a program that may not be installed where the node runs: that is no failure of the demo, and says so.
    fn lacks_a_program(&self) -> bool {
        let reason = self.found.as_ref().and_then(|f| f.text("error_message")).or(self.asset.error_message.as_deref());
        self.is_failed() && reason.is_some_and(|reason| reason.contains("which is not installed here"))
    }

    fn is_failed(&self) -> bool {
        match &self.found {
            Some(fingerprint) => fingerprint.is_failed(),
            None => self.asset.status == "failed",
        }
    }

    fn status(&self) -> &str {
        match &self.found {
            _ if self.lacks_a_program() => "left out",
            Some(fingerprint) => fingerprint.text("processing_status").unwrap_or("unknown"),
            None => &self.asset.status,
        }
    }

    fn digits(&self) -> String {
        let hash = self.found.as_ref().and_then(Fingerprint::main_hash).unwrap_or("-");
        hash.chars().take(DIGITS).collect()
    }

    fn remark(&self) -> String {
        let reason = self.found.as_ref().and_then(|f| f.text("error_message")).or(self.asset.error_message.as_deref());
        match (self.is_failed(), reason) {
            (true, Some(reason)) => reason.to_owned(),
            _ if self.known => "was there already".to_owned(),
            _ => String::new(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let (name, kind) = (self.asset.file_name.clone(), self.asset.file_type.clone());
        vec![name, kind, self.status().to_owned(), self.digits(), self.remark()]
    }
}

fn report(api: &Api, shown: &[Shown]) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = shown.iter().map(Shown::cells).collect();
    for row in columns(&["NAME", "TYPE", "STATUS", "FINGERPRINT", "NOTE"], &rows, &[]) {
        out::line(&row);
    }
    let new = shown.iter().filter(|work| !work.known).count();
    out::line(&format!("\n{} works of {EMAIL} on {}, {new} of them new.", shown.len(), api.base()));
    for hint in next_steps(api.base()) {
        out::line(&hint);
    }
    let failed = shown.iter().filter(|work| work.is_failed() && !work.lacks_a_program()).count();
    if failed > 0 {
        bail!("{failed} of {} works could not be fingerprinted", shown.len());
    }
    Ok(())
}

fn next_steps(base: &str) -> [String; 6] {
    let body = format!(r#"{{"email":"{EMAIL}","password":"{PASSWORD}"}}"#);
    [
        "\nTry next:".to_owned(),
        format!("  metastamp login {EMAIL} --url {base}    # password {PASSWORD}"),
        "  metastamp assets".to_owned(),
        "  metastamp upload FILE".to_owned(),
        format!("  curl -s {base}/api/v1/auth/login -H 'Content-Type: application/json' -d '{body}'"),
        format!("  {base}/docs    # every route, in a browser"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(kind: &str, status: &str, fingerprint: Option<serde_json::Value>) -> Shown {
        let asset = json!({ "id": "1", "file_name": "a", "file_type": kind, "file_size": 1, "status": status,
            "created_at": "", "error_message": "no engine" });
        Shown { asset: serde_json::from_value(asset).unwrap(), known: false, found: fingerprint.map(Fingerprint::read) }
    }

    #[test]
    fn a_film_without_its_program_is_left_out_and_a_broken_picture_is_failed() {
        let failed = |why: &str| Some(json!({ "processing_status": "failed", "error_message": why }));
        let why = "this file needs ffmpeg, which is not installed here";
        assert_eq!(shown("video", "failed", failed(why)).cells()[2..], ["left out", "-", why]);
        assert_eq!(shown("image", "failed", failed("because")).cells()[2..], ["failed", "-", "because"]);
        assert_eq!(shown("video", "failed", None).cells()[2..], ["failed", "-", "no engine"]);
    }

    #[test]
    fn a_hash_is_shown_by_its_first_digits() {
        let done =
            json!({ "processing_status": "completed", "perceptual_hashes": { "phash": "0123456789abcdef0123" } });
        assert_eq!(shown("image", "ready", Some(done)).cells()[2..], ["completed", "0123456789abcdef", ""]);
        let done = json!({ "processing_status": "completed", "text_hash": "fedcba98765432100000" });
        assert_eq!(shown("text", "ready", Some(done)).digits(), "fedcba9876543210");
    }
}
