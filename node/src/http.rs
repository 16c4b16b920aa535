//! The HTTP edge: from a connection to a handler and back. Only this folder knows warp.
//!
//! The path of a request: [`server`] accepts, [`edge`] does what holds for every request (ids, CORS, errors, logs,
//! metrics), [`routes`] picks the handler by path and method, the handler talks to stores and actors.

mod analytics;
mod assets;
mod auth;
mod body;
mod cluster;
mod cors;
mod docs;
mod edge;
mod error;
mod fields;
mod fingerprints;
mod money;
mod multipart;
mod params;
mod partners;
mod peer;
mod pictures;
mod request;
mod response;
mod routes;
mod server;
mod slots;
mod starting;
mod system;
mod upload;
mod usage;
mod wallet;

pub use edge::Edge;
pub use server::Server;
pub use slots::UploadSlots;
pub use starting::Starting;
