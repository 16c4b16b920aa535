//! Payouts: creators ask for them, administrators say what became of them.

use std::sync::Arc;

use http::header::HeaderValue;
use metastamp_protocol::http::Paging;
use metastamp_protocol::http::wallet::{self as views, transaction};
use metastamp_protocol::ledger::{
    LedgerAnswer, Order, OrderKind, Outcome, Refusal, Transaction, TransactionStatus, TransactionType,
};
use metastamp_protocol::{Amount, Currency, ErrorCode, ObjectId, Role};
use metastamp_store::ledger::HistoryQuery;

use super::history::{SIZES, STATUSES};
use super::{ask, current, journalled, open};
use crate::app::App;
use crate::http::auth::{Caller, caller};
use crate::http::cluster::admin;
use crate::http::error::{ApiError, Result};
use crate::http::fields::Fields;
use crate::http::money::{idempotency_key, refused};
use crate::http::params::{Params, Period};
use crate::http::request::{Request, object_id};
use crate::http::response::{self, Response};

/// Smallest payout, in whole units of whatever currency.
const UNITS_MIN: i64 = 10;
const DESCRIPTION_CHARS_MAX: usize = 500;
const DESTINATION_CHARS_MAX: usize = 200;
const REFERENCE_CHARS_MAX: usize = 200;
const REASON_CHARS_MAX: usize = 500;

pub async fn request(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let key = idempotency_key(request)?;
    let (currency, kind) = asked(&request.body.read_small().await?)?;
    let user_id = caller.user.id;
    let order = Order { wallet_id: user_id, key: format!("payout/{key}"), asked_by: user_id, kind };
    open(app, order, currency).await
}

fn asked(body: &[u8]) -> Result<(Currency, OrderKind)> {
    let mut fields = Fields::parse(body)?;
    let currency = fields.currency();
    let amount = fields.amount("amount", currency);
    let amount = fields.required("amount", amount);
    if amount.is_some_and(|amount| amount < smallest(currency)) {
        fields.wrong("amount", format!("must be at least {}", smallest(currency).text(currency)));
    }
    let description = fields.text("description", 1..=DESCRIPTION_CHARS_MAX);
    let destination = fields.text("destination", 1..=DESTINATION_CHARS_MAX);
    let amount = fields.end(amount)?;
    let description = description.unwrap_or_else(|| "Payout".to_owned());
    let metadata = destination.map(|place| ("destination".to_owned(), place)).into_iter().collect();
    Ok((currency, OrderKind::Payout { amount, currency, description, metadata }))
}

fn smallest(currency: Currency) -> Amount {
    Amount::from_minor(UNITS_MIN * 10_i64.pow(currency.places())).unwrap_or_default()
}

pub async fn list(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let mut params = Params::of(request);
    let page = params.page(&SIZES);
    let status = params.word(&["status"], STATUSES, TransactionStatus::parse);
    let currency = params.currency();
    let Period { from, to } = params.period(&["startDate", "start_date"], &["endDate", "end_date"]);
    let everybody = params.flag("all");
    let of = params.text(&["user_id"]).map(|(_, id)| id);
    params.end()?;
    let wallet_id = match of {
        Some(id) => Some(object_id(&id)?),
        None if everybody => None,
        None => Some(caller.user.id),
    };
    if wallet_id != Some(caller.user.id) && caller.user.role != Role::Admin {
        return Err(ApiError::new(ErrorCode::Forbidden, "Payouts of others are for administrators only"));
    }
    if let Some(wallet_id) = wallet_id {
        // Looking makes the document of a wallet: not of nobody's.
        if wallet_id != caller.user.id && app.documents.user(wallet_id).await?.is_none() {
            return Err(ApiError::not_found("User"));
        }
        current(app, wallet_id).await?;
    }
    let query = HistoryQuery { wallet_id, kind: Some(TransactionType::Payout), status, currency, from, to };
    let found = app.documents.history(&query, page.skip, page.limit).await?;
    let paging = Paging { skip: page.skip, limit: page.limit, total: found.total, shown: found.items.len() };
    let mut response = response::encoded(200, views::payouts(&found.items, paging))?;
    response.headers_mut().insert("x-total-count", HeaderValue::from(found.total));
    Ok(response)
}

pub async fn one(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = caller(app, request).await?;
    let found = seen_by(app, &caller, object_id(id)?).await?;
    Ok(response::json(200, &transaction(&found, false)))
}

/// The owner changes their mind.
pub async fn cancel(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = caller(app, request).await?;
    let payout = own(app, caller.user.id, object_id(id)?).await?.ok_or_else(unknown)?;
    let body = request.body.read_small().await?;
    let reason = optional_text(&body, "reason", REASON_CHARS_MAX)?;
    let reason = reason.unwrap_or_else(|| "cancelled by its owner".to_owned());
    end(app, &caller, payout, Outcome::Cancelled, reason, None).await
}

/// The money has left; `reference` is the bank's.
pub async fn complete(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = admin(app, request).await?;
    let payout = seen_by(app, &caller, object_id(id)?).await?;
    let body = request.body.read_small().await?;
    let reference = optional_text(&body, "reference", REFERENCE_CHARS_MAX)?;
    end(app, &caller, payout, Outcome::Completed, "paid".to_owned(), reference).await
}

/// It did not work out: what was held is available again.
pub async fn fail(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = admin(app, request).await?;
    let payout = seen_by(app, &caller, object_id(id)?).await?;
    let mut fields = Fields::parse(&request.body.read_small().await?)?;
    let reason = fields.text("reason", 1..=REASON_CHARS_MAX);
    let reason = fields.required("reason", reason);
    let reason = fields.end(reason)?;
    end(app, &caller, payout, Outcome::Failed, reason, None).await
}

/// Ends a payout. Ended like this before, the answer is the same.
async fn end(
    app: &App,
    caller: &Caller,
    mut payout: Transaction,
    outcome: Outcome,
    reason: String,
    reference: Option<String>,
) -> Result<Response> {
    let wanted = TransactionStatus::from(outcome);
    if payout.status == TransactionStatus::Pending {
        let order = Order {
            wallet_id: payout.wallet_id,
            key: format!("end/{}/{}", payout.id, wanted.as_str()),
            asked_by: caller.user.id,
            kind: OrderKind::Resolve { transaction_id: payout.id, outcome, reason, reference },
        };
        match ask(app, order).await? {
            // Somebody was quicker, perhaps with another reason: what the journal says now is the answer.
            LedgerAnswer::Committed { .. } | LedgerAnswer::Refused(Refusal::Ended(_) | Refusal::KeyReused) => {}
            LedgerAnswer::Refused(refusal) => return Err(refused(refusal, payout.currency)),
        }
        payout = own(app, payout.wallet_id, payout.id).await?.ok_or_else(unknown)?;
    }
    match payout.status {
        status if status == wanted => Ok(response::json(200, &transaction(&payout, false))),
        TransactionStatus::Pending => Err(ApiError::busy()),
        status => Err(refused(Refusal::Ended(status), payout.currency)),
    }
}

/// A payout of this wallet.
async fn own(app: &App, wallet_id: ObjectId, id: ObjectId) -> Result<Option<Transaction>> {
    Ok(journalled(app, wallet_id, id).await?.filter(|found| found.kind == TransactionType::Payout))
}

/// A payout of the caller, or anybody's for an administrator.
async fn seen_by(app: &App, caller: &Caller, id: ObjectId) -> Result<Transaction> {
    if let Some(found) = own(app, caller.user.id, id).await? {
        return Ok(found);
    }
    if caller.user.role != Role::Admin {
        return Err(unknown());
    }
    // The view says whose it is; what it is, the journal says.
    let seen = app.documents.transaction(id).await?.ok_or_else(unknown)?;
    own(app, seen.wallet_id, id).await?.ok_or_else(unknown)
}

fn unknown() -> ApiError {
    ApiError::not_found("Payout")
}

/// One text of a body that may be left out.
fn optional_text(body: &[u8], name: &str, chars_max: usize) -> Result<Option<String>> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let mut fields = Fields::parse(body)?;
    let text = fields.text(name, 1..=chars_max);
    fields.end(Some(text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use metastamp_protocol::http::FieldErrors;

    use super::*;

    fn read(body: &str) -> std::result::Result<OrderKind, FieldErrors> {
        asked(body.as_bytes()).map(|(_, kind)| kind).map_err(|error| error.field_errors().clone())
    }

    #[test]
    fn a_payout_is_exact_and_large_enough() {
        let kind = read(r#"{"amount": 10.00, "destination": " bank "}"#).unwrap();
        let expected = OrderKind::Payout {
            amount: Amount::from_minor(1_000).unwrap(),
            currency: Currency::Usd,
            description: "Payout".to_owned(),
            metadata: BTreeMap::from([("destination".to_owned(), "bank".to_owned())]),
        };
        assert_eq!(kind, expected);
        let yen = read(r#"{"amount": "10", "currency": "JPY", "description": "rent"}"#).unwrap();
        assert!(matches!(yen, OrderKind::Payout { amount, currency: Currency::Jpy, .. } if amount.minor() == 10));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            (r#"{}"#, "amount"),
            (r#"{"amount": 9.99}"#, "amount"),
            (r#"{"amount": -50}"#, "amount"),
            (r#"{"amount": 1e400}"#, "amount"),
            (r#"{"amount": 10.001}"#, "amount"),
            (r#"{"amount": "9", "currency": "JPY"}"#, "amount"),
            (r#"{"amount": 123456789012345678901234567890}"#, "amount"),
            (r#"{"amount": "NaN"}"#, "amount"),
            (r#"{"amount": true}"#, "amount"),
            (r#"{"amount": 10, "currency": "BTC"}"#, "currency"),
            (r#"{"amount": 10, "destination": ""}"#, "destination"),
            (r#"{"amount": 10, "description": 7}"#, "description"),
            ("[]", "body"),
            ("{", "body"),
        ] {
            let errors = read(body).unwrap_err();
            assert_eq!(errors.keys().collect::<Vec<_>>(), [field], "{body}");
        }
    }
}
