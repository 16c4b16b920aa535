//! What a sound file tells about itself, and what was counted while it was decoded.

use serde_json::{Value, json};

use super::decode::{Claim, Info};
use super::rounded;
use crate::Metadata;

/// Seconds that a header may be off: paddings that encoders add, and the rounding of others.
const HEADER_SECONDS_OFF: f64 = 0.25;

/// All at the native rate. `frames`: samples per channel that were decoded.
pub(super) fn of(info: &Info, tags: Vec<(&'static str, String)>, frames: u64, file_size: Option<u64>) -> Metadata {
    let seconds = frames as f64 / f64::from(info.rate);
    let mut metadata = Metadata::new();
    let mut put = |name: &str, value: Value| {
        metadata.insert(name.to_owned(), value);
    };
    put("duration", json!(rounded(seconds, 3)));
    put("duration_formatted", json!(clock(seconds)));
    if let Some(claimed) = wrong_claim(&info.claims, seconds) {
        put("header_duration", json!(rounded(claimed, 3)));
    }
    put("sample_rate", json!(info.rate));
    put("channels", json!(info.layout.channels()));
    put("codec", json!(info.codec));
    if !info.container.is_empty() {
        put("format", json!(info.container));
    }
    if let Some(bits) = info.bit_depth {
        put("bit_depth", json!(bits));
    }
    if let Some(bytes) = file_size {
        put("file_size", json!(bytes));
        if seconds > 0.0 {
            let kbps = rounded(bytes as f64 * 8.0 / seconds / 1000.0, 2);
            put("estimated_bitrate_kbps", json!(kbps));
            put("bitrate", json!(format!("{} kbps", kbps.round())));
        }
    }
    for (name, text) in tags {
        put(name, json!(text));
    }
    metadata
}

/// What the headers say of a sound that is `seconds` long, where they are wrong: the worst of it.
fn wrong_claim(claims: &[Claim], seconds: f64) -> Option<f64> {
    let off = |claimed: &f64| (claimed - seconds).abs();
    let claims = claims.iter().map(|claim| claim.seconds(seconds)).filter(|claimed| claimed.is_finite());
    claims.max_by(|a, b| off(a).total_cmp(&off(b))).filter(|claimed| off(claimed) > HEADER_SECONDS_OFF)
}

/// `HH:MM:SS`, whole seconds.
fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn clocks() {
        assert_eq!(super::clock(0.99), "00:00:00");
        assert_eq!(super::clock(3725.4), "01:02:05");
        assert_eq!(super::clock(360_000.0), "100:00:00");
    }
}
