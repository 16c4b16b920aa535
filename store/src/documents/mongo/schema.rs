//! Collections, validators and indexes: what must be there, and how it is brought there.

use std::fmt;

use futures_util::TryStreamExt as _;
use mongodb::IndexModel;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::IndexOptions;

use super::accounts::ACCOUNTS;
use super::call::Server;
use super::fault::{Attempt, code, is_duplicate};
use super::identities::IDENTITIES;
use super::leases::LEASES;
use super::migrations::MIGRATIONS;
use super::scope::whole;
use super::sessions::TRANSACTION_SESSIONS;
use super::uploads::SAME_UPLOADS;
use super::validators::validator;
use crate::StoreError;
use crate::records::Collection;

/// How long documents outlive their use where a TTL index removes them: clocks of nodes and servers differ.
const TTL_SPARE_SECONDS: u64 = 86_400;
/// NamespaceExists
const EXISTS_CODE: i32 = 48;

/// One index that must be there.
#[derive(Clone, Copy)]
pub(crate) struct Index {
    collection: &'static str,
    /// Fields and directions.
    pub keys: &'static [(&'static str, i32)],
    pub unique: bool,
    pub sparse: bool,
    /// Documents are removed so many seconds after the instant in the key.
    pub expire_after: Option<u64>,
}

const fn index(collection: &'static str, keys: &'static [(&'static str, i32)]) -> Index {
    Index { collection, keys, unique: false, sparse: false, expire_after: None }
}

impl Index {
    const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }
    const fn sparse(self) -> Self {
        Self { sparse: true, ..self }
    }
    const fn expiring(self) -> Self {
        Self { expire_after: Some(TTL_SPARE_SECONDS), ..self }
    }
}

const INDEXES: &[Index] = &[
    index("users", &[("email", 1)]).unique(),
    index("users", &[("auth0_id", 1)]).unique().sparse(),
    index("users", &[("created_at", 1)]),
    index("users", &[("role", 1)]),
    index("assets", &[("user_id", 1)]),
    index("assets", &[("user_id", 1), ("created_at", -1)]),
    index("assets", &[("upload_status", 1)]),
    index("assets", &[("file_type", 1)]),
    index("assets", &[("created_at", 1)]),
    index("assets", &[("s3_key", 1)]).unique(),
    index("assets", &[("fingerprint_id", 1)]).sparse(),
    // pages of a listing, in each order, with its tie-break; and the search for repeats
    index("assets", &[("user_id", 1), ("created_at", 1), ("_id", 1)]),
    index("assets", &[("user_id", 1), ("file_name", 1), ("_id", 1)]),
    index("assets", &[("user_id", 1), ("file_size", 1), ("_id", 1)]),
    index("assets", &[("user_id", 1), ("sha256", 1), ("created_at", 1)]),
    index("fingerprints", &[("asset_id", 1)]).unique(),
    index("fingerprints", &[("created_at", 1)]),
    index("fingerprints", &[("user_id", 1)]),
    index("fingerprints", &[("perceptual_hashes.phash", 1)]).sparse(),
    index("wallet", &[("user_id", 1)]).unique(),
    index("wallet", &[("transactions.timestamp", 1)]),
    index("wallet", &[("transactions.status", 1)]),
    index("wallet", &[("transactions.type", 1)]),
    // of two writers of a journal one is refused: by the place, by the key, by the transaction that both would end
    index("wallet_journal", &[("wallet_id", 1), ("seq", 1)]).unique(),
    index("wallet_journal", &[("wallet_id", 1), ("idempotency_key", 1)]).unique(),
    index("wallet_journal", &[("resolves", 1)]).unique().sparse(),
    index("wallet_journal", &[("transaction_id", 1)]),
    index("wallet_journal", &[("wallet_id", 1), ("at", 1), ("seq", 1)]),
    // pages of a history; the third also holds all that its sums need
    index("wallet_transactions", &[("wallet_id", 1), ("ordinal", 1)]).unique(),
    index("wallet_transactions", &[("wallet_id", 1), ("created_at", 1), ("ordinal", 1)]),
    index(
        "wallet_transactions",
        &[("wallet_id", 1), ("type", 1), ("status", 1), ("ordinal", 1), ("currency", 1), ("amount", 1)],
    ),
    index("wallet_transactions", &[("created_at", 1), ("_id", 1)]),
    index("wallet_transactions", &[("type", 1), ("status", 1), ("created_at", 1), ("_id", 1)]),
    index("analytics", &[("asset_id", 1)]),
    index("analytics", &[("user_id", 1)]),
    index("analytics", &[("asset_id", 1), ("timestamp", -1)]),
    index("analytics", &[("timestamp", 1)]),
    index("analytics", &[("user_id", 1), ("created_at", -1)]),
    index("partners", &[("name", 1)]).unique(),
    index("api_keys", &[("partner_id", 1), ("created_at", 1), ("_id", 1)]),
    // pages of a listing, by each filter
    index("usage_events", &[("created_at", 1), ("_id", 1)]),
    index("usage_events", &[("partner_id", 1), ("created_at", 1), ("_id", 1)]),
    index("usage_events", &[("user_id", 1), ("created_at", 1), ("_id", 1)]),
    index("usage_events", &[("asset_id", 1), ("created_at", 1), ("_id", 1)]),
    index("usage_events", &[("status", 1), ("working_until", 1)]),
    index("usage_events", &[("status", 1), ("expires_at", 1)]),
    // pages of a history, of all works or of one
    index("analytics", &[("user_id", 1), ("created_at", -1), ("_id", -1)]),
    index("analytics", &[("user_id", 1), ("asset_id", 1), ("created_at", -1), ("_id", -1)]),
    index("jobs", &[("asset_id", 1)]).unique(),
    // the queue in its order, for each line; what waits for its time; claims that run out
    index("jobs", &[("state", 1), ("turn.line", 1), ("turn.at", 1), ("created_at", 1), ("_id", 1)]),
    index("jobs", &[("state", 1), ("turn.line", 1), ("not_before", 1)]),
    index("jobs", &[("state", 1), ("claim.expires_at", 1)]),
    index("jobs", &[("state", 1), ("claim.by.node_id", 1), ("claim.by.generation", 1)]),
    index("uploads", &[("state", 1), ("expires_at", 1)]),
    index("uploads", &[("state", 1), ("owner.node_id", 1), ("owner.generation", 1)]),
    index("uploads", &[("s3_key", 1)]),
    index("garbage", &[("since", 1)]),
    index("revoked_sessions", &[("until", 1)]).expiring(),
    index(SAME_UPLOADS, &[("at", 1)]).expiring(),
    index(TRANSACTION_SESSIONS, &[("at", 1)]).expiring(),
    index(TRANSACTION_SESSIONS, &[("node_id", 1), ("generation", 1)]),
];

/// The indexes of one collection; that on `_id` comes by itself.
pub(crate) fn indexes_of(collection: &str) -> impl Iterator<Item = &'static Index> {
    INDEXES.iter().filter(move |index| index.collection == collection)
}

/// As `collection.name`, with the name that MongoDB itself would give, such as `assets.user_id_1_created_at_-1`.
impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.collection, self.name())
    }
}

impl Index {
    /// As MongoDB itself would name it.
    pub fn name(&self) -> String {
        let parts: Vec<_> = self.keys.iter().map(|(field, direction)| format!("{field}_{direction}")).collect();
        parts.join("_")
    }

    fn keys(&self) -> Document {
        self.keys.iter().map(|(field, direction)| ((*field).to_owned(), Bson::Int32(*direction))).collect()
    }

    fn model(&self) -> IndexModel {
        let expire_after = self.expire_after.map(std::time::Duration::from_secs);
        let options = IndexOptions::builder()
            .unique(self.unique.then_some(true))
            .sparse(self.sparse.then_some(true))
            .expire_after(expire_after)
            .build();
        IndexModel::builder().keys(self.keys()).options(options).build()
    }

    /// Whether `found`, an index as the server lists it, is on the same fields; and if so, whether it does the same.
    fn compare(&self, found: &Document) -> Option<bool> {
        let key = found.get_document("key").ok()?;
        let number = |value: &Bson| match value {
            Bson::Int32(n) => Some(i64::from(*n)),
            Bson::Int64(n) => Some(*n),
            Bson::Double(n) => Some(*n as i64),
            _ => None,
        };
        let found_keys: Vec<_> = key.iter().map(|(field, direction)| (field.as_str(), number(direction))).collect();
        let keys: Vec<_> = self.keys.iter().map(|(field, direction)| (*field, Some(i64::from(*direction)))).collect();
        if found_keys != keys {
            return None;
        }
        let is = |option| found.get_bool(option).unwrap_or(false);
        let expires = found.get("expireAfterSeconds").map(|seconds| whole(Some(seconds)));
        let plain = !found.contains_key("partialFilterExpression") && !found.contains_key("collation");
        Some(is("unique") == self.unique && is("sparse") == self.sparse && expires == self.expire_after && plain)
    }
}

/// Makes what is missing; a line for each thing made.
pub(super) async fn collections(server: &Server) -> Attempt<Vec<String>> {
    let mut lines = Vec::new();
    let found: Vec<_> = server.db.list_collections().await?.try_collect().await?;
    let ours = [ACCOUNTS, SAME_UPLOADS, TRANSACTION_SESSIONS, LEASES, MIGRATIONS, IDENTITIES];
    for name in Collection::ALL.into_iter().map(Collection::name).chain(ours) {
        let wanted = validator(name);
        let Some(found) = found.iter().find(|collection| collection.name == name) else {
            create(server, name, wanted).await?;
            lines.push(format!("created collection {name}"));
            continue;
        };
        let differs = wanted.filter(|wanted| found.options.validator.as_ref() != Some(wanted));
        if let Some(wanted) = differs {
            let change = doc! {
                "collMod": name, "validator": wanted, "validationLevel": "moderate", "validationAction": "error",
            };
            server.db.run_command(change).await?;
            lines.push(format!("set the validator of {name}"));
        }
    }
    Ok(lines)
}

async fn create(server: &Server, name: &str, validator: Option<Document>) -> Attempt<()> {
    use mongodb::options::{ValidationAction, ValidationLevel};
    let mut create = server.db.create_collection(name);
    if let Some(validator) = validator {
        // Moderate: documents that were refused now may still be changed.
        let (level, action) = (ValidationLevel::Moderate, ValidationAction::Error);
        create = create.validator(validator).validation_level(level).validation_action(action);
    }
    match create.await {
        Err(error) if code(&error) == Some(EXISTS_CODE) => Ok(()),
        result => Ok(result?),
    }
}

/// Makes the indexes that are missing; a line for each. An index on the same fields serves whatever its name is.
pub(super) async fn indexes(server: &Server) -> Attempt<Vec<String>> {
    let mut lines = Vec::new();
    let mut names: Vec<_> = INDEXES.iter().map(|index| index.collection).collect();
    names.dedup();
    for name in names {
        let listed = server.db.run_command(doc! { "listIndexes": name, "cursor": { "batchSize": 1_000 } }).await?;
        let found = listed.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        let found: Vec<_> = found.into_iter().flatten().filter_map(Bson::as_document).collect();
        for index in indexes_of(name) {
            match found.iter().find_map(|found| index.compare(found)) {
                Some(true) => {}
                Some(false) => return Err(other_options(index).into()),
                None => {
                    make(server, index).await?;
                    lines.push(format!("created index {index}"));
                }
            }
        }
    }
    Ok(lines)
}

async fn make(server: &Server, index: &Index) -> Attempt<()> {
    let documents = server.db.collection::<Document>(index.collection);
    match documents.create_index(index.model()).await {
        // IndexOptionsConflict, IndexKeySpecsConflict
        Err(error) if matches!(code(&error), Some(85 | 86)) => Err(other_options(index).into()),
        Err(error) if is_duplicate(&error) => {
            let why = format!("the unique index {index} can't be made: documents have the same values");
            Err(StoreError::Internal(why).into())
        }
        result => Ok(result.map(drop)?),
    }
}

fn other_options(index: &Index) -> StoreError {
    let Index { unique, sparse, expire_after, .. } = index;
    StoreError::Internal(format!(
        "the index {index} exists with other options than unique: {unique}, sparse: {sparse}, expireAfterSeconds: \
         {expire_after:?}; drop it and run `metastamp init` again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_known_by_its_fields_and_judged_by_its_options() {
        let email = INDEXES[0];
        assert_eq!(email.to_string(), "users.email_1");
        assert_eq!(email.compare(&doc! { "name": "mail", "key": { "email": 1.0 }, "unique": true }), Some(true));
        assert_eq!(email.compare(&doc! { "name": "email_1", "key": { "email": 1 } }), Some(false));
        assert_eq!(email.compare(&doc! { "name": "email_1", "key": { "email": -1 }, "unique": true }), None);
        let until = INDEXES.iter().find(|index| index.collection == "revoked_sessions").unwrap();
        assert_eq!(until.compare(&doc! { "key": { "until": 1 }, "expireAfterSeconds": 86_400_i64 }), Some(true));
        assert_eq!(until.compare(&doc! { "key": { "until": 1 }, "expireAfterSeconds": 1 }), Some(false));
    }
}
