//! The document of a wallet as it lies at rest.

use metastamp_protocol::ledger::{Balances, Wallet};
use metastamp_protocol::{Amount, Currency, money as exact};
use metastamp_store::records::{Bson, Document, bson, money, wallet};

/// The wallet of a document; why it is none.
pub fn read(record: &Document) -> Result<Wallet, String> {
    wallet::decode(record).map_err(|error| error.to_string())
}

/// What people and the original's tools read in a document (`balance`, `total_earned`, ...) is what its balances say.
/// Documents that only the original wrote have no balances of ours.
pub fn contradiction(record: &Document) -> Option<String> {
    if !record.contains_key("last_seq") {
        return None;
    }
    let usd = match record.get_document("balances").map(|all| all.get(Currency::Usd.code())) {
        Ok(Some(balances)) => bson::deserialize_from_bson::<Balances>(balances.clone()).ok()?,
        _ => Balances::default(),
    };
    let derived = [
        ("balance", usd.posted()),
        ("pending_earnings", Some(usd.pending)),
        ("total_earned", Some(usd.earned)),
        ("total_paid_out", Some(usd.paid_out)),
    ];
    let (name, _) = derived.into_iter().find(|(name, amount)| !says(record.get(*name), *amount))?;
    Some(format!("the wallet's document has another {name} than its balances say"))
}

fn says(value: Option<&Bson>, amount: Option<Amount>) -> bool {
    let shown = value.and_then(money::read).and_then(|text| exact::decimal(&text).ok());
    shown.is_some() && shown == amount.map(|amount| amount.decimal(Currency::Usd))
}
