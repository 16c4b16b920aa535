//! `Content-Transfer-Encoding` of a part: programs made for mail send base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use metastamp_service::{Error, Result};

/// How the bytes of a part come.
pub enum Transfer {
    AsTheyAre,
    Base64 {
        /// Digits of a group that is not whole.
        open: Vec<u8>,
        ended: bool,
    },
}

impl Transfer {
    /// # Errors
    /// 422 for one that is not decoded here.
    pub fn of(header: Option<&[u8]>, part: &str) -> Result<Self> {
        let encoding = header.unwrap_or_default().trim_ascii().to_ascii_lowercase();
        match encoding.as_slice() {
            b"" | b"7bit" | b"8bit" | b"binary" => Ok(Self::AsTheyAre),
            b"base64" => Ok(Self::Base64 { open: Vec::new(), ended: false }),
            _ => Err(Error::field(part, "has a Content-Transfer-Encoding other than base64, binary, 8bit or 7bit")),
        }
    }

    /// The bytes that these stand for, as far as they are whole.
    pub fn decode(&mut self, chunk: Bytes, part: &str) -> Result<Bytes> {
        let Self::Base64 { open, ended } = self else { return Ok(chunk) };
        open.extend(chunk.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let whole = open.len() / 4 * 4;
        if whole == 0 {
            return Ok(Bytes::new());
        }
        if *ended {
            return Err(wrong(part));
        }
        let groups: Vec<u8> = open.drain(..whole).collect();
        *ended = groups.ends_with(b"=");
        STANDARD.decode(groups).map(Bytes::from).map_err(|_| wrong(part))
    }

    /// # Errors
    /// 422 when a group is not whole.
    pub fn finish(self, part: &str) -> Result<()> {
        match self {
            Self::Base64 { open, .. } if !open.is_empty() => Err(wrong(part)),
            _ => Ok(()),
        }
    }
}

fn wrong(part: &str) -> Error {
    Error::field(part, "is not the base64 that its Content-Transfer-Encoding says")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: &[u8], text: &[u8], step: usize) -> Result<Vec<u8>> {
        let mut transfer = Transfer::of(Some(encoding), "file")?;
        let mut out = Vec::new();
        for chunk in text.chunks(step) {
            out.extend(transfer.decode(Bytes::copy_from_slice(chunk), "file")?);
        }
        transfer.finish("file").map(|()| out)
    }

    #[test]
    fn base64_is_decoded_however_it_is_cut() {
        let lines = b"SGVs\r\nbG8sIHdv\r\ncmxkIQ==\r\n";
        for step in 1..lines.len() {
            assert_eq!(decoded(b"BASE64", lines, step).unwrap(), b"Hello, world!");
        }
        assert_eq!(decoded(b" binary ", b"SGVs", 2).unwrap(), b"SGVs");
        for wrong in [&b"SGVsbG8"[..], b"SG!s", b"SGVsbG8=SGVs", b"=", b"SGVsbG9="] {
            assert!(decoded(b"base64", wrong, 3).is_err(), "{wrong:?}");
        }
        assert!(decoded(b"quoted-printable", b"a", 1).is_err());
    }
}
