//! Extensions and formats.

use super::Refusal;
use crate::FileKind;

/// Every extension that a fingerprint can be made of. The first are those that may be uploaded, in the order the
/// documentation lists them; the others are read on the command line only.
const EXTENSIONS: [(&str, Format); 16] = [
    ("txt", Format::Text),
    ("md", Format::Markdown),
    ("pdf", Format::Pdf),
    ("png", Format::Png),
    ("jpg", Format::Jpeg),
    ("jpeg", Format::Jpeg),
    ("webp", Format::Webp),
    ("mp3", Format::Mp3),
    ("wav", Format::Wav),
    ("aac", Format::Aac),
    ("mp4", Format::Mp4),
    ("mov", Format::Mov),
    ("avi", Format::Avi),
    ("flac", Format::Flac),
    ("ogg", Format::Ogg),
    ("m4a", Format::M4a),
];

/// Accepted by default.
pub const ALLOWED_EXTENSIONS: [&str; 13] = {
    let mut allowed = [""; 13];
    let mut at = 0;
    while at < allowed.len() {
        allowed[at] = EXTENSIONS[at].0;
        at += 1;
    }
    allowed
};

/// Refused as dangerous whatever the configuration says: archives, executables and images, scripts, system files.
pub const BLOCKED_EXTENSIONS: &[&str] = &[
    "zip", "rar", "7z", "tar", "gz", "bz2", "xz", "lz", "lzma", "cab", "arj", "lha", "lzh", "ace", "arc", "zoo", "z",
    "exe", "bin", "sh", "bat", "app", "msi", "iso", "dmg", "img", "deb", "rpm", "pkg", "apk", "ipa", "run", "appimage",
    "com", "pif", "gadget", "jar", "war", "ear", "js", "vbs", "ps1", "cmd", "wsf", "wsh", "scr", "hta", "py", "pyw",
    "pl", "rb", "php", "asp", "aspx", "jsp", "cgi", "bash", "zsh", "fish", "ksh", "csh", "dll", "so", "dylib", "sys",
    "drv", "ocx", "cpl", "inf", "reg", "lnk", "scf", "url", "desktop",
];

/// A format we can recognise by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Markdown,
    Pdf,
    Png,
    Jpeg,
    Webp,
    Mp3,
    Wav,
    /// ADTS stream.
    Aac,
    /// MP4 container with an audio brand.
    M4a,
    Flac,
    Ogg,
    Mp4,
    Mov,
    Avi,
}

impl Format {
    pub fn of_extension(extension: &str) -> Option<Self> {
        EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, format)| *format)
    }

    /// By the last extension of a name, in any case.
    pub fn of_name(file_name: &str) -> Option<Self> {
        Self::of_extension(&extension(file_name)?)
    }

    pub fn name(self) -> &'static str {
        match self {
            Format::Text | Format::Markdown => "plain text",
            Format::Pdf => "a PDF document",
            Format::Png => "a PNG image",
            Format::Jpeg => "a JPEG image",
            Format::Webp => "a WebP image",
            Format::Mp3 => "MP3 audio",
            Format::Wav => "WAV audio",
            Format::Aac | Format::M4a => "AAC audio",
            Format::Flac => "FLAC audio",
            Format::Ogg => "Ogg audio",
            Format::Mp4 => "an MP4 video",
            Format::Mov => "a QuickTime video",
            Format::Avi => "an AVI video",
        }
    }

    /// Which kind of work it is.
    pub fn kind(self) -> FileKind {
        match self {
            Format::Text | Format::Markdown | Format::Pdf => FileKind::Text,
            Format::Png | Format::Jpeg | Format::Webp => FileKind::Image,
            Format::Mp3 | Format::Wav | Format::Aac | Format::M4a | Format::Flac | Format::Ogg => FileKind::Audio,
            Format::Mp4 | Format::Mov | Format::Avi => FileKind::Video,
        }
    }

    /// Families are exchangeable inside: a PNG named .jpg is a picture all the same. PDF is a family of its own.
    fn is_of_family_of(self, other: Format) -> bool {
        self.kind() == other.kind() && (self == Format::Pdf) == (other == Format::Pdf)
    }

    /// Whether content `found` may stand under an extension of this format.
    pub fn accepts(self, found: Format) -> bool {
        // An MP4 container whose brand does not say "audio" may still hold only sound.
        self.is_of_family_of(found) || (self == Format::Aac && found == Format::Mp4)
    }

    /// The MIME type of this content under an extension of format `expected`.
    pub fn mime_for(self, expected: Format) -> &'static str {
        match self {
            // Markdown can't be told from text by its bytes.
            Format::Text if expected == Format::Markdown => "text/markdown",
            Format::Mp4 if expected == Format::Aac => "audio/mp4",
            Format::Text => "text/plain",
            Format::Markdown => "text/markdown",
            Format::Pdf => "application/pdf",
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::Webp => "image/webp",
            Format::Mp3 => "audio/mpeg",
            Format::Wav => "audio/wav",
            Format::Aac => "audio/aac",
            Format::M4a => "audio/mp4",
            Format::Flac => "audio/flac",
            Format::Ogg => "audio/ogg",
            Format::Mp4 => "video/mp4",
            Format::Mov => "video/quicktime",
            Format::Avi => "video/x-msvideo",
        }
    }
}

/// The lower-cased last extension of a name; `None` without one (a leading dot does not make one).
pub fn extension(file_name: &str) -> Option<String> {
    let last = file_name.replace('\\', "/");
    let last = last.rsplit('/').next().unwrap_or_default().trim();
    let (stem, extension) = last.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_lowercase())
}

/// Which kind of work an extension stands for, when such files may be uploaded.
pub fn kind_of_extension(extension: &str) -> Option<FileKind> {
    Format::of_extension(extension).filter(|_| ALLOWED_EXTENSIONS.contains(&extension)).map(Format::kind)
}

/// Which kind of work a file is by its name; of all that a fingerprint can be made of.
pub fn kind_of_name(file_name: &str) -> Option<FileKind> {
    Format::of_name(file_name).map(Format::kind)
}

/// Judges a name on the upload route of `kind`. `allowed` is the configured list, without dots.
pub fn judge_extension(file_name: &str, kind: FileKind, allowed: &[String]) -> Result<(), Refusal> {
    // `.exe` alone has no stem, yet it names a kind that we never take.
    let bare = file_name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let extension = extension(file_name).or_else(|| bare.strip_prefix('.').map(str::to_lowercase)).unwrap_or_default();
    if BLOCKED_EXTENSIONS.contains(&extension.as_str()) {
        return Err(Refusal::BlockedExtension(extension));
    }
    let accepted = |e: &str| allowed.iter().any(|a| a == e) && kind_of_extension(e) == Some(kind);
    if accepted(&extension) {
        return Ok(());
    }
    let list: Vec<_> = ALLOWED_EXTENSIONS.iter().filter(|e| accepted(e)).map(|e| format!(".{e}")).collect();
    let shown = if extension.is_empty() { "without an extension".to_owned() } else { format!(".{extension}") };
    Err(Refusal::WrongExtension(shown, list.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(name: &str, kind: FileKind) -> Result<(), Refusal> {
        let allowed: Vec<_> = ALLOWED_EXTENSIONS.iter().map(|e| (*e).to_owned()).collect();
        judge_extension(name, kind, &allowed)
    }

    #[test]
    fn the_last_extension_decides() {
        assert_eq!(judge("x.tar.png", FileKind::Image), Ok(()));
        assert_eq!(judge("X.PNG", FileKind::Image), Ok(()));
        assert!(matches!(judge("x.png.exe", FileKind::Image), Err(Refusal::BlockedExtension(_))));
        assert!(matches!(judge("x.png", FileKind::Text), Err(Refusal::WrongExtension(..))));
        assert!(matches!(judge("png", FileKind::Image), Err(Refusal::WrongExtension(..))));
        assert!(matches!(judge(".exe", FileKind::Image), Err(Refusal::BlockedExtension(_))));
        assert!(matches!(judge("x.gif", FileKind::Image), Err(Refusal::WrongExtension(..))));
    }

    #[test]
    fn every_allowed_extension_has_a_kind_and_a_format() {
        for extension in ALLOWED_EXTENSIONS {
            assert!(kind_of_extension(extension).is_some() && Format::of_extension(extension).is_some(), "{extension}");
            assert!(!BLOCKED_EXTENSIONS.contains(&extension), "{extension}");
        }
    }

    #[test]
    fn more_is_read_than_may_be_uploaded() {
        for name in ["a.flac", "a.OGG", "dir.mp4/a.m4a"] {
            assert_eq!(kind_of_name(name), Some(FileKind::Audio), "{name}");
        }
        assert_eq!((kind_of_extension("flac"), kind_of_extension("mp3")), (None, Some(FileKind::Audio)));
        assert!(matches!(judge("a.flac", FileKind::Audio), Err(Refusal::WrongExtension(..))));
    }
}
