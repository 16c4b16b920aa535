//! What each user's jobs used, and where the queue is.

use std::time::Duration;

use metastamp_protocol::{Job, ObjectId, Timestamp};
use mongodb::bson::{self, Bson, Document, doc};

use super::fault::Attempt;
use super::scope::{Scope, oid};
use crate::StoreError;
use crate::documents::shares::Account;

/// One document for each user who ever had a job, and [`CLOCK`].
pub(super) const ACCOUNTS: &str = "job_accounts";
/// The document that tells where the queue is.
const CLOCK: &str = "clock";

/// Gives the job its turn. Within a transaction.
pub(super) async fn enter(on: &Scope, job: &mut Job) -> Attempt<()> {
    let clock = read(on, CLOCK.into()).await?.next;
    let mut account = of(on, job.user_id).await?;
    job.turn = Some(account.enter(job, clock));
    write(on, oid(job.user_id).into(), &account).await
}

pub(super) async fn of(on: &Scope, user: ObjectId) -> Attempt<Account> {
    read(on, oid(user).into()).await
}

/// The queue is here now, if it was not beyond already.
pub(super) async fn advance(on: &Scope, at: i64) -> Attempt<()> {
    on.upsert(ACCOUNTS, doc! { "_id": CLOCK }, doc! { "$max": { "next": at } }).await
}

/// Jobs were claimed in their turns. Within a transaction.
pub(super) async fn begin(on: &Scope, jobs: &[Job], now: Timestamp) -> Attempt<()> {
    for job in jobs {
        let mut account = of(on, job.user_id).await?;
        account.begin(job, now);
        write(on, oid(job.user_id).into(), &account).await?;
    }
    Ok(())
}

/// Within a transaction.
pub(super) async fn end(on: &Scope, job: &Job, cpu: Duration, now: Timestamp) -> Attempt<()> {
    let mut account = of(on, job.user_id).await?;
    account.end(job, cpu, now);
    write(on, oid(job.user_id).into(), &account).await
}

async fn read(on: &Scope, id: Bson) -> Attempt<Account> {
    let found: Option<Document> = on.find(ACCOUNTS, doc! { "_id": id }).await?;
    Ok(found.map(|found| bson::deserialize_from_document(found).map_err(unreadable)).transpose()?.unwrap_or_default())
}

async fn write(on: &Scope, id: Bson, account: &Account) -> Attempt<()> {
    let Account { next, debt, day, used } = account;
    let change = doc! { "$set": { "next": next, "debt": debt, "day": day, "used": used } };
    on.upsert(ACCOUNTS, doc! { "_id": id }, change).await
}

fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Internal(format!("mongodb: {ACCOUNTS}: {error}"))
}
