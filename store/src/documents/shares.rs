//! Fair shares of the processors among the users whose jobs wait: start-time fair queueing, whichever backend keeps it.
//!
//! Each user has an account. A job gets its turn when it enters the queue: where the user's last job ends, or where the
//! queue is now if that is later. The queue is where the last claimed job's turn was. When a job ends, what it used
//! beyond its estimate is the user's debt, and the turns given before move back by it as they come up. So a claim looks
//! at the first rows of an ordered index and at the accounts of their owners, however many jobs and users there are.

use std::time::Duration;

use metastamp_protocol::{Job, Line, Timestamp, Turn};
use serde::Deserialize;

use crate::records::Document;

/// Jobs that get a turn in one claim, because their time has come.
pub(super) const RECALLED_MAX: u32 = 64;
/// Jobs that a claim puts back at most.
pub(super) const PUT_BACK_MAX: u32 = 256;
/// A debt below this is not worth a write.
const DEBT_TOLERATED: i64 = 10_000;
const DAY: Duration = Duration::from_secs(86_400);
/// Nothing waits longer than a day and its pauses: an instant beyond is that of a clock that was wrong.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(25 * 3_600);

/// What a user's jobs used, in microseconds of CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Account {
    /// Where the turn of the user's next job is, at the earliest.
    pub next: i64,
    /// By how much jobs that ended had used more than they were thought to. Only differences mean anything.
    pub debt: i64,
    /// The day `used` is of, counted from 1970.
    pub day: i64,
    pub used: i64,
}

/// What becomes of the job whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Take,
    /// It was promised too early a turn.
    Back(Turn),
    /// It is not due, or nothing more is done for its user before this instant.
    Wait {
        until: Timestamp,
        over_budget: bool,
    },
}

impl Account {
    /// A turn for a job that enters the queue while that is at `clock`.
    pub fn enter(&mut self, job: &Job, clock: i64) -> Turn {
        let at = self.next.max(clock);
        let cost = micros(job.cost());
        self.next = at.saturating_add(cost);
        let line = if job.is_long() { Line::Long } else { Line::Short };
        Turn { line, at, cost, debt: self.debt }
    }

    pub fn judge(&self, job: &Job, now: Timestamp, cpu_per_day: Option<Duration>) -> Verdict {
        if job.not_before > now {
            return Verdict::Wait { until: job.not_before, over_budget: false };
        }
        let budget = cpu_per_day.map_or(i64::MAX, micros);
        if self.day == day(now) && self.used >= budget {
            return Verdict::Wait { until: tomorrow(now), over_budget: true };
        }
        match job.turn {
            Some(turn) if self.debt - turn.debt > DEBT_TOLERATED => {
                Verdict::Back(Turn { at: turn.at.saturating_add(self.debt - turn.debt), debt: self.debt, ..turn })
            }
            _ => Verdict::Take,
        }
    }

    /// One of the user's jobs begins: it counts as its estimate, so that one that never ends counts too.
    pub fn begin(&mut self, job: &Job, now: Timestamp) {
        self.used_on(day(now), estimate(job));
    }

    /// It ended, and used that much.
    pub fn end(&mut self, job: &Job, cpu: Duration, now: Timestamp) {
        let beyond = micros(cpu).saturating_sub(estimate(job));
        self.next = self.next.saturating_add(beyond);
        self.debt = self.debt.saturating_add(beyond);
        self.used_on(day(now), beyond);
    }

    fn used_on(&mut self, day: i64, micros: i64) {
        if self.day != day {
            (self.day, self.used) = (day, 0);
        }
        self.used = self.used.saturating_add(micros).max(0);
    }
}

/// What users are told whose jobs wait for the next day.
pub(super) fn over_budget(until: Timestamp) -> String {
    format!("waits until {until}: the processor time of this account is used up for today")
}

/// A job's record as it leaves the store: a turn means nothing among the accounts of another one.
pub(super) fn without_turn(mut record: Document) -> Document {
    record.remove("turn");
    record
}

fn estimate(job: &Job) -> i64 {
    job.turn.map_or(0, |turn| turn.cost)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn day(now: Timestamp) -> i64 {
    now.millis().div_euclid(DAY.as_millis() as i64)
}

fn tomorrow(now: Timestamp) -> Timestamp {
    Timestamp((day(now) + 1) * DAY.as_millis() as i64)
}
