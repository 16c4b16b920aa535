//! Which fields of a record are ids, which are instants, and which are amounts.

use super::Collection;

/// Dotted paths below the record.
pub(super) struct Shape {
    pub ids: &'static [&'static str],
    pub dates: &'static [&'static str],
    /// Decimal text in the domain, Decimal128 at rest.
    pub decimals: &'static [&'static str],
}

pub(super) fn of(collection: Collection) -> Shape {
    let (ids, dates): (&'static [_], &'static [_]) = match collection {
        Collection::Users => (&["_id"], &["created_at", "updated_at", "last_login"]),
        Collection::Assets => (&["_id", "user_id", "fingerprint_id"], &["created_at", "updated_at", "confirmed_at"]),
        Collection::Fingerprints => (&["_id", "asset_id", "user_id"], &["created_at", "updated_at", "completed_at"]),
        Collection::Jobs => (
            &["_id", "asset_id", "user_id", "claim.token"],
            &["not_before", "created_at", "updated_at", "claim.expires_at"],
        ),
        Collection::Uploads => (&["_id", "user_id"], &["created_at", "expires_at"]),
        Collection::Repeats => (&["_id", "first"], &[]),
        Collection::Garbage => (&[], &["since"]),
        Collection::RevokedSessions => (&[], &["until"]),
        // Kept as they are: no domain type reads them yet.
        Collection::Wallet => (&[], &[]),
        Collection::Analytics => (&["_id", "user_id", "asset_id"], &["timestamp", "created_at", "expires_at"]),
        Collection::WalletJournal => {
            (&["wallet_id", "transaction_id", "resolves", "asset_id", "asked_by", "batch"], &["at"])
        }
        Collection::WalletTransactions => (&["_id", "wallet_id", "asset_id"], &["created_at", "processed_at"]),
        Collection::UsageEvents => (
            &["_id", "partner_id", "reported_by", "asset_id", "user_id", "worker"],
            &["period_start", "period_end", "expires_at", "working_until", "created_at", "updated_at", "ended_at"],
        ),
        Collection::Partners => (&["_id"], &["created_at", "updated_at"]),
        Collection::ApiKeys => (&["_id", "partner_id"], &["created_at", "revoked_at"]),
    };
    let decimals: &'static [_] = match collection {
        Collection::Analytics => &["model_earnings", "calculated_value"],
        _ => &[],
    };
    Shape { ids, dates, decimals }
}
