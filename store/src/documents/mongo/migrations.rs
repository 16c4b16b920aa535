//! Versioned changes of data that is there already. Each runs once, in order, under the lock of `prepare`.

use mongodb::bson::{Bson, DateTime, Document, doc};

use super::call::Server;
use super::fault::Attempt;
use super::scope::Scope;

/// One document for each version that was applied.
pub(super) const MIGRATIONS: &str = "migrations";

/// One change. It may be stopped half-way and run again, and other nodes may be at work meanwhile.
struct Migration {
    version: i32,
    what: &'static str,
    /// Collection, field, and what becomes of the field where it is text.
    text_fields: &'static [(&'static str, &'static str, To)],
    /// Collection, instant that may be missing, and which other one tells it; else the age of the _id does.
    missing_instants: &'static [(&'static str, &'static str, &'static str)],
}

#[derive(Clone, Copy)]
enum To {
    Date,
    Id,
}

const ALL: &[Migration] = &[
    Migration {
        version: 1,
        // Readers understand both; listings are in order, and repeats are found, among dates only.
        what: "instants and owners that were kept as text",
        text_fields: &[
            ("users", "created_at", To::Date),
            ("assets", "created_at", To::Date),
            ("assets", "user_id", To::Id),
            ("fingerprints", "created_at", To::Date),
            ("analytics", "created_at", To::Date),
            ("analytics", "timestamp", To::Date),
        ],
        missing_instants: &[],
    },
    Migration {
        version: 2,
        // The same: a history is in the order of this instant.
        what: "calculations without created_at, or with ids as text",
        text_fields: &[("analytics", "user_id", To::Id), ("analytics", "asset_id", To::Id)],
        missing_instants: &[("analytics", "created_at", "timestamp")],
    },
];

/// Applies what was not yet applied; a line for each migration.
pub(super) async fn apply(server: &Server) -> Attempt<Vec<String>> {
    let mut lines = Vec::new();
    let on = server.on();
    let applied = server.db.collection::<Document>(MIGRATIONS);
    for Migration { version, what, text_fields, missing_instants } in ALL {
        if applied.find_one(doc! { "_id": version }).await?.is_some() {
            continue;
        }
        let mut changed = 0;
        for (collection, field, to) in *text_fields {
            changed += convert(&on, collection, field, *to).await?;
        }
        for (collection, field, other) in *missing_instants {
            changed += fill(&on, collection, field, other).await?;
        }
        let done = doc! { "$set": { "what": what, "documents": changed as i64, "at": DateTime::now() } };
        on.upsert(MIGRATIONS, doc! { "_id": version }, done).await?;
        lines.push(format!("applied migration {version} ({what}): {changed} documents"));
    }
    Ok(lines)
}

/// Text that is neither an id nor an instant stays as it is.
async fn convert(on: &Scope, collection: &str, field: &str, to: To) -> Attempt<u64> {
    let (to, looks_like_it) = match to {
        To::Date => ("date", r"^\d{4}-\d{2}-\d{2}"),
        To::Id => ("objectId", "^[0-9a-fA-F]{24}$"),
    };
    let text = format!("${field}");
    let converted = doc! { "$convert": { "input": &text, "to": to, "onError": &text, "onNull": Bson::Null } };
    let change = vec![doc! { "$set": { field: converted } }];
    let filter = doc! { field: { "$type": "string", "$regex": looks_like_it } };
    let updated = on.db.collection::<Document>(collection).update_many(filter, change).await?;
    Ok(updated.modified_count)
}

async fn fill(on: &Scope, collection: &str, field: &str, other: &str) -> Attempt<u64> {
    let age = doc! { "$convert": { "input": "$_id", "to": "date", "onError": Bson::Null, "onNull": Bson::Null } };
    let change = vec![doc! { "$set": { field: { "$ifNull": [format!("${other}"), age] } } }];
    let missing = doc! { field: Bson::Null };
    let updated = on.db.collection::<Document>(collection).update_many(missing, change).await?;
    Ok(updated.modified_count)
}
