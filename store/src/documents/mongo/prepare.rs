//! Brings a database up to date, by one node at a time.

use std::time::Duration;

use metastamp_protocol::{ObjectId, Timestamp};
use tokio::time::{Instant, sleep};

use super::call::Server;
use super::{leases, migrations, ping, schema};
use crate::{Result, StoreError};

/// Name of the lease under which a database is brought up to date.
pub(super) const LOCK: &str = "prepare";
/// A node that dies over it blocks the others for so long.
const LOCK_TTL: Duration = Duration::from_secs(15);
const RENEW_PAUSE: Duration = Duration::from_secs(5);
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// Longest time for all, waiting for others included: indexes of millions of documents take minutes.
const WITHIN: Duration = Duration::from_secs(1_800);

/// What was done, a line for each step.
pub(super) async fn prepare(server: &Server) -> Result<Vec<String>> {
    // Says what is wrong with a server that has no transactions.
    server.until(server.deadline(), |_| ping(server)).await?;
    let holder = ObjectId::generate().to_hex();
    let deadline = Instant::now() + WITHIN;
    while !take(server, &holder).await? {
        if Instant::now() >= deadline {
            return Err(StoreError::Unavailable(format!("others prepare the database since {WITHIN:?}")));
        }
        sleep(LOOK_PAUSE).await;
    }
    let result = tokio::select! {
        result = steps(server, deadline) => result,
        lost = hold(server, &holder) => Err(lost),
    };
    let returned = server.until(server.deadline(), |_| leases::give_back(server.on(), LOCK, &holder)).await;
    // Not worth failing for: it runs out by itself.
    returned.unwrap_or_else(|error| tracing::warn!(%error, "the lock of the database was not given back"));
    result
}

async fn take(server: &Server, holder: &str) -> Result<bool> {
    let now = Timestamp::now();
    server.until(server.deadline(), |_| leases::take(server.on(), LOCK, holder, now, LOCK_TTL)).await
}

/// Renews the lock for as long as it is polled; ends when it is lost.
async fn hold(server: &Server, holder: &str) -> StoreError {
    loop {
        sleep(RENEW_PAUSE).await;
        match take(server, holder).await {
            Ok(true) => {}
            Ok(false) => return StoreError::Unavailable("another node took over preparing the database".to_owned()),
            Err(error) => return error,
        }
    }
}

/// Each may be repeated, so a loss of the lock half-way does no harm.
async fn steps(server: &Server, deadline: Instant) -> Result<Vec<String>> {
    let mut lines = server.until(deadline, |_| schema::collections(server)).await?;
    lines.extend(server.until(deadline, |_| migrations::apply(server)).await?);
    lines.extend(server.until(deadline, |_| schema::indexes(server)).await?);
    Ok(lines)
}
