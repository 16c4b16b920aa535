//! Shapes of records that the original system left behind. They are read, never written.

use std::time::Duration;

use metastamp_protocol::analytics::EQUITY_FACTOR;
use metastamp_protocol::{Currency, ObjectId, Timestamp};
use serde_json::{Map, Value, json};

use super::Collection;

/// Turns the members of an older record into those of today.
pub(super) fn upgrade(collection: Collection, record: &mut Map<String, Value>) {
    record.retain(|_, value| !value.is_null());
    match collection {
        Collection::Users => user(record),
        Collection::Assets => asset(record),
        Collection::Fingerprints => fingerprint(record),
        Collection::Analytics => calculation(record),
        _ => {}
    }
}

fn user(record: &mut Map<String, Value>) {
    rename(record, "name", "full_name");
    rename(record, "avatar_url", "profile_image_url");
    rename(record, "password_hash", "hashed_password");
    whole_number(record, "followers_count");
    whole_number(record, "total_views");
    instants(record);
}

fn asset(record: &mut Map<String, Value>) {
    whole_number(record, "file_size");
    fill(record, "mime_type", json!("application/octet-stream"));
    fill(record, "s3_bucket", json!(""));
    // Unknown: such an asset is nobody's repeat.
    fill(record, "sha256", json!(""));
    instants(record);
}

fn fingerprint(record: &mut Map<String, Value>) {
    fill(record, "processing_status", json!("pending"));
    for count in ["text_length", "word_count", "line_count"] {
        whole_number(record, count);
    }
    instants(record);
}

/// The original kept money and scores as doubles or text, and not all of the rest. What can't be read counts as absent.
fn calculation(record: &mut Map<String, Value>) {
    record.retain(|name, value| match name.as_str() {
        "asset_id" => value.as_str().is_none_or(|id| !id.is_empty()),
        "platform" | "calculation_method" | "version" | "calculation_type" | "status" => value.is_string(),
        "currency" => value.as_str().is_some_and(|code| Currency::parse(code).is_some()),
        "metadata" => value.is_object(),
        "timestamp" | "created_at" | "expires_at" => serde_json::from_value::<Timestamp>(value.clone()).is_ok(),
        _ => true,
    });
    let scores = ["training_contribution_score", "usage_exposure_score", "equity_factor", "content_hours"];
    for name in scores {
        number(record, name);
    }
    for name in ["followers_count", "total_views"] {
        number(record, name);
        whole_number(record, name);
    }
    fill(record, "training_contribution_score", json!(0.0));
    fill(record, "usage_exposure_score", json!(0.0));
    fill(record, "equity_factor", json!(EQUITY_FACTOR));
    fill(record, "model_earnings", json!("0.00"));
    fill(record, "calculated_value", json!("0.00"));
    fill(record, "calculation_method", json!("standard"));
    fill(record, "version", json!("1.0"));
    fill(record, "calculation_type", json!("manual"));
    if let Some(timestamp) = record.get("timestamp").cloned() {
        fill(record, "created_at", timestamp);
    }
    instants(record);
    let created = record.get("created_at").cloned().unwrap_or_default();
    fill(record, "timestamp", created);
}

fn rename(record: &mut Map<String, Value>, old: &str, new: &str) {
    if let Some(value) = record.remove(old) {
        record.entry(new).or_insert(value);
    }
}

fn fill(record: &mut Map<String, Value>, name: &str, value: Value) {
    record.entry(name).or_insert(value);
}

/// Numbers that were stored as text; removes what is none.
fn number(record: &mut Map<String, Value>, name: &str) {
    let Some(value) = record.get(name) else { return };
    if value.is_number() {
        return;
    }
    match value.as_str().and_then(|text| text.trim().parse::<f64>().ok()).filter(|number| number.is_finite()) {
        Some(number) => drop(record.insert(name.to_owned(), json!(number))),
        None => drop(record.remove(name)),
    }
}

/// Counts that were stored as doubles.
fn whole_number(record: &mut Map<String, Value>, name: &str) {
    if let Some(number) = record.get_mut(name)
        && let Some(float) = number.as_f64().filter(|_| !number.is_u64())
    {
        *number = json!(float.max(0.0).round() as u64);
    }
}

/// A record without its instants is as old as its id.
fn instants(record: &mut Map<String, Value>) {
    let made = record.get("_id").and_then(Value::as_str).and_then(|id| id.parse::<ObjectId>().ok()).map(|id| {
        let [a, b, c, d, ..] = *id.as_bytes();
        Timestamp(0).plus(Duration::from_secs(u64::from(u32::from_be_bytes([a, b, c, d]))))
    });
    fill(record, "created_at", json!(made.unwrap_or_default()));
    let created = record.get("created_at").cloned().unwrap_or_default();
    fill(record, "updated_at", created);
}

/// An instant kept as text, as Python prints it: without a zone it is UTC.
pub(super) fn instant(text: String) -> String {
    let zoned = |text: &str| serde_json::from_value::<Timestamp>(Value::String(text.to_owned())).ok();
    let at = zoned(&text).or_else(|| zoned(&text.replacen(' ', "T", 1))).or_else(|| {
        let bare = text.replacen(' ', "T", 1);
        zoned(&format!("{bare}Z"))
    });
    at.map_or(text, |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::{Asset, Fingerprint, UploadStatus, User};
    use mongodb::bson::{DateTime, doc, oid::ObjectId};

    use super::super::{Collection, decode, encode};

    #[test]
    fn a_user_of_the_original_is_read() {
        let record = doc! {
            "_id": ObjectId::new(), "email": "ada@example.org", "name": "Ada", "avatar_url": "https://x.test/a.png",
            "password_hash": "ab", "followers_count": 12.0, "created_at": "2025-11-26T14:30:00.123456", "auth0_id": null,
        };
        let user: User = decode(Collection::Users, record).unwrap();
        assert_eq!(user.full_name.as_deref(), Some("Ada"));
        assert_eq!(user.profile_image_url.as_deref(), Some("https://x.test/a.png"));
        assert_eq!((user.hashed_password.as_deref(), user.followers_count), (Some("ab"), 12));
        assert_eq!(user.created_at.to_string(), "2025-11-26T14:30:00.123Z");
        assert_eq!(user.updated_at, user.created_at);
    }

    #[test]
    fn an_asset_of_the_original_is_read() {
        let record = doc! {
            "_id": "507f1f77bcf86cd799439011", "user_id": "507f1f77bcf86cd799439012", "file_name": "a.txt",
            "file_type": "text", "file_size": 3_i32, "s3_key": "uploads/a", "upload_status": "processing_failed",
            "created_at": DateTime::from_millis(1_764_168_600_123),
        };
        let asset: Asset = decode(Collection::Assets, record).unwrap();
        assert_eq!((asset.upload_status, asset.file_size), (UploadStatus::Failed, 3));
        let again = encode(Collection::Assets, &asset).unwrap();
        assert_eq!(again.get_object_id("user_id").unwrap().to_hex(), "507f1f77bcf86cd799439012");
        assert_eq!(again.get_datetime("created_at").unwrap().timestamp_millis(), 1_764_168_600_123);
        assert!(!again.contains_key("fingerprint_id"), "null is left out");
        assert_eq!(decode::<Asset>(Collection::Assets, again).unwrap(), asset);
    }

    #[test]
    fn a_fingerprint_of_the_original_is_read_and_keeps_its_sections() {
        let record = doc! {
            "_id": "507f1f77bcf86cd799439013", "asset_id": "507f1f77bcf86cd799439011", "user_id": ObjectId::new(),
            "fingerprint_type": "video", "processing_status": "completed", "perceptual_hashes": {},
            "spectral_data": { "mel_spectrogram_hash": "ab" }, "video_hashes": { "frame_hashes": ["cd"] },
            "embeddings": { "model": "clip" }, "dataset_matches": null, "text_length": 12.0,
            "created_at": DateTime::from_millis(1_764_168_600_123),
        };
        let fingerprint: Fingerprint = decode(Collection::Fingerprints, record.clone()).unwrap();
        assert_eq!(fingerprint.content.text_length, Some(12));
        let again = encode(Collection::Fingerprints, &fingerprint).unwrap();
        for section in ["perceptual_hashes", "spectral_data", "video_hashes", "embeddings"] {
            assert_eq!(again.get(section), record.get(section), "{section}");
        }
        assert_eq!(decode::<Fingerprint>(Collection::Fingerprints, again).unwrap(), fingerprint);
    }
}
