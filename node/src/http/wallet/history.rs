//! The caller's transactions, newest first.

use std::sync::Arc;

use metastamp_protocol::ObjectId;
use metastamp_protocol::http::Paging;
use metastamp_protocol::http::wallet as views;
use metastamp_protocol::ledger::{TransactionStatus, TransactionType};
use metastamp_service::Caller;
use metastamp_service::money::HistoryQuery;

use super::export::{self, ByteOrderMark};
use crate::app::App;
use crate::http::error::Result;
use crate::http::read::{Page, Params, Period};
use crate::http::request::Request;
use crate::http::response::{self, Response};

pub const STATUSES: &str = "pending, completed, failed, cancelled, all";
pub const SIZES: [&str; 3] = ["pageSize", "page_size", "limit"];

/// What of the history is asked for, and in which form.
#[derive(Debug, PartialEq)]
struct Asked {
    query: HistoryQuery,
    page: Page,
    csv: bool,
}

pub async fn history(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let mark = ByteOrderMark::of(&request)?;
    let Asked { query, page: Page { skip, limit }, csv } = asked(Params::of(&request), caller.user.id)?;
    if csv {
        return export::history(&app, &caller, query, mark).await;
    }
    let currency = query.currency.unwrap_or_default();
    let found = app.service.money.history(&caller, query, skip, limit).await?;
    let paging = Paging { skip, limit, total: found.total, shown: found.items.len() };
    response::encoded(200, views::history(&found.items, paging, &found.totals, currency, found.period))
}

/// The same under a name that a browser saves by.
pub async fn history_csv(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let mark = ByteOrderMark::of(&request)?;
    let Asked { query, .. } = asked(Params::of(&request), caller.user.id)?;
    export::history(&app, &caller, query, mark).await
}

/// All spellings of paging and filters.
fn asked(mut params: Params, wallet_id: ObjectId) -> Result<Asked> {
    let page = params.page(&SIZES);
    let accepted = "earning, payout, adjustment, bonus, refund, all";
    let kind = params.word(&["type", "transaction_type"], accepted, creators_type);
    let status = params.word(&["status"], STATUSES, TransactionStatus::parse);
    let currency = params.currency();
    let Period { from, to } = params.period(&["startDate", "start_date"], &["endDate", "end_date"]);
    let csv = wants_csv(&mut params);
    params.end()?;
    Ok(Asked { query: HistoryQuery { wallet_id: Some(wallet_id), kind, status, currency, from, to }, page, csv })
}

/// The words of creators' wallets.
fn creators_type(word: &str) -> Option<TransactionType> {
    TransactionType::parse(word).filter(|kind| !matches!(kind, TransactionType::Deposit | TransactionType::Spend))
}

pub fn wants_csv(params: &mut Params) -> bool {
    let format = |word: &str| match word {
        "json" => Some(false),
        "csv" => Some(true),
        _ => None,
    };
    params.word(&["format"], "json, csv", format).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::read::tests::params;
    use metastamp_protocol::Currency;

    fn query(text: &str) -> HistoryQuery {
        asked(params(text), ObjectId::derived(&[])).unwrap().query
    }

    #[test]
    fn filters_have_several_names() {
        assert!(query("page=1&pageSize=50&type=all&status=all").is_unfiltered());
        for text in ["type=payout", "transaction_type=payout"] {
            assert_eq!(query(text).kind, Some(TransactionType::Payout), "{text}");
        }
        assert_eq!(query("status=cancelled").status, Some(TransactionStatus::Cancelled));
        assert_eq!(query("currency=jpy").currency, Some(Currency::Jpy));
        for text in ["startDate=2025-11-26&endDate=2025-11-26", "start_date=2025-11-26&end_date=2025-11-26"] {
            let HistoryQuery { from, to, .. } = query(text);
            assert_eq!(to.unwrap().millis() - from.unwrap().millis(), 86_399_999, "{text}");
        }
        assert!(asked(params("format=csv"), ObjectId::derived(&[])).unwrap().csv);
    }

    #[test]
    fn wrong_values_are_refused() {
        for text in [
            "type=pull",
            "transaction_type=deposit",
            "type=spend",
            "status=done",
            "currency=BTC",
            "startDate=soon",
            "end_date=2025-13-01",
            "format=xlsx",
            "pageSize=0",
            "limit=101",
        ] {
            let refused = asked(params(text), ObjectId::derived(&[])).err().unwrap();
            assert_eq!(refused.status_code(), 422, "{text}");
            assert!(refused.field_errors().contains_key(text.split('=').next().unwrap()), "{text}");
        }
    }
}
