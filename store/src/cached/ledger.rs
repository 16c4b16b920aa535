//! Money is always read from the truth: everything is passed on.

use async_trait::async_trait;
use metastamp_protocol::ledger::{Row, Transaction, Wallet};
use metastamp_protocol::{ObjectId, Timestamp};

use super::Cached;
use crate::ledger::{HistoryPage, HistoryQuery, Look};
use crate::{Ledger, Result};

#[async_trait]
impl Ledger for Cached {
    async fn look(&self, wallet_id: ObjectId, keys: &[String], transactions: &[ObjectId]) -> Result<Look> {
        self.documents.look(wallet_id, keys, transactions).await
    }
    async fn commit(&self, rows: Vec<Row>) -> Result<()> {
        self.documents.commit(rows).await
    }
    async fn head(&self, wallet_id: ObjectId) -> Result<Option<Row>> {
        self.documents.head(wallet_id).await
    }
    async fn rows_after(&self, wallet_id: ObjectId, seq: u64, limit: u32) -> Result<Vec<Row>> {
        self.documents.rows_after(wallet_id, seq, limit).await
    }
    async fn row_before(&self, wallet_id: ObjectId, at: Timestamp) -> Result<Option<Row>> {
        self.documents.row_before(wallet_id, at).await
    }
    async fn wallet(&self, user_id: ObjectId, now: Timestamp) -> Result<Wallet> {
        self.documents.wallet(user_id, now).await
    }
    async fn project(&self, wallet_id: ObjectId) -> Result<()> {
        self.documents.project(wallet_id).await
    }
    async fn rebuild(&self, wallet_id: ObjectId) -> Result<u64> {
        self.documents.rebuild(wallet_id).await
    }
    async fn transaction(&self, id: ObjectId) -> Result<Option<Transaction>> {
        self.documents.transaction(id).await
    }
    async fn history(&self, query: &HistoryQuery, skip: u64, limit: u32) -> Result<HistoryPage> {
        self.documents.history(query, skip, limit).await
    }
    async fn history_below(&self, query: &HistoryQuery, ordinal: u64, limit: u32) -> Result<Vec<Transaction>> {
        self.documents.history_below(query, ordinal, limit).await
    }
}
