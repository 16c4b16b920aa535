//! Payouts: creators ask for them, administrators say what became of them.

use std::sync::Arc;

use metastamp_protocol::http::Paging;
use metastamp_protocol::http::wallet::{self as views, transaction};
use metastamp_protocol::ledger::TransactionStatus;
use metastamp_service::Caller;
use metastamp_service::money::{DESCRIPTION_CHARS, DESTINATION_CHARS, PayoutQuery, PayoutRequest, REFERENCE_CHARS};

use super::history::{SIZES, STATUSES};
use super::opened;
use crate::app::App;
use crate::http::error::Result;
use crate::http::money::{decided, idempotency_key};
use crate::http::read::{Fields, Params, Period};
use crate::http::request::{Request, object_id};
use crate::http::response::{self, Response};

pub async fn request(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let key = idempotency_key(&request)?;
    let asked = asked(&request.body.read().await?)?;
    opened(app.service.money.request_payout(&caller, key, asked).await)
}

fn asked(body: &[u8]) -> Result<PayoutRequest> {
    let mut fields = Fields::parse(body)?;
    let currency = fields.currency();
    let amount = fields.amount("amount", currency);
    let amount = fields.required("amount", amount);
    if let Some(amount) = amount {
        fields.noted("amount", PayoutRequest::judge(amount, currency));
    }
    let description = fields.text("description", DESCRIPTION_CHARS);
    let destination = fields.text("destination", DESTINATION_CHARS);
    let amount = fields.end(amount)?;
    Ok(PayoutRequest { amount, currency, description, destination })
}

pub async fn list(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let mut params = Params::of(&request);
    let page = params.page(&SIZES);
    let status = params.word(&["status"], STATUSES, TransactionStatus::parse);
    let currency = params.currency();
    let Period { from, to } = params.period(&["startDate", "start_date"], &["endDate", "end_date"]);
    let everybody = params.flag("all");
    let of = params.text(&["user_id"]).map(|(_, id)| id);
    params.end()?;
    let user_id = of.map(|id| object_id(&id)).transpose()?;
    let query = PayoutQuery { user_id, everybody, status, currency, from, to };
    let found = app.service.money.payouts(&caller, query, page.skip, page.limit).await?;
    let paging = Paging { skip: page.skip, limit: page.limit, total: found.total, shown: found.items.len() };
    Ok(response::with_total(response::encoded(200, views::payouts(&found.items, paging))?, found.total))
}

pub async fn one(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let payout = app.service.money.payout(&caller, request.id("id")?).await?;
    Ok(response::json(200, &transaction(payout.transaction(), false)))
}

/// The owner changes their mind.
pub async fn cancel(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let payout = app.service.money.own_payout(&caller, request.id("id")?).await?;
    let reason = optional_text(&mut request, "reason", DESCRIPTION_CHARS).await?;
    let ended = decided(app.service.money.cancel_payout(&caller, payout, reason).await)?;
    Ok(response::json(200, &transaction(&ended, false)))
}

/// The money has left; `reference` is the bank's.
pub async fn complete(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let payout = app.service.money.payout(&caller, request.id("id")?).await?;
    let reference = optional_text(&mut request, "reference", REFERENCE_CHARS).await?;
    let ended = decided(app.service.money.complete_payout(&caller, payout, reference).await)?;
    Ok(response::json(200, &transaction(&ended, false)))
}

/// It did not work out: what was held is available again.
pub async fn fail(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    let payout = app.service.money.payout(&caller, request.id("id")?).await?;
    let mut fields = Fields::parse(&request.body.read().await?)?;
    let reason = fields.text("reason", DESCRIPTION_CHARS);
    let reason = fields.required("reason", reason);
    let reason = fields.end(reason)?;
    let ended = decided(app.service.money.fail_payout(&caller, payout, reason).await)?;
    Ok(response::json(200, &transaction(&ended, false)))
}

/// One text of a body that may be left out, as may the body.
async fn optional_text(
    request: &mut Request,
    name: &str,
    chars: std::ops::RangeInclusive<usize>,
) -> Result<Option<String>> {
    let body = request.body.read().await?;
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let mut fields = Fields::parse(&body)?;
    let text = fields.text(name, chars);
    fields.end(Some(text))
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::http::FieldErrors;
    use metastamp_protocol::{Amount, Currency};

    use super::*;

    fn read(body: &str) -> std::result::Result<PayoutRequest, FieldErrors> {
        asked(body.as_bytes()).map_err(|error| error.field_errors().clone())
    }

    #[test]
    fn a_payout_is_exact_and_large_enough() {
        let dollars = read(r#"{"amount": 10.00, "destination": " bank "}"#).unwrap();
        let expected = PayoutRequest {
            amount: Amount::from_minor(1_000).unwrap(),
            currency: Currency::Usd,
            description: None,
            destination: Some("bank".to_owned()),
        };
        assert_eq!(dollars, expected);
        let yen = read(r#"{"amount": "10", "currency": "JPY", "description": "rent"}"#).unwrap();
        assert!(matches!(yen, PayoutRequest { amount, currency: Currency::Jpy, .. } if amount.minor() == 10));
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
