//! The HTTP edge: from a connection to a handler and back. Only this folder knows warp.
//!
//! The path of a request: [`server`] accepts, [`edge`] does what holds for every request (ids, CORS, errors), [`table`]
//! picks the row by path and method and lets the caller in, the handler reads what was sent ([`read`]), calls a use case of
//! `service/`, and answers ([`response`]). [`exchange`] counts and logs it once its last byte is on the way.

mod analytics;
mod assets;
mod auth;
mod body;
mod clients;
mod cluster;
mod connections;
mod cors;
mod disposition;
mod docs;
mod edge;
mod error;
mod exchange;
mod fingerprints;
mod money;
mod multipart;
mod pace;
mod partners;
mod peer;
mod pictures;
mod read;
mod request;
mod response;
mod server;
mod starting;
mod system;
mod table;
mod transfer;
mod upload;
mod usage;
mod wallet;

pub use connections::{Bounds, CONNECTIONS_MAX};
pub use edge::Edge;
pub use server::Server;
pub use starting::Starting;
