//! What a report says, and the event that it makes.

use std::collections::BTreeMap;

use metastamp_protocol::analytics::{Score, value};
use metastamp_protocol::ledger::ClientKey;
use metastamp_protocol::money::AmountError;
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Characters of a model's name.
pub const MODEL_CHARS: std::ops::RangeInclusive<usize> = 1..=200;
pub const METADATA_MEMBERS_MAX: usize = 20;
pub const METADATA_NAME_CHARS_MAX: usize = 64;
pub const METADATA_VALUE_CHARS_MAX: usize = 256;

/// One report, as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub key: ClientKey,
    pub partner_id: ObjectId,
    pub model: String,
    /// The last instant belongs to it.
    pub period: (Timestamp, Timestamp),
    /// Not negative.
    pub earnings: Amount,
    pub currency: Currency,
    pub asset_id: ObjectId,
    pub contribution: Score,
    pub exposure: Score,
    pub expires_at: Option<Timestamp>,
    pub metadata: BTreeMap<String, String>,
}

/// # Errors
/// What is wrong with the earnings of a model.
pub fn judge_earnings(earnings: Amount) -> std::result::Result<(), AmountError> {
    if earnings.is_negative() { Err(AmountError::Negative) } else { Ok(()) }
}

impl Report {
    /// The event that this report makes, or has made.
    pub fn event_id(&self) -> ObjectId {
        UsageEvent::id_of(self.partner_id, self.key.as_str())
    }

    /// The event that it makes: received, with its value. `user_id` owns the asset.
    ///
    /// # Errors
    /// 422 when the value is no amount.
    pub fn event(self, reported_by: ObjectId, user_id: ObjectId, now: Timestamp) -> Result<UsageEvent> {
        let no_amount = |error: AmountError| Error::field("model_earnings", error.to_string());
        judge_earnings(self.earnings).map_err(no_amount)?;
        let earnings = self.earnings.decimal(self.currency);
        let value = value(&earnings, self.contribution.exact(), self.exposure.exact(), self.currency);
        let value = value.map_err(no_amount)?;
        let (id, request_hash) = (self.event_id(), self.hash());
        Ok(UsageEvent {
            id,
            partner_id: self.partner_id,
            idempotency_key: self.key.into(),
            request_hash,
            reported_by,
            model: self.model,
            period_start: self.period.0,
            period_end: self.period.1,
            asset_id: self.asset_id,
            user_id,
            currency: self.currency,
            earnings: self.earnings,
            contribution: self.contribution.number(),
            exposure: self.exposure.number(),
            value,
            status: UsageStatus::Received,
            reason: None,
            metadata: self.metadata,
            expires_at: self.expires_at,
            worker: None,
            working_until: None,
            created_at: now,
            updated_at: now,
            ended_at: None,
        })
    }

    /// The same for the same report, however its numbers were written, and whoever of the partner sent it.
    fn hash(&self) -> String {
        let said = json!([
            self.model,
            self.period,
            self.earnings,
            self.currency,
            self.asset_id,
            canonical(&self.contribution),
            canonical(&self.exposure),
            self.expires_at,
            self.metadata,
        ]);
        hex::encode(Sha256::digest(said.to_string()))
    }
}

/// The same text for the same number, however it was written.
fn canonical(score: &Score) -> String {
    score.exact().normalized().to_plain_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            key: ClientKey::parse("2025-11/7").unwrap(),
            partner_id: "507f1f77bcf86cd799439012".parse().unwrap(),
            model: "m".to_owned(),
            period: (
                Timestamp::parse("2024-02-01T00:00:00Z").unwrap(),
                Timestamp::parse("2024-02-29T23:59:59.999Z").unwrap(),
            ),
            earnings: Amount::from_minor(1_000_000).unwrap(),
            currency: Currency::Usd,
            asset_id: "507f1f77bcf86cd799439012".parse().unwrap(),
            contribution: "75".parse().unwrap(),
            exposure: "80.0".parse().unwrap(),
            expires_at: None,
            metadata: BTreeMap::new(),
        }
    }

    /// Events are full of them: a report that is sent again is held against the hash that is stored.
    #[test]
    fn ids_and_hashes_of_reports_have_their_bytes() {
        let id = ObjectId::generate();
        let event = report().event(id, id, Timestamp(5)).unwrap();
        assert_eq!(event.id.to_hex(), "d5387d6490cd6ce31fa9cf92");
        // of ["m",["2024-02-01T00:00:00.000Z","2024-02-29T23:59:59.999Z"],1000000,"USD","507f1f77bcf86cd799439012",
        // "75","80",null,{}]
        assert_eq!(event.request_hash, "46f0ffe0aca3345950c1556003d807ce58630aebb29282ae6b05a392a3a3d5c5");
        assert_eq!((event.value.minor(), event.idempotency_key.as_str()), (150_000, "2025-11/7"));
    }

    #[test]
    fn a_model_does_not_earn_less_than_nothing() {
        let id = ObjectId::generate();
        let less = Report { earnings: Amount::from_minor(-1).unwrap(), ..report() };
        let refused = less.event(id, id, Timestamp(5)).unwrap_err();
        assert_eq!((refused.status_code(), refused.field_errors().contains_key("model_earnings")), (422, true));
    }
}
