//! What operators do with the stores, each a command of `metastamp`: no node needs to run, and none is asked.
//!
//! | command | what it does |
//! | --- | --- |
//! | [`init`] | makes the stores and the administrator |
//! | [`backup`], [`restore`] | everything that is kept into one file, and back |
//! | [`migrate`] | everything from one set of stores to another |
//! | [`fsck`] | finds what does not fit together, and mends it if asked |
//! | [`audit`] | proves from the records alone that the money is right |
//! | [`rebuild`] | what is shown of wallets, made anew from their journals |
//!
//! It must never import `metastamp-cli`, the node, warp or an HTTP client: it works on the stores themselves.

pub mod audit;
pub mod backup;
mod bytes_of;
pub mod fsck;
pub mod init;
pub mod migrate;
pub mod rebuild;
pub mod restore;
