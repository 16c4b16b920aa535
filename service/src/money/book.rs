//! What administrators book by hand: adjustments, bonuses and refunds, each with a reason.

use metastamp_protocol::ledger::{ClientKey, Order, OrderKey, OrderKind};
use metastamp_protocol::{Amount, Currency, ObjectId};

use super::{Decided, Money, Opened};
use crate::caller::Caller;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookingKind {
    /// Up or down, by the sign of the amount.
    Adjustment,
    Bonus,
    Refund,
}

/// The account that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    Id(ObjectId),
    /// Normalised.
    Email(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Booking {
    pub kind: BookingKind,
    pub whose: Whose,
    pub amount: Amount,
    pub currency: Currency,
    pub reason: String,
}

impl BookingKind {
    /// Only adjustments take something away.
    ///
    /// # Errors
    /// What is wrong with the amount.
    pub fn judge(self, amount: Amount) -> std::result::Result<(), &'static str> {
        match amount {
            Amount::ZERO => Err("must not be zero"),
            amount if amount.is_negative() && self != Self::Adjustment => Err("must be greater than zero"),
            _ => Ok(()),
        }
    }

    fn key(self, key: ClientKey) -> OrderKey {
        match self {
            Self::Adjustment => OrderKey::Adjustment(key),
            Self::Bonus => OrderKey::Bonus(key),
            Self::Refund => OrderKey::Refund(key),
        }
    }

    fn order(self, amount: Amount, currency: Currency, description: String) -> OrderKind {
        match self {
            Self::Adjustment => OrderKind::Adjust { amount, currency, description },
            Self::Bonus => OrderKind::Bonus { amount, currency, description },
            Self::Refund => OrderKind::Refund { amount, currency, description },
        }
    }
}

impl Money {
    /// Wallets of disabled accounts can be corrected too: the money in them is still somebody's.
    ///
    /// # Errors
    /// 403 for everybody else but administrators, 404 for an unknown account, 422 for what the ledger refuses.
    pub async fn book(&self, caller: &Caller, key: ClientKey, booking: Booking) -> Result<Decided<Opened>> {
        caller.require_admin()?;
        let Booking { kind, whose, amount, currency, reason } = booking;
        kind.judge(amount).map_err(|why| Error::field("amount", why))?;
        let user = match whose {
            Whose::Id(id) => self.stores.users.user(id).await?,
            Whose::Email(email) => self.stores.users.user_by_email(&email).await?,
        };
        let user = user.ok_or_else(|| Error::not_found("User"))?;
        let order = Order {
            wallet_id: user.id,
            key: kind.key(key).into(),
            asked_by: caller.user.id,
            kind: kind.order(amount, currency, reason),
        };
        self.open(order, currency).await
    }
}
