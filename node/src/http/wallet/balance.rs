//! What the caller has.

use std::sync::Arc;

use metastamp_protocol::Currency;
use metastamp_protocol::http::wallet::{Balance, LastPayout, last_payout};
use metastamp_protocol::ledger::Wallet;

use super::current;
use crate::app::App;
use crate::http::auth::caller;
use crate::http::error::Result;
use crate::http::params::Params;
use crate::http::request::Request;
use crate::http::response::{self, Response};

pub async fn balance(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let mut params = Params::of(request);
    let currency = params.currency().unwrap_or_default();
    params.end()?;
    let user_id = caller.user.id;
    let (wallet, head) = current(app, user_id).await?;
    let body = Balance {
        user_id,
        currency,
        // Without a journal: what the original system left, or nothing.
        balances: head.as_ref().map_or(&wallet.balances, |head| &head.balances),
        last_payout: paid_last(&wallet, currency),
        updated_at: head.as_ref().map_or(wallet.updated_at, |head| head.at),
    };
    Ok(response::json(200, &body.body()))
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
