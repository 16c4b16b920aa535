//! Digests of the bytes of any file, all in one streaming pass.

use serde::{Deserialize, Serialize};

/// What [`Digester`] gives for a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// SHA-256, 64 lower-case hex digits.
    pub sha256: String,
    /// BLAKE3, 64 lower-case hex digits.
    pub blake3: String,
    /// ISCC Data-Code, 64 bits, `ISCC:GA…`: similar for similar bytes.
    pub iscc_data: String,
    /// ISCC Instance-Code, 64 bits, `ISCC:IA…`: a check sum.
    pub iscc_instance: String,
}
