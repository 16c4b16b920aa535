//! Payouts: creators ask for them, administrators say what became of them.

use metastamp_actors::wallet::Answered;
use metastamp_protocol::ledger::{
    ClientKey, LedgerAnswer, Order, OrderKey, OrderKind, Outcome, Refusal, Transaction, TransactionStatus,
    TransactionType,
};
use metastamp_protocol::{Amount, Currency, ErrorCode, ObjectId, Timestamp};
use metastamp_store::ports::{HistoryPage, HistoryQuery};

use super::{Decided, Money, Opened, refused};
use crate::caller::Caller;
use crate::error::{Error, Result};

/// Smallest payout, in whole units of whatever currency.
const UNITS_MIN: i64 = 10;

/// What a creator asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct PayoutRequest {
    pub amount: Amount,
    pub currency: Currency,
    pub description: Option<String>,
    /// Where the money is to go.
    pub destination: Option<String>,
}

impl PayoutRequest {
    /// A payout is not worth its transfer below a sum.
    ///
    /// # Errors
    /// What is wrong with the amount.
    pub fn judge(amount: Amount, currency: Currency) -> std::result::Result<(), String> {
        let smallest = Amount::from_minor(UNITS_MIN * 10_i64.pow(currency.places())).unwrap_or_default();
        match amount < smallest {
            true => Err(format!("must be at least {}", smallest.text(currency))),
            false => Ok(()),
        }
    }

    fn order(self) -> OrderKind {
        let Self { amount, currency, description, destination } = self;
        let description = description.unwrap_or_else(|| "Payout".to_owned());
        let metadata = destination.map(|place| ("destination".to_owned(), place)).into_iter().collect();
        OrderKind::Payout { amount, currency, description, metadata }
    }
}

/// Payouts that are looked for. Filters combine with AND.
#[derive(Debug, Clone, Default)]
pub struct PayoutQuery {
    /// Whose, when somebody is named.
    pub user_id: Option<ObjectId>,
    /// Of all when nobody is named, and not only the caller's.
    pub everybody: bool,
    pub status: Option<TransactionStatus>,
    pub currency: Option<Currency>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// A payout that whoever asks may see, as the journal has it.
#[derive(Debug, Clone)]
pub struct Payout(Transaction);

impl Payout {
    pub fn transaction(&self) -> &Transaction {
        &self.0
    }
}

/// How a payout is to end.
struct Ending {
    outcome: Outcome,
    reason: String,
    /// The bank's.
    reference: Option<String>,
}

impl Money {
    /// Sets a sum aside, to be paid out.
    ///
    /// # Errors
    /// 422 for what is too small, or not covered.
    pub async fn request_payout(
        &self,
        caller: &Caller,
        key: ClientKey,
        request: PayoutRequest,
    ) -> Result<Decided<Opened>> {
        let (user_id, currency) = (caller.user.id, request.currency);
        PayoutRequest::judge(request.amount, currency).map_err(|why| Error::field("amount", why))?;
        let key = OrderKey::Payout(key).into();
        let order = Order { wallet_id: user_id, key, asked_by: user_id, kind: request.order() };
        self.open(order, currency).await
    }

    /// One page, newest first.
    ///
    /// # Errors
    /// 403 for those of others, unless an administrator asks; 404 for an unknown account.
    pub async fn payouts(&self, caller: &Caller, query: PayoutQuery, skip: u64, limit: u32) -> Result<HistoryPage> {
        let PayoutQuery { user_id, everybody, status, currency, from, to } = query;
        let wallet_id = user_id.or_else(|| (!everybody).then_some(caller.user.id));
        if wallet_id != Some(caller.user.id) && !caller.is_admin() {
            return Err(Error::new(ErrorCode::Forbidden, "Payouts of others are for administrators only"));
        }
        if let Some(wallet_id) = wallet_id {
            // Looking makes the document of a wallet: not of nobody's.
            if wallet_id != caller.user.id && self.stores.users.user(wallet_id).await?.is_none() {
                return Err(Error::not_found("User"));
            }
            self.current(wallet_id).await?;
        }
        let query = HistoryQuery { wallet_id, kind: Some(TransactionType::Payout), status, currency, from, to };
        Ok(self.stores.ledger.history(&query, skip, limit).await?)
    }

    /// A payout of the caller, or anybody's for an administrator.
    ///
    /// # Errors
    /// 404 for everything else.
    pub async fn payout(&self, caller: &Caller, id: ObjectId) -> Result<Payout> {
        if let Some(found) = self.payout_of(caller.user.id, id).await? {
            return Ok(Payout(found));
        }
        if !caller.is_admin() {
            return Err(unknown());
        }
        // The view says whose it is; what it is, the journal says.
        let seen = self.stores.ledger.transaction(id).await?.ok_or_else(unknown)?;
        self.payout_of(seen.wallet_id, id).await?.map(Payout).ok_or_else(unknown)
    }

    /// # Errors
    /// 404 for what is no payout of the caller's.
    pub async fn own_payout(&self, caller: &Caller, id: ObjectId) -> Result<Payout> {
        self.payout_of(caller.user.id, id).await?.map(Payout).ok_or_else(unknown)
    }

    /// The owner changes their mind.
    ///
    /// # Errors
    /// 404 for another's, 409 when it has ended otherwise.
    pub async fn cancel_payout(
        &self,
        caller: &Caller,
        payout: Payout,
        reason: Option<String>,
    ) -> Result<Decided<Transaction>> {
        if payout.0.wallet_id != caller.user.id {
            return Err(unknown());
        }
        let reason = reason.unwrap_or_else(|| "cancelled by its owner".to_owned());
        self.end(caller, payout, Ending { outcome: Outcome::Cancelled, reason, reference: None }).await
    }

    /// The money has left; `reference` is the bank's.
    ///
    /// # Errors
    /// 403 for everybody else but administrators, 409 when it has ended otherwise.
    pub async fn complete_payout(
        &self,
        caller: &Caller,
        payout: Payout,
        reference: Option<String>,
    ) -> Result<Decided<Transaction>> {
        caller.require_admin()?;
        self.end(caller, payout, Ending { outcome: Outcome::Completed, reason: "paid".to_owned(), reference }).await
    }

    /// It did not work out: what was held is available again.
    ///
    /// # Errors
    /// 403 for everybody else but administrators, 409 when it has ended otherwise.
    pub async fn fail_payout(&self, caller: &Caller, payout: Payout, reason: String) -> Result<Decided<Transaction>> {
        caller.require_admin()?;
        self.end(caller, payout, Ending { outcome: Outcome::Failed, reason, reference: None }).await
    }

    /// Ends a payout. Ended like this before, the answer is the same.
    async fn end(&self, caller: &Caller, payout: Payout, ending: Ending) -> Result<Decided<Transaction>> {
        let (Payout(payout), Ending { outcome, reason, reference }) = (payout, ending);
        if payout.status != TransactionStatus::Pending {
            return Decided::by(None, ended(payout, outcome));
        }
        let order = Order {
            wallet_id: payout.wallet_id,
            key: OrderKey::End { transaction: payout.id, outcome }.into(),
            asked_by: caller.user.id,
            kind: OrderKind::Resolve { transaction_id: payout.id, outcome, reason, reference },
        };
        let Answered { answer, owner } = self.ask(order).await?;
        let owner = match answer {
            LedgerAnswer::Committed { .. } => Some(owner),
            // Somebody was quicker, perhaps with another reason: what the journal says now is the answer.
            LedgerAnswer::Refused(Refusal::Ended(_) | Refusal::KeyReused) => None,
            LedgerAnswer::Refused(refusal) => return Err(refused(refusal, payout.currency)),
        };
        let now = self.payout_of(payout.wallet_id, payout.id).await;
        Decided::by(owner, now.and_then(|found| ended(found.ok_or_else(unknown)?, outcome)))
    }

    /// A payout of this wallet.
    async fn payout_of(&self, wallet_id: ObjectId, id: ObjectId) -> Result<Option<Transaction>> {
        Ok(self.journalled(wallet_id, id).await?.filter(|found| found.kind == TransactionType::Payout))
    }
}

/// The payout, if this is how it has ended.
fn ended(payout: Transaction, outcome: Outcome) -> Result<Transaction> {
    match payout.status {
        status if status == TransactionStatus::from(outcome) => Ok(payout),
        TransactionStatus::Pending => Err(Error::busy()),
        status => Err(refused(Refusal::Ended(status), payout.currency)),
    }
}

fn unknown() -> Error {
    Error::not_found("Payout")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_payout_becomes_an_order() {
        let (amount, currency) = (Amount::from_minor(1_000).unwrap(), Currency::Usd);
        let request = PayoutRequest { amount, currency, description: None, destination: Some("bank".to_owned()) };
        let metadata = BTreeMap::from([("destination".to_owned(), "bank".to_owned())]);
        let description = "Payout".to_owned();
        assert_eq!(request.order(), OrderKind::Payout { amount, currency, description, metadata });
    }

    #[test]
    fn a_payout_is_of_ten_units_at_least() {
        for (minor, currency, why) in [
            (1_000, Currency::Usd, None),
            (999, Currency::Usd, Some("must be at least 10.00")),
            (-1_000, Currency::Eur, Some("must be at least 10.00")),
            (10, Currency::Jpy, None),
            (9, Currency::Jpy, Some("must be at least 10")),
        ] {
            let judged = PayoutRequest::judge(Amount::from_minor(minor).unwrap(), currency);
            assert_eq!(judged.err().as_deref(), why, "{minor} {currency}");
        }
    }
}
