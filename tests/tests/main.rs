//! Tests of the whole: real node processes, spoken to over HTTP, judged by the contract and by what they acknowledged.
#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

mod analytics;
mod assets;
mod audit;
mod auth;
mod backup;
mod bad_input;
mod cli;
mod cluster;
mod cluster_chaos;
mod compose;
mod config;
mod crash;
mod docs;
mod edge;
mod fingerprints;
mod fsck;
mod logs;
mod migrate;
mod mixed_media;
mod openapi;
mod partners;
mod payouts;
mod proxies;
mod security;
mod shared_dir;
mod stores_backup;
mod stores_durability;
mod stores_faults;
mod stores_start;
mod teeth;
mod upload;
mod usage;
mod usage_batches;
mod wallet;
mod wallet_chaos;
