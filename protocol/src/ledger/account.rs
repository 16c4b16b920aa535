//! Accounts: where money is. Their text form, `available:{wallet}` or `payouts`, is what journals hold.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ObjectId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// Of a wallet: free to be used.
    Available(ObjectId),
    /// Of a wallet: set aside for a payout, or for usage that is not settled.
    Held(ObjectId),
    /// Of a creator's wallet: earned, not settled yet.
    Pending(ObjectId),
    /// Of a partner: what its usage was credited with, until it is settled. Zero when everything is.
    Clearing(ObjectId),
    /// Outside of the system: partners' money comes in.
    Deposits,
    /// Outside of the system: creators' money goes out.
    Payouts,
    /// The platform's own, one for each purpose.
    Adjustments,
    Bonuses,
    Refunds,
}

/// Text that names no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("names no account")]
pub struct InvalidAccount;

impl Account {
    /// The wallet whose balance it is part of.
    pub fn wallet(self) -> Option<ObjectId> {
        match self {
            Account::Available(id) | Account::Held(id) | Account::Pending(id) => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Available(id) => write!(f, "available:{id}"),
            Account::Held(id) => write!(f, "held:{id}"),
            Account::Pending(id) => write!(f, "pending:{id}"),
            Account::Clearing(id) => write!(f, "clearing:{id}"),
            Account::Deposits => f.write_str("deposits"),
            Account::Payouts => f.write_str("payouts"),
            Account::Adjustments => f.write_str("adjustments"),
            Account::Bonuses => f.write_str("bonuses"),
            Account::Refunds => f.write_str("refunds"),
        }
    }
}

impl FromStr for Account {
    type Err = InvalidAccount;
    fn from_str(text: &str) -> Result<Self, InvalidAccount> {
        let Some((kind, id)) = text.split_once(':') else {
            return Ok(match text {
                "deposits" => Account::Deposits,
                "payouts" => Account::Payouts,
                "adjustments" => Account::Adjustments,
                "bonuses" => Account::Bonuses,
                "refunds" => Account::Refunds,
                _ => return Err(InvalidAccount),
            });
        };
        let id = id.parse().map_err(|_| InvalidAccount)?;
        Ok(match kind {
            "available" => Account::Available(id),
            "held" => Account::Held(id),
            "pending" => Account::Pending(id),
            "clearing" => Account::Clearing(id),
            _ => return Err(InvalidAccount),
        })
    }
}

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
