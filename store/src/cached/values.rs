//! Values of entries: the JSON of what is shown, with one more member, the generation it is of.

use metastamp_protocol::Asset;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ports::AssetPage;

/// What keys of a user's lists hold; a change of any of the user's assets makes a new one.
#[derive(Serialize, Deserialize)]
pub(super) struct Version {
    pub version: String,
}

impl Version {
    pub(super) fn fresh() -> Self {
        Self { version: uuid::Uuid::new_v4().simple().to_string() }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Page {
    pub items: Vec<Asset>,
    pub total: u64,
}

impl From<AssetPage> for Page {
    fn from(AssetPage { items, total }: AssetPage) -> Self {
        Self { items, total }
    }
}

impl From<Page> for AssetPage {
    fn from(Page { items, total }: Page) -> Self {
        Self { items, total }
    }
}

#[derive(Deserialize)]
struct Stamp<'a> {
    #[serde(borrow)]
    cache_generation: &'a str,
}

/// None for what is no JSON object with members.
pub(super) fn encode<T: Serialize>(generation: &str, value: &T) -> Option<String> {
    let json = serde_json::to_string(value).ok()?;
    let members = json.strip_prefix('{').filter(|members| *members != "}")?;
    Some(stamped(generation) + members)
}

/// The generation of a value; none when the entry is corrupt.
pub(super) fn generation(text: &str) -> Option<&str> {
    serde_json::from_str::<Stamp<'_>>(text).ok().map(|stamp| stamp.cache_generation)
}

/// The value without its stamp, which types that keep unknown members would take for one of theirs.
pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    let members = text.strip_prefix(&stamped(generation(text)?))?;
    serde_json::from_str(&format!("{{{members}")).ok()
}

/// How a value of this generation begins.
fn stamped(generation: &str) -> String {
    format!("{{\"cache_generation\":\"{generation}\",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_generation() {
        let text = encode("g1", &Version { version: "v".to_owned() }).unwrap();
        assert_eq!(text, r#"{"cache_generation":"g1","version":"v"}"#);
        assert_eq!(generation(&text), Some("g1"));
        assert_eq!(decode::<Version>(&text).unwrap().version, "v");
        assert_eq!(decode::<serde_json::Value>(&text).unwrap(), serde_json::json!({ "version": "v" }));
        for corrupt in ["", "{}", "[]", "{\"cache_generation\":1}", &text[..20]] {
            assert_eq!(generation(corrupt), None, "{corrupt}");
        }
        assert_eq!(encode("g1", &serde_json::json!({})), None);
    }
}
