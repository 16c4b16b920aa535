//! The caller's wallet: balance, history, statements, payouts; and what administrators may book.
//!
//! What wallets hold is read from their journals. Lists come from the views, brought up to date before.

mod balance;
mod book;
mod export;
mod history;
mod payouts;
mod statement;

use metastamp_actors::wallet::Answered;
use metastamp_protocol::http::wallet::transaction;
use metastamp_protocol::ledger::{LedgerAnswer, Order, Row, Transaction, Wallet};
use metastamp_protocol::{Currency, ObjectId, Timestamp};

use super::error::Result;
use super::money::refused;
use super::response::{self, Response};
use crate::app::App;
use crate::telemetry::context;

pub use balance::balance;
pub use book::{adjust, bonus, refund};
pub use history::{history, history_csv};
pub use payouts::{cancel, complete, fail, list as payouts, one as payout, request as request_payout};
pub use statement::statement;

/// The document of a wallet and the head of its journal, which it is brought up to if it stayed behind.
async fn current(app: &App, wallet_id: ObjectId) -> Result<(Wallet, Option<Row>)> {
    // the head first: a document read later can't be older than what it is compared with
    let head = app.documents.head(wallet_id).await?;
    let wallet = app.documents.wallet(wallet_id, Timestamp::now()).await?;
    if head.as_ref().is_none_or(|head| head.seq <= wallet.last_seq) {
        return Ok((wallet, head));
    }
    app.documents.project(wallet_id).await?;
    Ok((app.documents.wallet(wallet_id, Timestamp::now()).await?, head))
}

/// A transaction as the journal of a wallet has it.
async fn journalled(app: &App, wallet_id: ObjectId, id: ObjectId) -> Result<Option<Transaction>> {
    let mut rows = app.documents.look(wallet_id, &[], &[id]).await?.of_transactions;
    rows.retain(|row| row.transaction_id == id);
    rows.sort_by_key(|row| row.seq);
    let Some(opening) = rows.iter().find(|row| row.is_opening()) else { return Ok(None) };
    let mut found = Transaction::opened(opening);
    rows.iter().for_each(|row| found.apply(row));
    Ok(Some(found))
}

/// Asks the owner of the wallet; the answer carries its name from here on.
async fn ask(app: &App, order: Order) -> Result<LedgerAnswer> {
    let Answered { answer, owner } = app.actors.wallets.order(order).await?;
    if matches!(answer, LedgerAnswer::Committed { .. }) {
        context::set_owner(&owner);
    }
    Ok(answer)
}

/// Has a transaction opened: 201 when it is new, 200 with its present state when the key was used for it before.
async fn open(app: &App, order: Order, currency: Currency) -> Result<Response> {
    let (wallet_id, id) = (order.wallet_id, order.transaction_id());
    match ask(app, order).await? {
        LedgerAnswer::Refused(refusal) => Err(refused(refusal, currency)),
        LedgerAnswer::Committed { row, repeat: false } => {
            Ok(response::json(201, &transaction(&Transaction::opened(&row), false)))
        }
        LedgerAnswer::Committed { row, repeat: true } => {
            let present = journalled(app, wallet_id, id).await?.unwrap_or_else(|| Transaction::opened(&row));
            Ok(response::json(200, &transaction(&present, true)))
        }
    }
}
