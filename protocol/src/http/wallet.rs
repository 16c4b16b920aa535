//! Wallets as clients see them: amounts are exact JSON numbers, what leaves the wallet is negative.

mod history;
mod statement;
mod transaction;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use history::{Totals, history, payouts};
pub use statement::{Entry, EntryView, Mark, Statement};
pub use transaction::{TransactionView, shown_type, transaction};

use crate::ledger::{Balances, Transaction};
use crate::{Amount, Currency, ObjectId, Timestamp};

/// What the balance of a wallet is made of.
#[derive(Debug)]
pub struct Balance<'a> {
    pub user_id: ObjectId,
    /// The one that the flat members are about.
    pub currency: Currency,
    /// Every currency that the wallet ever held.
    pub balances: &'a BTreeMap<Currency, Balances>,
    pub last_payout: Option<LastPayout>,
    pub updated_at: Timestamp,
}

/// The payout that was completed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastPayout {
    /// Without sign.
    pub amount: Amount,
    pub at: Timestamp,
}

impl Balance<'_> {
    /// Numbers flat, and as objects under `data`.
    pub fn body(&self) -> Value {
        let Self { user_id, currency, balances, last_payout, updated_at } = self;
        let own = balances.get(currency).copied().unwrap_or_default();
        let money = |amount: Amount| amount.number(*currency);
        let all: BTreeMap<&str, Value> =
            balances.iter().map(|(currency, own)| (currency.code(), balances_view(own, *currency))).collect();
        let last_payout = last_payout
            .map(|payout| json!({ "amount": money(payout.amount), "date": payout.at, "status": "completed" }));
        json!({
            "user_id": user_id,
            "balance": money(posted(&own)),
            "available": money(own.available),
            "held": money(own.held),
            "currency": currency.code(),
            "pending_earnings": money(own.pending),
            "total_earned": money(own.earned),
            "total_paid_out": money(own.paid_out),
            "last_updated": updated_at,
            "balances": all,
            "data": {
                "user_id": user_id,
                "balance": {
                    "available": money(own.available),
                    "held": money(own.held),
                    "pending": money(own.pending),
                    "total_earned": money(own.earned),
                    "total_paid_out": money(own.paid_out),
                    "currency": currency.code(),
                },
                "balances": all,
                "last_payout": last_payout,
                "next_payout": null,
                "updated_at": updated_at,
            },
        })
    }
}

/// Balances of one currency.
fn balances_view(own: &Balances, currency: Currency) -> Value {
    let money = |amount: Amount| amount.number(currency);
    json!({
        "balance": money(posted(own)),
        "available": money(own.available),
        "held": money(own.held),
        "pending": money(own.pending),
        "total_earned": money(own.earned),
        "total_paid_out": money(own.paid_out),
        "total_adjusted": money(own.adjusted),
    })
}

/// A journal holds no row after which the sum would be beyond the bounds.
fn posted(own: &Balances) -> Amount {
    own.posted().unwrap_or(own.available)
}

/// The newest completed payout of a currency among recent transactions, which are newest first.
pub fn last_payout(recent: &[Transaction], currency: Currency) -> Option<LastPayout> {
    use crate::ledger::TransactionType::Payout;
    let completed = recent.iter().filter(|one| one.kind == Payout && one.currency == currency);
    let with_end = completed.filter_map(|one| Some((one.completed_at()?, one.amount)));
    let (at, amount) = with_end.max_by_key(|(at, _)| *at)?;
    Some(LastPayout { amount: if amount.is_negative() { amount.negated() } else { amount }, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    #[test]
    fn a_balance_is_what_is_booked_holds_included() {
        let own = Balances {
            available: amount(7_005),
            held: amount(1_000),
            pending: amount(33),
            earned: amount(9_005),
            paid_out: amount(1_000),
            ..Balances::default()
        };
        let balances = BTreeMap::from([(Currency::Usd, own), (Currency::Jpy, Balances::default())]);
        let user_id = ObjectId::generate();
        let balance = Balance {
            user_id,
            currency: Currency::Usd,
            balances: &balances,
            last_payout: None,
            updated_at: Timestamp(0),
        };
        let body = balance.body();
        assert_eq!(body["balance"].to_string(), "80.05");
        assert_eq!((body["available"].to_string(), body["held"].to_string()), ("70.05".into(), "10.0".into()));
        assert_eq!(body["pending_earnings"].to_string(), "0.33");
        assert_eq!(body["data"]["balance"]["available"], body["available"]);
        assert_eq!(body["data"]["last_payout"], Value::Null);
        assert_eq!(body["balances"]["JPY"]["balance"], json!(0.0));
        let euros = Balance { currency: Currency::Eur, ..balance }.body();
        assert_eq!((&euros["balance"], &euros["currency"]), (&json!(0.0), &json!("EUR")));
    }
}
