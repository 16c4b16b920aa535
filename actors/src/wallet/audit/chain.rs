//! One chain, from its first row to its last.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use metastamp_protocol::invariants::{
    CHAIN_HOLDS, ENDS_ONCE, JOURNAL_IS_INSERT_ONLY, KEY_KEEPS_ITS_REQUEST, NEWER_VERSION, ONE_KEY_ONE_TRANSACTION,
    WRITES_DO_NOT_INTERLEAVE,
};
use metastamp_protocol::ledger::{Balances, Order, RECENT_MAX, Row, Transaction, TransactionStatus, TransactionType};
use metastamp_protocol::{Currency, ObjectId};

use super::{Findings, short};
use crate::wallet::state::{Book, Subject, Violation};

/// Replays a chain; goes on after a fault with what is stored there, so that one does not hide the others. It remembers
/// about 100 bytes for each row.
pub(super) struct Chain {
    book: Book,
    /// Openings of what has not ended.
    pending: HashMap<ObjectId, Row>,
    ended: HashSet<ObjectId>,
    /// Request and number of the row, by digest of the key.
    keys: HashMap<u64, (u64, u64)>,
    /// Number of the row that follows a hash.
    followed: HashMap<u64, u64>,
    /// The write that the last row belongs to, and its writer.
    batch: Option<(ObjectId, String)>,
    /// Writes that are over.
    batches: HashSet<ObjectId>,
    /// Newest first.
    recent: VecDeque<Transaction>,
    /// The payout that was completed last.
    payout: Option<Row>,
}

/// How a chain ends.
pub(super) struct Head {
    pub wallet_id: ObjectId,
    pub seq: u64,
    pub hash: String,
    pub balances: BTreeMap<Currency, Balances>,
    pub recent: Vec<Transaction>,
    pub payout: Option<Row>,
}

impl Chain {
    pub fn new(wallet_id: ObjectId) -> Self {
        Self {
            book: Book::new(wallet_id),
            pending: HashMap::new(),
            ended: HashSet::new(),
            keys: HashMap::new(),
            followed: HashMap::new(),
            batch: None,
            batches: HashSet::new(),
            recent: VecDeque::new(),
            payout: None,
        }
    }

    pub fn wallet_id(&self) -> ObjectId {
        self.book.wallet_id
    }

    /// The next row, stored as number `seq`. Answers the opening of the transaction that it ends.
    pub fn judge(&mut self, row: &Row, seq: u64, findings: &mut Findings) -> Option<Row> {
        self.check_key(row, findings);
        self.check_batch(row, findings);
        let opening = row.resolves.and_then(|ended| self.pending.remove(&ended));
        let twice = row.resolves.filter(|ended| !self.ended.insert(*ended) && opening.is_none());
        if twice.is_some() {
            findings.add(ENDS_ONCE, &row.id, "ends what has ended");
        }
        for Violation { invariant, what } in self.violations(row, opening.as_ref()) {
            // said already
            if twice.is_none() || invariant != ENDS_ONCE {
                let what = what.strip_prefix(&format!("row {} ", row.id)).unwrap_or(&what);
                findings.add(invariant, &row.id, what);
            }
        }
        self.followed.entry(short(row.previous.as_bytes())).or_insert(seq);
        self.go_on(row, seq);
        opening
    }

    pub fn end(self) -> Head {
        let Self { book, recent, payout, .. } = self;
        let Book { wallet_id, seq, hash, balances, .. } = book;
        Head { wallet_id, seq, hash, balances, recent: recent.into(), payout }
    }

    /// One key, one row, one request.
    fn check_key(&mut self, row: &Row, findings: &mut Findings) {
        let request = short(row.request_hash.as_bytes());
        match self.keys.get(&short(row.idempotency_key.as_bytes())) {
            Some((before, seq)) if *before == request => {
                findings.add(ONE_KEY_ONE_TRANSACTION, &row.id, format!("has the key of row number {seq}"));
            }
            Some((_, seq)) => {
                let what = format!("has the key of row number {seq} for another request");
                findings.add(KEY_KEEPS_ITS_REQUEST, &row.id, what);
            }
            None => drop(self.keys.insert(short(row.idempotency_key.as_bytes()), (request, row.seq))),
        }
        if row.is_opening() && row.transaction_id != Order::transaction_of(row.wallet_id, &row.idempotency_key) {
            findings.add(ONE_KEY_ONE_TRANSACTION, &row.id, "opens another transaction than that of its key");
        }
    }

    /// Rows of one write are neighbours and of one writer.
    fn check_batch(&mut self, row: &Row, findings: &mut Findings) {
        match &self.batch {
            Some((batch, writer)) if *batch == row.batch => {
                if *writer != row.writer {
                    let what = format!("is by {}, the row before of the same write by {writer}", row.writer);
                    findings.add(WRITES_DO_NOT_INTERLEAVE, &row.id, what);
                }
                return;
            }
            Some((batch, _)) => drop(self.batches.insert(*batch)),
            None => {}
        }
        if self.batches.contains(&row.batch) {
            findings.add(WRITES_DO_NOT_INTERLEAVE, &row.id, "belongs to a write that others came between");
        }
        self.batch = Some((row.batch, row.writer.clone()));
    }

    fn violations(&self, row: &Row, opening: Option<&Row>) -> Vec<Violation> {
        let subject = Subject { opening, end: None };
        let Err(first) = self.book.clone().apply(row, subject) else { return Vec::new() };
        let mut all = vec![first];
        if all[0].invariant == NEWER_VERSION {
            return all;
        }
        let sealed = row.hash == row.digest();
        if let Some(seq) = self.followed.get(&short(row.previous.as_bytes())) {
            all.push(Violation { invariant: CHAIN_HOLDS, what: format!("follows the same row as number {seq}") });
        }
        if sealed {
            return all;
        }
        if all[0].invariant != JOURNAL_IS_INSERT_ONLY {
            all.push(Violation { invariant: JOURNAL_IS_INSERT_ONLY, what: "is not what was written".to_owned() });
        }
        // What the rest of it would be worth if it had been written so: that names what was changed.
        let other = self.book.clone().apply(&row.clone().sealed(), subject).err();
        all.extend(other.filter(|other| all.iter().all(|known| known.invariant != other.invariant)));
        all
    }

    fn go_on(&mut self, row: &Row, seq: u64) {
        let wallet_id = self.book.wallet_id;
        self.book = Book { seq, ..Book::at(wallet_id, Some(row)) };
        if row.is_opening() {
            self.recent.push_front(Transaction::opened(row));
            self.recent.truncate(RECENT_MAX);
            if row.status == TransactionStatus::Pending {
                self.pending.insert(row.transaction_id, row.clone());
            }
        } else if let Some(known) = self.recent.iter_mut().find(|known| known.id == row.transaction_id) {
            known.apply(row);
        }
        if row.kind == TransactionType::Payout && row.status == TransactionStatus::Completed {
            self.payout = Some(row.clone());
        }
    }
}
