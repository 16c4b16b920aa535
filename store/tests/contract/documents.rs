//! The contract of the document store, case by case. All instants are made up: the store is told what time it is.

mod analytics;
mod assets;
mod claims;
mod deaths;
mod fingerprints;
pub mod fixtures;
mod identities;
pub mod journal;
mod ledger;
mod ledger_history;
mod ledger_views;
mod partners;
mod records;
mod results;
mod shared;
mod shares;
mod sweeping;
mod upkeep;
mod uploads;
mod users;

use metastamp_store::Stores;

use crate::harness::{self, Case};

pub async fn contract(open: impl AsyncFn(&str) -> Stores) {
    harness::run(cases(), &open).await;
    shared::what_was_written_is_there_after_reopening(&open).await;
}

fn cases() -> Vec<Case<Stores>> {
    [
        users::cases(),
        uploads::cases(),
        sweeping::cases(),
        assets::cases(),
        analytics::cases(),
        claims::cases(),
        deaths::cases(),
        results::cases(),
        fingerprints::cases(),
        shared::cases(),
        shares::cases(),
        upkeep::cases(),
        partners::cases(),
        records::cases(),
        identities::cases(),
        ledger::cases(),
        ledger_views::cases(),
        ledger_history::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
