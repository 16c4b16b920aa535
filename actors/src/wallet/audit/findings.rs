//! What an audit found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Totals;

/// Findings that are kept; beyond, they are only counted.
pub const FINDINGS_MAX: usize = 1_000;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of [`metastamp_protocol::invariants`].
    pub invariant: &'static str,
    /// Id of the row, document or event, or the name of a currency.
    pub row: String,
    pub what: String,
}

#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// At most [`FINDINGS_MAX`].
    pub listed: Vec<Finding>,
    pub total: u64,
    /// What is not as it will be, but is nothing wrong: how often.
    pub notes: BTreeMap<&'static str, u64>,
}

impl Findings {
    pub fn add(&mut self, invariant: &'static str, row: impl ToString, what: impl Into<String>) {
        self.total += 1;
        if self.listed.len() < FINDINGS_MAX {
            self.listed.push(Finding { invariant, row: row.to_string(), what: what.into() });
        }
    }

    pub fn note(&mut self, what: &'static str) {
        *self.notes.entry(what).or_default() += 1;
    }

    /// Adds those of another round.
    pub fn append(&mut self, other: Findings) {
        let room = FINDINGS_MAX.saturating_sub(self.listed.len());
        self.total += other.total;
        self.listed.extend(other.listed.into_iter().take(room));
        for (what, count) in other.notes {
            *self.notes.entry(what).or_default() += count;
        }
    }
}

/// Of one round.
pub struct Report {
    pub findings: Findings,
    /// The same in every round.
    pub totals: Totals,
}
