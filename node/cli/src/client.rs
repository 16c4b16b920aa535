//! The command-line client: `metastamp login`, `upload`, `assets`, `wallet` and `cluster`.
//!
//! It talks to a node over HTTP like any other client, so what works here works for everybody. Results go to stdout,
//! progress and hints to stderr: output can be piped while a person still sees what is going on.

mod api;
mod args;
mod assets;
mod cluster;
mod credentials;
mod error;
mod fingerprint;
mod live;
mod login;
mod retry;
mod send;
mod settings;
mod upload;
mod wallet;
#[cfg(test)]
mod wire_test;

pub use args::{AssetsArgs, ClusterCommand, LoginArgs, UploadArgs, WalletArgs, WalletCommand};
pub use assets::assets;
pub use cluster::cluster;
pub use login::login;
pub use upload::upload;
pub use wallet::wallet;

// The demo and the local cluster are clients too.
pub(crate) use api::Api;
pub(crate) use assets::{AssetPage, AssetRow};
pub(crate) use cluster::{MemberRow, Members, PATH as CLUSTER_PATH};
pub(crate) use error::CallError;
pub(crate) use fingerprint::{Fingerprint, report_rows};
pub(crate) use live::Live;
pub(crate) use login::open_session;
pub(crate) use send::{Parcel, Payload};
pub(crate) use settings::{is_loopback, normalise_url};
