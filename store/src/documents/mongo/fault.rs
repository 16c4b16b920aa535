//! What the driver's errors mean to a caller.

use mongodb::error::{
    Error, ErrorKind, RETRYABLE_ERROR, RETRYABLE_WRITE_ERROR, SYSTEM_OVERLOADED_ERROR, TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};

use crate::StoreError;

/// Why one attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer to the call.
    Final(StoreError),
    /// It may pass: try again while there is time, then this is the answer. Whether the attempt had an effect is unknown.
    Again(StoreError),
    /// The same, and no answer of the server: it may still be at work on what was asked, or come to it later.
    Unheard(StoreError),
}

/// Result of one attempt.
pub(super) type Attempt<T> = Result<T, Failure>;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Final(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Some(refusal) = refusal(&error) {
            return Failure::Final(refusal);
        }
        let said = format!("mongodb: {}", text(&error));
        match may_pass(&error) {
            true if is_unheard(&error) => Failure::Unheard(StoreError::Unavailable(said)),
            true => Failure::Again(StoreError::Unavailable(said)),
            false => Failure::Final(StoreError::Internal(said)),
        }
    }
}

/// The error without the server's whole response, which may quote documents.
pub(super) fn text(error: &Error) -> String {
    match &*error.kind {
        // what a validator refused is quoted in its details
        ErrorKind::Write(WriteFailure::WriteError(error)) => format!("the write was refused with code {}", error.code),
        ErrorKind::InsertMany(_) => format!("inserts were refused with code {}", code(error).unwrap_or_default()),
        kind => kind.to_string(),
    }
}

/// Code of the server's error, wherever in the answer it stood.
pub(super) fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        ErrorKind::InsertMany(failed) => failed
            .write_errors
            .as_ref()
            .and_then(|errors| errors.first().map(|error| error.code))
            .or_else(|| failed.write_concern_error.as_ref().map(|error| error.code)),
        _ => None,
    }
}

/// DuplicateKey, by its three numbers.
pub(super) fn is_duplicate(error: &Error) -> bool {
    code(error).is_some_and(is_duplicate_code)
}

pub(super) fn is_duplicate_code(code: i32) -> bool {
    [11000, 11001, 12582].contains(&code)
}

/// Faults that waiting does not heal, but an operator can: the call may succeed later, so it is no internal error.
fn refusal(error: &Error) -> Option<StoreError> {
    let said = text(error);
    let why = match (&*error.kind, code(error)) {
        (ErrorKind::Authentication { .. }, _) | (_, Some(18)) => {
            "mongodb refuses the user or the password of MONGODB_URL"
        }
        (_, Some(13)) => "the user of MONGODB_URL may not do this in MONGODB_DATABASE",
        (ErrorKind::SessionsNotSupported, _) => STANDALONE,
        // IllegalOperation
        (_, Some(20)) if said.contains("replica set") => STANDALONE,
        (ErrorKind::Transaction { .. } | ErrorKind::IncompatibleServer { .. }, _) if said.contains("not support") => {
            STANDALONE
        }
        // A pool or a monitor that could not log in says so inside of another error.
        (ErrorKind::ServerSelection { .. } | ErrorKind::ConnectionPoolCleared { .. }, _)
            if said.contains("AuthenticationFailed") || said.contains("SCRAM failure") =>
        {
            "mongodb refuses the user or the password of MONGODB_URL"
        }
        _ => return None,
    };
    Some(StoreError::Unavailable(why.to_owned()))
}

/// What to do about a server without transactions.
pub(super) const STANDALONE: &str = "mongodb runs standalone, without transactions: start mongod with --replSet NAME \
    and run rs.initiate() once, one member is enough";

/// Not primary, shutting down, cut off, out of time, in conflict with another writer, interrupted because others took
/// this node for dead.
const PASSING_CODES: [i32; 31] = [
    6, 7, 24, 43, 46, 50, 64, 82, 89, 91, 100, 112, 134, 189, 202, 211, 225, 237, 239, 246, 251, 262, 314, 9001, 10058,
    10107, 11600, 11601, 11602, 13435, 13436,
];
/// OutOfDiskSpace: nothing for a program to heal, but nothing for ever either.
const DISK_FULL_CODE: i32 = 14031;

/// The connection broke, alone or with all others.
fn is_unheard(error: &Error) -> bool {
    matches!(*error.kind, ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. })
}

fn may_pass(error: &Error) -> bool {
    const LABELS: [&str; 5] = [
        TRANSIENT_TRANSACTION_ERROR,
        UNKNOWN_TRANSACTION_COMMIT_RESULT,
        RETRYABLE_WRITE_ERROR,
        RETRYABLE_ERROR,
        SYSTEM_OVERLOADED_ERROR,
    ];
    let by_kind = matches!(
        *error.kind,
        ErrorKind::Io(_)
            | ErrorKind::ServerSelection { .. }
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::DnsResolve { .. }
            | ErrorKind::Shutdown
            | ErrorKind::Write(WriteFailure::WriteConcernError(_))
    );
    by_kind
        || code(error).is_some_and(|code| PASSING_CODES.contains(&code) || code == DISK_FULL_CODE)
        || LABELS.iter().any(|label| error.contains_label(label))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{deserialize_from_document, doc};

    use super::*;

    fn said(code: i32, message: &str) -> Error {
        let answer = doc! { "code": code, "codeName": "Name", "errmsg": message };
        ErrorKind::Command(deserialize_from_document(answer).unwrap()).into()
    }

    #[test]
    fn what_an_operator_must_heal_is_said_at_once() {
        let standalone = "Transaction numbers are only allowed on a replica set member or mongos";
        for (code, message, words) in [(20, standalone, "--replSet"), (18, "no", "password"), (13, "no", "may not")] {
            let Failure::Final(StoreError::Unavailable(why)) = said(code, message).into() else { panic!("{code}") };
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let lost: Error = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
        assert!(matches!(Failure::from(lost), Failure::Unheard(StoreError::Unavailable(_))));
        assert!(matches!(Failure::from(said(112, "WriteConflict")), Failure::Again(StoreError::Unavailable(_))));
        let wrong = Error::custom("x");
        assert!(matches!(Failure::from(wrong), Failure::Final(StoreError::Internal(_))));
    }
}
