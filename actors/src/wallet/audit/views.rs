//! Transactions as they are shown, against the rows they are made of.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use metastamp_protocol::invariants::{BALANCE_IS_THE_REPLAY, ONE_KEY_ONE_TRANSACTION};
use metastamp_protocol::ledger::{Row, Transaction, TransactionStatus};
use metastamp_protocol::{ObjectId, Timestamp};

use super::heads::Heads;
use super::{Findings, Part, digest};

const BEHIND: &str = "transactions behind their journal";

/// What a transaction's document must be, as digests.
struct Known {
    wallet: u32,
    opened_by: u64,
    opened: u64,
    /// Row that ended it, and what it was from then on.
    ended: Option<(u64, u64)>,
    seen: bool,
}

pub(super) struct Views {
    part: Part,
    known: HashMap<ObjectId, Known>,
    /// Opened by several rows.
    twice: Vec<String>,
}

impl Views {
    pub fn new(part: Part) -> Self {
        Self { part, known: HashMap::new(), twice: Vec::new() }
    }

    /// A row; `opening` is that of the transaction that it ends.
    pub fn row(&mut self, row: &Row, opening: Option<&Row>, wallet: u32) {
        if !self.part.holds(row.transaction_id) {
            return;
        }
        if row.is_opening() {
            let opened = digest(&Transaction::opened(row));
            let known = Known { wallet, opened_by: row.seq, opened, ended: None, seen: false };
            match self.known.entry(row.transaction_id) {
                Entry::Vacant(place) => drop(place.insert(known)),
                Entry::Occupied(_) if self.twice.len() < super::FINDINGS_MAX => self.twice.push(row.id.clone()),
                Entry::Occupied(_) => {}
            }
        } else if let Some((opening, known)) = opening.zip(self.known.get_mut(&row.transaction_id)) {
            let mut transaction = Transaction::opened(opening);
            transaction.apply(row);
            known.ended = Some((row.seq, digest(&transaction)));
        }
    }

    pub fn shown(
        &mut self,
        shown: &Transaction,
        heads: &Heads,
        moving_since: Option<Timestamp>,
        findings: &mut Findings,
    ) {
        if !self.part.holds(shown.id) {
            return;
        }
        let now = digest(shown);
        let wrong = match self.known.get_mut(&shown.id) {
            None => "the document of a transaction that no row opened".to_owned(),
            Some(known) => {
                known.seen = true;
                match known.ended {
                    Some((_, ended)) if now == ended => return,
                    Some((seq, _)) if now == known.opened => {
                        if seq > heads.applied(known.wallet) {
                            return findings.note(BEHIND);
                        }
                        format!("the transaction's document does not know its end, row number {seq}")
                    }
                    None if now == known.opened => return,
                    _ => "the transaction's document is not what its rows say".to_owned(),
                }
            }
        };
        let last = shown.processed_at.unwrap_or(shown.created_at);
        if moving_since.is_some_and(|since| last >= since) {
            return findings.note("records that changed while they were looked at");
        }
        findings.add(BALANCE_IS_THE_REPLAY, shown.id, wrong);
    }

    /// After the last document.
    pub fn end(&mut self, heads: &Heads, findings: &mut Findings) {
        for row in self.twice.drain(..) {
            findings.add(ONE_KEY_ONE_TRANSACTION, row, "opens a transaction that another row has opened");
        }
        let mut missing: Vec<_> = self.known.iter().filter(|(_, known)| !known.seen).collect();
        missing.sort_by_key(|(id, _)| **id);
        for (id, known) in missing {
            if known.opened_by > heads.applied(known.wallet) {
                findings.note(BEHIND);
            } else {
                let what = format!("the transaction of row number {} has no document", known.opened_by);
                findings.add(BALANCE_IS_THE_REPLAY, id, what);
            }
        }
    }
}

/// Ended otherwise than by being completed.
pub(super) fn is_void(status: TransactionStatus) -> bool {
    matches!(status, TransactionStatus::Failed | TransactionStatus::Cancelled)
}
