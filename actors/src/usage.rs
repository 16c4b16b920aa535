//! What partners report: from the event to the money, in steps that anybody may take up again.
//!
//! ```text
//! report   event received -> partner: reserve -> creator: pending earning -> event pending
//! settle   event settling -> partner: spend completed -> creator: earning completed -> event settled
//! cancel   event cancelling -> creator: earning cancelled -> partner: reserve released -> event cancelled
//! ```
//! Which way an event goes is decided once, by a conditional write to the event. All that follows are orders whose keys
//! are made of the event's id, so that whoever goes on, and however often, they are done once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use metastamp_protocol::cluster::Failure;
use metastamp_protocol::ledger::{LedgerAnswer, Order, OrderKey, OrderKind, Outcome, Refusal};
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{ObjectId, Timestamp};
use metastamp_store::StoreError;
use metastamp_store::Stores;
use metastamp_store::ports::UsageClaim;
use metrics::counter;

use crate::metrics::{FENCED_WRITES_TOTAL, USAGE_EVENTS_TOTAL, USAGE_RESUMED_TOTAL};
use crate::wallet::Wallets;

/// How long nobody else goes on with an event that somebody is at. A retry waits as long when a node dies over it.
pub const LEASE: Duration = Duration::from_secs(20);
/// How long one step may take: less, so that two do not work on it at once.
const STEP_WITHIN: Duration = Duration::from_secs(14);
/// Events taken up again in one pass, at once, and for how long at most.
const PASS_MAX: u32 = 200;
const AT_ONCE_MAX: usize = 8;
const PASS_WITHIN: Duration = Duration::from_secs(10);
/// Why an event that nobody settled in time is cancelled.
const EXPIRED: &str = "expired before it was settled";

/// Handle to the usage events of the cluster.
#[derive(Clone)]
pub struct Usages {
    wallets: Wallets,
    stores: Stores,
}

/// Why a usage event did not go where it was told to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UsageError {
    #[error("usage event not found")]
    NotFound,
    /// The same key was used for another report.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Somebody is at it right now.
    #[error("the event is being worked on")]
    InFlight,
    /// The money is refused: the partner can't pay, mostly. Nothing was moved.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It has ended otherwise, or has run out.
    #[error("the event is {}", .0.status.as_str())]
    Ended(Box<UsageEvent>),
    /// Nobody knows whether it was done; safe to repeat.
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Result<T> = std::result::Result<T, UsageError>;

impl Usages {
    pub(crate) fn new(wallets: Wallets, stores: Stores) -> Self {
        Self { wallets, stores }
    }

    /// Takes a report: reserves its value at the partner and credits the owner of the asset with a pending earning.
    /// `event` stands at `received`, with the id of its partner and key. Reported again, the answer is the event as it
    /// stands, and false.
    ///
    /// # Errors
    /// See [`UsageError`]; safe to repeat.
    pub async fn report(&self, mut event: UsageEvent) -> Result<(UsageEvent, bool)> {
        let worker = ObjectId::generate();
        event.worker = Some(worker);
        event.working_until = Some(Timestamp::now().plus(LEASE));
        let (stored, new) = self.stores.usage.open_usage(&event).await?;
        if new {
            return Ok((self.go_on(stored).await?, true));
        }
        if stored.request_hash != event.request_hash {
            return Err(UsageError::KeyReused);
        }
        match stored.status {
            // The partner may be able to pay now.
            UsageStatus::Received | UsageStatus::Rejected => {
                match self.claim(&stored, &[UsageStatus::Rejected], UsageStatus::Received, None).await {
                    Ok(event) => Ok((self.go_on(event).await?, true)),
                    // Somebody was quicker: this is what it came to.
                    Err(UsageError::Ended(event)) => Ok((*event, false)),
                    Err(error) => Err(error),
                }
            }
            _ => Ok((stored, false)),
        }
    }

    /// Completes both sides. Settled before, the answer is the same.
    ///
    /// # Errors
    /// See [`UsageError`]; safe to repeat.
    pub async fn settle(&self, id: ObjectId, by: ObjectId) -> Result<UsageEvent> {
        tracing::debug!(usage_id = %id, %by, "settle");
        self.end(id, UsageStatus::Settling, UsageStatus::Settled, None).await
    }

    /// Voids both sides. Cancelled before, the answer is the same.
    ///
    /// # Errors
    /// See [`UsageError`]; safe to repeat.
    pub async fn cancel(&self, id: ObjectId, by: ObjectId, reason: &str) -> Result<UsageEvent> {
        tracing::debug!(usage_id = %id, %by, "cancel");
        self.end(id, UsageStatus::Cancelling, UsageStatus::Cancelled, Some(reason.to_owned())).await
    }

    /// Goes on with events that somebody left half-way, and cancels those that have run out. Returns how many.
    ///
    /// # Errors
    /// When the store does not answer; an event that fails is taken up the next time.
    pub async fn resume(&self) -> Result<u64> {
        let overdue = self.stores.usage.overdue_usages(PASS_MAX).await?;
        let resumed = AtomicU64::new(0);
        let all = futures_util::stream::iter(overdue).for_each_concurrent(AT_ONCE_MAX, |event| async {
            resumed.fetch_add(u64::from(self.resume_one(event).await), Ordering::Relaxed);
        });
        // What is left is taken up in the next pass.
        let _ = tokio::time::timeout(PASS_WITHIN, all).await;
        Ok(resumed.into_inner())
    }

    /// Keeps its claim when it fails: others are to have their turn first.
    async fn resume_one(&self, event: UsageEvent) -> bool {
        let id = event.id;
        let claimed = match event.status {
            UsageStatus::Pending => self.claim_expired(&event).await,
            step if step.is_under_way() => self.claim(&event, &[], step, event.reason.clone()).await,
            _ => return false,
        };
        let ended = match claimed {
            Ok(event) => self.step(event).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(event) => {
                tracing::info!(usage_id = %id, status = event.status.as_str(), "usage event taken up again");
                counter!(USAGE_RESUMED_TOTAL).increment(1);
                true
            }
            // Somebody was quicker, or the partner can't pay: both are answers.
            Err(UsageError::InFlight | UsageError::Ended(_) | UsageError::Refused(_)) => false,
            Err(error) => {
                tracing::warn!(usage_id = %id, %error, "usage event stays half-way");
                false
            }
        }
    }

    async fn end(
        &self,
        id: ObjectId,
        step: UsageStatus,
        to: UsageStatus,
        reason: Option<String>,
    ) -> Result<UsageEvent> {
        let event = self.stores.usage.usage(id).await?.ok_or(UsageError::NotFound)?;
        match event.status {
            status if status == to => return Ok(event),
            // The report itself was left half-way: finish it first.
            UsageStatus::Received => {
                let event = self.claim(&event, &[], UsageStatus::Received, None).await?;
                self.go_on(event).await?;
            }
            status if status == UsageStatus::Pending || status == step => {}
            _ => return Err(UsageError::Ended(Box::new(event))),
        }
        match self.claim(&event, &[UsageStatus::Pending], step, reason).await {
            Ok(event) => self.go_on(event).await,
            // Somebody was quicker, with the same.
            Err(UsageError::Ended(event)) if event.status == to => Ok(*event),
            Err(error) => Err(error),
        }
    }

    /// Takes a step of an event that has not run out.
    async fn claim(
        &self,
        seen: &UsageEvent,
        from: &[UsageStatus],
        to: UsageStatus,
        reason: Option<String>,
    ) -> Result<UsageEvent> {
        let claim = self.claim_of(seen.id, from, to, reason);
        if let Some(event) = self.stores.usage.claim_usage(&claim).await? {
            return Ok(event);
        }
        let event = self.stores.usage.usage(seen.id).await?.ok_or(UsageError::NotFound)?;
        match event.status {
            // It has run out, or somebody decided otherwise meanwhile.
            status if status == to || status.is_under_way() => Err(UsageError::InFlight),
            _ => Err(UsageError::Ended(Box::new(event))),
        }
    }

    async fn claim_expired(&self, seen: &UsageEvent) -> Result<UsageEvent> {
        let (pending, to) = ([UsageStatus::Pending], UsageStatus::Cancelling);
        let claim = UsageClaim { expired: true, ..self.claim_of(seen.id, &pending, to, Some(EXPIRED.to_owned())) };
        self.stores.usage.claim_usage(&claim).await?.ok_or(UsageError::InFlight)
    }

    fn claim_of(&self, id: ObjectId, from: &[UsageStatus], to: UsageStatus, reason: Option<String>) -> UsageClaim {
        let (from, worker) = (from.to_vec(), ObjectId::generate());
        UsageClaim { id, from, to, worker, lease: LEASE, reason, expired: false }
    }

    /// Does the step that the event was claimed for. If it can't, the event is given back: a retry need not wait.
    async fn go_on(&self, event: UsageEvent) -> Result<UsageEvent> {
        let (id, worker, status, reason) = (event.id, event.worker, event.status, event.reason.clone());
        let ended = self.step(event).await;
        if let Some(worker) = worker
            && matches!(ended, Err(UsageError::InFlight | UsageError::Failed(_) | UsageError::Store(_)))
        {
            // Should this fail too, the lease runs out.
            let _ = self.stores.usage.finish_usage(id, worker, status, reason, Timestamp::now()).await;
        }
        ended
    }

    async fn step(&self, event: UsageEvent) -> Result<UsageEvent> {
        let stepped = tokio::time::timeout(STEP_WITHIN, self.take_step(event)).await;
        stepped.unwrap_or(Err(UsageError::Failed(Failure::Timeout)))
    }

    async fn take_step(&self, event: UsageEvent) -> Result<UsageEvent> {
        let worker = event.worker.ok_or(UsageError::InFlight)?;
        match event.status {
            UsageStatus::Received => self.credit(event, worker).await,
            UsageStatus::Settling => {
                self.resolve(&event, event.partner_id, Outcome::Completed).await?;
                self.resolve(&event, event.user_id, Outcome::Completed).await?;
                self.finish(&event, worker, UsageStatus::Settled, None).await
            }
            UsageStatus::Cancelling => {
                match self.resolve(&event, event.user_id, Outcome::Cancelled).await {
                    // The creator was never credited: there is only the reserve to be released.
                    Err(UsageError::Refused(Refusal::UnknownTransaction)) => {}
                    other => other?,
                }
                self.resolve(&event, event.partner_id, Outcome::Cancelled).await?;
                let reason = event.reason.clone();
                self.finish(&event, worker, UsageStatus::Cancelled, reason).await
            }
            _ => Ok(event),
        }
    }

    /// Reserves the value at the partner and credits the creator with it.
    async fn credit(&self, event: UsageEvent, worker: ObjectId) -> Result<UsageEvent> {
        if event.value.is_zero() {
            return self.finish(&event, worker, UsageStatus::Pending, None).await;
        }
        let partner = self.stores.partners.partner(event.partner_id).await?.ok_or(UsageError::NotFound)?;
        let reserve = OrderKind::Reserve {
            amount: event.value,
            currency: event.currency,
            overdraft: partner.credit_limit(event.currency),
            asset_id: event.asset_id,
            reference_id: event.id.to_hex(),
            description: description(&event),
        };
        match self.order(&event, event.partner_id, event.order_key(), reserve).await? {
            None => {}
            Some(Refusal::InFlight) => return Err(UsageError::InFlight),
            // What is in the journal under this key was made of the same event.
            Some(refusal @ Refusal::KeyReused) => return Err(contradiction(&event, event.partner_id, refusal)),
            Some(refusal) => {
                self.finish(&event, worker, UsageStatus::Rejected, Some(refusal.to_string())).await?;
                return Err(UsageError::Refused(refusal));
            }
        }
        let earn = OrderKind::Earn {
            partner_id: event.partner_id,
            amount: event.value,
            currency: event.currency,
            asset_id: event.asset_id,
            reference_id: event.id.to_hex(),
            description: description(&event),
            metadata: event.metadata.clone(),
        };
        match self.order(&event, event.user_id, event.order_key(), earn).await? {
            None => self.finish(&event, worker, UsageStatus::Pending, None).await,
            Some(Refusal::InFlight) => Err(UsageError::InFlight),
            Some(refusal @ Refusal::KeyReused) => Err(contradiction(&event, event.user_id, refusal)),
            Some(refusal) => {
                // Final: the reserve is spent under this key, so the report can't be tried again. First the event says
                // which way it goes, then the reserve is released, by whoever gets to it.
                let (cancelling, reason) = (UsageStatus::Cancelling, Some(refusal.to_string()));
                let event = self.finish(&event, worker, cancelling, reason.clone()).await?;
                let event = self.claim(&event, &[], cancelling, reason).await?;
                Box::pin(self.go_on(event)).await?;
                Err(UsageError::Refused(refusal))
            }
        }
    }

    /// Ends one side of the event, in the wallet of the partner or of the creator.
    async fn resolve(&self, event: &UsageEvent, wallet_id: ObjectId, outcome: Outcome) -> Result<()> {
        if event.value.is_zero() {
            return Ok(());
        }
        let (key, reason) = match outcome {
            Outcome::Completed => (OrderKey::Settle(event.id), "settled"),
            Outcome::Failed | Outcome::Cancelled => (OrderKey::Cancel(event.id), "cancelled"),
        };
        let transaction_id = Order::transaction_of(wallet_id, &event.order_key());
        let kind = OrderKind::Resolve { transaction_id, outcome, reason: reason.to_owned(), reference: None };
        match self.order(event, wallet_id, key.into(), kind).await? {
            None => Ok(()),
            Some(Refusal::InFlight) => Err(UsageError::InFlight),
            Some(refusal @ Refusal::UnknownTransaction) => Err(UsageError::Refused(refusal)),
            // The event decides which way it goes, so its transactions can't have gone another.
            Some(refusal) => Err(contradiction(event, wallet_id, refusal)),
        }
    }

    /// `None` when it is in the journal.
    async fn order(
        &self,
        event: &UsageEvent,
        wallet_id: ObjectId,
        key: String,
        kind: OrderKind,
    ) -> Result<Option<Refusal>> {
        let order = Order { wallet_id, key, asked_by: event.reported_by, kind };
        Ok(match self.wallets.order(order).await?.answer {
            LedgerAnswer::Committed { .. } => None,
            LedgerAnswer::Refused(refusal) => Some(refusal),
        })
    }

    async fn finish(
        &self,
        event: &UsageEvent,
        worker: ObjectId,
        to: UsageStatus,
        reason: Option<String>,
    ) -> Result<UsageEvent> {
        match self.stores.usage.finish_usage(event.id, worker, to, reason, Timestamp::now()).await {
            Ok(event) => {
                counter!(USAGE_EVENTS_TOTAL, "outcome" => to.as_str()).increment(1);
                Ok(event)
            }
            // Somebody went on with it, because this took too long.
            Err(StoreError::Fenced { .. }) => {
                counter!(FENCED_WRITES_TOTAL, "what" => "usage").increment(1);
                let now = self.stores.usage.usage(event.id).await?.ok_or(UsageError::NotFound)?;
                match now.status {
                    status if status == to => Ok(now),
                    // Refused to somebody else meanwhile, while the money was moved here: what is done counts.
                    UsageStatus::Rejected if to == UsageStatus::Pending => {
                        let event = self.claim(&now, &[UsageStatus::Rejected], UsageStatus::Received, None).await?;
                        Box::pin(self.go_on(event)).await
                    }
                    _ => Err(UsageError::InFlight),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The ledger says otherwise than the event: a defect, or somebody wrote by hand.
fn contradiction(event: &UsageEvent, wallet_id: ObjectId, refusal: Refusal) -> UsageError {
    tracing::error!(usage_id = %event.id, %wallet_id, %refusal, "the ledger contradicts a usage event");
    UsageError::Failed(Failure::Internal(format!("the ledger contradicts usage event {}: {refusal}", event.id)))
}

/// What people read in their history.
fn description(event: &UsageEvent) -> String {
    let (from, to) = (event.period_start.day(), event.period_end.day());
    format!("Usage by {}, {from} to {to}", event.model)
}
