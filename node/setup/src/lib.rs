//! What every process starts with, whether it serves, mends the stores or talks to a node.
//!
//! | room | what it is for |
//! | --- | --- |
//! | [`config`] | all variables, read once and checked once |
//! | [`stores`] | from the configuration to open stores, waiting for those on servers |
//! | [`identity`], [`name`] | which node this is: its data directory and its name, held by one process at a time |
//! | [`secrets`] | secrets that nobody has set: made up and kept |
//! | [`telemetry`] | logs, and whose request a line belongs to |
//! | [`out`], [`table`], [`progress`] | lines, columns and bars for whoever looks on |
//! | [`exit`] | exit codes that say more than "failed" |
//!
//! It must never import `metastamp-ops`, `metastamp-cli` or the node, nor the actors: those begin where this ends.

pub mod config;
pub mod exit;
pub mod identity;
pub mod name;
pub mod out;
pub mod progress;
pub mod secrets;
pub mod stores;
pub mod table;
pub mod telemetry;
