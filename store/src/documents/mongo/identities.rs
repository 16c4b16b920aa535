//! Who this database is, and which other stores belong to it.

use metastamp_protocol::{Store, Timestamp};
use mongodb::bson::{Document, doc};

use super::fault::Attempt;
use super::scope::{Scope, date};
use crate::StoreError;
use crate::identity::StoreIdentity;

pub(super) const IDENTITIES: &str = "identities";

/// Of several that come at once one makes the document; the others find it.
pub(super) async fn keep(on: Scope, of: Store, fresh: &StoreIdentity) -> Attempt<StoreIdentity> {
    let id = doc! { "_id": of.as_str() };
    on.upsert(IDENTITIES, id.clone(), doc! { "$setOnInsert": document(fresh) }).await?;
    let kept = on.find(IDENTITIES, id).await?;
    Ok(kept.as_ref().and_then(read).ok_or(StoreError::Internal("the identity makes no sense".to_owned()))?)
}

pub(super) async fn put(on: Scope, of: Store, identity: &StoreIdentity) -> Attempt<()> {
    on.upsert(IDENTITIES, doc! { "_id": of.as_str() }, doc! { "$set": document(identity) }).await
}

fn document(identity: &StoreIdentity) -> Document {
    let StoreIdentity { id, kind, installation, made_at } = identity;
    doc! { "id": id, "kind": kind, "installation": installation, "made_at": date(*made_at) }
}

fn read(document: &Document) -> Option<StoreIdentity> {
    let text = |name: &str| document.get_str(name).map(str::to_owned).ok();
    let made_at = Timestamp(document.get_datetime("made_at").ok()?.timestamp_millis());
    Some(StoreIdentity { id: text("id")?, kind: text("kind")?, installation: text("installation")?, made_at })
}
