//! Journals of wallets and their views. There is no transaction over several documents: the order of inserts and the
//! unique indexes are enough for the journal, and the views say which row they have come to.

mod history;
mod journal;
mod views;

use async_trait::async_trait;
use metastamp_protocol::ledger::{Row, Transaction, Wallet};
use metastamp_protocol::{ObjectId, Timestamp};

use super::MongoDocuments;
use crate::Result;
use crate::documents::journal::{check, check_look, check_page};
use crate::ports::{self, HistoryPage, HistoryQuery, Look};

// Each method is one line or two: the operations live in the files below.
#[async_trait]
impl ports::Ledger for MongoDocuments {
    async fn look(&self, wallet_id: ObjectId, keys: &[String], transactions: &[ObjectId]) -> Result<Look> {
        let Self { server } = self;
        check_look(keys, transactions)?;
        server.call("journal_look", |_| journal::look(server.on(), wallet_id, keys, transactions)).await
    }
    async fn commit(&self, rows: Vec<Row>) -> Result<()> {
        let Self { server } = self;
        check(&rows)?;
        server.measured("commit_rows", journal::commit(server, &rows)).await
    }
    async fn head(&self, wallet_id: ObjectId) -> Result<Option<Row>> {
        let Self { server } = self;
        server.call("journal_head", |_| journal::head(server.on(), wallet_id)).await
    }
    async fn rows_after(&self, wallet_id: ObjectId, seq: u64, limit: u32) -> Result<Vec<Row>> {
        let Self { server } = self;
        check_page(limit)?;
        server.call("rows_after", |_| journal::rows_after(server.on(), wallet_id, seq, limit)).await
    }
    async fn row_before(&self, wallet_id: ObjectId, at: Timestamp) -> Result<Option<Row>> {
        let Self { server } = self;
        server.call("row_before", |_| journal::row_before(server.on(), wallet_id, at)).await
    }

    async fn wallet(&self, user_id: ObjectId, now: Timestamp) -> Result<Wallet> {
        let Self { server } = self;
        server.call("wallet", |_| views::wallet(server.on(), user_id, now)).await
    }
    async fn project(&self, wallet_id: ObjectId) -> Result<()> {
        let Self { server } = self;
        server.measured("project", views::project(server, wallet_id)).await
    }
    async fn rebuild(&self, wallet_id: ObjectId) -> Result<u64> {
        let Self { server } = self;
        server.measured("rebuild", views::rebuild(server, wallet_id)).await
    }
    async fn transaction(&self, id: ObjectId) -> Result<Option<Transaction>> {
        let Self { server } = self;
        server.call("transaction", |_| journal::transaction(server.on(), id)).await
    }
    async fn history(&self, query: &HistoryQuery, skip: u64, limit: u32) -> Result<HistoryPage> {
        let Self { server } = self;
        check_page(limit)?;
        server.measured("history", history::page(server, query, skip, limit)).await
    }
    async fn history_below(&self, query: &HistoryQuery, ordinal: u64, limit: u32) -> Result<Vec<Transaction>> {
        let Self { server } = self;
        check_page(limit)?;
        server.measured("history_below", history::below(server, query, ordinal, limit)).await
    }
}
