//! Every call has a deadline, is tried again while its failure may pass, and is measured.

use std::sync::Arc;
use std::time::Duration;

use mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT;
use mongodb::options::{ReadConcern, TransactionOptions};
use mongodb::{Client, ClientSession, Database};
use rand::Rng as _;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::connect::write_concern;
use super::fault::{Attempt, Failure};
use super::scope::Scope;
use super::sessions::{Sessions, UnheardTransaction};
use crate::metrics::observe;
use crate::{Result, StoreError};

const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// One database on one deployment, and how long a call to it may take.
#[derive(Clone)]
pub(super) struct Server {
    pub client: Client,
    pub db: Database,
    pub within: Duration,
    pub sessions: Arc<Sessions>,
}

impl Server {
    /// Operations outside of transactions.
    pub fn on(&self) -> Scope {
        Scope { db: self.db.clone(), session: None }
    }

    /// Reads of one instant, that of the first of them.
    pub async fn snapshot(&self) -> Attempt<Scope> {
        let session = self.client.start_session().snapshot(true).await?;
        Ok(self.on_session(Arc::new(Mutex::new(session))))
    }

    /// The same by a transaction, which the server ends after a while.
    pub async fn transaction(&self) -> Attempt<Scope> {
        let session = self.begin().await?;
        Ok(self.on_session(Arc::new(Mutex::new(session))))
    }

    fn on_session(&self, session: Arc<Mutex<ClientSession>>) -> Scope {
        Scope { db: self.db.clone(), session: Some(session) }
    }

    pub fn deadline(&self) -> Instant {
        Instant::now() + self.within
    }

    /// Runs `attempt` until it answers or the time is over. It is told how many attempts went before: those may have
    /// taken effect without an answer.
    pub async fn call<T, F, A>(&self, op: &'static str, attempt: F) -> Result<T>
    where
        F: FnMut(u32) -> A,
        A: Future<Output = Attempt<T>>,
    {
        self.measured(op, self.until(self.deadline(), attempt)).await
    }

    /// Runs `step` in a transaction, as often as it takes to commit once. All its operations must go through the [`On`]
    /// that it is given.
    pub async fn transact<T, F, A>(&self, op: &'static str, step: F) -> Result<T>
    where
        F: FnMut(Scope) -> A,
        A: Future<Output = Attempt<T>>,
    {
        self.measured(op, self.transact_until(self.deadline(), step)).await
    }

    pub async fn measured<T>(&self, op: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let started = std::time::Instant::now();
        let result = call.await;
        observe("documents", op, started, &result);
        result
    }

    /// Like [`Server::call`], until `deadline` and not measured.
    pub async fn until<T, F, A>(&self, deadline: Instant, mut attempt: F) -> Result<T>
    where
        F: FnMut(u32) -> A,
        A: Future<Output = Attempt<T>>,
    {
        let mut tries = Tries::default();
        let all = async {
            loop {
                match attempt(tries.number).await {
                    Ok(value) => return Ok(value),
                    Err(failure) => tries.next(failure).await?,
                }
            }
        };
        let answer = timeout_at(deadline, all).await;
        answer.unwrap_or_else(|_| Err(tries.last.unwrap_or_else(|| self.no_answer())))
    }

    /// Like [`Server::transact`], until `deadline` and not measured.
    pub async fn transact_until<T, F, A>(&self, deadline: Instant, mut step: F) -> Result<T>
    where
        F: FnMut(Scope) -> A,
        A: Future<Output = Attempt<T>>,
    {
        let mut tries = Tries::default();
        let all = async {
            loop {
                match self.transact_once(&mut step).await {
                    Ok(value) => return Ok(value),
                    Err(failure) => tries.next(failure).await?,
                }
            }
        };
        let answer = timeout_at(deadline, all).await;
        answer.unwrap_or_else(|_| Err(tries.last.unwrap_or_else(|| self.no_answer())))
    }

    fn no_answer(&self) -> StoreError {
        StoreError::Unavailable(format!("mongodb did not answer within {:?}", self.within))
    }

    async fn transact_once<T, F, A>(&self, step: &mut F) -> Attempt<T>
    where
        F: FnMut(Scope) -> A,
        A: Future<Output = Attempt<T>>,
    {
        let session = self.begin().await?;
        let mut unheard = UnheardTransaction::of(self, &session);
        let session = Arc::new(Mutex::new(session));
        let result = step(self.on_session(session.clone())).await;
        let mut session = session.lock().await;
        let ended = match result {
            // Also when nothing was written: a commit makes sure that what was read is there to stay.
            Ok(value) => commit(&mut session).await.map(|()| value),
            Err(failure) => {
                // The failure is the better answer.
                let _ = session.abort_transaction().await;
                Err(failure)
            }
        };
        unheard.is_open = matches!(ended, Err(Failure::Unheard(_)));
        ended
    }

    async fn begin(&self) -> Attempt<ClientSession> {
        let mut session = self.client.start_session().await?;
        self.note_session(&session).await?;
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(write_concern(self.within))
            .max_commit_time(self.within)
            .build();
        session.start_transaction().with_options(options).await?;
        Ok(session)
    }
}

/// Sending a commit again is safe, and the only way to learn how it ended.
async fn commit(session: &mut ClientSession) -> Attempt<()> {
    for number in 0_u32.. {
        match session.commit_transaction().await {
            Err(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => pause(number).await,
            ended => return Ok(ended?),
        }
    }
    Ok(())
}

/// What became of the attempts so far.
#[derive(Default)]
struct Tries {
    number: u32,
    last: Option<StoreError>,
}

impl Tries {
    /// Waits before the next attempt, if there is to be one.
    async fn next(&mut self, failure: Failure) -> Result<()> {
        match failure {
            Failure::Final(error) => return Err(error),
            Failure::Again(error) | Failure::Unheard(error) => self.last = Some(error),
        }
        pause(self.number).await;
        self.number = self.number.saturating_add(1);
        Ok(())
    }
}

/// Doubles with each attempt; random, so that writers that were in conflict do not meet again.
async fn pause(number: u32) {
    let longest = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(number)).min(PAUSE_MAX);
    let pause = rand::rng().random_range(PAUSE_MIN / 2..=longest);
    tokio::time::sleep(pause).await;
}
