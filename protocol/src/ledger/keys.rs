//! Every form that the key of an order has in a journal, in one place.
//!
//! A key stands for one order to one wallet, for ever: sent again, the order is found under it, and the id of the
//! transaction that it opens is made of it. So a form never changes, and no two may meet: each begins with a word of its
//! own and a slash, and what a client sends only ever follows after the first slash.

use std::fmt;

use super::Outcome;
use crate::{Currency, ObjectId};

const PAYOUT: &str = "payout";
const END: &str = "end";
const ADJUSTMENT: &str = "adjustment";
const BONUS: &str = "bonus";
const REFUND: &str = "refund";
const DEPOSIT: &str = "deposit";
const USAGE: &str = "usage";
const SETTLE: &str = "settle";
const CANCEL: &str = "cancel";
const BROUGHT_FORWARD: &str = "brought-forward";

/// The key of an order; as text, what stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderKey {
    /// A creator asks for a payout.
    Payout(ClientKey),
    /// A payout ends: cancelled by its owner, completed or failed by an administrator.
    End {
        transaction: ObjectId,
        outcome: Outcome,
    },
    /// What administrators book by hand.
    Adjustment(ClientKey),
    Bonus(ClientKey),
    Refund(ClientKey),
    /// A partner's money came in.
    Deposit(ClientKey),
    /// A usage event opens: the partner's reserve, and the creator's earning, each in its own wallet.
    Usage(ObjectId),
    /// Both sides of a usage event are completed.
    Settle(ObjectId),
    /// Both sides of a usage event are given back.
    Cancel(ObjectId),
    /// What the original system left in a wallet is brought into its journal.
    BroughtForward(Currency),
}

impl OrderKey {
    /// The key that a text stands for; `None` for what none of the forms prints.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once('/')?;
        let client = || ClientKey::parse(rest).ok();
        let id = || rest.parse::<ObjectId>().ok();
        let key = match word {
            PAYOUT => Self::Payout(client()?),
            END => {
                let (transaction, outcome) = rest.split_once('/')?;
                Self::End { transaction: transaction.parse().ok()?, outcome: Outcome::parse(outcome)? }
            }
            ADJUSTMENT => Self::Adjustment(client()?),
            BONUS => Self::Bonus(client()?),
            REFUND => Self::Refund(client()?),
            DEPOSIT => Self::Deposit(client()?),
            USAGE => Self::Usage(id()?),
            SETTLE => Self::Settle(id()?),
            CANCEL => Self::Cancel(id()?),
            BROUGHT_FORWARD => Self::BroughtForward(Currency::parse(rest)?),
            _ => return None,
        };
        // An id in capitals is the same id, and another key.
        (key.to_string() == text).then_some(key)
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payout(key) => write!(f, "{PAYOUT}/{key}"),
            Self::End { transaction, outcome } => write!(f, "{END}/{transaction}/{}", outcome.as_str()),
            Self::Adjustment(key) => write!(f, "{ADJUSTMENT}/{key}"),
            Self::Bonus(key) => write!(f, "{BONUS}/{key}"),
            Self::Refund(key) => write!(f, "{REFUND}/{key}"),
            Self::Deposit(key) => write!(f, "{DEPOSIT}/{key}"),
            Self::Usage(event) => write!(f, "{USAGE}/{event}"),
            Self::Settle(event) => write!(f, "{SETTLE}/{event}"),
            Self::Cancel(event) => write!(f, "{CANCEL}/{event}"),
            Self::BroughtForward(currency) => write!(f, "{BROUGHT_FORWARD}/{currency}"),
        }
    }
}

impl From<OrderKey> for String {
    fn from(key: OrderKey) -> Self {
        key.to_string()
    }
}

/// The key by which a client's request is known when it is sent again: 1 to 255 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey(String);

/// Text that is no key of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one text of 1 to 255 printable ASCII characters")]
pub struct InvalidClientKey;

impl ClientKey {
    /// Where clients put it: a header of HTTP.
    pub const HEADER: &str = "Idempotency-Key";
    pub const CHARS_MAX: usize = 255;

    /// # Errors
    /// [`InvalidClientKey`] for what is too long, empty, or holds anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidClientKey> {
        let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        match (1..=Self::CHARS_MAX).contains(&text.len()) && is_printable {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidClientKey),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ClientKey> for String {
    fn from(key: ClientKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests;
