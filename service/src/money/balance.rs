//! What a wallet holds.

use std::collections::BTreeMap;

use metastamp_protocol::http::wallet::{LastPayout, last_payout};
use metastamp_protocol::ledger::{Balances, Wallet};
use metastamp_protocol::{Currency, ObjectId, Timestamp};

use super::Money;
use crate::error::Result;

/// What a wallet holds, in every currency that it ever held.
#[derive(Debug, Clone)]
pub struct Holdings {
    pub balances: BTreeMap<Currency, Balances>,
    /// Of the currency that was asked for.
    pub last_payout: Option<LastPayout>,
    pub updated_at: Timestamp,
}

impl Money {
    /// # Errors
    /// When the store does not answer.
    pub async fn balance(&self, wallet_id: ObjectId, currency: Currency) -> Result<Holdings> {
        let (wallet, head) = self.current(wallet_id).await?;
        let last_payout = paid_last(&wallet, currency);
        // Without a journal: what the original system left, or nothing.
        let (balances, updated_at) = match head {
            Some(head) => (head.balances, head.at),
            None => (wallet.balances, wallet.updated_at),
        };
        Ok(Holdings { balances, last_payout, updated_at })
    }
}

/// The last payout of this currency: among the recent transactions, or the wallet's last, however old.
fn paid_last(wallet: &Wallet, currency: Currency) -> Option<LastPayout> {
    let older = || {
        let (_, amount) = wallet.last_payout_amount.filter(|(paid_in, _)| *paid_in == currency)?;
        let amount = if amount.is_negative() { amount.negated() } else { amount };
        Some(LastPayout { amount, at: wallet.last_payout_at? })
    };
    last_payout(&wallet.transactions, currency).or_else(older)
}
