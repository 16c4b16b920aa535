//! What administrators book by hand: adjustments, bonuses and refunds, each with a reason.

use std::sync::Arc;

use metastamp_protocol::user::{is_email, normalise_email};
use metastamp_service::Caller;
use metastamp_service::money::{Booking, BookingKind, DESCRIPTION_CHARS, Whose};

use super::opened;
use crate::app::App;
use crate::http::error::Result;
use crate::http::money::idempotency_key;
use crate::http::read::Fields;
use crate::http::request::Request;
use crate::http::response::Response;

/// Up or down, by the sign of the amount.
pub async fn adjust(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    book(app, request, caller, BookingKind::Adjustment).await
}

pub async fn bonus(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    book(app, request, caller, BookingKind::Bonus).await
}

pub async fn refund(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    book(app, request, caller, BookingKind::Refund).await
}

async fn book(app: Arc<App>, mut request: Request, caller: Caller, kind: BookingKind) -> Result<Response> {
    let key = idempotency_key(&request)?;
    let booking = read(&request.body.read().await?, kind)?;
    opened(app.service.money.book(&caller, key, booking).await)
}

fn read(body: &[u8], kind: BookingKind) -> Result<Booking> {
    let mut fields = Fields::parse(body)?;
    let whose = whose(&mut fields);
    let currency = fields.currency();
    let amount = fields.amount("amount", currency);
    let amount = fields.required("amount", amount);
    if let Some(amount) = amount {
        fields.noted("amount", kind.judge(amount));
    }
    let reason = fields.text("reason", DESCRIPTION_CHARS);
    let reason = fields.required("reason", reason);
    let all = whose.zip(amount).zip(reason);
    let ((whose, amount), reason) = fields.end(all)?;
    Ok(Booking { kind, whose, amount, currency, reason })
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
    use metastamp_protocol::ObjectId;

    use super::*;

    #[test]
    fn only_adjustments_go_down() {
        let id = ObjectId::generate();
        let body = format!(r#"{{"user_id": "{id}", "amount": -0.05, "reason": "twice by mistake"}}"#);
        let booking = read(body.as_bytes(), BookingKind::Adjustment).unwrap();
        assert_eq!((booking.whose, booking.amount.minor()), (Whose::Id(id), -5));
        for kind in [BookingKind::Bonus, BookingKind::Refund] {
            assert_eq!(read(body.as_bytes(), kind).err().map(|e| e.status_code()), Some(422));
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
            let refused = read(body.as_bytes(), BookingKind::Bonus).unwrap_err();
            assert_eq!(refused.field_errors().keys().collect::<Vec<_>>(), [field], "{body}");
        }
    }
}
