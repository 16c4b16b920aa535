//! What the caller has.

use std::sync::Arc;

use metastamp_protocol::http::wallet::Balance;
use metastamp_service::Caller;
use metastamp_service::money::Holdings;

use crate::app::App;
use crate::http::error::Result;
use crate::http::read::Params;
use crate::http::request::Request;
use crate::http::response::{self, Response};

pub async fn balance(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let mut params = Params::of(&request);
    let currency = params.currency().unwrap_or_default();
    params.end()?;
    let user_id = caller.user.id;
    let Holdings { balances, last_payout, updated_at } = app.service.money.balance(user_id, currency).await?;
    let body = Balance { user_id, currency, balances: &balances, last_payout, updated_at };
    Ok(response::json(200, &body.body()))
}
