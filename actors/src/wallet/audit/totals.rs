//! Sums over all journals.

use std::collections::BTreeMap;

use metastamp_protocol::Currency;
use metastamp_protocol::invariants::SUM_IS_ZERO;
use metastamp_protocol::ledger::{Account, Row};
use sha2::{Digest as _, Sha256};

use super::Findings;
use super::chain::Head;

/// Counts, and the sums of all accounts of a kind, in minor units.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    pub wallets: u64,
    pub rows: u64,
    pub transactions: u64,
    /// By currency and kind of account: what the legs of all rows come to.
    pub accounts: BTreeMap<Currency, BTreeMap<&'static str, i128>>,
    /// By currency: what the last rows of all wallets say that is in them.
    pub in_wallets: BTreeMap<Currency, i128>,
    heads: Sha256,
}

impl Totals {
    pub(super) fn row(&mut self, row: &Row) {
        self.rows += 1;
        self.transactions += u64::from(row.is_opening());
        let accounts = self.accounts.entry(row.currency).or_default();
        *accounts.entry(kind(row.debit)).or_default() -= i128::from(row.amount.minor());
        *accounts.entry(kind(row.credit)).or_default() += i128::from(row.amount.minor());
    }

    pub(super) fn chain(&mut self, head: &Head) {
        self.wallets += 1;
        self.heads.update(format!("{} {} {}\n", head.wallet_id, head.seq, head.hash));
        for (currency, balances) in &head.balances {
            let parts = [balances.available, balances.held, balances.pending];
            let sum: i128 = parts.into_iter().map(|amount| i128::from(amount.minor())).sum();
            *self.in_wallets.entry(*currency).or_default() += sum;
        }
    }

    /// What wallets say they have, and what the legs say came from outside of them, is zero.
    pub(super) fn check(&self, findings: &mut Findings) {
        for currency in Currency::ALL {
            let outside: i128 = self.accounts.get(&currency).map_or(0, |accounts| {
                let of_wallets = ["available", "held", "pending"];
                accounts.iter().filter(|(kind, _)| !of_wallets.contains(kind)).map(|(_, sum)| sum).sum()
            });
            let inside = self.in_wallets.get(&currency).copied().unwrap_or_default();
            if inside + outside != 0 {
                let what = format!("wallets hold {inside}, all else {outside}, in minor units: together not zero");
                findings.add(SUM_IS_ZERO, currency, what);
            }
        }
    }

    /// SHA-256, hex, over a line `{wallet_id} {seq} {hash}` for the last row of each wallet, in the order of wallets: one
    /// value to be written down elsewhere, that no earlier row can be changed without changing.
    pub fn heads(&self) -> String {
        let digest = self.heads.clone().finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn kind(account: Account) -> &'static str {
    match account {
        Account::Available(_) => "available",
        Account::Held(_) => "held",
        Account::Pending(_) => "pending",
        Account::Clearing(_) => "clearing",
        Account::Deposits => "deposits",
        Account::Payouts => "payouts",
        Account::Adjustments => "adjustments",
        Account::Bonuses => "bonuses",
        Account::Refunds => "refunds",
    }
}
