//! The ledger as a pure state machine: what an order means for a wallet, and whether a row may follow the one before.
//!
//! [`Book::decide`] makes the row of an order; [`Book::apply`] judges a row, whoever made it, and goes on to it. The
//! second knows nothing of the first, so it checks what is about to be written, and audits what was.

use std::collections::BTreeMap;

use metastamp_protocol::invariants::{
    AMOUNTS_ARE_EXACT, BALANCE_IS_THE_REPLAY, CHAIN_HOLDS, DEBITS_EQUAL_CREDITS, ENDS_ONCE, JOURNAL_IS_INSERT_ONLY,
    NEVER_NEGATIVE, NEWER_VERSION, SEQ_IS_DENSE,
};
use metastamp_protocol::ledger::{
    Account, Balances, Invalid, Order, OrderKind, Outcome, Refusal, Row, TransactionStatus, TransactionType,
};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp};

const DESCRIPTION_CHARS_MAX: usize = 500;
const REFERENCE_CHARS_MAX: usize = 200;
const METADATA_MEMBERS_MAX: usize = 30;
const METADATA_CHARS_MAX: usize = 512;

/// Who writes, and when.
#[derive(Debug, Clone)]
pub struct Stamp {
    pub now: Timestamp,
    pub batch: ObjectId,
    pub writer: String,
    /// Of the row that is made: one that all who share the store read.
    pub version: u32,
}

/// A row that may not stand where it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {what}")]
pub struct Violation {
    /// Of [`metastamp_protocol::invariants`].
    pub invariant: &'static str,
    pub what: String,
}

fn violation<T>(invariant: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, what: what.into() })
}

/// The rows of a transaction that an order wants to end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    pub opening: Option<&'a Row>,
    pub end: Option<&'a Row>,
}

impl<'a> Subject<'a> {
    pub fn of(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut subject = Self::default();
        for row in rows {
            *(if row.is_opening() { &mut subject.opening } else { &mut subject.end }) = Some(row);
        }
        subject
    }
}

/// The head of one wallet.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    pub wallet_id: ObjectId,
    /// Of the last row; 0 before the first.
    pub seq: u64,
    pub transactions: u64,
    pub at: Timestamp,
    pub hash: String,
    pub balances: BTreeMap<Currency, Balances>,
}

impl Book {
    pub fn new(wallet_id: ObjectId) -> Self {
        let (hash, at) = (Row::GENESIS.to_owned(), Timestamp(0));
        Self { wallet_id, seq: 0, transactions: 0, at, hash, balances: BTreeMap::new() }
    }

    /// The wallet after its last row.
    pub fn at(wallet_id: ObjectId, head: Option<&Row>) -> Self {
        let Some(row) = head else { return Self::new(wallet_id) };
        Self {
            wallet_id,
            seq: row.seq,
            transactions: row.transactions,
            at: row.at,
            hash: row.hash.clone(),
            balances: row.balances.clone(),
        }
    }

    pub fn balances(&self, currency: Currency) -> Balances {
        self.balances.get(&currency).copied().unwrap_or_default()
    }

    /// The row that an order comes to. `subject` is of the transaction that it wants to end.
    ///
    /// # Errors
    /// Why nothing is to be written.
    pub fn decide(&self, order: &Order, subject: Subject, stamp: &Stamp) -> Result<Row, Refusal> {
        check(order)?;
        let draft = draft(self.wallet_id, &order.kind, subject)?;
        let resolves = draft.ended.map(|row| row.transaction_id);
        let transactions = self.transactions + u64::from(draft.ended.is_none());
        let mut row = Row {
            id: Row::id_of(self.wallet_id, self.seq + 1),
            version: stamp.version,
            wallet_id: self.wallet_id,
            seq: self.seq + 1,
            at: stamp.now.max(self.at),
            transaction_id: resolves.unwrap_or_else(|| order.transaction_id()),
            ordinal: draft.ended.map_or(transactions, |row| row.ordinal),
            transactions,
            kind: draft.kind,
            status: draft.status,
            resolves,
            currency: draft.currency,
            amount: draft.amount,
            debit: draft.debit,
            credit: draft.credit,
            overdraft: draft.overdraft,
            description: draft.description,
            asset_id: draft.asset_id,
            reference_id: draft.reference_id,
            metadata: draft.metadata,
            idempotency_key: order.key.clone(),
            request_hash: order.request_hash(),
            asked_by: order.asked_by,
            balances: self.balances.clone(),
            batch: stamp.batch,
            writer: stamp.writer.clone(),
            previous: self.hash.clone(),
            hash: String::new(),
            other: BTreeMap::new(),
        };
        let before = self.balances(row.currency);
        let after = moved(&before, &row).ok_or(Refusal::TooLarge)?;
        if is_overdrawn(&before, &after, row.overdraft) {
            // Only what takes from `available` can do that; credit counts as available.
            let available = before.available.plus(row.overdraft).unwrap_or(before.available);
            return Err(Refusal::Insufficient { available });
        }
        row.balances.insert(row.currency, after);
        Ok(row.sealed())
    }

    /// Goes on to `row`, if it may follow. `subject` is of the transaction that it ends.
    ///
    /// # Errors
    /// The invariant that it breaks.
    pub fn apply(&mut self, row: &Row, subject: Subject) -> Result<(), Violation> {
        self.check_place(row)?;
        check_legs(row, subject)?;
        let before = self.balances(row.currency);
        let Some(after) = moved(&before, row) else {
            return violation(AMOUNTS_ARE_EXACT, format!("row {} leaves the bounds of amounts", row.id));
        };
        if is_overdrawn(&before, &after, row.overdraft) {
            return violation(NEVER_NEGATIVE, format!("row {} takes more than there is", row.id));
        }
        let mut balances = self.balances.clone();
        balances.insert(row.currency, after);
        if balances != row.balances {
            return violation(BALANCE_IS_THE_REPLAY, format!("row {} has other balances than its replay", row.id));
        }
        *self = Self::at(self.wallet_id, Some(row));
        Ok(())
    }

    /// Number, time, chain.
    fn check_place(&self, row: &Row) -> Result<(), Violation> {
        if row.wallet_id != self.wallet_id || row.id != Row::id_of(row.wallet_id, row.seq) {
            return violation(JOURNAL_IS_INSERT_ONLY, format!("row {} is not of this place", row.id));
        }
        if row.seq != self.seq + 1 {
            return violation(SEQ_IS_DENSE, format!("row {} follows number {}", row.id, self.seq));
        }
        if row.version > Row::VERSION {
            let what = format!(
                "row {} is of the newer version {}; at most {} is read here",
                row.id,
                row.version,
                Row::VERSION
            );
            return violation(NEWER_VERSION, what);
        }
        if row.version == 0 {
            return violation(JOURNAL_IS_INSERT_ONLY, format!("row {} is of version {}", row.id, row.version));
        }
        if row.hash != row.digest() {
            return violation(JOURNAL_IS_INSERT_ONLY, format!("row {} is not what was written", row.id));
        }
        if row.previous != self.hash {
            return violation(CHAIN_HOLDS, format!("row {} does not follow the row before it", row.id));
        }
        if row.at < self.at || row.writer.is_empty() {
            return violation(CHAIN_HOLDS, format!("row {} is older than the row before it, or nobody's", row.id));
        }
        let transactions = self.transactions + u64::from(row.is_opening());
        if row.transactions != transactions || (row.is_opening() && row.ordinal != transactions) {
            return violation(SEQ_IS_DENSE, format!("row {} counts its transaction wrongly", row.id));
        }
        Ok(())
    }
}

/// What the order itself must hold.
fn check(order: &Order) -> Result<(), Refusal> {
    if order.key.is_empty() || order.key.len() > Order::KEY_BYTES_MAX {
        return Err(Refusal::Invalid(Invalid::Key));
    }
    use OrderKind::{Adjust, Bonus, Deposit, Earn, Payout, Refund, Reserve, Resolve};
    let (amount, description) = match &order.kind {
        Earn { amount, description, .. }
        | Payout { amount, description, .. }
        | Bonus { amount, description, .. }
        | Refund { amount, description, .. }
        | Deposit { amount, description, .. }
        | Reserve { amount, description, .. } => (Some(*amount), description),
        Adjust { amount, description, .. } => (Amount::from_minor(amount.minor().abs()), description),
        Resolve { reason, .. } => (None, reason),
    };
    if amount.is_some_and(|amount| amount.is_zero() || amount.is_negative()) {
        return Err(Refusal::Invalid(Invalid::Amount));
    }
    if description.is_empty() || description.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(Refusal::Invalid(Invalid::Description));
    }
    if let Earn { reference_id, .. } | Reserve { reference_id, .. } | Resolve { reference: Some(reference_id), .. } =
        &order.kind
        && reference_id.chars().count() > REFERENCE_CHARS_MAX
    {
        return Err(Refusal::Invalid(Invalid::Reference));
    }
    if let Reserve { overdraft, .. } = &order.kind
        && overdraft.is_negative()
    {
        return Err(Refusal::Invalid(Invalid::CreditLimit));
    }
    if let Earn { metadata, .. } | Payout { metadata, .. } = &order.kind {
        let long = |text: &String| text.chars().count() > METADATA_CHARS_MAX;
        if metadata.len() > METADATA_MEMBERS_MAX || metadata.iter().any(|(name, text)| long(name) || long(text)) {
            return Err(Refusal::Invalid(Invalid::Metadata));
        }
    }
    Ok(())
}

/// What an order writes, but for place and balances.
struct Draft<'a> {
    kind: TransactionType,
    status: TransactionStatus,
    /// The opening row of the transaction that it ends.
    ended: Option<&'a Row>,
    currency: Currency,
    amount: Amount,
    debit: Account,
    credit: Account,
    overdraft: Amount,
    description: String,
    asset_id: Option<ObjectId>,
    reference_id: Option<String>,
    metadata: BTreeMap<String, String>,
}

fn draft<'a>(wallet: ObjectId, kind: &OrderKind, subject: Subject<'a>) -> Result<Draft<'a>, Refusal> {
    use TransactionStatus::{Completed, Pending};
    let available = Account::Available(wallet);
    let draft = |kind, status, currency: Currency, amount: Amount, (debit, credit), description: &str| Draft {
        kind,
        status,
        ended: None,
        currency,
        amount,
        debit,
        credit,
        overdraft: Amount::ZERO,
        description: description.to_owned(),
        asset_id: None,
        reference_id: None,
        metadata: BTreeMap::new(),
    };
    Ok(match kind {
        OrderKind::Earn { partner_id, amount, currency, asset_id, reference_id, description, metadata } => {
            let legs = (Account::Clearing(*partner_id), Account::Pending(wallet));
            Draft {
                asset_id: Some(*asset_id),
                reference_id: Some(reference_id.clone()),
                metadata: metadata.clone(),
                ..draft(TransactionType::Earning, Pending, *currency, *amount, legs, description)
            }
        }
        OrderKind::Payout { amount, currency, description, metadata } => {
            let legs = (available, Account::Held(wallet));
            let metadata = metadata.clone();
            Draft { metadata, ..draft(TransactionType::Payout, Pending, *currency, *amount, legs, description) }
        }
        OrderKind::Adjust { amount, currency, description } => {
            let legs = (Account::Adjustments, available);
            let legs = if amount.is_negative() { (legs.1, legs.0) } else { legs };
            let amount = if amount.is_negative() { amount.negated() } else { *amount };
            draft(TransactionType::Adjustment, Completed, *currency, amount, legs, description)
        }
        OrderKind::Bonus { amount, currency, description } => {
            draft(TransactionType::Bonus, Completed, *currency, *amount, (Account::Bonuses, available), description)
        }
        OrderKind::Refund { amount, currency, description } => {
            draft(TransactionType::Refund, Completed, *currency, *amount, (Account::Refunds, available), description)
        }
        OrderKind::Deposit { amount, currency, description } => {
            draft(TransactionType::Deposit, Completed, *currency, *amount, (Account::Deposits, available), description)
        }
        OrderKind::Reserve { amount, currency, overdraft, asset_id, reference_id, description } => {
            let legs = (available, Account::Held(wallet));
            Draft {
                overdraft: *overdraft,
                asset_id: Some(*asset_id),
                reference_id: Some(reference_id.clone()),
                ..draft(TransactionType::Spend, Pending, *currency, *amount, legs, description)
            }
        }
        OrderKind::Resolve { outcome, reason, reference, .. } => end(subject, *outcome, reason, reference.as_deref())?,
    })
}

fn end<'a>(
    subject: Subject<'a>,
    outcome: Outcome,
    reason: &str,
    reference: Option<&str>,
) -> Result<Draft<'a>, Refusal> {
    let opening = subject.opening.ok_or(Refusal::UnknownTransaction)?;
    if let Some(end) = subject.end {
        return Err(Refusal::Ended(end.status));
    }
    if opening.status != TransactionStatus::Pending {
        return Err(Refusal::Ended(opening.status));
    }
    let status = TransactionStatus::from(outcome);
    let (debit, credit) = legs_of_end(opening, status);
    Ok(Draft {
        kind: opening.kind,
        status,
        ended: Some(opening),
        currency: opening.currency,
        amount: opening.amount,
        debit,
        credit,
        overdraft: Amount::ZERO,
        description: reason.to_owned(),
        asset_id: opening.asset_id,
        reference_id: reference.map(str::to_owned),
        metadata: BTreeMap::new(),
    })
}

/// Completed, the money goes on; otherwise it goes back where it came from.
fn legs_of_end(opening: &Row, status: TransactionStatus) -> (Account, Account) {
    let wallet = opening.wallet_id;
    let onward = match opening.kind {
        TransactionType::Earning => Account::Available(wallet),
        TransactionType::Spend => Account::Clearing(wallet),
        _ => Account::Payouts,
    };
    (opening.credit, if status == TransactionStatus::Completed { onward } else { opening.debit })
}

/// Whether the accounts are those of its kind.
fn check_legs(row: &Row, subject: Subject) -> Result<(), Violation> {
    if row.amount.is_zero() || row.amount.is_negative() || row.debit == row.credit {
        return violation(DEBITS_EQUAL_CREDITS, format!("row {} moves nothing", row.id));
    }
    let wallet = row.wallet_id;
    let (available, held) = (Account::Available(wallet), Account::Held(wallet));
    let right = match (row.resolves, subject.opening) {
        (Some(ended), Some(opening)) => {
            let first = subject.end.is_none() && opening.status == TransactionStatus::Pending;
            if !first || ended != opening.transaction_id || row.transaction_id != ended {
                return violation(ENDS_ONCE, format!("row {} ends what has ended", row.id));
            }
            let same = (row.kind, row.currency, row.amount, row.ordinal)
                == (opening.kind, opening.currency, opening.amount, opening.ordinal);
            let ends = row.status != TransactionStatus::Pending && row.overdraft.is_zero();
            same && ends && (row.debit, row.credit) == legs_of_end(opening, row.status)
        }
        (Some(_), None) => return violation(ENDS_ONCE, format!("row {} ends what was never begun", row.id)),
        (None, _) => {
            let pending = row.status == TransactionStatus::Pending;
            let completed = row.status == TransactionStatus::Completed;
            let legs = (row.debit, row.credit);
            let credit_only = row.overdraft.is_zero();
            match row.kind {
                TransactionType::Earning => {
                    pending
                        && credit_only
                        && matches!(legs, (Account::Clearing(_), Account::Pending(id)) if id == wallet)
                }
                TransactionType::Payout => pending && credit_only && legs == (available, held),
                TransactionType::Spend => pending && !row.overdraft.is_negative() && legs == (available, held),
                TransactionType::Adjustment => {
                    let either = legs == (available, Account::Adjustments) || legs == (Account::Adjustments, available);
                    completed && credit_only && either
                }
                TransactionType::Bonus => completed && credit_only && legs == (Account::Bonuses, available),
                TransactionType::Refund => completed && credit_only && legs == (Account::Refunds, available),
                TransactionType::Deposit => completed && credit_only && legs == (Account::Deposits, available),
            }
        }
    };
    if right { Ok(()) } else { violation(DEBITS_EQUAL_CREDITS, format!("row {} moves money the wrong way", row.id)) }
}

/// The balances after a row; `None` when one leaves the bounds of amounts.
fn moved(before: &Balances, row: &Row) -> Option<Balances> {
    let mut after = *before;
    add(&mut after, row.debit, row.wallet_id, row.amount.negated())?;
    add(&mut after, row.credit, row.wallet_id, row.amount)?;
    if row.status == TransactionStatus::Completed {
        let total = match row.kind {
            TransactionType::Earning => &mut after.earned,
            TransactionType::Payout => &mut after.paid_out,
            TransactionType::Adjustment | TransactionType::Bonus | TransactionType::Refund => &mut after.adjusted,
            TransactionType::Deposit => &mut after.deposited,
            TransactionType::Spend => &mut after.spent,
        };
        let down = row.kind == TransactionType::Adjustment && row.debit == Account::Available(row.wallet_id);
        *total = total.plus(if down { row.amount.negated() } else { row.amount })?;
    }
    // What a reader adds up must stay within bounds too.
    after.posted()?.plus(after.pending)?;
    Some(after)
}

fn add(balances: &mut Balances, account: Account, wallet: ObjectId, amount: Amount) -> Option<()> {
    let balance = match account {
        Account::Available(id) if id == wallet => &mut balances.available,
        Account::Held(id) if id == wallet => &mut balances.held,
        Account::Pending(id) if id == wallet => &mut balances.pending,
        // Counted where it is kept: an audit adds these up over all journals.
        _ => return Some(()),
    };
    *balance = balance.plus(amount)?;
    Some(())
}

/// Whether anything is below where it may be. What does not take from `available` is not refused for it: a partner whose
/// limit was lowered may still pay in, and settle.
fn is_overdrawn(before: &Balances, after: &Balances, overdraft: Amount) -> bool {
    let floor = overdraft.negated();
    let takes = after.available < before.available;
    (takes && after.available < floor) || after.held.is_negative() || after.pending.is_negative()
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
