//! Transactions of a wallet, newest first: a page with its sums, or all of them page by page.

use metastamp_protocol::Timestamp;
use metastamp_protocol::http::wallet::Totals;
use metastamp_protocol::ledger::Transaction;
use metastamp_store::Stores;
use metastamp_store::ports::HistoryQuery;

use super::Money;
use crate::caller::Caller;
use crate::error::Result;

/// One page of a history.
#[derive(Debug)]
pub struct History {
    pub items: Vec<Transaction>,
    /// All that match.
    pub total: u64,
    /// Sums of all that match.
    pub totals: Totals,
    /// From when to when it reaches.
    pub period: (Timestamp, Timestamp),
}

/// All transactions that match, newest first, a page at a time. It keeps no page, so a reader may stop anywhere.
pub struct HistoryPages {
    stores: Stores,
    query: HistoryQuery,
    total: u64,
    /// Ordinal of the last that was read; `None` after the last page.
    below: Option<u64>,
}

impl Money {
    /// A page of the caller's history. Whatever wallet `query` names, it is theirs.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history(&self, caller: &Caller, query: HistoryQuery, skip: u64, limit: u32) -> Result<History> {
        let query = HistoryQuery { wallet_id: Some(caller.user.id), ..query };
        self.current(caller.user.id).await?;
        let found = self.stores.ledger.history(&query, skip, limit).await?;
        let mut totals = Totals::default();
        found.sums.iter().for_each(|sum| totals.add(sum.kind, sum.currency, sum.amount));
        // Nothing of an account is older than the account.
        let period = (query.from.unwrap_or(caller.user.created_at), query.to.unwrap_or_else(Timestamp::now));
        Ok(History { items: found.items, total: found.total, totals, period })
    }

    /// All of the caller's history that matches. Whatever wallet `query` names, it is theirs.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history_pages(&self, caller: &Caller, query: HistoryQuery) -> Result<HistoryPages> {
        let query = HistoryQuery { wallet_id: Some(caller.user.id), ..query };
        self.current(caller.user.id).await?;
        let total = self.stores.ledger.history(&query, 0, 1).await?.total;
        Ok(HistoryPages { stores: self.stores.clone(), query, total, below: Some(i64::MAX as u64) })
    }
}

impl HistoryPages {
    /// How many matched at the beginning. What is opened meanwhile has higher ordinals than what was read first.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The next `limit`, or fewer; `None` after the last.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn next(&mut self, limit: u32) -> Result<Option<Vec<Transaction>>> {
        let Some(below) = self.below else { return Ok(None) };
        let page = self.stores.ledger.history_below(&self.query, below, limit).await?;
        let is_full = page.len() >= limit as usize;
        self.below = page.last().map(|last| last.ordinal).filter(|_| is_full);
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}
