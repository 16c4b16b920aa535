//! Holds what clients of a wallet were told against its statement. Pure, so it can be shown to find what it should.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use metastamp_protocol::ObjectId;
use metastamp_protocol::invariants::{
    ACKNOWLEDGED_IS_WRITTEN, BALANCE_IS_THE_REPLAY, CHAIN_HOLDS, ENDS_ONCE, NEVER_NEGATIVE, ONE_KEY_ONE_TRANSACTION,
    SEQ_IS_DENSE,
};
use metastamp_protocol::ledger::{Order, Row};
use serde::Deserialize;
use serde_json::{Number, Value};

use crate::check::Violation;

/// An answer that a client got.
#[derive(Debug, Clone, PartialEq)]
pub enum Acknowledged {
    /// The order with this key opened, now or before, this transaction of so many cents.
    Opened { key: String, cents: i64, id: String },
    /// The transaction has ended so, now or before.
    Ended { id: String, end: End },
    /// Nothing was written under this key.
    Refused { key: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Failed,
    Cancelled,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            End::Completed => "completed",
            End::Failed => "failed",
            End::Cancelled => "cancelled",
        }
    }
}

/// One row of the statement.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    pub seq: u64,
    pub transaction_id: String,
    pub status: String,
    /// Change of the balance.
    pub amount: Number,
    /// What moved.
    pub moved: Number,
    pub balances: Value,
    pub previous: String,
    pub hash: String,
}

#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub violations: Vec<Violation>,
    pub acknowledged: usize,
    pub refused: usize,
    pub rows: usize,
    pub faults: usize,
}

impl Verdict {
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    fn broken(&mut self, invariant: &'static str, what: String) {
        self.violations.push(Violation { invariant, what });
    }

    /// What a node says that the creator has.
    pub fn balance_at(&mut self, node: &str, balance: &Value, entries: &[Entry]) {
        let said = |value: &Value| value.as_number().map(cents);
        let last = entries.last().map_or(&Value::Null, |entry| &entry.balances);
        for member in ["available", "held"] {
            let (shown, true_one) = (said(&balance[member]), said(&last[member]).or(Some(0)));
            if shown != true_one {
                self.broken(BALANCE_IS_THE_REPLAY, format!("{node} shows {shown:?} {member}, not {true_one:?}"));
            }
        }
    }

    /// What the audit of the store said: whether all is well, and its words.
    pub fn audited(&mut self, (clean, words): (bool, String)) {
        if !clean {
            self.broken(CHAIN_HOLDS, format!("the audit is not clean:\n{words}"));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, refused, rows, faults, .. } = self;
        writeln!(f, "{acknowledged} acknowledgements, {refused} refusals, {rows} rows, {faults} faults")?;
        for violation in &self.violations {
            writeln!(f, "VIOLATED {violation}")?;
        }
        write!(f, "verdict: {}", if self.holds() { "holds" } else { "broken" })
    }
}

/// Judges a whole run.
pub fn judge(wallet_id: &str, said: &[Acknowledged], entries: &[Entry]) -> Verdict {
    let acknowledged = said.iter().filter(|said| !matches!(said, Acknowledged::Refused { .. })).count();
    let mut verdict =
        Verdict { acknowledged, refused: said.len() - acknowledged, rows: entries.len(), ..Verdict::default() };
    chain(entries, &mut verdict);
    acknowledged_once(wallet_id, said, entries, &mut verdict);
    ended_once(said, entries, &mut verdict);
    verdict
}

/// Numbered without a gap, chained, and never below zero; the balance is the sum of what was booked.
fn chain(entries: &[Entry], verdict: &mut Verdict) {
    let (mut hash, mut booked) = (Row::GENESIS, 0);
    for (entry, seq) in entries.iter().zip(1..) {
        if entry.seq != seq {
            return verdict.broken(SEQ_IS_DENSE, format!("row {} stands at place {seq}", entry.seq));
        }
        if entry.previous != hash {
            verdict.broken(CHAIN_HOLDS, format!("row {seq} does not follow the row before it"));
        }
        hash = &entry.hash;
        booked += cents(&entry.amount);
        let of = |member: &str| entry.balances[member].as_number().map_or(i64::MIN, cents);
        let (available, held) = (of("available"), of("held"));
        if available.saturating_add(held) != booked {
            verdict.broken(BALANCE_IS_THE_REPLAY, format!("row {seq}: {available} and {held} are not {booked}"));
        }
        if available < 0 || held < 0 {
            verdict.broken(NEVER_NEGATIVE, format!("row {seq}: {available} available, {held} held"));
        }
    }
}

/// What was acknowledged is there once, as it was asked for; what is there was asked for.
fn acknowledged_once(wallet_id: &str, said: &[Acknowledged], entries: &[Entry], verdict: &mut Verdict) {
    let Ok(wallet) = wallet_id.parse::<ObjectId>() else {
        return verdict.broken(ACKNOWLEDGED_IS_WRITTEN, format!("{wallet_id} is no wallet"));
    };
    let mut opened: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        opened.entry(&entry.transaction_id).or_default().push(entry);
    }
    let mut asked = BTreeSet::new();
    for said in said {
        match said {
            Acknowledged::Opened { key, cents: wanted, id } => {
                if *id != Order::transaction_of(wallet, key).to_hex() {
                    verdict.broken(ONE_KEY_ONE_TRANSACTION, format!("{key} was answered with {id}"));
                }
                asked.insert(id.as_str());
                match opened.get(id.as_str()).and_then(|rows| rows.first()) {
                    None => verdict.broken(ACKNOWLEDGED_IS_WRITTEN, format!("{key} was acknowledged and is lost")),
                    Some(row) if cents(&row.moved) != *wanted => {
                        verdict
                            .broken(ACKNOWLEDGED_IS_WRITTEN, format!("{key} moved {} cents, not {wanted}", row.moved));
                    }
                    Some(_) => {}
                }
            }
            Acknowledged::Refused { key } => {
                let id = Order::transaction_of(wallet, key).to_hex();
                if opened.contains_key(id.as_str()) {
                    verdict.broken(ONE_KEY_ONE_TRANSACTION, format!("{key} was refused and is there"));
                }
            }
            Acknowledged::Ended { .. } => {}
        }
    }
    // every client asks until it is answered, so nothing is there that was not acknowledged
    for id in opened.keys().filter(|id| !asked.contains(*id)) {
        verdict.broken(ONE_KEY_ONE_TRANSACTION, format!("transaction {id} was never acknowledged to anybody"));
    }
}

/// A transaction has one end, and that is the one that was told.
fn ended_once(said: &[Acknowledged], entries: &[Entry], verdict: &mut Verdict) {
    let mut ends: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in entries {
        // the first row opens
        if !seen.insert(&entry.transaction_id) {
            ends.entry(&entry.transaction_id).or_default().push(&entry.status);
        }
    }
    for (id, found) in &ends {
        if found.len() > 1 {
            verdict.broken(ENDS_ONCE, format!("transaction {id} ended {} times: {found:?}", found.len()));
        }
    }
    for said in said {
        let Acknowledged::Ended { id, end } = said else { continue };
        let found = ends.get(id.as_str()).and_then(|found| found.first());
        if found != Some(&end.word()) {
            verdict.broken(ACKNOWLEDGED_IS_WRITTEN, format!("transaction {id} was {}, now {found:?}", end.word()));
        }
    }
}

/// Exact: amounts have at most two decimals and fifteen digits.
fn cents(number: &Number) -> i64 {
    let text = number.to_string();
    let (sign, text) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction:0<2}");
    digits.parse::<i64>().map_or(i64::MIN, |cents| sign * cents)
}

#[cfg(test)]
mod tests;
