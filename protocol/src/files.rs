//! Which files we take: names, extensions and what the first bytes say.

pub mod charset;
mod key;
mod kind;
mod name;
mod sniff;

pub use key::{UPLOADS, object_key, owner_key, picture_key, possible_picture_keys};
pub use kind::{
    ALLOWED_EXTENSIONS, BLOCKED_EXTENSIONS, Format, extension, judge_extension, kind_of_extension, kind_of_name,
};
pub use name::{sanitise, shown_name};
pub use sniff::{SNIFF_BYTES, Sniffed, sniff, sniff_as};

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A blocked kind, by extension.
    #[error("files of type .{0} are not accepted for security reasons")]
    BlockedExtension(String),
    /// Not on the list of this route.
    #[error("file type {0} is not supported here; accepted: {1}")]
    WrongExtension(String, String),
    /// Executable, archive or script by its first bytes.
    #[error("the content is {0}, which is not accepted for security reasons")]
    DangerousContent(&'static str),
    /// The content is of another family than the extension says.
    #[error("the content looks like {found}, which does not match the extension .{extension}")]
    Mismatch { extension: String, found: &'static str },
    /// A format that the engine does not read.
    #[error("the content is {what}, which is not read here; {advice}")]
    NotRead { what: &'static str, advice: &'static str },
    /// Nothing we know.
    #[error("the content is not recognised as .{0}")]
    Unrecognised(String),
}

/// Holds the first bytes of a file against its extension; the answer is the sniffed MIME type.
pub fn check_content(file_name: &str, head: &[u8]) -> Result<&'static str, Refusal> {
    let extension = extension(file_name).unwrap_or_default();
    let Some(expected) = Format::of_extension(&extension) else {
        return Err(Refusal::Unrecognised(extension));
    };
    match sniff_as(expected, head) {
        Sniffed::Dangerous(what) => Err(Refusal::DangerousContent(what)),
        Sniffed::Known(found) if expected.accepts(found) => Ok(found.mime_for(expected)),
        Sniffed::Known(found) => Err(Refusal::Mismatch { extension, found: found.name() }),
        Sniffed::Foreign(what, advice) => Err(Refusal::NotRead { what, advice }),
        Sniffed::Unknown => Err(Refusal::Unrecognised(extension)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn same_family_other_member_is_accepted_with_the_sniffed_type() {
        assert_eq!(check_content("photo.jpg", PNG), Ok("image/png"));
        assert_eq!(check_content("photo.png", PNG), Ok("image/png"));
    }

    #[test]
    fn another_family_or_a_disguise_is_refused() {
        assert!(matches!(check_content("a.pdf", PNG), Err(Refusal::Mismatch { .. })));
        assert!(matches!(check_content("a.txt", PNG), Err(Refusal::Mismatch { .. })));
        assert!(matches!(check_content("a.png", b"MZ\x90\0\x03"), Err(Refusal::DangerousContent(_))));
        assert!(matches!(check_content("a.txt", b"#!/bin/sh\n"), Err(Refusal::DangerousContent(_))));
        assert!(matches!(check_content("a.mp3", &[0; 64]), Err(Refusal::Unrecognised(_))));
    }

    #[test]
    fn text_kinds() {
        assert_eq!(check_content("a.txt", b"hello"), Ok("text/plain"));
        assert_eq!(check_content("a.md", "# h\u{e9}".as_bytes()), Ok("text/markdown"));
        assert_eq!(check_content("a.pdf", b"%PDF-1.7\n"), Ok("application/pdf"));
        assert!(check_content("a.pdf", b"hello").is_err(), "text named .pdf");
        assert!(check_content("a.txt", b"%PDF-1.7\n").is_err(), "pdf named .txt");
    }
}
