//! Claims: whose turn it is, found at the front of ordered indexes.

use metastamp_protocol::{Claim, Job, JobState, Line, ObjectId, ProcessingStatus, Turn};
use rusqlite::{Connection, params};

use super::super::{many, one};
use super::{accounts, save, show, tell_waiting};
use crate::documents::shares::{PUT_BACK_MAX, RECALLED_MAX, Verdict, WAIT_MAX};
use crate::ports::Claiming;
use crate::{Result, unfenced};

pub(super) const EXPIRED: &str =
    "SELECT doc FROM jobs WHERE state='running' AND claim_expires_at<=?1 ORDER BY claim_expires_at LIMIT ?2";
pub(super) const OF_FORMER_LIFE: &str =
    "SELECT doc FROM jobs WHERE state='running' AND claim_node=?1 AND claim_generation<?2 LIMIT ?3";
pub(super) const FIRST_OF_LINE: &str = "SELECT doc FROM jobs WHERE state='queued' \
     AND json_extract(doc, '$.turn.line')=?1 ORDER BY json_extract(doc, '$.turn.at'), created_at, id LIMIT 1";
pub(super) const DUE: &str = "SELECT doc FROM jobs WHERE state='queued' \
     AND json_extract(doc, '$.turn.line')='later' AND not_before<=?1 ORDER BY not_before LIMIT ?2";
/// What a clock that was wrong sent away.
pub(super) const ASTRAY: &str = "SELECT doc FROM jobs WHERE state='queued' \
     AND json_extract(doc, '$.turn.line')='later' AND not_before>?1 ORDER BY not_before LIMIT ?2";
/// Of older versions, and restored.
pub(super) const WITHOUT_TURN: &str = "SELECT doc FROM jobs WHERE state='queued' \
     AND json_extract(doc, '$.turn.line') IS NULL ORDER BY not_before LIMIT ?1";
/// Running jobs looked at in one claim.
const RUNNING_MAX: u32 = 256;

impl Claiming {
    /// Whether it is worth while to take the write lock.
    pub(super) fn finds_any(&self, c: &Connection) -> Result<bool> {
        if self.limit == 0 {
            return Ok(false);
        }
        Ok(!self.recallable(c, 1)?.is_empty() || self.first(c)?.is_some() || !self.abandoned(c)?.is_empty())
    }

    pub(super) fn claim(&self, c: &Connection) -> Result<Vec<Job>> {
        for mut job in self.recallable(c, RECALLED_MAX)? {
            if job.turn.is_some() {
                // What comes back from waiting is due; of a restored one that is yet to be seen.
                job.not_before = job.not_before.min(self.now);
            }
            accounts::enter(c, &mut job)?;
            save(c, &job)?;
        }
        let mut jobs = self.abandoned(c)?;
        jobs.truncate(self.limit as usize);
        for job in &mut jobs {
            self.take(c, job)?;
        }
        let mut put_back = 0;
        while jobs.len() < self.limit as usize
            && put_back < PUT_BACK_MAX
            && let Some(mut job) = self.first(c)?
        {
            if self.takes_or_puts_back(c, &mut job)? {
                jobs.push(job);
            } else {
                put_back += 1;
            }
        }
        Ok(jobs)
    }

    fn takes_or_puts_back(&self, c: &Connection, job: &mut Job) -> Result<bool> {
        match accounts::of(c, job.user_id)?.judge(job, self.now, self.cpu_per_day) {
            Verdict::Take => {
                self.take(c, job)?;
                return Ok(true);
            }
            Verdict::Back(turn) => job.turn = Some(turn),
            Verdict::Wait { until, over_budget } => {
                job.not_before = until;
                job.turn = job.turn.map(|turn| Turn { line: Line::Later, ..turn });
                if over_budget {
                    tell_waiting(c, job, until)?;
                }
            }
        }
        save(c, job)?;
        Ok(false)
    }

    fn take(&self, c: &Connection, job: &mut Job) -> Result<()> {
        accounts::begin(c, job, self.now)?;
        job.state = JobState::Running;
        job.attempts += 1;
        job.updated_at = self.now;
        let expires_at = self.now.plus(self.lease);
        job.claim = Some(Claim { token: ObjectId::generate(), by: self.by.clone(), expires_at });
        save(c, job)?;
        show(c, job, ProcessingStatus::Processing, Some(self.now))
    }

    /// Whose turn it is.
    fn first(&self, c: &Connection) -> Result<Option<Job>> {
        let mut first: Option<Job> = None;
        for line in self.lane.lines() {
            let next: Option<Job> = one(c, FIRST_OF_LINE, [line.as_str()])?;
            first =
                first.into_iter().chain(next).min_by_key(|job| (job.turn.map(|turn| turn.at), job.created_at, job.id));
        }
        Ok(first)
    }

    /// Running under a claim that ran out or is of a former life of the claimant.
    fn abandoned(&self, c: &Connection) -> Result<Vec<Job>> {
        let mut jobs: Vec<Job> = many(c, EXPIRED, params![self.now.millis(), RUNNING_MAX])?;
        if let Some(respected_until) = unfenced::claimable_too(self.now, self.lease) {
            let mut stolen: Vec<Job> = many(c, EXPIRED, params![respected_until.millis(), RUNNING_MAX])?;
            stolen.retain(|job| job.claim.as_ref().is_some_and(|claim| claim.by.node_id != self.by.node_id));
            jobs.extend(stolen);
        }
        jobs.extend(many::<Job>(c, OF_FORMER_LIFE, params![self.by.node_id, self.by.generation, RUNNING_MAX])?);
        jobs.retain(|job| self.lane.takes(job));
        jobs.sort_by_key(|job| (job.created_at, job.id));
        jobs.dedup_by_key(|job| job.id);
        Ok(jobs)
    }

    /// Without a turn, and due for one.
    fn recallable(&self, c: &Connection, limit: u32) -> Result<Vec<Job>> {
        let mut jobs: Vec<Job> = many(c, DUE, params![self.now.millis(), limit])?;
        jobs.extend(many::<Job>(c, ASTRAY, params![self.now.plus(WAIT_MAX).millis(), limit])?);
        jobs.extend(many::<Job>(c, WITHOUT_TURN, [limit])?);
        Ok(jobs)
    }
}
