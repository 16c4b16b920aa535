//! What all routes about money share: the key by which a request is known, and who committed what it asked for.

use metastamp_protocol::ledger::ClientKey;
use metastamp_protocol::ledger::keys::InvalidClientKey;
use metastamp_service::money::Decided;

use super::error::{Error, Result};
use super::request::Request;
use metastamp_setup::telemetry::context;

/// The key by which a request that is sent again is known.
///
/// # Errors
/// 422 when it is missing, sent twice, or no key.
pub fn idempotency_key(request: &Request) -> Result<ClientKey> {
    let mut sent = request.headers.get_all(ClientKey::HEADER).iter();
    let (first, second) = (sent.next(), sent.next());
    let Some(key) = first else { return Err(Error::field(ClientKey::HEADER, "is required")) };
    let key = key.to_str().ok().filter(|_| second.is_none()).and_then(|key| ClientKey::parse(key).ok());
    key.ok_or_else(|| Error::field(ClientKey::HEADER, InvalidClientKey.to_string()))
}

/// What the owner of a wallet decided; the answer carries its name from here on, whatever it is.
///
/// # Errors
/// Those of the use case.
pub fn decided<T>(done: Result<Decided<T>>) -> Result<T> {
    let owner = done.as_ref().map_or_else(Error::owner, |decided| decided.owner.as_ref());
    if let Some(owner) = owner {
        context::set_owner(owner);
    }
    Ok(done?.value)
}
