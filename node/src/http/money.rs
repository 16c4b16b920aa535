//! What all routes about money share: idempotency keys, and what refusals of wallets are to clients.

use metastamp_actors::usage::UsageError;
use metastamp_protocol::ledger::Refusal;
use metastamp_protocol::partner::UsageEvent;
use metastamp_protocol::{Currency, ErrorCode};

use super::error::{ApiError, Result};
use super::request::Request;

/// Name of the header, as clients know it.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
const KEY_CHARS_MAX: usize = 255;
/// When to come back for the outcome of a request that is being worked on, in seconds.
const IN_FLIGHT_RETRY_S: u64 = 1;

/// The key by which a request that is sent again is known.
///
/// # Errors
/// 422 when it is missing, sent twice, or no key.
pub fn idempotency_key(request: &Request) -> Result<String> {
    let mut sent = request.headers.get_all(IDEMPOTENCY_KEY).iter();
    let (first, second) = (sent.next(), sent.next());
    let Some(key) = first else { return Err(ApiError::field(IDEMPOTENCY_KEY, "is required")) };
    match key.to_str() {
        Ok(key) if second.is_none() && is_key(key) => Ok(key.to_owned()),
        _ => Err(ApiError::field(IDEMPOTENCY_KEY, KEY_RULE)),
    }
}

pub const KEY_RULE: &str = "must be one text of 1 to 255 printable ASCII characters";

pub fn is_key(key: &str) -> bool {
    (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// What a client is told when a wallet refuses an order in `currency`.
pub fn refused(refusal: Refusal, currency: Currency) -> ApiError {
    let message = sentence(&refusal.to_string());
    match refusal {
        Refusal::Insufficient { available } => {
            let error = ApiError::new(ErrorCode::InsufficientFunds, "The funds do not cover this amount");
            error.detail("available", available.number(currency)).detail("currency", currency.code())
        }
        Refusal::KeyReused => key_reused(),
        Refusal::InFlight => in_flight(),
        Refusal::UnknownTransaction => ApiError::not_found("Transaction"),
        Refusal::Ended(status) => ApiError::new(ErrorCode::TransactionEnded, message).detail("status", status.as_str()),
        Refusal::TooLarge => ApiError::field("amount", message),
        Refusal::Invalid(why) => ApiError::field("amount", why),
    }
}

/// What a client is told when a usage event did not go where it was told to.
pub fn usage_failed(error: UsageError, currency: Currency) -> ApiError {
    match error {
        UsageError::NotFound => ApiError::not_found("Usage event"),
        UsageError::KeyReused => key_reused(),
        UsageError::InFlight => in_flight(),
        UsageError::Refused(refusal) => refused(refusal, currency),
        UsageError::Ended(event) => ended(&event),
        UsageError::Failed(failure) => failure.into(),
        UsageError::Store(error) => error.into(),
    }
}

fn ended(event: &UsageEvent) -> ApiError {
    let status = event.status.as_str();
    ApiError::new(ErrorCode::UsageEnded, format!("The usage event is {status}")).detail("status", status)
}

fn key_reused() -> ApiError {
    ApiError::new(ErrorCode::IdempotencyKeyReused, "The idempotency key was used for another request")
}

fn in_flight() -> ApiError {
    let message = "A request with this idempotency key is being worked on, please ask again";
    ApiError::new(ErrorCode::RequestInFlight, message).retry_after(IN_FLIGHT_RETRY_S)
}

/// What we say among ourselves, as people read it.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::Amount;

    use super::*;

    #[test]
    fn a_key_is_short_and_printable() {
        for key in ["a", "order 7/x~", &"k".repeat(255)] {
            assert!(is_key(key), "{key}");
        }
        for key in ["", "ä", "a\tb", "a\u{7f}", &"k".repeat(256)] {
            assert!(!is_key(key), "{key}");
        }
    }

    #[test]
    fn refusals_have_their_codes() {
        let code = |refusal| {
            let error = refused(refusal, Currency::Usd);
            (error.status_code(), error.code)
        };
        let available = Amount::from_minor(-5).unwrap();
        assert_eq!(code(Refusal::Insufficient { available }), (422, ErrorCode::InsufficientFunds));
        assert_eq!(code(Refusal::KeyReused), (422, ErrorCode::IdempotencyKeyReused));
        assert_eq!(code(Refusal::InFlight), (409, ErrorCode::RequestInFlight));
        assert_eq!(code(Refusal::UnknownTransaction), (404, ErrorCode::NotFound));
        assert_eq!(code(Refusal::TooLarge), (422, ErrorCode::ValidationError));
        assert_eq!(code(Refusal::Invalid("no".to_owned())), (422, ErrorCode::ValidationError));
    }
}
