//! Serves a group of orders of one wallet: looks at the journal, decides, writes all rows in one go.
//!
//! Nothing is believed that the journal does not say: each group begins with a look at its head. A lost race, a key that
//! is taken, an unknown outcome and a refusal lead to another look, where the keys tell what is already there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metastamp_cluster::{SharedView, View};
use metastamp_protocol::cluster::wire::row_version;
use metastamp_protocol::ledger::{Balances, LedgerAnswer, Order, OrderKey, OrderKind, Refusal, Row};
use metastamp_protocol::{Currency, NodeRef, ObjectId, Timestamp};
use metastamp_store::StoreError;
use metastamp_store::ports::{Ledger, Look};
use metrics::{counter, histogram};
use rand::Rng as _;
use tokio::sync::watch;
use tokio::time::Instant;

use super::state::{Book, Stamp, Subject};
use crate::ActorError;
use crate::error::Result;
use crate::metrics::{FENCED_WRITES_TOTAL, WALLET_GROUP_ROWS};

/// Lost races and unknown outcomes after which a group is given back.
const ATTEMPTS_MAX: u32 = 12;
/// What people read of an amount that was there before the journal.
const BROUGHT_FORWARD: &str = "Balance brought forward from the earlier system";
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// What tellers of all wallets share.
#[derive(Clone)]
pub struct Teller {
    ledger: Arc<dyn Ledger>,
    node: NodeRef,
    /// Rows are written so that all of them can read them.
    members: watch::Receiver<SharedView>,
    /// Longest pause before another attempt.
    pause_max: Duration,
}

/// One group on its way, over all attempts.
struct Group<'a> {
    wallet_id: ObjectId,
    orders: &'a [Order],
    answers: Vec<Option<LedgerAnswer>>,
    /// Of the attempts so far: rows of these are ours.
    batches: Vec<ObjectId>,
    /// One of them may still be written: until it is known, a refusal may be wrong.
    unknown: bool,
}

impl Teller {
    /// Of a node that has the store to itself.
    pub fn new(ledger: Arc<dyn Ledger>, node: NodeRef) -> Self {
        let (_, members) = watch::channel(Arc::new(View::alone(node.clone())));
        Self { ledger, node, members, pause_max: PAUSE_MAX }
    }

    /// Of a node of a cluster.
    pub fn with_members(self, members: watch::Receiver<SharedView>) -> Self {
        Self { members, ..self }
    }

    /// An answer for each of `orders`, all of `wallet_id`, each with its own key. All that are answered `Committed` are
    /// in the journal. An error means that nobody knows, and that the same orders are to be asked again.
    pub async fn serve(&self, wallet_id: ObjectId, orders: &[Order], until: Instant) -> Vec<Result<LedgerAnswer>> {
        let mut group =
            Group { wallet_id, orders, answers: vec![None; orders.len()], batches: Vec::new(), unknown: false };
        let error = self.finish(&mut group, until).await.err();
        let given_back = error.unwrap_or(ActorError::Busy);
        group.answers.into_iter().map(|answer| answer.ok_or_else(|| given_back.clone())).collect()
    }

    async fn finish(&self, group: &mut Group<'_>, until: Instant) -> Result<()> {
        for attempt in 0..ATTEMPTS_MAX {
            let error = match self.attempt(group).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match error {
                StoreError::Fenced { .. } => counter!(FENCED_WRITES_TOTAL, "what" => "wallet").increment(1),
                // Written or not: the next look tells, or a later one.
                StoreError::Unavailable(_) => group.unknown |= !group.batches.is_empty(),
                error => return Err(error.into()),
            }
            let longest = Duration::from_millis(1 << attempt.min(7)).min(self.pause_max);
            let pause = rand::rng().random_range(Duration::ZERO..=longest);
            if Instant::now() + pause >= until || attempt + 1 == ATTEMPTS_MAX {
                return Err(error.into());
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// One look, one write. Refusals count only once the rows they were decided on are written.
    async fn attempt(&self, group: &mut Group<'_>) -> std::result::Result<(), StoreError> {
        let open: Vec<usize> = (0..group.orders.len()).filter(|i| group.answers[*i].is_none()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let asked: Vec<&Order> = open.iter().map(|i| &group.orders[*i]).collect();
        // At first keys are taken to be new: the unique index says so if they are not. Whoever is refused, or failed
        // before, is looked up.
        let with_keys = !group.batches.is_empty();
        let mut look = self.look(group.wallet_id, &asked, with_keys).await?;
        let earlier = if look.head.is_none() { self.brought_forward(group.wallet_id).await? } else { Vec::new() };
        let orders: Vec<&Order> = earlier.iter().chain(asked.iter().copied()).collect();
        let stamp = self.stamp();
        let (mut decided, mut rows) = decide(group.wallet_id, &orders, &look, &stamp, &group.batches)?;
        if !with_keys && decided.iter().any(|answer| matches!(answer, LedgerAnswer::Refused(_))) {
            look = self.look(group.wallet_id, &asked, true).await?;
            (decided, rows) = decide(group.wallet_id, &orders, &look, &stamp, &group.batches)?;
        }
        if !rows.is_empty() {
            group.batches.push(stamp.batch);
            histogram!(WALLET_GROUP_ROWS).record(rows.len() as f64);
            self.ledger.commit(rows).await?;
        }
        for (i, answer) in open.into_iter().zip(decided.into_iter().skip(earlier.len())) {
            if !(group.unknown && matches!(answer, LedgerAnswer::Refused(_))) {
                group.answers[i] = Some(answer);
            }
        }
        match group.answers.contains(&None) {
            true => Err(StoreError::Unavailable("an earlier write may still be under way".to_owned())),
            false => Ok(()),
        }
    }

    fn stamp(&self) -> Stamp {
        let version = row_version(self.members.borrow().protocol());
        Stamp { now: Timestamp::now(), batch: ObjectId::generate(), writer: self.node.to_string(), version }
    }

    /// What the original system kept in the wallet of a journal that has no row yet: its first rows bring it in.
    async fn brought_forward(&self, wallet_id: ObjectId) -> std::result::Result<Vec<Order>, StoreError> {
        let kept = self.ledger.wallet(wallet_id, Timestamp::now()).await?;
        if kept.last_seq > 0 {
            // A second chain beside the lost one would book its keys again.
            let why =
                format!("the journal of wallet {wallet_id} is gone, its document knows of {} rows", kept.last_seq);
            return Err(StoreError::Internal(why));
        }
        let forward = |(currency, balances): (Currency, Balances)| {
            let amount = balances.posted().filter(|amount| !amount.is_zero())?;
            let kind = OrderKind::Adjust { amount, currency, description: BROUGHT_FORWARD.to_owned() };
            Some(Order { wallet_id, key: OrderKey::BroughtForward(currency).into(), asked_by: wallet_id, kind })
        };
        Ok(kept.balances.into_iter().filter_map(forward).collect())
    }

    async fn look(
        &self,
        wallet_id: ObjectId,
        orders: &[&Order],
        with_keys: bool,
    ) -> std::result::Result<Look, StoreError> {
        let keys: Vec<String> = orders.iter().filter(|_| with_keys).map(|order| order.key.clone()).collect();
        let ended = |order: &&Order| match &order.kind {
            OrderKind::Resolve { transaction_id, .. } => Some(*transaction_id),
            _ => None,
        };
        let transactions: Vec<ObjectId> = orders.iter().filter_map(ended).collect();
        self.ledger.look(wallet_id, &keys, &transactions).await
    }
}

/// What each order comes to, and the rows that make it so.
fn decide(
    wallet_id: ObjectId,
    orders: &[&Order],
    look: &Look,
    stamp: &Stamp,
    ours: &[ObjectId],
) -> std::result::Result<(Vec<LedgerAnswer>, Vec<Row>), StoreError> {
    let mut book = Book::at(wallet_id, look.head.as_ref());
    let committed: HashMap<&str, &Row> = look.by_key.iter().map(|row| (row.idempotency_key.as_str(), row)).collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut answers = Vec::with_capacity(orders.len());
    for order in orders {
        let earlier = committed.get(order.key.as_str()).copied();
        if let Some(row) = earlier.or_else(|| rows.iter().find(|row| row.idempotency_key == order.key)) {
            answers.push(repeated(order, row, ours));
            continue;
        }
        let of_subject = |row: &&Row| row.transaction_id == order.subject() && row.wallet_id == wallet_id;
        let subject = Subject::of(look.of_transactions.iter().chain(&rows).filter(of_subject));
        match book.decide(order, subject, stamp) {
            Ok(row) => {
                // Judged once more by what knows nothing of how it was made, before it is written for good.
                if let Err(violation) = book.apply(&row, subject) {
                    return Err(StoreError::Internal(format!("a row that must not be written: {violation}")));
                }
                answers.push(LedgerAnswer::Committed { row: Box::new(row.clone()), repeat: false });
                rows.push(row);
            }
            Err(refusal) => answers.push(LedgerAnswer::Refused(refusal)),
        }
    }
    Ok((answers, rows))
}

/// The key is in the journal.
fn repeated(order: &Order, row: &Row, ours: &[ObjectId]) -> LedgerAnswer {
    if row.request_hash != order.request_hash() {
        return LedgerAnswer::Refused(Refusal::KeyReused);
    }
    LedgerAnswer::Committed { row: Box::new(row.clone()), repeat: !ours.contains(&row.batch) }
}

#[cfg(test)]
mod tests;
