//! Documents of wallets against the ends of their journals.

use std::collections::HashMap;

use metastamp_protocol::invariants::{BALANCE_IS_THE_REPLAY, JOURNAL_IS_INSERT_ONLY};
use metastamp_protocol::ledger::{Row, Wallet};
use metastamp_protocol::{ObjectId, Timestamp};

use super::chain::Head;
use super::{Findings, digest, short};

/// What a wallet's document must say; digests of what would take too much memory.
#[derive(Default)]
struct Known {
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
    known: Vec<Known>,
    index: HashMap<ObjectId, u32>,
}

impl Heads {
    /// Place of a wallet.
    pub fn index_of(&mut self, wallet_id: ObjectId) -> u32 {
        let next = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let index = *self.index.entry(wallet_id).or_insert(next);
        if index == next {
            self.known.push(Known::default());
        }
        index
    }

    pub fn put(&mut self, head: Head) {
        let index = self.index_of(head.wallet_id) as usize;
        let payout = head.payout.as_ref().map(|row| (row.at, row.currency, row.amount));
        if let Some(known) = self.known.get_mut(index) {
            known.seq = head.seq;
            known.hash = short(head.hash.as_bytes());
            known.balances = digest(&head.balances);
            known.rest = digest(&(head.recent, payout));
        }
    }

    /// Row up to which the views of a wallet are.
    pub fn applied(&self, index: u32) -> u64 {
        self.known.get(index as usize).map_or(0, |known| known.applied)
    }

    /// The document of a wallet; answers the number of the row it ends in when that is not the last one.
    pub fn shown(&mut self, shown: &Wallet, moving_since: Option<Timestamp>, findings: &mut Findings) -> Option<u64> {
        let index = self.index.get(&shown.user_id).copied();
        let Some(known) = index.and_then(|index| self.known.get_mut(index as usize)) else {
            match shown.last_seq {
                0 if shown.balances.is_empty() => {}
                0 => findings.note("wallets of the original system, whose money is in no journal yet"),
                seq => cut_off(shown, seq, 0, moving_since, findings),
            }
            return None;
        };
        known.applied = shown.last_seq;
        if shown.last_seq > known.seq {
            cut_off(shown, shown.last_seq, known.seq, moving_since, findings);
            return None;
        }
        if shown.last_seq < known.seq {
            findings.note("wallet documents behind their journal");
            return (shown.last_seq > 0).then_some(shown.last_seq);
        }
        let payout =
            shown.last_payout_amount.and_then(|(currency, amount)| Some((shown.last_payout_at?, currency, amount)));
        let wrong = [
            (known.hash == short(shown.head_hash.as_bytes()), "the hash"),
            (known.balances == digest(&shown.balances), "the balances"),
            (known.rest == digest(&(&shown.transactions, payout)), "the recent transactions or the last payout"),
        ];
        for (_, what) in wrong.into_iter().filter(|(right, _)| !right) {
            let what = format!("the wallet's document has not {what} of row {}", Row::id_of(shown.user_id, known.seq));
            findings.add(BALANCE_IS_THE_REPLAY, shown.user_id, what);
        }
        None
    }
}

/// A document knows of a row that is not there.
fn cut_off(shown: &Wallet, seq: u64, last: u64, moving_since: Option<Timestamp>, findings: &mut Findings) {
    if moving_since.is_some_and(|since| shown.updated_at >= since) {
        findings.note("records that changed while they were looked at");
        return;
    }
    let what = format!("is missing: the wallet's document ends in it, the journal in number {last}");
    findings.add(JOURNAL_IS_INSERT_ONLY, Row::id_of(shown.user_id, seq), what);
}

/// A document that is behind shows what was true then.
pub(super) fn behind(shown: &Wallet, row: Option<&Row>, findings: &mut Findings) {
    let right = row.is_some_and(|row| row.hash == shown.head_hash && row.balances == shown.balances);
    if !right {
        let what = format!("the wallet's document is not what row number {} made of it", shown.last_seq);
        findings.add(BALANCE_IS_THE_REPLAY, shown.user_id, what);
    }
}
