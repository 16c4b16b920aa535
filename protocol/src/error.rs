//! Stable error codes of the HTTP contract, each with the status it usually travels under.

use serde::{Deserialize, Serialize};

/// `error.code` in every error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// No Authorization header on a route that needs one.
    MissingToken,
    /// The bearer token is malformed, expired, revoked or signed by someone else.
    InvalidToken,
    /// Unknown address or wrong password; the two are not told apart.
    InvalidCredentials,
    /// The account was switched off by an operator.
    AccountDisabled,
    /// `ALLOW_REGISTRATION` is false.
    RegistrationDisabled,
    /// An account with that address exists.
    EmailExists,
    /// The resource belongs to someone else.
    Forbidden,
    /// No such resource or no such path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// An id is not 24 hex digits.
    InvalidId,
    /// A body or parameter failed validation; `errors` names the fields.
    ValidationError,
    /// The file has 0 bytes.
    EmptyFile,
    /// The file is at or above the direct limit.
    UsePresignedUpload,
    /// The file or body is above the size limit.
    FileTooLarge,
    /// Extension not allowed here, or contradicted by the content.
    InvalidFileType,
    /// A blocked kind of file, by extension or by content.
    DangerousFileType,
    /// A URL that may not or can not be imported.
    InvalidUrl,
    /// Nothing was stored under the reserved key.
    UploadNotFound,
    /// No such upload of the caller.
    InvalidUploadId,
    /// The key is not the reserved one.
    KeyMismatch,
    /// The stored size is not the announced one.
    SizeMismatch,
    /// The upload broke off or could not be read.
    UploadFailed,
    /// A fingerprint exists or is being made.
    FingerprintExists,
    /// The fingerprint could not be made.
    FingerprintFailed,
    /// The balance, with the credit there is, does not cover it.
    InsufficientFunds,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// A request with the same idempotency key is being worked on.
    RequestInFlight,
    /// The usage event has ended otherwise.
    UsageEnded,
    /// The transaction has ended otherwise.
    TransactionEnded,
    /// Unknown assistant provider.
    InvalidProvider,
    /// Unknown assistant personality.
    InvalidPersonality,
    /// The assistant failed.
    AssistantError,
    /// No assistant provider answers.
    ProviderUnavailable,
    /// Too many requests; `Retry-After` says when to come back.
    RateLimitExceeded,
    /// What is stored was written by newer software than this node runs; another node may read it.
    NewerVersion,
    /// The object store failed.
    StorageError,
    /// A dependency is down or the node is full; a retry helps.
    ServiceUnavailable,
    /// Our fault.
    InternalError,
}

impl ErrorCode {
    /// The HTTP status this code usually travels under.
    pub fn status(self) -> u16 {
        use ErrorCode::*;
        match self {
            MissingToken | InvalidToken | InvalidCredentials => 401,
            AccountDisabled | RegistrationDisabled | Forbidden => 403,
            NotFound | UploadNotFound | InvalidUploadId => 404,
            MethodNotAllowed => 405,
            EmailExists | FingerprintExists | RequestInFlight | UsageEnded | TransactionEnded => 409,
            FileTooLarge => 413,
            InvalidFileType | DangerousFileType => 415,
            ValidationError | InsufficientFunds | IdempotencyKeyReused => 422,
            RateLimitExceeded => 429,
            InvalidId | EmptyFile | UsePresignedUpload | InvalidUrl | KeyMismatch | SizeMismatch | UploadFailed
            | InvalidProvider | InvalidPersonality => 400,
            FingerprintFailed | AssistantError | InternalError => 500,
            ProviderUnavailable | NewerVersion | StorageError | ServiceUnavailable => 503,
        }
    }

    /// The wire form, for example `INVALID_TOKEN`.
    pub fn as_str(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}
