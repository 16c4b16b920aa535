//! Accounts.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::{Object, ObjectId, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    #[default]
    User,
    Creator,
    Moderator,
    Admin,
}

/// One account, as stored. `email` is lower-cased and trimmed, and unique.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    pub id: ObjectId,
    pub email: String,
    /// Absent, never null, for local accounts: a sparse index would count nulls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth0_id: Option<String>,
    /// bcrypt, cost 12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashed_password: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub full_name: Option<String>,
    #[serde(default)]
    pub bio: Option<String>,
    #[serde(default)]
    pub profile_image_url: Option<String>,
    #[serde(default)]
    pub followers_count: u64,
    #[serde(default)]
    pub content_hours: f64,
    #[serde(default)]
    pub total_views: u64,
    #[serde(default)]
    pub primary_platform: Option<String>,
    #[serde(default)]
    pub role: Role,
    #[serde(default = "yes")]
    pub is_active: bool,
    #[serde(default)]
    pub is_verified: bool,
    #[serde(default)]
    pub metadata: Object,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(default)]
    pub last_login: Option<Timestamp>,
}

fn yes() -> bool {
    true
}

impl User {
    /// A fresh local account. `email` is normalised here.
    pub fn local(email: &str, hashed_password: String, now: Timestamp) -> Self {
        Self {
            id: ObjectId::generate(),
            email: normalise_email(email),
            auth0_id: None,
            hashed_password: Some(hashed_password),
            username: None,
            full_name: None,
            bio: None,
            profile_image_url: None,
            followers_count: 0,
            content_hours: 0.0,
            total_views: 0,
            primary_platform: None,
            role: Role::User,
            is_active: true,
            is_verified: false,
            metadata: Object::new(),
            created_at: now,
            updated_at: now,
            last_login: None,
        }
    }
}

/// Addresses compare without regard to case, surrounding space, how letters are composed, and whether an international domain
/// is written in its own letters or as `xn--`: its own letters are the one form.
pub fn normalise_email(email: &str) -> String {
    let email: String = email.trim().to_lowercase().nfc().collect();
    match email.rsplit_once('@') {
        Some((local, domain)) => match idna::domain_to_unicode(domain) {
            (domain, Ok(())) => format!("{local}@{domain}"),
            (_, Err(_)) => email,
        },
        None => email,
    }
}

/// Under which other forms an account may be kept from the time before there was one; none for an address of ASCII.
pub fn older_emails(normalised: &str) -> Vec<String> {
    let Some((local, domain)) = normalised.rsplit_once('@') else { return Vec::new() };
    let ascii = idna::domain_to_ascii(domain).ok().map(|domain| format!("{local}@{domain}"));
    let forms = [ascii, Some(normalised.nfd().collect())];
    let mut older: Vec<_> = forms.into_iter().flatten().filter(|form| form != normalised).collect();
    older.dedup();
    older
}

/// Whether a text looks like `local@domain.tld`, at most 254 characters. Deliverability is not our business.
pub fn is_email(text: &str) -> bool {
    let text = text.trim();
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"".contains(c);
    text.len() <= 254
        && !local.is_empty()
        && local.len() <= 64
        && !local.contains('@')
        && domain.contains('.')
        && domain.split('.').all(|l| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-'))
        && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        for email in
            [" Zoe\u{308}@B\u{fc}cher.example", "zo\u{eb}@bu\u{308}cher.example", "zo\u{eb}@XN--BCHER-KVA.example"]
        {
            assert_eq!(normalise_email(email), "zo\u{eb}@b\u{fc}cher.example", "{email}");
        }
        assert_eq!(normalise_email("A.B+c@Example.ORG "), "a.b+c@example.org");
        assert_eq!(normalise_email("a@under_score.example"), "a@under_score.example");
        assert_eq!(older_emails("a.b@example.org"), Vec::<String>::new());
        let older = older_emails("zo\u{eb}@b\u{fc}cher.example");
        assert_eq!(older, ["zo\u{eb}@xn--bcher-kva.example", "zoe\u{308}@bu\u{308}cher.example"]);
    }

    #[test]
    fn emails() {
        for good in ["a@b.co", " Ada.L+x@Example.org ", "josé@exámple.es", "admin@metastamp.local"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@b", "@b.co", "a@.co", "a@b..co", "a b@c.de", "a@b.co\n<x>", "a@b@c.de"] {
            assert!(!is_email(bad), "{bad}");
        }
        assert_eq!(normalise_email(" Ada@Example.ORG "), "ada@example.org");
    }
}
