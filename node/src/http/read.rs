//! The one reader of what clients say: members of bodies ([`Fields`]) and query parameters ([`Params`]). Both collect all
//! that is wrong, so that a client learns of everything at once.

mod analytics;
mod fields;
mod params;

pub use analytics::metrics_of;
pub use fields::Fields;
pub use params::{Page, Params, Period};

/// `a=b&c=d`, with `+` and percent escapes decoded.
pub fn form_pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

#[cfg(test)]
pub mod tests {
    pub use super::params::tests::params;

    #[test]
    fn forms_are_decoded() {
        let pairs = super::form_pairs(b"a=1&&b=two+words&c=%C3%A4%26&d&=e&a=2&f=%zz");
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [("a", "1"), ("b", "two words"), ("c", "ä&"), ("d", ""), ("", "e"), ("a", "2"), ("f", "%zz")];
        assert_eq!(pairs, expected);
    }
}
