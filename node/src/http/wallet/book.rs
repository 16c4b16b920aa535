//! What administrators book by hand: adjustments, bonuses and refunds, each with a reason.

use std::sync::Arc;

use metastamp_protocol::ledger::{Order, OrderKind};
use metastamp_protocol::user::{is_email, normalise_email};
use metastamp_protocol::{Amount, Currency, ObjectId};

use super::open;
use crate::app::App;
use crate::http::cluster::admin;
use crate::http::error::{ApiError, Result};
use crate::http::fields::Fields;
use crate::http::money::idempotency_key;
use crate::http::request::Request;
use crate::http::response::Response;

const REASON_CHARS_MAX: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Adjustment,
    Bonus,
    Refund,
}

/// Up or down, by the sign of the amount.
pub async fn adjust(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    book(app, request, Kind::Adjustment).await
}

pub async fn bonus(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    book(app, request, Kind::Bonus).await
}

pub async fn refund(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    book(app, request, Kind::Refund).await
}

/// Wallets of disabled accounts can be corrected too: the money in them is still somebody's.
async fn book(app: &Arc<App>, request: &mut Request, kind: Kind) -> Result<Response> {
    let caller = admin(app, request).await?;
    let key = idempotency_key(request)?;
    let Booking { whose, amount, currency, reason } = Booking::read(&request.body.read_small().await?, kind)?;
    let user = match whose {
        Whose::Id(id) => app.documents.user(id).await?,
        Whose::Email(email) => app.documents.user_by_email(&email).await?,
    };
    let user = user.ok_or_else(|| ApiError::not_found("User"))?;
    let order = Order {
        wallet_id: user.id,
        key: format!("{}/{key}", kind.word()),
        asked_by: caller.user.id,
        kind: kind.order(amount, currency, reason),
    };
    open(app, order, currency).await
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Adjustment => "adjustment",
            Kind::Bonus => "bonus",
            Kind::Refund => "refund",
        }
    }

    fn order(self, amount: Amount, currency: Currency, description: String) -> OrderKind {
        match self {
            Kind::Adjustment => OrderKind::Adjust { amount, currency, description },
            Kind::Bonus => OrderKind::Bonus { amount, currency, description },
            Kind::Refund => OrderKind::Refund { amount, currency, description },
        }
    }
}

#[derive(Debug, PartialEq)]
enum Whose {
    Id(ObjectId),
    Email(String),
}

#[derive(Debug, PartialEq)]
struct Booking {
    whose: Whose,
    amount: Amount,
    currency: Currency,
    reason: String,
}

impl Booking {
    fn read(body: &[u8], kind: Kind) -> Result<Self> {
        let mut fields = Fields::parse(body)?;
        let whose = whose(&mut fields);
        let currency = fields.currency();
        let amount = fields.amount("amount", currency);
        let amount = fields.required("amount", amount);
        match amount {
            Some(Amount::ZERO) => fields.wrong("amount", "must not be zero"),
            Some(amount) if amount.is_negative() && kind != Kind::Adjustment => {
                fields.wrong("amount", "must be greater than zero");
            }
            _ => {}
        }
        let reason = fields.text("reason", 1..=REASON_CHARS_MAX);
        let reason = fields.required("reason", reason);
        let all = whose.zip(amount).zip(reason);
        let ((whose, amount), reason) = fields.end(all)?;
        Ok(Self { whose, amount, currency, reason })
    }
}

/// An account by its id or its address, not both: they might disagree.
fn whose(fields: &mut Fields) -> Option<Whose> {
    if fields.has("email") && fields.has("user_id") {
        fields.wrong("email", "must be left out when there is a user_id");
        return None;
    }
    if !fields.has("email") {
        let id = fields.id("user_id");
        return fields.required("user_id", id).map(Whose::Id);
    }
    let email = fields.text("email", 1..=254)?;
    if !is_email(&email) {
        fields.wrong("email", "must be an email address");
        return None;
    }
    Some(Whose::Email(normalise_email(&email)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_adjustments_go_down() {
        let id = ObjectId::generate();
        let body = format!(r#"{{"user_id": "{id}", "amount": -0.05, "reason": "twice by mistake"}}"#);
        let booking = Booking::read(body.as_bytes(), Kind::Adjustment).unwrap();
        assert_eq!((booking.whose, booking.amount.minor()), (Whose::Id(id), -5));
        for kind in [Kind::Bonus, Kind::Refund] {
            assert_eq!(Booking::read(body.as_bytes(), kind).err().map(|e| e.status_code()), Some(422));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            (r#"{"amount": 1, "reason": "x"}"#, "user_id"),
            (r#"{"user_id": "zz", "amount": 1, "reason": "x"}"#, "user_id"),
            (r#"{"email": "nobody", "amount": 1, "reason": "x"}"#, "email"),
            (r#"{"email": "a@b.test", "user_id": "507f1f77bcf86cd799439011", "amount": 1, "reason": "x"}"#, "email"),
            (r#"{"email": "a@b.test", "reason": "x"}"#, "amount"),
            (r#"{"email": "a@b.test", "amount": 0, "reason": "x"}"#, "amount"),
            (r#"{"email": "a@b.test", "amount": 1}"#, "reason"),
            (r#"{"email": "a@b.test", "amount": 1, "reason": " "}"#, "reason"),
        ] {
            let refused = Booking::read(body.as_bytes(), Kind::Bonus).unwrap_err();
            assert_eq!(refused.field_errors().keys().collect::<Vec<_>>(), [field], "{body}");
        }
    }
}
