//! Black-box harness: starts real nodes, breaks them, and judges the outcome by what was acknowledged.
//!
//! It knows HTTP, signals and the words of `metastamp-protocol`, nothing else of the system. The parts:
//! [`node`] runs a node process, [`fleet`] several as a cluster, [`net`] puts links between them that can be cut,
//! [`client`] speaks HTTP, [`workload`] keeps clients at it, [`history`] writes down who was told what, [`check`] holds
//! that against what the nodes show at the end, [`scenario`] puts them together; [`wallet`] does all of it for money. [`servers`] runs the databases that
//! nodes may be told to use, [`proxy`] stands between the two.

pub mod check;
pub mod client;
pub mod files;
pub mod fleet;
pub mod history;
pub mod multipart;
pub mod net;
pub mod node;
pub mod ports;
pub mod proxy;
pub mod scenario;
pub mod servers;
pub mod stranger;
pub mod wallet;
mod watchdog;
pub mod workload;

pub use client::{Address, Answer, Client};
pub use files::UploadFile;
pub use fleet::{Fleet, FleetOptions};
pub use history::History;
pub use node::{NodeOptions, NodeProcess};
pub use proxy::{Fault, Proxy};
pub use servers::{CacheServer, DocumentServer, ObjectServer, Servers};
