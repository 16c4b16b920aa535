//! Objects: bytes under opaque keys, always through the S3 client in [`client`].
//!
//! * [`Objects`] is the one code path; it talks to any S3 server.
//! * [`ObjectWriter`] uploads a body of unknown length in constant memory.
//! * [`LocalS3`] is the embedded default: a small S3 service in the same process, on loopback, on a directory that
//!   several processes may share.

mod bucket;
pub mod client;
mod error;
mod file_stream;
pub mod local;
mod multipart;
mod observe;
mod pace;
mod presign;
mod read;
pub mod writer;

pub use bucket::Setting;
pub use client::{ListPage, ListedObject, ObjectInfo, Objects, ObjectsConfig};
pub use local::{Damage, LocalS3, Swept};
pub use multipart::{PART_BYTES, PARTS_MAX, UploadedPart};
pub use read::{Downloaded, ObjectStream};
pub use writer::{ObjectWriter, Stored};
