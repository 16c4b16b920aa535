//! Documents in MongoDB: a replica set, of one member at least, or a sharded cluster.
//!
//! Records have the shape of [`crate::records`]. A step that touches one document is one conditional operation; one that
//! touches several is a transaction. Those are isolated by snapshots, which alone would let two steps that read what the
//! other writes both succeed. So every fact that a step relies on is in a document that it writes: of two that meet, one
//! is told of the conflict, and looks again.
//!
//! Each port lies with its operations in the file of its subject.

mod accounts;
mod analytics;
mod call;
mod connect;
mod fault;
mod identities;
mod jobs;
mod leases;
mod ledger;
mod logins;
mod migrations;
mod partners;
mod pool;
mod prepare;
mod records;
pub(crate) mod schema;
mod scope;
mod sessions;
mod uploads;
mod usage;
mod users;
mod validators;
mod works;

use std::sync::Arc;

use mongodb::bson::doc;

use self::call::Server;
use self::fault::Attempt;
use crate::{MongoSettings, Result, StoreError};

/// Not worth failing for: it only takes longer.
const STAY_OPEN: &str = "transactions that a dead node left open stay so until the server ends them";

#[derive(Clone)]
pub struct MongoDocuments {
    server: Server,
}

impl MongoDocuments {
    /// Reads the settings and makes the client. The server need not be up: whether it is,
    /// [`Records::ping`](crate::ports::Records::ping) tells.
    ///
    /// # Errors
    /// `Internal` that names `MONGODB_URL`, without printing it, when it makes no sense; `Unavailable` when the names of
    /// a `mongodb+srv://` URL can't be looked up.
    pub async fn connect(settings: MongoSettings) -> Result<Self> {
        let client = connect::client(&settings).await?;
        let db = client.database(&settings.database);
        Ok(Self { server: Server { client, db, within: settings.call_within, sessions: Arc::default() } })
    }
}

/// Asks a server that takes writes, and whether those reach a majority: an update that finds nothing writes nothing,
/// but is answered only when all before it is there.
async fn ping(server: &Server) -> Attempt<()> {
    let hello = server.db.run_command(doc! { "hello": 1 }).await?;
    if !hello.contains_key("setName") && hello.get_str("msg").ok() != Some("isdbgrid") {
        return Err(StoreError::Unavailable(fault::STANDALONE.to_owned()).into());
    }
    let nothing = doc! { "_id": "ping", "holder": "nobody" };
    let leases = server.db.collection::<mongodb::bson::Document>(leases::LEASES);
    leases.update_one(nothing, doc! { "$set": { "holder": "nobody" } }).await?;
    Ok(())
}
