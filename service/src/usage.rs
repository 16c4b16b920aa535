//! Usage that partners report: taken, settled, cancelled, looked at; one by one or in batches.
//!
//! A partner sees and moves its own events only; an administrator those of all.

pub mod batch;
mod report;

use metastamp_actors::usage::{UsageError, Usages};
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{Currency, ErrorCode, ObjectId, Timestamp};
use metastamp_store::Stores;
use metastamp_store::ports::{UsagePage, UsageQuery};

pub use self::report::{
    METADATA_MEMBERS_MAX, METADATA_NAME_CHARS_MAX, METADATA_VALUE_CHARS_MAX, MODEL_CHARS, Report, judge_earnings,
};
use crate::Deps;
use crate::caller::{Reporter, require_active};
use crate::error::{Error, Result};
use crate::money::{in_flight, key_reused, refused};

/// Characters of the reason of a cancellation.
pub const REASON_CHARS: std::ops::RangeInclusive<usize> = 1..=400;
/// The reason of one that names none.
const CANCELLED: &str = "cancelled on request";

/// All about usage events. Cheap to clone.
#[derive(Clone)]
pub struct Usage {
    stores: Stores,
    usages: Usages,
}

/// What a report came to.
#[derive(Debug, Clone)]
pub struct Reported {
    /// As it stands.
    pub event: UsageEvent,
    /// The same was not reported before.
    pub is_new: bool,
}

/// How an event is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Settle,
    Cancel { reason: Option<String> },
}

/// Events that are looked for. Filters combine with AND.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    pub partner_id: Option<ObjectId>,
    pub user_id: Option<ObjectId>,
    pub asset_id: Option<ObjectId>,
    pub status: Option<UsageStatus>,
}

impl Usage {
    pub fn new(deps: &Deps) -> Self {
        Self { stores: deps.stores.clone(), usages: deps.actors.usages.clone() }
    }

    /// Takes one report.
    ///
    /// # Errors
    /// 404 for an unknown asset or partner, 403 for a partner that is switched off, 422 for one that can't pay, or when
    /// the key was used for another report.
    pub async fn report(&self, reporter: &Reporter, report: Report) -> Result<Reported> {
        self.require_partner(reporter, report.partner_id).await?;
        let now = Timestamp::now();
        let user_id = self.owed_to(&report, now).await?;
        let currency = report.currency;
        let event = report.event(reporter.id(), user_id, now)?;
        let (event, is_new) = self.usages.report(event).await.map_err(|error| failed(error, currency))?;
        Ok(Reported { event, is_new })
    }

    /// A partner that reports by its key was looked up with it.
    async fn require_partner(&self, reporter: &Reporter, id: ObjectId) -> Result<()> {
        match reporter {
            Reporter::Admin(_) => {
                let partner = self.stores.partners.partner(id).await?;
                require_active(&partner.ok_or_else(|| Error::not_found("Partner"))?)
            }
            Reporter::Partner { partner, .. } if partner.id != id => Err(Error::not_found("Partner")),
            Reporter::Partner { .. } => Ok(()),
        }
    }

    /// The owner of the asset.
    async fn owed_to(&self, report: &Report, now: Timestamp) -> Result<ObjectId> {
        let asset = self.stores.works.asset(report.asset_id).await?;
        let has_run_out = report.expires_at.is_some_and(|at| at <= now);
        match asset {
            Some(asset) if !has_run_out => Ok(asset.user_id),
            asset => match self.stores.usage.usage(report.event_id()).await? {
                // Sent again, it gets the answer it had, whatever has become of asset and time since.
                Some(known) => Ok(known.user_id),
                None if asset.is_none() => Err(Error::not_found("Asset")),
                None => Err(Error::field("expires_at", "must be in the future")),
            },
        }
    }

    /// One page, newest first. A partner that asks for another's finds nothing, as if there were none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self, reporter: &Reporter, filter: Filter, skip: u64, limit: u32) -> Result<UsagePage> {
        let Filter { partner_id, user_id, asset_id, status } = filter;
        let partner_id = match (reporter.partner_id(), partner_id) {
            (Some(mine), Some(other)) if mine != other => return Ok(UsagePage::default()),
            (mine, asked) => mine.or(asked),
        };
        let query = UsageQuery { partner_id, user_id, asset_id, status };
        Ok(self.stores.usage.usages(&query, skip, limit).await?)
    }

    /// # Errors
    /// 404 when there is no such event, or it is another partner's.
    pub async fn find(&self, reporter: &Reporter, id: ObjectId) -> Result<UsageEvent> {
        let event = self.stores.usage.usage(id).await?.filter(|event| reporter.may_see(event));
        event.ok_or_else(|| Error::not_found("Usage event"))
    }

    /// Settles or cancels an event. Ended like this before, the answer is the same.
    ///
    /// # Errors
    /// 404 as for [`Usage::find`], 409 when it has ended otherwise or somebody is at it.
    pub async fn end(&self, reporter: &Reporter, id: ObjectId, end: &End) -> Result<UsageEvent> {
        let currency = self.find(reporter, id).await?.currency;
        let ended = match end {
            End::Settle => self.usages.settle(id, reporter.id()).await,
            End::Cancel { reason } => {
                self.usages.cancel(id, reporter.id(), reason.as_deref().unwrap_or(CANCELLED)).await
            }
        };
        ended.map_err(|error| failed(error, currency))
    }
}

/// What somebody is told when an event did not go where it was told to.
fn failed(error: UsageError, currency: Currency) -> Error {
    match error {
        UsageError::NotFound => Error::not_found("Usage event"),
        UsageError::KeyReused => key_reused(),
        UsageError::InFlight => in_flight(),
        UsageError::Refused(refusal) => refused(refusal, currency),
        UsageError::Ended(event) => {
            let status = event.status.as_str();
            Error::new(ErrorCode::UsageEnded, format!("The usage event is {status}")).detail("status", status)
        }
        UsageError::Failed(failure) => failure.into(),
        UsageError::Store(error) => error.into(),
    }
}
