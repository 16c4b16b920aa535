//! What the system remembers. Domain-level traits with backends beside each other: [`documents`] (the truth),
//! [`cache`] (what may be lost at any time) and [`objects`] (bytes, always through the S3 client). Only this crate
//! knows the engines behind them.

pub mod archive;
pub mod cache;
pub mod cached;
pub mod documents;
pub mod error;
pub mod identity;
pub mod metrics;
pub mod objects;
pub mod ports;
pub mod records;
pub mod settings;
mod sqlite;
pub mod unfenced;

pub use cache::Cache;
pub use cached::CacheTtls;
pub use error::{Result, StoreError};
pub use ports::Stores;
pub use settings::{MongoSettings, RedisSettings};
