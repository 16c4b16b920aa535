//! Pictures that people look at: made beside the fingerprint, stored beside the asset.

use metastamp_protocol::fingerprint::Picture;

/// One picture, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPicture {
    /// What it is.
    pub about: Picture,
    /// The encoded file.
    pub bytes: Vec<u8>,
}

impl EncodedPicture {
    /// `size` is in pixels, width first.
    pub(crate) fn new(name: &str, media_type: &str, size: (u32, u32), bytes: Vec<u8>) -> Self {
        let (name, media_type) = (name.to_owned(), media_type.to_owned());
        let about = Picture { name, media_type, width: size.0, height: size.1, size: bytes.len() as u64 };
        Self { about, bytes }
    }
}
