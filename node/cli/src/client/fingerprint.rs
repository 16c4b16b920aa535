//! Waiting for a fingerprint, and showing it.

use std::time::{Duration, Instant};

use indicatif::HumanCount;
use metastamp_protocol::fingerprint::{LINES, Line, MAIN_HASHES, Show};
use metastamp_setup::table::{human_size, pairs, plain, shorten};
use serde_json::Value;

use super::api::Api;
use super::assets::AssetRow;
use super::error::CallError;

/// A node that says nothing new for this long is not waited for any longer.
const STALL_MINUTES: u64 = 15;
/// How long an asset may be without any fingerprint before we conclude that none is being made.
const MISSING_S_MAX: u64 = 10;
const POLL_MS_FIRST: u64 = 150;
const POLL_MS_MAX: u64 = 2_000;
/// Longest value of a metadata line.
const VALUE_CHARS_MAX: usize = 100;
/// EXIF alone can have hundreds.
const METADATA_LINES_MAX: usize = 40;

/// A fingerprint as the node describes it.
#[derive(Debug, Clone)]
pub struct Fingerprint {
    pub raw: Value,
}

impl Fingerprint {
    /// `body` is the answer of a fingerprint route.
    pub fn read(mut body: Value) -> Self {
        match body["data"].take() {
            Value::Object(inner) => Self { raw: Value::Object(inner) },
            _ => Self { raw: body },
        }
    }

    pub fn text(&self, field: &str) -> Option<&str> {
        self.raw[field].as_str().filter(|text| !text.is_empty())
    }

    pub fn is_completed(&self) -> bool {
        self.text("processing_status") == Some("completed")
    }

    pub fn is_failed(&self) -> bool {
        self.text("processing_status") == Some("failed")
    }

    /// The one hash that stands for the whole where there is room for one only.
    pub fn main_hash(&self) -> Option<&str> {
        MAIN_HASHES.into_iter().filter_map(|path| self.raw.pointer(path)?.as_str()).find(|hash| !hash.is_empty())
    }

    /// Aligned lines for people: what it belongs to, the hashes, then the metadata.
    pub fn lines(&self, asset: &AssetRow) -> Vec<String> {
        let mut rows = asset_rows(asset);
        rows.push(("status".to_owned(), self.status_text()));
        let mut row = |key: &str, value: Option<String>| rows.extend(value.map(|value| (key.to_owned(), value)));
        row("reason", self.text("error_message").map(str::to_owned));
        rows.extend(report_rows(&self.raw));
        pairs(&rows)
    }

    fn status_text(&self) -> String {
        let status = self.text("processing_status").unwrap_or("unknown");
        match self.raw["processing_duration"].as_f64().filter(|_| self.is_completed()) {
            Some(seconds) => format!("{status} in {seconds:.3} s"),
            None => status.to_owned(),
        }
    }
}

/// What was found out about a work, hashes first. `report` is a fingerprint as the API spells it.
pub(crate) fn report_rows(report: &Value) -> Vec<(String, String)> {
    let row = |line: &Line| Some((line.label.to_owned(), value_of(report, line)?));
    let mut rows: Vec<_> = LINES.into_iter().flatten().filter_map(row).collect();
    rows.extend(metadata_rows(&report["metadata"]));
    if let Some(gps) = report["gps"].as_object() {
        rows.extend(gps.iter().filter_map(|(key, value)| metadata_row(&format!("gps {key}"), value)));
    }
    rows
}

/// The value of one line, in words.
fn value_of(report: &Value, line: &Line) -> Option<String> {
    let value = report.pointer(line.path)?;
    let text = value.as_str().filter(|text| !text.is_empty());
    let count = |path: &str| report.pointer(path).and_then(Value::as_u64).map(HumanCount);
    match line.show {
        Show::Text => text.map(str::to_owned),
        Show::Beginning => text.map(|text| shorten(text, VALUE_CHARS_MAX)),
        Show::WithQuality(path) => {
            let quality = report.pointer(path).unwrap_or(&Value::Null);
            text.map(|hash| format!("{hash} (quality {quality})"))
        }
        Show::Frames => Some(format!("{} hashed, all with --json", HumanCount(value.as_array()?.len() as u64))),
        Show::TextCounts { words, lines } => {
            let (length, words) = (count(line.path)?, count(words)?);
            let lines = count(lines).map(|lines| format!(", {lines} lines")).unwrap_or_default();
            Some(format!("{length} characters, {words} words{lines}"))
        }
    }
}

/// The lines that every asset has.
pub fn asset_rows(asset: &AssetRow) -> Vec<(String, String)> {
    vec![
        ("asset".to_owned(), asset.id.clone()),
        ("file".to_owned(), asset.shown_name().to_owned()),
        ("type".to_owned(), format!("{}, {}", asset.file_type, human_size(asset.file_size))),
    ]
}

fn metadata_rows(metadata: &Value) -> Vec<(String, String)> {
    // Said above already.
    const KNOWN: [&str; 8] =
        ["file_type", "file_name", "file_size", "phash", "text_hash", "word_count", "line_count", "character_count"];
    let mut rows = Vec::new();
    for (key, value) in metadata.as_object().into_iter().flatten().filter(|(key, _)| !KNOWN.contains(&key.as_str())) {
        match value {
            Value::Object(inner) => {
                rows.extend(inner.iter().filter_map(|(k, v)| metadata_row(&format!("{key}.{k}"), v)))
            }
            value => rows.extend(metadata_row(key, value)),
        }
    }
    if rows.len() > METADATA_LINES_MAX {
        let more = rows.len() - METADATA_LINES_MAX;
        rows.truncate(METADATA_LINES_MAX);
        rows.push(("...".to_owned(), format!("{more} more, all with --json")));
    }
    rows
}

fn metadata_row(key: &str, value: &Value) -> Option<(String, String)> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    };
    Some((plain(&key.replace('_', " ")), shorten(&text, VALUE_CHARS_MAX)))
}

impl Api {
    /// The fingerprint of an asset, finished or not; `None` when there is none.
    pub async fn fingerprint_of(&self, asset_id: &str) -> Result<Option<Fingerprint>, CallError> {
        match self.get_json(&format!("/api/v1/fingerprint/asset/{asset_id}"), &[]).await {
            Ok(body) => Ok(Some(Fingerprint::read(body))),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until the fingerprint is completed or failed, showing how far it is.
    /// `None` when the node makes none, as with `ENABLE_FINGERPRINTING=false`.
    pub async fn wait_for_fingerprint(&self, asset: &AssetRow) -> Result<Option<Fingerprint>, CallError> {
        let meter = self.progress().percent(asset.shown_name());
        meter.say("waiting for the fingerprint");
        let mut pause = Duration::from_millis(POLL_MS_FIRST);
        let mut last_news = (Instant::now(), None);
        loop {
            let found = self.fingerprint_of(&asset.id).await?;
            let news =
                found.as_ref().map(|f| (f.raw["progress_percent"].as_u64(), f.text("message").map(str::to_owned)));
            if Some(&news) != last_news.1.as_ref() {
                last_news = (Instant::now(), Some(news));
            }
            // While jobs are waiting or at work the node decides how long that may take.
            if found.as_ref().is_some_and(|f| !f.is_completed() && !f.is_failed()) {
                last_news.0 = Instant::now();
            }
            match found {
                Some(done) if done.is_completed() || done.is_failed() => return Ok(Some(done)),
                Some(running) => {
                    meter.reach(running.raw["progress_percent"].as_u64().unwrap_or(0));
                    meter.say(running.text("message").unwrap_or("working"));
                }
                // It may be that the row of the fingerprint is written a moment after the asset's.
                None if last_news.0.elapsed().as_secs() >= MISSING_S_MAX || asset.status == "ready" => return Ok(None),
                None => {}
            }
            if last_news.0.elapsed().as_secs() >= STALL_MINUTES * 60 {
                return Err(CallError::Stalled(STALL_MINUTES));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_millis(POLL_MS_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asset() -> AssetRow {
        AssetRow {
            id: "507f1f77bcf86cd799439011".to_owned(),
            file_name: "photo.png".to_owned(),
            original_file_name: None,
            file_type: "image".to_owned(),
            file_size: 2_048,
            status: "processing".to_owned(),
            created_at: String::new(),
            sha256: None,
            error_message: None,
        }
    }

    #[test]
    fn an_image_is_shown_with_its_hashes_and_metadata() {
        let body = json!({ "data": {
            "processing_status": "completed", "processing_duration": 0.25,
            "perceptual_hashes": { "phash": "00ff", "ahash": "11", "dhash": "22", "hash_size": 16 },
            "metadata": { "file_type": "image", "width": 800, "has_exif": false, "exif": { "Make": "Ma\u{1b}ker" }, "x": null },
        }});
        let lines = Fingerprint::read(body).lines(&asset());
        assert_eq!(
            lines,
            [
                "asset      507f1f77bcf86cd799439011",
                "file       photo.png",
                "type       image, 2.0 KiB",
                "status     completed in 0.250 s",
                "phash      00ff",
                "ahash      11",
                "dhash      22",
                "exif.Make  Ma ker",
                "has exif   no",
                "width      800",
            ]
        );
    }

    #[test]
    fn a_failure_has_its_reason_and_no_hashes() {
        let body = json!({ "processing_status": "failed", "error_message": "not a picture", "perceptual_hashes": {} });
        let failed = Fingerprint::read(body);
        assert!(failed.is_failed() && !failed.is_completed() && failed.main_hash().is_none());
        let lines = failed.lines(&asset());
        assert_eq!(lines[3..], ["status  failed", "reason  not a picture"]);
    }

    #[test]
    fn a_text_is_shown_with_its_counts() {
        let body = json!({ "processing_status": "completed", "text_hash": "ab", "text_length": 1_234, "word_count": 200,
            "line_count": 30, "metadata": { "encoding": "UTF-8", "exif": {} } });
        let lines = Fingerprint::read(body).lines(&asset());
        assert_eq!(
            lines[4..],
            ["text hash  ab", "text       1,234 characters, 200 words, 30 lines", "encoding   UTF-8"]
        );
    }

    #[test]
    fn hundreds_of_metadata_lines_are_cut() {
        let many: serde_json::Map<_, _> = (0..200).map(|n| (format!("k{n}"), json!(n))).collect();
        let body = json!({ "processing_status": "completed", "metadata": many });
        assert_eq!(Fingerprint::read(body).lines(&asset()).len(), 4 + METADATA_LINES_MAX + 1);
    }
}
