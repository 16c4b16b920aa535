//! Local tokens: JWT, always HS256. The header of a token never chooses the algorithm.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use metastamp_protocol::{ObjectId, Timestamp};
use serde::{Deserialize, Serialize};

const ISSUER: &str = "meta-stamp-v3";
const LEEWAY_S: u64 = 30;

/// What a token says. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub sub: ObjectId,
    pub email: String,
    pub iat: u64,
    pub exp: u64,
    pub iss: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// Unique per token.
    pub jti: String,
    /// The login session: stays over refreshes, and is what logout revokes.
    pub sid: String,
}

pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    life: Duration,
}

impl Tokens {
    pub fn new(secret: &str, life: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_S;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.validate_aud = false;
        Self {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            validation,
            life,
        }
    }

    pub fn life(&self) -> Duration {
        self.life
    }

    /// A fresh token for login session `sid`.
    ///
    /// # Errors
    /// When the claims can't be signed, which would be a defect.
    pub fn issue(&self, user: ObjectId, email: &str, sid: &str) -> Result<String, jsonwebtoken::errors::Error> {
        let now = Timestamp::now().millis().unsigned_abs() / 1_000;
        let claims = Claims {
            sub: user,
            email: email.to_owned(),
            iat: now,
            exp: now + self.life.as_secs(),
            iss: ISSUER.to_owned(),
            kind: "local".to_owned(),
            jti: ObjectId::generate().to_hex(),
            sid: sid.to_owned(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
    }

    /// The claims of a token that is ours, whole and not expired.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let claims = decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        (claims.kind == "local").then_some(claims)
    }

    /// The last instant at which any token of a session can be valid, if none is issued after now.
    pub fn latest_expiry(&self) -> Timestamp {
        Timestamp::now().plus(self.life + Duration::from_secs(LEEWAY_S))
    }
}

/// A session id nobody can guess.
pub fn new_session_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(secret, Duration::from_secs(3_600))
    }

    #[test]
    fn a_token_round_trips() {
        let user = ObjectId::generate();
        let token = tokens(SECRET).issue(user, "a@b.co", "s1").unwrap();
        let claims = tokens(SECRET).verify(&token).unwrap();
        assert_eq!((claims.sub, claims.sid.as_str(), claims.iss.as_str()), (user, "s1", ISSUER));
        assert_eq!(claims.exp - claims.iat, 3_600);
    }

    #[test]
    fn another_secret_algorithm_or_type_is_refused() {
        let token = tokens(&SECRET.replace('0', "x")).issue(ObjectId::generate(), "a@b.co", "s").unwrap();
        assert_eq!(tokens(SECRET).verify(&token), None);
        let claims =
            tokens(SECRET).verify(&tokens(SECRET).issue(ObjectId::generate(), "a@b.co", "s").unwrap()).unwrap();
        let sign = |header: &Header, claims: &Claims| {
            encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
        };
        assert_eq!(tokens(SECRET).verify(&sign(&Header::new(Algorithm::HS384), &claims)), None);
        let other = Claims { kind: "service".into(), ..claims.clone() };
        assert_eq!(tokens(SECRET).verify(&sign(&Header::new(Algorithm::HS256), &other)), None);
        let expired = Claims { exp: claims.iat - 60, ..claims };
        assert_eq!(tokens(SECRET).verify(&sign(&Header::new(Algorithm::HS256), &expired)), None);
    }
}
