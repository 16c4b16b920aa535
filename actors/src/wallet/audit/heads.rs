//! Documents of wallets against the ends of their journals.

use std::collections::HashMap;

use metastamp_protocol::invariants::{BALANCE_IS_THE_REPLAY, JOURNAL_IS_INSERT_ONLY};
use metastamp_protocol::ledger::{Row, Wallet};
use metastamp_protocol::{ObjectId, Timestamp};

use super::chain::Head;
use super::{Findings, digest, short};

/// What a wallet's document must say; digests of what would take too much memory.
#[derive(Default)]
struct Expected {
    seq: u64,
    hash: u64,
    balances: u64,
    /// Recent transactions and the last payout.
    rest: u64,
    /// Row up to which the document says that its views are.
    applied: u64,
}

#[derive(Default)]
pub(super) struct Heads {
    expected: Vec<Expected>,
    index: HashMap<ObjectId, u32>,
}

impl Heads {
    /// Place of a wallet.
    pub fn index_of(&mut self, wallet_id: ObjectId) -> u32 {
        let next = u32::try_from(self.expected.len()).unwrap_or(u32::MAX);
        let index = *self.index.entry(wallet_id).or_insert(next);
        if index == next {
            self.expected.push(Expected::default());
        }
        index
    }

    pub fn put(&mut self, head: Head) {
        let index = self.index_of(head.wallet_id) as usize;
        let payout = head.payout.as_ref().map(|row| (row.at, row.currency, row.amount));
        if let Some(expected) = self.expected.get_mut(index) {
            expected.seq = head.seq;
            expected.hash = short(head.hash.as_bytes());
            expected.balances = digest(&head.balances);
            expected.rest = digest(&(head.recent, payout));
        }
    }

    /// Row up to which the views of a wallet are.
    pub fn applied(&self, index: u32) -> u64 {
        self.expected.get(index as usize).map_or(0, |expected| expected.applied)
    }

    /// The document of a wallet; answers the number of the row it ends in when that is not the last one.
    pub fn check(
        &mut self,
        document: &Wallet,
        moving_since: Option<Timestamp>,
        findings: &mut Findings,
    ) -> Option<u64> {
        let index = self.index.get(&document.user_id).copied();
        let Some(expected) = index.and_then(|index| self.expected.get_mut(index as usize)) else {
            match document.last_seq {
                0 if document.balances.is_empty() => {}
                0 => findings.note("wallets of the original system, whose money is in no journal yet"),
                seq => cut_off(document, seq, 0, moving_since, findings),
            }
            return None;
        };
        expected.applied = document.last_seq;
        if document.last_seq > expected.seq {
            cut_off(document, document.last_seq, expected.seq, moving_since, findings);
            return None;
        }
        if document.last_seq < expected.seq {
            findings.note("wallet documents behind their journal");
            return (document.last_seq > 0).then_some(document.last_seq);
        }
        let payout = document
            .last_payout_amount
            .and_then(|(currency, amount)| Some((document.last_payout_at?, currency, amount)));
        let wrong = [
            (expected.hash == short(document.head_hash.as_bytes()), "the hash"),
            (expected.balances == digest(&document.balances), "the balances"),
            (expected.rest == digest(&(&document.transactions, payout)), "the recent transactions or the last payout"),
        ];
        for (_, what) in wrong.into_iter().filter(|(right, _)| !right) {
            let what =
                format!("the wallet's document has not {what} of row {}", Row::id_of(document.user_id, expected.seq));
            findings.add(BALANCE_IS_THE_REPLAY, document.user_id, what);
        }
        None
    }
}

/// A document knows of a row that is not there.
fn cut_off(document: &Wallet, seq: u64, last: u64, moving_since: Option<Timestamp>, findings: &mut Findings) {
    if moving_since.is_some_and(|since| document.updated_at >= since) {
        findings.note("records that changed while they were looked at");
        return;
    }
    let what = format!("is missing: the wallet's document ends in it, the journal in number {last}");
    findings.add(JOURNAL_IS_INSERT_ONLY, Row::id_of(document.user_id, seq), what);
}

/// A document that is behind shows what was true then.
pub(super) fn behind(document: &Wallet, row: Option<&Row>, findings: &mut Findings) {
    let right = row.is_some_and(|row| row.hash == document.head_hash && row.balances == document.balances);
    if !right {
        let what = format!("the wallet's document is not what row number {} made of it", document.last_seq);
        findings.add(BALANCE_IS_THE_REPLAY, document.user_id, what);
    }
}
