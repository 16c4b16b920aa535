//! Black-box harness: starts real nodes, breaks them, and judges the outcome by what was acknowledged.
//!
//! It knows HTTP, signals and the words of `metastamp-protocol`, nothing else of the system. The parts:
//! [`node`] runs a node process, [`client`] speaks HTTP to it, [`history`] writes down who was told what,
//! [`check`] holds that against what the node shows at the end, [`scenario`] puts them together.

pub mod check;
pub mod client;
pub mod files;
pub mod history;
pub mod multipart;
pub mod node;
pub mod scenario;

pub use client::{Address, Answer, Client};
pub use files::UploadFile;
pub use history::History;
pub use node::{NodeOptions, NodeProcess};
