//! Names of the promises that code, tests and chaos runs check alike. Each name is what a violation is reported under.

/// An upload that was answered 201 is there, once, with the digest of the bytes that were sent.
pub const ACKNOWLEDGED_UPLOAD_EXISTS: &str = "acknowledged-upload-exists";
/// The same bytes under the same name by the same user within 120 s are one asset.
pub const RETRY_IS_ONE_ASSET: &str = "retry-is-one-asset";
/// No asset row without its object, no object for ever without a row.
pub const ROWS_AND_OBJECTS_AGREE: &str = "rows-and-objects-agree";
/// Every accepted asset ends in `ready` or `failed`, whatever dies on the way.
pub const EVERY_JOB_ENDS: &str = "every-job-ends";
/// A job's result is committed by the holder of its claim, once.
pub const ONE_RESULT_PER_CLAIM: &str = "one-result-per-claim";
/// A revoked session stays revoked, whatever is restarted or flushed.
pub const REVOKED_STAYS_REVOKED: &str = "revoked-stays-revoked";
/// Once a fault is taken back, every node sees every other again, by itself and soon.
pub const CLUSTER_FORMS_AGAIN: &str = "cluster-forms-again";
/// While nodes are replaced one by one, no request fails twice.
pub const ONE_RETRY_SUFFICES: &str = "one-retry-suffices";
/// When a node is killed, uploads go on through the others within bounds.
pub const FAILOVER_WITHIN_BOUNDS: &str = "failover-within-bounds";

// ---- the ledger (docs/LEDGER.md)

/// W1: every row moves one amount, greater than zero, from one account to another.
pub const DEBITS_EQUAL_CREDITS: &str = "w1-debits-equal-credits";
/// W2: the sum over all accounts is zero, and every event that is settled is so on both sides.
pub const SUM_IS_ZERO: &str = "w2-sum-is-zero";
/// W3: amounts are whole minor units within bounds.
pub const AMOUNTS_ARE_EXACT: &str = "w3-amounts-are-exact";
/// W4: rows are only added, never changed, and corrections are new transactions.
pub const JOURNAL_IS_INSERT_ONLY: &str = "w4-journal-is-insert-only";
/// W5: rows of a wallet are numbered from 1 without a gap.
pub const SEQ_IS_DENSE: &str = "w5-seq-is-dense";
/// W6: each row carries the hash of the one before, and who wrote it.
pub const CHAIN_HOLDS: &str = "w6-chain-holds";
/// W7: one idempotency key, one transaction, for ever.
pub const ONE_KEY_ONE_TRANSACTION: &str = "w7-one-key-one-transaction";
/// W8: the same key with another request is refused.
pub const KEY_KEEPS_ITS_REQUEST: &str = "w8-key-keeps-its-request";
/// W9: what is available is never negative for creators, nor beyond the credit of a partner.
pub const NEVER_NEGATIVE: &str = "w9-never-negative";
/// W10: a pending transaction ends once.
pub const ENDS_ONCE: &str = "w10-ends-once";
/// W11: what runs out does so by the store's clock.
pub const EXPIRY_BY_THE_STORE: &str = "w11-expiry-by-the-store";
/// W12: a stored balance is the replay of the journal.
pub const BALANCE_IS_THE_REPLAY: &str = "w12-balance-is-the-replay";
/// W13: what was acknowledged is in the journal.
pub const ACKNOWLEDGED_IS_WRITTEN: &str = "w13-acknowledged-is-written";
/// W14: one credit for each usage event and asset.
pub const ONE_CREDIT_PER_USAGE: &str = "w14-one-credit-per-usage";
/// The rows of one write are neighbours, by one writer: no two owners interleave.
pub const WRITES_DO_NOT_INTERLEAVE: &str = "writes-do-not-interleave";
/// No promise that is broken: rows of newer software, of which this one can say nothing. An audit names them so.
pub const NEWER_VERSION: &str = "newer-version";
