//! Partners and their keys as administrators see them. The hash of a secret has no field here, so it can't leak.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Number;

use crate::ledger::{Balances, Row, TransactionStatus, TransactionType};
use crate::partner::{ApiKey, Partner, Scope};
use crate::{Amount, Currency, ObjectId, Timestamp};

#[derive(Debug, Serialize)]
pub struct PartnerView<'a> {
    id: ObjectId,
    partner_id: ObjectId,
    name: &'a str,
    is_active: bool,
    credit_limits: BTreeMap<Currency, Number>,
    /// Of every currency that the partner has a limit in, or ever had money in.
    balances: BTreeMap<Currency, BalanceView>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What a partner's wallet holds in one currency.
#[derive(Debug, Serialize)]
pub struct BalanceView {
    /// Negative when credit is used.
    available: Number,
    /// Set aside for usage that is not settled.
    held: Number,
    deposited: Number,
    /// Paid for settled usage.
    spent: Number,
    credit_limit: Number,
}

impl<'a> PartnerView<'a> {
    /// `balances` are those of the wallet's last row.
    pub fn new(partner: &'a Partner, balances: &BTreeMap<Currency, Balances>) -> Self {
        let currencies: BTreeSet<_> = partner.credit_limits.keys().chain(balances.keys()).copied().collect();
        let balance = |currency: Currency| {
            let known = balances.get(&currency).copied().unwrap_or_default();
            (currency, BalanceView::new(&known, partner.credit_limit(currency), currency))
        };
        let limit = |(currency, limit): (&Currency, &Amount)| (*currency, limit.number(*currency));
        Self {
            id: partner.id,
            partner_id: partner.id,
            name: &partner.name,
            is_active: partner.is_active,
            credit_limits: partner.credit_limits.iter().map(limit).collect(),
            balances: currencies.into_iter().map(balance).collect(),
            created_at: partner.created_at,
            updated_at: partner.updated_at,
        }
    }
}

impl BalanceView {
    pub fn new(balances: &Balances, credit_limit: Amount, currency: Currency) -> Self {
        Self {
            available: balances.available.number(currency),
            held: balances.held.number(currency),
            deposited: balances.deposited.number(currency),
            spent: balances.spent.number(currency),
            credit_limit: credit_limit.number(currency),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct ApiKeyView<'a> {
    id: ObjectId,
    key_id: ObjectId,
    partner_id: ObjectId,
    name: &'a str,
    scopes: &'a [Scope],
    /// The whole key; only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl<'a> ApiKeyView<'a> {
    pub fn new(key: &'a ApiKey, secret: Option<&'a str>) -> Self {
        let ApiKey { id, partner_id, name, scopes, created_at, revoked_at, .. } = key;
        Self {
            id: *id,
            key_id: *id,
            partner_id: *partner_id,
            name,
            scopes,
            secret,
            created_at: *created_at,
            revoked_at: *revoked_at,
        }
    }
}

/// Money that came in, and what the wallet held after it.
#[derive(Debug, Serialize)]
pub struct DepositView<'a> {
    id: ObjectId,
    transaction_id: ObjectId,
    partner_id: ObjectId,
    #[serde(rename = "type")]
    kind: TransactionType,
    status: TransactionStatus,
    amount: Number,
    currency: Currency,
    description: &'a str,
    balance: BalanceView,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

impl<'a> DepositView<'a> {
    /// Of the row that opened it.
    pub fn new(partner: &Partner, row: &'a Row, repeated: bool) -> Self {
        let balances = row.balances.get(&row.currency).copied().unwrap_or_default();
        Self {
            id: row.transaction_id,
            transaction_id: row.transaction_id,
            partner_id: partner.id,
            kind: row.kind,
            status: row.status,
            amount: row.amount.number(row.currency),
            currency: row.currency,
            description: &row.description,
            balance: BalanceView::new(&balances, partner.credit_limit(row.currency), row.currency),
            created_at: row.at,
            repeated,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_and_balances_meet_in_their_currencies() {
        let amount = |minor| Amount::from_minor(minor).unwrap();
        let partner = Partner {
            id: ObjectId::generate(),
            name: "P".to_owned(),
            credit_limits: BTreeMap::from([(Currency::Usd, amount(10_000)), (Currency::Jpy, amount(500))]),
            is_active: true,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        };
        let held = Balances { available: amount(-250), held: amount(250), ..Balances::default() };
        let balances = BTreeMap::from([(Currency::Usd, held), (Currency::Eur, Balances::default())]);
        let view = serde_json::to_value(PartnerView::new(&partner, &balances)).unwrap();
        assert_eq!(view["credit_limits"], json!({ "USD": 100.0, "JPY": 500.0 }));
        let usd = json!({ "available": -2.5, "held": 2.5, "deposited": 0.0, "spent": 0.0, "credit_limit": 100.0 });
        assert_eq!(view["balances"]["USD"], usd);
        assert_eq!(view["balances"]["EUR"]["credit_limit"], 0.0);
        assert_eq!(view["balances"]["JPY"]["credit_limit"], 500.0);
    }
}
