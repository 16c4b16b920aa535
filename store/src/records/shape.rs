//! Which fields of a record are ids and which are instants.

use super::Collection;

/// Dotted paths below the record.
pub(super) struct Shape {
    pub ids: &'static [&'static str],
    pub dates: &'static [&'static str],
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
        Collection::Wallet | Collection::Analytics => (&[], &[]),
    };
    Shape { ids, dates }
}
