//! What each user's jobs used, and where the queue is.

use std::time::Duration;

use metastamp_protocol::{Job, ObjectId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::execute;
use crate::Result;
use crate::documents::shares::Account;
use crate::sqlite::failed;

/// The row that tells where the queue is.
const CLOCK: &str = "";
pub(super) const ACCOUNT: &str = "SELECT next, debt, day, used FROM job_accounts WHERE user_id=?1";
const SAVE: &str = "INSERT INTO job_accounts VALUES (?1,?2,?3,?4,?5) ON CONFLICT (user_id) DO UPDATE SET \
                    next=excluded.next, debt=excluded.debt, day=excluded.day, used=excluded.used";

/// Gives the job its turn.
pub(super) fn enter(c: &Connection, job: &mut Job) -> Result<()> {
    let clock = read(c, CLOCK)?.next;
    change(c, job.user_id, |account| job.turn = Some(account.enter(job, clock)))
}

pub(super) fn of(c: &Connection, user: ObjectId) -> Result<Account> {
    read(c, &user.to_hex())
}

/// The job was claimed in its turn: the queue is there now.
pub(super) fn begin(c: &Connection, job: &Job, now: Timestamp) -> Result<()> {
    let mut clock = read(c, CLOCK)?;
    let at = job.turn.map_or(0, |turn| turn.at);
    if at > clock.next {
        clock.next = at;
        write(c, CLOCK, &clock)?;
    }
    change(c, job.user_id, |account| account.begin(job, now))
}

pub(super) fn end(c: &Connection, job: &Job, cpu: Duration, now: Timestamp) -> Result<()> {
    change(c, job.user_id, |account| account.end(job, cpu, now))
}

fn change(c: &Connection, user: ObjectId, change: impl FnOnce(&mut Account)) -> Result<()> {
    let user = user.to_hex();
    let mut account = read(c, &user)?;
    change(&mut account);
    write(c, &user, &account)
}

fn read(c: &Connection, user: &str) -> Result<Account> {
    let mut query = c.prepare_cached(ACCOUNT).map_err(failed)?;
    let account = query.query_row([user], |row| {
        Ok(Account { next: row.get(0)?, debt: row.get(1)?, day: row.get(2)?, used: row.get(3)? })
    });
    Ok(account.optional().map_err(failed)?.unwrap_or_default())
}

fn write(c: &Connection, user: &str, account: &Account) -> Result<()> {
    let Account { next, debt, day, used } = account;
    execute(c, SAVE, params![user, next, debt, day, used])?;
    Ok(())
}
