//! What can be done to nodes while clients use them.

pub mod cluster;
pub mod kill;
pub mod logins;
mod stage;
