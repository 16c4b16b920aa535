//! What somebody is told when a wallet refuses an order.

use metastamp_protocol::ledger::Refusal;
use metastamp_protocol::{Currency, ErrorCode};

use crate::error::Error;

/// When to come back for the outcome of a request that is being worked on, in seconds.
const IN_FLIGHT_RETRY_S: u64 = 1;

/// Of an order in `currency`.
pub fn refused(refusal: Refusal, currency: Currency) -> Error {
    let message = sentence(&refusal.to_string());
    match refusal {
        Refusal::Insufficient { available } => {
            let error = Error::new(ErrorCode::InsufficientFunds, "The funds do not cover this amount");
            error.detail("available", available.number(currency)).detail("currency", currency.code())
        }
        Refusal::KeyReused => key_reused(),
        Refusal::InFlight => in_flight(),
        Refusal::UnknownTransaction => Error::not_found("Transaction"),
        Refusal::Ended(status) => Error::new(ErrorCode::TransactionEnded, message).detail("status", status.as_str()),
        Refusal::TooLarge => Error::field("amount", message),
        Refusal::Invalid(invalid) => Error::field(invalid.member(), invalid.to_string()),
    }
}

pub fn key_reused() -> Error {
    Error::new(ErrorCode::IdempotencyKeyReused, "The idempotency key was used for another request")
}

pub fn in_flight() -> Error {
    Error::new(ErrorCode::RequestInFlight, "This is being worked on already, please ask again")
        .retry_after(IN_FLIGHT_RETRY_S)
}

/// What we say among ourselves, as people read it.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::Amount;
    use metastamp_protocol::ledger::Invalid;

    use super::*;

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
        assert_eq!(code(Refusal::Invalid("no".to_owned().into())), (422, ErrorCode::ValidationError));
    }

    #[test]
    fn what_is_invalid_is_reported_where_it_is() {
        for (invalid, member) in [
            (Invalid::Amount, "amount"),
            (Invalid::Key, "Idempotency-Key"),
            (Invalid::Description, "description"),
            (Invalid::Metadata, "metadata"),
        ] {
            let error = refused(Refusal::Invalid(invalid.clone()), Currency::Usd);
            assert_eq!(error.field_errors().get(member), Some(&vec![invalid.to_string()]), "{invalid}");
        }
    }
}
