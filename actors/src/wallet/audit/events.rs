//! Usage events against both sides of their money: what the partner spends and what the creator earns.

use std::collections::HashMap;

use metastamp_protocol::invariants::{ONE_CREDIT_PER_USAGE, SUM_IS_ZERO};
use metastamp_protocol::ledger::{Account, Row, TransactionStatus, TransactionType};
use metastamp_protocol::partner::{UsageEvent, UsageStatus};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp};

use super::views::is_void;
use super::{Findings, Part};

/// One side of an event.
struct Side {
    wallet_id: ObjectId,
    seq: u64,
    /// Whose clearing account it is taken from; of earnings.
    clearing: Option<ObjectId>,
    asset_id: Option<ObjectId>,
    currency: Currency,
    amount: Amount,
    status: TransactionStatus,
}

#[derive(Default)]
struct Sides {
    spend: Option<Side>,
    earning: Option<Side>,
}

pub(super) struct Events {
    part: Part,
    sides: HashMap<ObjectId, Sides>,
}

impl Events {
    pub fn new(part: Part) -> Self {
        Self { part, sides: HashMap::new() }
    }

    /// A row; `opening` is that of the transaction that it ends.
    pub fn row(&mut self, row: &Row, opening: Option<&Row>, findings: &mut Findings) {
        let is_earning = row.kind == TransactionType::Earning;
        if !is_earning && row.kind != TransactionType::Spend {
            return;
        }
        let reference = if row.is_opening() { Some(row) } else { opening }.and_then(|row| row.reference_id.as_deref());
        let Some(id) = reference.and_then(|reference| reference.parse::<ObjectId>().ok()) else {
            if row.is_opening() && self.part.is_first() {
                let invariant = if is_earning { ONE_CREDIT_PER_USAGE } else { SUM_IS_ZERO };
                findings.add(invariant, &row.id, "names no usage event");
            }
            return;
        };
        if !self.part.holds(id) {
            return;
        }
        let sides = self.sides.entry(id).or_default();
        let side = if is_earning { &mut sides.earning } else { &mut sides.spend };
        match (side, opening) {
            (side @ None, _) if row.is_opening() => *side = Some(Side::of(row)),
            (Some(side), _) if row.is_opening() => {
                let (invariant, what) = match is_earning {
                    true => (ONE_CREDIT_PER_USAGE, "credits a usage event"),
                    false => (SUM_IS_ZERO, "pays for a usage event"),
                };
                let first = Row::id_of(side.wallet_id, side.seq);
                findings.add(invariant, &row.id, format!("{what} that row {first} has dealt with: {id}"));
            }
            (Some(side), Some(opening)) if (side.wallet_id, side.seq) == (opening.wallet_id, opening.seq) => {
                side.status = row.status;
            }
            _ => {}
        }
    }

    pub fn event(&mut self, event: &UsageEvent, moving_since: Option<Timestamp>, findings: &mut Findings) {
        if !self.part.holds(event.id) {
            return;
        }
        let sides = self.sides.remove(&event.id).unwrap_or_default();
        let status = |side: &Option<Side>| side.as_ref().map(|side| side.status);
        let (spend, earning) = (status(&sides.spend), status(&sides.earning));
        let agrees =
            if event.value.is_zero() { (spend, earning) == (None, None) } else { may_be(event.status, spend, earning) };
        let wrong = sides.is_of(event).err().map(str::to_owned).or_else(|| {
            let word = |status: Option<TransactionStatus>| status.map_or("missing", TransactionStatus::as_str);
            let is = event.status.as_str();
            (!agrees).then(|| format!("is {is}, but its spend is {} and its earning {}", word(spend), word(earning)))
        });
        match wrong {
            Some(_) if moving_since.is_some_and(|since| event.updated_at >= since) => {
                findings.note("records that changed while they were looked at");
            }
            Some(wrong) => findings.add(SUM_IS_ZERO, event.id, format!("the usage event {wrong}")),
            None if event.status.is_under_way() => findings.note("usage events on their way"),
            None => {}
        }
    }

    /// After the last event.
    pub fn end(&mut self, findings: &mut Findings) {
        let mut left: Vec<_> = self.sides.drain().collect();
        left.sort_by_key(|(id, _)| *id);
        for (id, Sides { spend, earning }) in left {
            let sides = [(earning, ONE_CREDIT_PER_USAGE, "credits"), (spend, SUM_IS_ZERO, "pays for")];
            for (side, invariant, word) in sides {
                if let Some(side) = side {
                    let row = Row::id_of(side.wallet_id, side.seq);
                    findings.add(invariant, row, format!("{word} a usage event that is not there: {id}"));
                }
            }
        }
    }
}

impl Side {
    fn of(row: &Row) -> Self {
        let clearing = match row.debit {
            Account::Clearing(partner) => Some(partner),
            _ => None,
        };
        let Row { wallet_id, seq, asset_id, currency, amount, status, .. } = *row;
        Self { wallet_id, seq, clearing, asset_id, currency, amount, status }
    }

    fn has(&self, event: &UsageEvent) -> bool {
        (self.amount, self.currency, self.asset_id) == (event.value, event.currency, Some(event.asset_id))
    }
}

impl Sides {
    /// Whether both are about what the event says.
    fn is_of(&self, event: &UsageEvent) -> Result<(), &'static str> {
        if self.spend.as_ref().is_some_and(|side| side.wallet_id != event.partner_id || !side.has(event)) {
            return Err("is not what was paid for");
        }
        let of_creator = |side: &Side| side.wallet_id == event.user_id && side.clearing == Some(event.partner_id);
        if self.earning.as_ref().is_some_and(|side| !of_creator(side) || !side.has(event)) {
            return Err("is not what was credited");
        }
        Ok(())
    }
}

/// Where both sides may be while the event is there: see the steps in `actors/src/usage.rs`.
fn may_be(status: UsageStatus, spend: Option<TransactionStatus>, earning: Option<TransactionStatus>) -> bool {
    use TransactionStatus::{Completed, Pending};
    let both = |status| (spend, earning) == (Some(status), Some(status));
    let spend_is_void = spend.is_some_and(is_void);
    let earning_is_void = earning.is_some_and(is_void);
    match status {
        UsageStatus::Received => {
            (spend, earning) == (None, None) || (spend, earning) == (Some(Pending), None) || both(Pending)
        }
        UsageStatus::Pending => both(Pending),
        UsageStatus::Settling => {
            both(Pending) || (spend, earning) == (Some(Completed), Some(Pending)) || both(Completed)
        }
        UsageStatus::Settled => both(Completed),
        // no earning: the creator's wallet refused it
        UsageStatus::Cancelling => {
            both(Pending) || ((earning_is_void || earning.is_none()) && (spend == Some(Pending) || spend_is_void))
        }
        UsageStatus::Cancelled => spend_is_void && (earning_is_void || earning.is_none()),
        UsageStatus::Rejected => (spend, earning) == (None, None),
    }
}
