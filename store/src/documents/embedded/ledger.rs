//! Journals of wallets and their views. A commit brings the views up to date in its own transaction, so that they are
//! behind only where a journal came in by other ways.

mod history;
mod journal;
#[cfg(test)]
mod tests;
mod views;

use async_trait::async_trait;
use metastamp_protocol::ledger::{Row, Transaction, Wallet};
use metastamp_protocol::{ObjectId, Timestamp};

pub(super) use self::journal::{insert as insert_row, insert_newer as insert_newer_row, read as read_row};
pub(super) use self::views::{insert_wallet, put_transaction};
use super::EmbeddedDocuments;
use crate::Result;
use crate::documents::journal::{PROJECT_ROWS_MAX, check, check_look, check_page};
use crate::ports::{self, HistoryPage, HistoryQuery, Look};

// Each method is one line or two: the statements live in the files below.
#[async_trait]
impl ports::Ledger for EmbeddedDocuments {
    async fn look(&self, wallet_id: ObjectId, keys: &[String], transactions: &[ObjectId]) -> Result<Look> {
        check_look(keys, transactions)?;
        self.db.look_up("journal_look", |c| journal::look(c, wallet_id, keys, transactions))
    }
    async fn commit(&self, rows: Vec<Row>) -> Result<()> {
        check(&rows)?;
        self.db.write("commit_rows", move |c| journal::commit(c, &rows)).await
    }
    async fn head(&self, wallet_id: ObjectId) -> Result<Option<Row>> {
        self.db.look_up("journal_head", |c| journal::head(c, wallet_id))
    }
    async fn rows_after(&self, wallet_id: ObjectId, seq: u64, limit: u32) -> Result<Vec<Row>> {
        check_page(limit)?;
        self.db.read("rows_after", move |c| journal::rows_after(c, wallet_id, seq, limit)).await
    }
    async fn row_before(&self, wallet_id: ObjectId, at: Timestamp) -> Result<Option<Row>> {
        self.db.look_up("row_before", |c| journal::row_before(c, wallet_id, at))
    }

    async fn wallet(&self, user_id: ObjectId, now: Timestamp) -> Result<Wallet> {
        match self.db.look_up("wallet", |c| views::wallet(c, user_id))? {
            Some(wallet) => Ok(wallet),
            None => self.db.write("make_wallet", move |c| views::wallet_or_new(c, user_id, now)).await,
        }
    }
    async fn project(&self, wallet_id: ObjectId) -> Result<()> {
        // Looking is cheap and shared; the write lock is taken only when there is something to do.
        while self.db.look_up("behind", |c| views::are_behind(c, wallet_id))? {
            self.db.write("project", move |c| views::project(c, wallet_id, PROJECT_ROWS_MAX)).await?;
        }
        Ok(())
    }
    async fn rebuild(&self, wallet_id: ObjectId) -> Result<u64> {
        // Views are not given up for rows that they can't be made of.
        self.db.read("readable", move |c| journal::check_readable(c, wallet_id)).await?;
        // To the beginning before and after, as views::forget says; in batches, or the one writer would stand still.
        self.db.write("forget_views", move |c| views::forget(c, wallet_id)).await?;
        while self.db.write("drop_transactions", move |c| views::drop_some(c, wallet_id)).await? {}
        let rows = self.db.write("forget_views", move |c| views::forget(c, wallet_id)).await?;
        self.project(wallet_id).await?;
        Ok(rows)
    }
    async fn transaction(&self, id: ObjectId) -> Result<Option<Transaction>> {
        self.db.look_up("transaction", |c| journal::transaction(c, id))
    }
    async fn history(&self, query: &HistoryQuery, skip: u64, limit: u32) -> Result<HistoryPage> {
        check_page(limit)?;
        if let Some(wallet_id) = query.wallet_id {
            self.project(wallet_id).await?;
        }
        let query = query.clone();
        self.db.read("history", move |c| history::page(c, &query, skip, limit)).await
    }
    async fn history_below(&self, query: &HistoryQuery, ordinal: u64, limit: u32) -> Result<Vec<Transaction>> {
        check_page(limit)?;
        let wallet_id = query.of_one_wallet()?;
        self.project(wallet_id).await?;
        let query = query.clone();
        self.db.read("history_below", move |c| history::below(c, wallet_id, &query, ordinal, limit)).await
    }
}

/// As SQLite counts: nothing here comes near its largest number.
fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
