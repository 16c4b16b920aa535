//! Everything that only members may know, derived from the one cluster secret (HKDF, RFC 5869).

use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

/// The operator's secret, as key material.
#[derive(Clone)]
pub struct Secret(Prk);

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Secret {
    pub fn new(text: &str) -> Self {
        Self(Salt::new(HKDF_SHA256, b"metastamp cluster 1").extract(text.as_bytes()))
    }

    /// A key for one purpose; `context` tells apart several keys of the same purpose.
    pub fn derive<const N: usize>(&self, purpose: &str, context: &[u8]) -> [u8; N] {
        let mut key = [0; N];
        let info = [purpose.as_bytes(), &[0], context];
        // Fails only for keys longer than 8,160 bytes.
        if let Ok(okm) = self.0.expand(&info, Length(N)) {
            let filled = okm.fill(&mut key);
            debug_assert!(filled.is_ok());
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_secret_purpose_and_context() {
        let key = |secret: &str, purpose, context| Secret::new(secret).derive::<32>(purpose, context);
        let keys = [key("a", "p", b"c"), key("b", "p", b"c"), key("a", "q", b"c"), key("a", "p", b"d")];
        assert_eq!(key("a", "p", b"c"), keys[0]);
        assert_ne!(keys[0], [0; 32]);
        for (i, one) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|other| one != other));
        }
    }
}
