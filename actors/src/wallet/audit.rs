//! Audits: whether what is stored about money is what the rules allow, judged from the stored records alone.
//!
//! An [`Audit`] is fed everything once: the rows of all journals in the order of their ids, then wallet documents,
//! transactions and usage events. Chains need memory for one wallet at a time. What is to be held against other
//! collections is kept in memory, about 200 bytes for each transaction, so large stores are audited in several rounds,
//! each for one [`Part`] of the transactions.

mod chain;
mod events;
mod findings;
mod heads;
mod totals;
mod views;

use metastamp_protocol::invariants::{JOURNAL_IS_INSERT_ONLY, NEWER_VERSION};
use metastamp_protocol::ledger::{Row, Transaction, Wallet};
use metastamp_protocol::partner::UsageEvent;
use metastamp_protocol::{ObjectId, Timestamp};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use self::chain::Chain;
use self::events::Events;
pub use self::findings::{FINDINGS_MAX, Finding, Findings, Report};
use self::heads::Heads;
pub use self::totals::Totals;
use self::views::Views;

/// Said when an audit meets rows that it can't read.
const NOT_COMPARED: &str = "audits without sums, documents and events: rows of a newer version are not counted";

/// Rows of one round; its share of transactions is held in memory.
const ROWS_PER_ROUND: u64 = 2_000_000;

/// A share of all transactions and usage events, by their ids.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    index: u32,
    of: u32,
}

impl Part {
    /// The rounds that so many rows take.
    pub fn of(rows: u64) -> impl Iterator<Item = Part> {
        let of = u32::try_from(rows.div_ceil(ROWS_PER_ROUND)).unwrap_or(u32::MAX).max(1);
        (0..of).map(move |index| Part { index, of })
    }

    /// The round in which what is no matter of parts is judged.
    pub fn is_first(self) -> bool {
        self.index == 0
    }

    fn holds(self, id: ObjectId) -> bool {
        let [.., a, b, c, d] = *id.as_bytes();
        u32::from_be_bytes([a, b, c, d]) % self.of == self.index
    }
}

/// One round of an audit.
pub struct Audit {
    part: Part,
    /// Without a view of one instant: what was written since then may be ahead of the journal as it was read.
    moving_since: Option<Timestamp>,
    chain: Option<Chain>,
    heads: Heads,
    totals: Totals,
    views: Views,
    events: Events,
    findings: Findings,
    /// The last wallet that has rows of a newer version. What follows them can't be judged, and neither can sums,
    /// documents and events.
    newer: Option<ObjectId>,
}

impl Audit {
    /// `moving_since` is when reading began, if the records are not all of one instant.
    pub fn new(part: Part, moving_since: Option<Timestamp>) -> Self {
        Self {
            part,
            moving_since,
            chain: None,
            heads: Heads::default(),
            totals: Totals::default(),
            views: Views::new(part),
            events: Events::new(part),
            findings: Findings::default(),
            newer: None,
        }
    }

    /// The next row of the journals, in the order of ids.
    pub fn row(&mut self, row: &Row) {
        let Some((wallet_id, seq)) = Row::place(&row.id) else {
            self.findings.add(JOURNAL_IS_INSERT_ONLY, &row.id, "is not of any place");
            return;
        };
        if row.version > Row::VERSION {
            return self.newer_row(&row.id, row.version.into());
        }
        if self.newer == Some(wallet_id) {
            return;
        }
        if self.chain.as_ref().is_none_or(|chain| chain.wallet_id() != wallet_id) {
            self.end_chain();
            self.chain = Some(Chain::new(wallet_id));
        }
        let Some(chain) = &mut self.chain else { return };
        // In later rounds chains are only gone through again for what belongs to them.
        let mut unheard = Findings::default();
        let findings = if self.part.is_first() { &mut self.findings } else { &mut unheard };
        let opening = chain.judge(row, seq, findings);
        self.totals.row(row);
        let wallet = self.heads.index_of(wallet_id);
        self.views.row(row, opening.as_ref(), wallet);
        self.events.row(row, opening.as_ref(), &mut self.findings);
    }

    /// The next row, of a version that this software does not read. The first one of a wallet is a finding.
    pub fn newer_row(&mut self, id: &str, version: u64) {
        let wallet_id = Row::place(id).map_or_else(|| ObjectId::derived(&[id]), |(wallet_id, _)| wallet_id);
        if self.newer.replace(wallet_id) == Some(wallet_id) {
            return;
        }
        let known = Row::VERSION;
        let what =
            format!("is of the newer version {version}; at most {known} is read here: audit with newer software");
        self.find(NEWER_VERSION, id, what);
    }

    /// After the last row.
    pub fn end_of_journals(&mut self) {
        self.end_chain();
        if self.newer.is_some() && self.part.is_first() {
            self.findings.note(NOT_COMPARED);
        } else if self.part.is_first() {
            self.totals.check(&mut self.findings);
        }
    }

    fn end_chain(&mut self) {
        let Some(chain) = self.chain.take() else { return };
        let head = chain.end();
        self.totals.chain(&head);
        self.heads.put(head);
    }

    /// The document of a wallet. When it is behind its journal, the number of the row that it ends in: it is to be
    /// handed to [`Audit::behind`].
    pub fn wallet(&mut self, document: &Wallet) -> Option<u64> {
        if self.newer.is_some() {
            return None;
        }
        let mut unheard = Findings::default();
        let findings = if self.part.is_first() { &mut self.findings } else { &mut unheard };
        self.heads.check(document, self.moving_since, findings)
    }

    /// The document of a wallet that is behind, and the row that it ends in, if there is such a row.
    pub fn behind(&mut self, document: &Wallet, row: Option<&Row>) {
        if self.part.is_first() {
            heads::behind(document, row, &mut self.findings);
        }
    }

    pub fn transaction(&mut self, document: &Transaction) {
        if self.newer.is_none() {
            self.views.check(document, &self.heads, self.moving_since, &mut self.findings);
        }
    }

    pub fn event(&mut self, event: &UsageEvent) {
        if self.newer.is_none() {
            self.events.event(event, self.moving_since, &mut self.findings);
        }
    }

    /// Something that this audit could not even look at, or that others found.
    pub fn find(&mut self, invariant: &'static str, record: &str, what: impl Into<String>) {
        if self.part.is_first() {
            self.findings.add(invariant, record, what);
        }
    }

    /// What was found. `with_events` says that the usage events were all handed over: without them, nothing can be said about
    /// transactions that have none.
    pub fn end(mut self, with_events: bool) -> Report {
        if self.newer.is_none() {
            self.views.end(&self.heads, &mut self.findings);
            if with_events {
                self.events.end(&mut self.findings);
            }
        }
        Report { findings: self.findings, totals: self.totals }
    }
}

/// Judges the chain of one wallet and nothing else.
pub struct ChainAudit {
    chain: Chain,
    findings: Findings,
}

impl ChainAudit {
    pub fn new(wallet_id: ObjectId) -> Self {
        Self { chain: Chain::new(wallet_id), findings: Findings::default() }
    }

    /// The next row.
    pub fn row(&mut self, row: &Row) {
        let seq = Row::place(&row.id).map_or(row.seq, |(_, seq)| seq);
        self.chain.judge(row, seq, &mut self.findings);
    }

    pub fn end(self) -> Findings {
        self.findings
    }
}

/// The first bytes of SHA-256 over the JSON of `value`: to compare what would take too much memory to keep.
fn digest<T: Serialize>(value: &T) -> u64 {
    short(&serde_json::to_vec(value).unwrap_or_default())
}

fn short(bytes: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(bytes));
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests;
