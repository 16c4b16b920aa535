//! The caller's wallet: balance, history, statements, payouts; and what administrators may book.

mod balance;
mod book;
mod export;
mod history;
mod payouts;
mod statement;

use metastamp_protocol::http::wallet::transaction;
use metastamp_service::money::{Decided, Opened};

use super::error::Result;
use super::money::decided;
use super::response::{self, Response};

pub use balance::balance;
pub use book::{adjust, bonus, refund};
pub use history::{history, history_csv};
pub use payouts::{cancel, complete, fail, list as payouts, one as payout, request as request_payout};
pub use statement::statement;

/// 201 for a transaction that is new, 200 with its present state when the key was used for it before.
fn opened(done: Result<Decided<Opened>>) -> Result<Response> {
    let Opened { transaction: opened, repeat } = decided(done)?;
    Ok(response::json(if repeat { 200 } else { 201 }, &transaction(&opened, repeat)))
}
