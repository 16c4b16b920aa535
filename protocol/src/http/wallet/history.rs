//! Pages of transactions, and their sums.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::TransactionView;
use crate::http::Paging;
use crate::ledger::{Transaction, TransactionType};
use crate::{Amount, Currency, Timestamp};

/// Sums of completed transactions, for each currency. One that is beyond the bounds of amounts is shown as the bound.
#[derive(Debug, Default)]
pub struct Totals(BTreeMap<Currency, Total>);

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    earnings: i128,
    /// With sign.
    payouts: i128,
    /// Adjustments, bonuses and refunds.
    adjustments: i128,
}

impl Totals {
    /// Adds a sum with sign.
    pub fn add(&mut self, kind: TransactionType, currency: Currency, amount: Amount) {
        let total = self.0.entry(currency).or_default();
        let part = match kind {
            TransactionType::Earning => &mut total.earnings,
            TransactionType::Payout => &mut total.payouts,
            _ => &mut total.adjustments,
        };
        *part += i128::from(amount.minor());
    }

    /// The member `summary`, of one currency; of all when there are several.
    fn view(&self, currency: Currency, (start, end): (Timestamp, Timestamp)) -> Value {
        let members = |currency: Currency| {
            let total = self.0.get(&currency).copied().unwrap_or_default();
            json!({
                "total_earnings": Amount::clamped(total.earnings).number(currency),
                "total_payouts": Amount::clamped(-total.payouts).number(currency),
                "total_adjustments": Amount::clamped(total.adjustments).number(currency),
            })
        };
        let mut summary = members(currency);
        summary["currency"] = json!(currency.code());
        summary["period_start"] = json!(start);
        summary["period_end"] = json!(end);
        if self.0.len() > 1 {
            let all: BTreeMap<_, _> = self.0.keys().map(|currency| (currency.code(), members(*currency))).collect();
            summary["by_currency"] = json!(all);
        }
        summary
    }
}

/// One page of the history. The rows are rendered once and put in both places where clients look.
///
/// # Errors
/// When a row can't be rendered as JSON, which would be a defect.
pub fn history(
    items: &[Transaction],
    paging: Paging,
    totals: &Totals,
    currency: Currency,
    period: (Timestamp, Timestamp),
) -> serde_json::Result<Vec<u8>> {
    list("transactions", items, paging, Some(totals.view(currency, period)))
}

/// One page of payouts.
///
/// # Errors
/// When a row can't be rendered as JSON, which would be a defect.
pub fn payouts(items: &[Transaction], paging: Paging) -> serde_json::Result<Vec<u8>> {
    list("payouts", items, paging, None)
}

fn list(
    name: &'static str,
    items: &[Transaction],
    paging: Paging,
    summary: Option<Value>,
) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        total: u64,
        skip: u64,
        limit: u32,
        page: u64,
        page_size: u32,
        total_pages: u64,
        has_next_page: bool,
        has_previous_page: bool,
        #[serde(flatten)]
        rows: BTreeMap<&'static str, &'a RawValue>,
        data: Data<'a>,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        #[serde(flatten)]
        rows: BTreeMap<&'static str, &'a RawValue>,
        pagination: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        summary: Option<Value>,
    }
    let views: Vec<TransactionView> = items.iter().map(TransactionView::from).collect();
    let raw = to_raw_value(&views)?;
    let rows = BTreeMap::from([(name, &*raw)]);
    let list = List {
        total: paging.total,
        skip: paging.skip,
        limit: paging.limit,
        page: paging.page(),
        page_size: paging.limit,
        total_pages: paging.pages(),
        has_next_page: paging.has_more(),
        has_previous_page: paging.has_previous(),
        rows: rows.clone(),
        data: Data { rows, pagination: paging.view(), summary },
    };
    let mut body = Vec::with_capacity(raw.get().len() * 2 + 1_024);
    serde_json::to_writer(&mut body, &list)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::super::transaction::tests::sample;
    use super::*;

    fn amount(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    #[test]
    fn a_page_has_its_rows_twice_and_its_place_once() {
        let items = [sample(TransactionType::Earning, 7_563), sample(TransactionType::Payout, -1_000)];
        let mut totals = Totals::default();
        totals.add(TransactionType::Earning, Currency::Usd, amount(7_563));
        totals.add(TransactionType::Payout, Currency::Usd, amount(-1_000));
        totals.add(TransactionType::Bonus, Currency::Usd, amount(500));
        totals.add(TransactionType::Adjustment, Currency::Usd, amount(-700));
        let paging = Paging { skip: 2, limit: 2, total: 5, shown: 2 };
        let period = (Timestamp(0), Timestamp(1));
        let body = history(&items, paging, &totals, Currency::Usd, period).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["transactions"], body["data"]["transactions"]);
        assert_eq!(body["transactions"].as_array().unwrap().len(), 2);
        let place =
            ["total", "skip", "limit", "page", "pageSize", "totalPages"].map(|name| body[name].as_u64().unwrap());
        assert_eq!(place, [5, 2, 2, 2, 2, 3]);
        assert_eq!((&body["hasNextPage"], &body["hasPreviousPage"]), (&json!(true), &json!(true)));
        let summary = &body["data"]["summary"];
        let sums = ["total_earnings", "total_payouts", "total_adjustments"].map(|name| summary[name].to_string());
        assert_eq!(sums, ["75.63", "10.0", "-2.0"]);
        assert!(summary.get("by_currency").is_none());
        totals.add(TransactionType::Refund, Currency::Eur, amount(1));
        let view = totals.view(Currency::Usd, period);
        assert_eq!(view["by_currency"]["EUR"]["total_adjustments"].to_string(), "0.01");
        for _ in 0..2 {
            totals.add(TransactionType::Refund, Currency::Eur, amount(Amount::MINOR_MAX));
        }
        let view = totals.view(Currency::Usd, period);
        assert_eq!(view["by_currency"]["EUR"]["total_adjustments"].to_string(), "9999999999999.99");
    }

    #[test]
    fn payouts_have_no_summary() {
        let paging = Paging { skip: 0, limit: 50, total: 0, shown: 0 };
        let body: Value = serde_json::from_slice(&payouts(&[], paging).unwrap()).unwrap();
        assert_eq!((&body["payouts"], &body["data"]["payouts"]), (&json!([]), &json!([])));
        assert!(body["data"].get("summary").is_none());
    }
}
