//! What a journal says of a period: opening, rows, closing, and the hashes that prove them.

use metastamp_protocol::ledger::Row;
use metastamp_protocol::{Currency, ObjectId, Timestamp};
use metastamp_store::Stores;

use super::Money;
use crate::error::{Error, Result};

/// The part of a journal that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    /// Belongs to it.
    pub to: Timestamp,
    /// `None`: all.
    pub currency: Option<Currency>,
}

impl Span {
    fn concerns(&self, row: &Row) -> bool {
        self.currency.is_none_or(|currency| currency == row.currency)
    }
}

/// One page of a statement.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The last row before the period.
    pub opening: Option<Row>,
    /// The last row of the period, or before it.
    pub closing: Option<Row>,
    /// The last row of the journal, whenever it was written.
    pub head: Option<Row>,
    pub rows: Vec<Row>,
    /// The row after which the next page begins.
    pub next: Option<u64>,
}

/// All rows of a period, in order, a page at a time. It keeps no page, so a reader may stop anywhere.
pub struct StatementPages {
    stores: Stores,
    wallet_id: ObjectId,
    span: Span,
    /// The row that was read last.
    after: u64,
    /// The last row of the period.
    end: u64,
}

/// The rows at which a period begins and ends.
struct Ends {
    opening: Option<Row>,
    closing: Option<Row>,
}

impl Ends {
    /// Rows after this one, up to that one.
    fn seqs(&self) -> (u64, u64) {
        let seq = |row: &Option<Row>| row.as_ref().map_or(0, |row| row.seq);
        (seq(&self.opening), seq(&self.closing))
    }
}

impl Money {
    /// A page of a period: at most `limit` rows after row `after`, the last of the page before.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn statement(
        &self,
        wallet_id: ObjectId,
        span: Span,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Statement> {
        let ends = self.ends(wallet_id, span).await?;
        let (begin, end) = ends.seqs();
        let mut rows = self.stores.ledger.rows_after(wallet_id, after.unwrap_or(begin).max(begin), limit).await?;
        rows.retain(|row| row.seq <= end);
        let next = rows.last().map(|row| row.seq).filter(|last| *last < end);
        rows.retain(|row| span.concerns(row));
        // The head last: it is never before what it is shown with.
        let head = self.stores.ledger.head(wallet_id).await?;
        let Ends { opening, closing } = ends;
        Ok(Statement { opening, closing, head, rows, next })
    }

    /// All rows of a period.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn statement_pages(&self, wallet_id: ObjectId, span: Span) -> Result<StatementPages> {
        let (after, end) = self.ends(wallet_id, span).await?.seqs();
        Ok(StatementPages { stores: self.stores.clone(), wallet_id, span, after, end })
    }

    async fn ends(&self, wallet_id: ObjectId, span: Span) -> Result<Ends> {
        let opening = self.stores.ledger.row_before(wallet_id, span.from).await?;
        let closing = self.stores.ledger.row_before(wallet_id, Timestamp(span.to.millis().saturating_add(1))).await?;
        Ok(Ends { opening, closing })
    }
}

impl StatementPages {
    /// Rows that are left, those of other currencies too.
    pub fn left(&self) -> u64 {
        self.end.saturating_sub(self.after)
    }

    /// Of the next `limit` rows those that are asked for, perhaps none; `None` after the last.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn next(&mut self, limit: u32) -> Result<Option<Vec<Row>>> {
        if self.left() == 0 {
            return Ok(None);
        }
        let mut rows = self.stores.ledger.rows_after(self.wallet_id, self.after, limit).await?;
        let Some(last) = rows.last() else {
            // A statement that ends early must not look complete.
            tracing::error!(wallet = %self.wallet_id, after = self.after, end = self.end, "rows are missing");
            return Err(Error::internal());
        };
        self.after = last.seq;
        rows.retain(|row| row.seq <= self.end && self.span.concerns(row));
        Ok(Some(rows))
    }
}
