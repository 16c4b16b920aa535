//! Usage that partners report, and the steps a reported event takes.

use std::time::Duration;

use async_trait::async_trait;
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{ObjectId, Timestamp};

use crate::Result;

/// Filters combine with AND.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageQuery {
    pub partner_id: Option<ObjectId>,
    pub user_id: Option<ObjectId>,
    pub asset_id: Option<ObjectId>,
    pub status: Option<UsageStatus>,
}

#[derive(Debug, Clone, Default)]
pub struct UsagePage {
    /// Newest first, ties by id.
    pub items: Vec<UsageEvent>,
    pub total: u64,
}

/// A step of a usage event that somebody wants to take.
#[derive(Debug, Clone)]
pub struct UsageClaim {
    pub id: ObjectId,
    /// Where it may stand now; besides, it may stand at `to` with nobody at work.
    pub from: Vec<UsageStatus>,
    pub to: UsageStatus,
    /// New for every attempt.
    pub worker: ObjectId,
    /// How long nobody else goes on with it.
    pub lease: Duration,
    /// Why, for cancellations.
    pub reason: Option<String>,
    /// Only if it has run out by the store's clock; without it, only if it has not.
    pub expired: bool,
}

impl UsageClaim {
    /// Takes the step, if it may be taken at `now`; whether it was.
    pub(crate) fn take(&self, event: &mut UsageEvent, now: Timestamp) -> bool {
        let is_free = event.worker == Some(self.worker) || event.working_until.is_none_or(|until| until <= now);
        let goes_on = event.status == self.to;
        let has_run_out = event.expires_at.is_some_and(|at| at <= now);
        if !is_free || !(goes_on || self.from.contains(&event.status) && has_run_out == self.expired) {
            return false;
        }
        let kept = event.reason.take().filter(|_| goes_on);
        event.reason = kept.or_else(|| self.reason.clone());
        event.status = self.to;
        event.worker = Some(self.worker);
        event.working_until = Some(now.plus(self.lease));
        event.updated_at = now;
        true
    }
}

/// The event after its step has ended at `to`.
pub(crate) fn finish(event: &mut UsageEvent, to: UsageStatus, reason: Option<String>, now: Timestamp) {
    let is_told_why = matches!(to, UsageStatus::Rejected | UsageStatus::Cancelling | UsageStatus::Cancelled);
    event.reason = if is_told_why { reason.or_else(|| event.reason.take()) } else { None };
    event.status = to;
    event.worker = None;
    event.working_until = None;
    event.updated_at = now;
    event.ended_at = matches!(to, UsageStatus::Settled | UsageStatus::Cancelled).then_some(now);
}

#[async_trait]
pub trait Usage: Send + Sync + 'static {
    /// Stores the event unless its id is known; answers the one that is stored, and whether it is new.
    async fn open_usage(&self, event: &UsageEvent) -> Result<(UsageEvent, bool)>;
    async fn usage(&self, id: ObjectId) -> Result<Option<UsageEvent>>;
    async fn usages(&self, query: &UsageQuery, skip: u64, limit: u32) -> Result<UsagePage>;
    /// Takes a step for `claim.worker`; answers the event as it is then. `None`: it stands elsewhere, somebody is at it,
    /// or it has (not) run out. Time is the store's. A step that was begun before is gone on with whether the event has
    /// run out since or not, and keeps its reason.
    async fn claim_usage(&self, claim: &UsageClaim) -> Result<Option<UsageEvent>>;
    /// Ends the step that `worker` has taken: the event stands at `to` from now on, and nobody is at it; where it stood
    /// before means that it is given back. The calculation of the same id in
    /// `analytics` follows: made when `to` is pending and the asset is there, settled or cancelled later. `Fenced` when the step was lost to
    /// another worker.
    async fn finish_usage(
        &self,
        id: ObjectId,
        worker: ObjectId,
        to: UsageStatus,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<UsageEvent>;
    /// Events that are under way with nobody at it, or with a worker that is overdue; and pending ones that have run out,
    /// by the store's clock.
    async fn overdue_usages(&self, limit: u32) -> Result<Vec<UsageEvent>>;
}
