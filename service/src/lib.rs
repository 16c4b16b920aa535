//! What the system does for its users, without HTTP: each use case is a function here, and every front (routes, an
//! assistant's tools, the command line) calls it.
//!
//! | room | use cases |
//! | --- | --- |
//! | [`accounts`] | register, log in, log out, who a token or an API key speaks for |
//! | [`money`] | wallets: balance, history, statements, payouts, what administrators book |
//! | [`usage`] | usage that partners report: take, settle, cancel, look, one by one or in batches |
//! | [`partners`] | partners, their deposits, their API keys |
//! | [`analytics`] | AI Touch Value: calculate, look back, look ahead |
//! | [`caller`] | who asks, and what that role or scope may do |
//! | [`ingest`] | take a file in: judge it, store it, make it an asset |
//! | [`works`] | list, look at and delete works; their fingerprints and pictures |
//! | [`health`] | whether what we depend on answers |
//! | [`fair`] | shares of what is scarce, by caller |
//! | [`error`] | the one failure of a use case: a code of the contract, a sentence, what is wrong with which member |
//!
//! It talks to actors and stores and never imports warp, http or clap.

pub mod accounts;
pub mod analytics;
pub mod caller;
pub mod error;
pub mod fair;
pub mod health;
pub mod ingest;
pub mod metrics;
pub mod money;
pub mod partners;
mod removal;
#[cfg(test)]
mod test_world;
pub mod usage;
pub mod works;

use metastamp_actors::System;
use metastamp_store::Stores;
use metastamp_store::cache::SharedCache;
use metastamp_store::objects::Objects;

pub use self::accounts::Accounts;
pub use self::analytics::Analytics;
pub use self::caller::{Caller, Reporter};
pub use self::error::{Error, Result};
pub use self::health::Dependencies;
use self::health::Health;
pub use self::ingest::Ingest;
pub use self::money::Money;
pub use self::partners::Partners;
pub use self::usage::Usage;
pub use self::works::Works;

/// What use cases work with. Cheap to clone.
#[derive(Clone)]
pub struct Deps {
    pub stores: Stores,
    pub cache: SharedCache,
    pub objects: Objects,
    pub actors: System,
}

/// What an operator decides about use cases.
#[derive(Debug, Clone)]
pub struct Settings {
    pub accounts: accounts::Settings,
    pub ingest: ingest::Settings,
    pub works: works::Settings,
}

/// All use cases, by subject.
pub struct Service {
    pub accounts: Accounts,
    pub ingest: Ingest,
    pub works: Works,
    pub money: Money,
    pub usage: Usage,
    pub partners: Partners,
    pub analytics: Analytics,
    health: Health,
}

impl Service {
    pub fn new(deps: &Deps, settings: Settings) -> Self {
        Self {
            accounts: Accounts::new(deps, settings.accounts),
            ingest: Ingest::new(deps, settings.ingest),
            works: Works::new(deps, settings.works),
            money: Money::new(deps),
            usage: Usage::new(deps),
            partners: Partners::new(deps),
            analytics: Analytics::new(deps),
            health: Health::new(deps),
        }
    }

    /// Whether what we depend on answers.
    pub async fn health(&self) -> Dependencies {
        self.health.ask().await
    }
}
