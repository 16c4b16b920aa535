//! What people type beside `serve` and the commands of operators.
//!
//! | room | commands |
//! | --- | --- |
//! | [`client`] | `login`, `upload`, `assets`, `wallet`, `cluster`: a node over HTTP, like any other client |
//! | [`works`] | `fingerprint`, `compare`: files on this machine, without a node |
//! | [`demo`] | a demo account with sample works |
//! | [`dev`] | a cluster on this machine, with a load balancer in front |
//!
//! It must never import the node or warp: it starts nodes as processes and talks to them over HTTP.

pub mod client;
pub mod demo;
pub mod dev;
pub mod works;
