//! What rows of a journal mean, whichever backend keeps them.

use std::collections::{BTreeMap, BTreeSet};

use metastamp_protocol::ledger::{Balances, Row, Transaction, TransactionType};
use metastamp_protocol::{Amount, Currency, ObjectId};

use crate::ports::{COMMIT_ROWS_MAX, PAGE_ROWS_MAX, Sum};
use crate::{Result, StoreError};

/// Rows that are brought into the views in one step.
pub(super) const PROJECT_ROWS_MAX: u32 = 200;
/// Someone else wrote to the wallet first.
pub(super) const FENCED: StoreError = StoreError::Fenced { what: "wallet" };

/// Whether `rows` are a piece of one chain, each as it was sealed. Whoever hands in others is wrong itself.
pub(super) fn check(rows: &[Row]) -> Result<()> {
    if rows.len() > COMMIT_ROWS_MAX {
        return Err(StoreError::Limit(format!("{} rows in one commit; at most {COMMIT_ROWS_MAX}", rows.len())));
    }
    for row in rows {
        let wrong = |why: &str| Err(StoreError::Internal(format!("row {} to be written {why}", row.id)));
        if !(1..=Row::SEQ_MAX).contains(&row.seq) || row.id != Row::id_of(row.wallet_id, row.seq) {
            return wrong("has another id than its place");
        }
        if !(1..=Row::VERSION).contains(&row.version) {
            return wrong("is of a version that is not known");
        }
        if row.hash != row.digest() {
            return wrong("has a hash that is not its own");
        }
        if (row.seq == 1) != (row.previous == Row::GENESIS) {
            return wrong("has no place in a chain");
        }
        if row.resolves.is_some_and(|id| id != row.transaction_id) {
            return wrong("ends another transaction than its own");
        }
        if row.amount <= Amount::ZERO || row.ordinal == 0 {
            return wrong("moves nothing");
        }
        // Names of members in BSON end there.
        if row.metadata.keys().chain(row.other.keys()).any(|name| name.contains('\0')) {
            return wrong("has names of members that can't be kept");
        }
    }
    let in_chain = |pair: &[Row]| match pair {
        [before, row] => row.wallet_id == before.wallet_id && fits(Some(before), row).is_ok(),
        _ => false,
    };
    match rows.windows(2).all(in_chain) {
        true => Ok(()),
        false => Err(StoreError::Internal("rows to be written are no chain".to_owned())),
    }
}

/// Whether `row` may stand right after `before`, the last row of its journal. `Fenced` when it was made for another.
pub(super) fn fits(before: Option<&Row>, row: &Row) -> Result<()> {
    match before {
        Some(before) if row.seq != before.seq + 1 || row.previous != before.hash => Err(FENCED),
        Some(before) if row.at < before.at => {
            Err(StoreError::Internal(format!("row {} to be written is older than the one before", row.id)))
        }
        None if row.seq != 1 => Err(FENCED),
        _ => Ok(()),
    }
}

/// Bounds of a question.
pub(super) fn check_look(keys: &[String], transactions: &[ObjectId]) -> Result<()> {
    match keys.len().max(transactions.len()) {
        0..=COMMIT_ROWS_MAX => Ok(()),
        n => Err(StoreError::Limit(format!("{n} keys or transactions in one look; at most {COMMIT_ROWS_MAX}"))),
    }
}

pub(super) fn check_page(limit: u32) -> Result<()> {
    match limit {
        0..=PAGE_ROWS_MAX => Ok(()),
        n => Err(StoreError::Limit(format!("{n} rows in one page; at most {PAGE_ROWS_MAX}"))),
    }
}

/// Rows that are to be brought into the views must be those right after `seq`.
pub(super) fn check_dense(wallet_id: ObjectId, seq: u64, rows: &[Row]) -> Result<()> {
    match rows.iter().zip(seq + 1..).find(|(row, expected)| row.seq != *expected) {
        None => Ok(()),
        Some((_, missing)) => {
            Err(StoreError::Internal(format!("row {} of a journal is missing", Row::id_of(wallet_id, missing))))
        }
    }
}

/// Transactions that `rows` end and do not open.
pub(super) fn opened_before(rows: &[Row]) -> BTreeSet<ObjectId> {
    let opened: BTreeSet<_> = rows.iter().filter(|row| row.is_opening()).map(|row| row.transaction_id).collect();
    rows.iter().filter_map(|row| row.resolves).filter(|id| !opened.contains(id)).collect()
}

/// The transactions that `rows` touch, as they are after them, in the order of their opening. `known` are those of
/// [`opened_before`].
pub(super) fn fold(rows: &[Row], known: Vec<Transaction>) -> Result<Vec<Transaction>> {
    let mut changed: BTreeMap<ObjectId, Transaction> = known.into_iter().map(|known| (known.id, known)).collect();
    for row in rows {
        if row.is_opening() {
            changed.insert(row.transaction_id, Transaction::opened(row));
            continue;
        }
        let ended = changed.get_mut(&row.transaction_id);
        let unknown = || StoreError::Internal(format!("row {} ends a transaction that no row opens", row.id));
        ended.ok_or_else(unknown)?.apply(row);
    }
    let mut changed: Vec<_> = changed.into_values().collect();
    changed.sort_by_key(|transaction| transaction.ordinal);
    Ok(changed)
}

/// Transactions of the rows of whole transactions, opening and end.
pub(super) fn transactions_of(mut rows: Vec<Row>) -> Vec<Transaction> {
    rows.sort_by_key(|row| (row.wallet_id, row.seq));
    let mut transactions: BTreeMap<ObjectId, Transaction> = BTreeMap::new();
    for row in rows {
        if row.is_opening() {
            transactions.insert(row.transaction_id, Transaction::opened(&row));
        } else if let Some(transaction) = transactions.get_mut(&row.transaction_id) {
            transaction.apply(&row);
        }
    }
    transactions.into_values().collect()
}

/// Sums of all completed transactions of a wallet. Balances know the sum of adjustments, bonuses and refunds only, so
/// those of the last two, of which there are few, come in `given`. What is beyond the bounds of amounts becomes the bound.
pub(super) fn sums_of(balances: &BTreeMap<Currency, Balances>, given: Vec<Sum>) -> Vec<Sum> {
    let mut sums = Vec::new();
    for (&currency, balances) in balances {
        let of_currency = given.iter().filter(|sum| sum.currency == currency);
        let given: i128 = of_currency.map(|sum| i128::from(sum.amount.minor())).sum();
        let adjusted = Amount::clamped(i128::from(balances.adjusted.minor()) - given);
        let amounts = [
            (TransactionType::Earning, balances.earned),
            (TransactionType::Payout, balances.paid_out.negated()),
            (TransactionType::Adjustment, adjusted),
            (TransactionType::Deposit, balances.deposited),
            (TransactionType::Spend, balances.spent.negated()),
        ];
        sums.extend(amounts.map(|(kind, amount)| Sum { kind, currency, amount }));
    }
    sums.extend(given);
    in_order(sums)
}

/// Without those that are zero.
pub(super) fn in_order(mut sums: Vec<Sum>) -> Vec<Sum> {
    sums.retain(|sum| !sum.amount.is_zero());
    sums.sort_by_key(|sum| (sum.kind, sum.currency));
    sums
}

/// One group of transactions that match, as a backend counted it.
pub(super) struct Group {
    pub kind: String,
    pub status: String,
    pub currency: String,
    pub count: u64,
    /// In minor units; it only counts where the status is completed.
    pub amount: i128,
}

/// How many there are, and the sums of the completed ones. What is beyond the bounds of amounts becomes the bound.
pub(super) fn add_up(groups: Vec<Group>) -> Result<(u64, Vec<Sum>)> {
    let total = groups.iter().map(|group| group.count).sum();
    let mut sums = Vec::new();
    for group in groups.into_iter().filter(|group| group.status == "completed") {
        let unknown = || StoreError::Internal("a transaction of an unknown type or currency".to_owned());
        sums.push(Sum {
            kind: TransactionType::parse(&group.kind).ok_or_else(unknown)?,
            currency: Currency::parse(&group.currency).ok_or_else(unknown)?,
            amount: Amount::clamped(group.amount),
        });
    }
    Ok((total, in_order(sums)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: i128 = Amount::MINOR_MAX as i128;

    fn completed(kind: &str, amount: i128) -> Group {
        let (status, currency) = ("completed".to_owned(), "USD".to_owned());
        Group { kind: kind.to_owned(), status, currency, count: 2, amount }
    }

    #[test]
    fn sums_beyond_the_bounds_are_the_bounds() {
        let groups = vec![completed("bonus", 2 * MAX), completed("adjustment", -2 * MAX), completed("refund", 7)];
        let (total, sums) = add_up(groups).unwrap();
        let minor =
            |sums: &[Sum]| sums.iter().map(|sum| (sum.kind, i128::from(sum.amount.minor()))).collect::<Vec<_>>();
        let expected =
            [(TransactionType::Adjustment, -MAX), (TransactionType::Bonus, MAX), (TransactionType::Refund, 7)];
        assert_eq!((total, minor(&sums)), (6, expected.to_vec()));
        let given = sums[1..].to_vec();
        let nothing_left = BTreeMap::from([(Currency::Usd, Balances::default())]);
        assert_eq!(minor(&sums_of(&nothing_left, given)), expected);
    }
}
