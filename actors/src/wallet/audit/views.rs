//! Transactions as their documents show them, against the rows they are made of.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use metastamp_protocol::invariants::{BALANCE_IS_THE_REPLAY, ONE_KEY_ONE_TRANSACTION};
use metastamp_protocol::ledger::{Row, Transaction, TransactionStatus};
use metastamp_protocol::{ObjectId, Timestamp};

use super::heads::Heads;
use super::{Findings, Part, digest};

const BEHIND: &str = "transactions behind their journal";

/// What a transaction's document must be, as digests.
struct Expected {
    wallet: u32,
    opened_by: u64,
    opened: u64,
    /// Row that ended it, and what it was from then on.
    ended: Option<(u64, u64)>,
    seen: bool,
}

pub(super) struct Views {
    part: Part,
    expected: HashMap<ObjectId, Expected>,
    /// Opened by several rows.
    twice: Vec<String>,
}

impl Views {
    pub fn new(part: Part) -> Self {
        Self { part, expected: HashMap::new(), twice: Vec::new() }
    }

    /// A row; `opening` is that of the transaction that it ends.
    pub fn row(&mut self, row: &Row, opening: Option<&Row>, wallet: u32) {
        if !self.part.holds(row.transaction_id) {
            return;
        }
        if row.is_opening() {
            let opened = digest(&Transaction::opened(row));
            let expected = Expected { wallet, opened_by: row.seq, opened, ended: None, seen: false };
            match self.expected.entry(row.transaction_id) {
                Entry::Vacant(place) => drop(place.insert(expected)),
                Entry::Occupied(_) if self.twice.len() < super::FINDINGS_MAX => self.twice.push(row.id.clone()),
                Entry::Occupied(_) => {}
            }
        } else if let Some((opening, expected)) = opening.zip(self.expected.get_mut(&row.transaction_id)) {
            let mut transaction = Transaction::opened(opening);
            transaction.apply(row);
            expected.ended = Some((row.seq, digest(&transaction)));
        }
    }

    pub fn check(
        &mut self,
        document: &Transaction,
        heads: &Heads,
        moving_since: Option<Timestamp>,
        findings: &mut Findings,
    ) {
        if !self.part.holds(document.id) {
            return;
        }
        let now = digest(document);
        let wrong = match self.expected.get_mut(&document.id) {
            None => "the document of a transaction that no row opened".to_owned(),
            Some(expected) => {
                expected.seen = true;
                match expected.ended {
                    Some((_, ended)) if now == ended => return,
                    Some((seq, _)) if now == expected.opened => {
                        if seq > heads.applied(expected.wallet) {
                            return findings.note(BEHIND);
                        }
                        format!("the transaction's document does not know its end, row number {seq}")
                    }
                    None if now == expected.opened => return,
                    _ => "the transaction's document is not what its rows say".to_owned(),
                }
            }
        };
        let last = document.processed_at.unwrap_or(document.created_at);
        if moving_since.is_some_and(|since| last >= since) {
            return findings.note("records that changed while they were looked at");
        }
        findings.add(BALANCE_IS_THE_REPLAY, document.id, wrong);
    }

    /// After the last document.
    pub fn end(&mut self, heads: &Heads, findings: &mut Findings) {
        for row in self.twice.drain(..) {
            findings.add(ONE_KEY_ONE_TRANSACTION, row, "opens a transaction that another row has opened");
        }
        let mut missing: Vec<_> = self.expected.iter().filter(|(_, expected)| !expected.seen).collect();
        missing.sort_by_key(|(id, _)| **id);
        for (id, expected) in missing {
            if expected.opened_by > heads.applied(expected.wallet) {
                findings.note(BEHIND);
            } else {
                let what = format!("the transaction of row number {} has no document", expected.opened_by);
                findings.add(BALANCE_IS_THE_REPLAY, id, what);
            }
        }
    }
}

/// Ended otherwise than by being completed.
pub(super) fn is_void(status: TransactionStatus) -> bool {
    matches!(status, TransactionStatus::Failed | TransactionStatus::Cancelled)
}
