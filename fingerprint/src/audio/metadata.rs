//! What a sound file tells about itself, and what was counted while it was decoded.

use serde_json::{Value, json};

use super::decode::Info;
use super::rounded;
use crate::Metadata;

/// All at the native rate. `frames`: samples per channel that were decoded.
pub(super) fn of(info: &Info, tags: Vec<(&'static str, String)>, frames: u64, file_size: Option<u64>) -> Metadata {
    let seconds = frames as f64 / f64::from(info.rate);
    let mut metadata = Metadata::new();
    let mut put = |name: &str, value: Value| {
        metadata.insert(name.to_owned(), value);
    };
    put("duration", json!(rounded(seconds, 3)));
    put("duration_formatted", json!(clock(seconds)));
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
