//! Formats that the engine does not read, named so that whoever sends one knows what to do.

use super::iso;

const AS_PICTURE: &str = "save it as JPEG, PNG or WebP";
const AS_SOUND: &str = "convert it to MP3, WAV or AAC";
const AS_FILM: &str = "convert it to MP4, MOV or AVI";
const AS_TEXT: &str = "save it as PDF or plain text";

type Named = (&'static str, &'static str);

const SIGNATURES: &[(&[u8], Named)] = &[
    (b"\xff\x0a", ("a JPEG XL picture", AS_PICTURE)),
    (b"\0\0\0\x0cJXL \r\n\x87\n", ("a JPEG XL picture", AS_PICTURE)),
    (b"\0\0\0\x0cjP  \r\n\x87\n", ("a JPEG 2000 picture", AS_PICTURE)),
    (b"\xff\x4f\xff\x51", ("a JPEG 2000 picture", AS_PICTURE)),
    (b"II*\0", ("a TIFF picture, or a raw one of a camera", AS_PICTURE)),
    (b"MM\0*", ("a TIFF picture, or a raw one of a camera", AS_PICTURE)),
    (b"II+\0", ("a TIFF picture", AS_PICTURE)),
    (b"MM\0+", ("a TIFF picture", AS_PICTURE)),
    (b"GIF87a", ("a GIF picture", AS_PICTURE)),
    (b"GIF89a", ("a GIF picture", AS_PICTURE)),
    (b"8BPS\0", ("a Photoshop document", AS_PICTURE)),
    (b"gimp xcf ", ("a GIMP picture", AS_PICTURE)),
    (b"\0\0\x01\0", ("a Windows icon", AS_PICTURE)),
    (b"\x76\x2f\x31\x01", ("an OpenEXR picture", AS_PICTURE)),
    (b"#?RADIANCE", ("a Radiance HDR picture", AS_PICTURE)),
    (b"qoif", ("a QOI picture", AS_PICTURE)),
    (b"DDS ", ("a DirectDraw surface", AS_PICTURE)),
    (b"AT&TFORM", ("a DjVu document", AS_TEXT)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ("an older Office document", AS_TEXT)),
    (b"{\\rtf", ("an RTF document", AS_TEXT)),
    (b"%!PS", ("a PostScript document", AS_TEXT)),
    (b"\xc5\xd0\xd3\xc6", ("a PostScript document", AS_TEXT)),
    (b"MThd\0\0\0\x06", ("a MIDI file, which holds notes and no sound", AS_SOUND)),
    (b"#!AMR", ("AMR sound", AS_SOUND)),
    (b".snd\0", ("Sun sound", AS_SOUND)),
    (b"caff\0", ("Core Audio sound", AS_SOUND)),
    (b"wvpk", ("WavPack sound", AS_SOUND)),
    (b"MAC \x96\x0f", ("Monkey's Audio sound", AS_SOUND)),
    (b"MPCK", ("Musepack sound", AS_SOUND)),
    (b"MP+", ("Musepack sound", AS_SOUND)),
    (b"TTA1", ("True Audio sound", AS_SOUND)),
    (b"DSD ", ("DSD sound", AS_SOUND)),
    (b"\x0b\x77", ("Dolby Digital sound", AS_SOUND)),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ("Windows Media (WMA, WMV or ASF)", "convert it to MP3 or MP4")),
    (b"FLV\x01", ("Flash video", AS_FILM)),
    (b".RMF", ("RealMedia", AS_FILM)),
    (b"\x1a\x45\xdf\xa3", ("Matroska or WebM video", AS_FILM)),
    (b"\0\0\x01\xba", ("MPEG video", AS_FILM)),
    (b"\0\0\x01\xb3", ("MPEG video", AS_FILM)),
    (b"fLaC", ("FLAC sound", AS_SOUND)),
    (b"OggS", ("Ogg sound or video", AS_SOUND)),
    (b"SQLite format 3\0", ("a database", AS_TEXT)),
];

/// What it is and what to do, for formats that are known and not read.
pub(super) fn named(head: &[u8]) -> Option<Named> {
    SIGNATURES
        .iter()
        .find(|(signature, _)| head.starts_with(signature))
        .map(|(_, named)| *named)
        .or_else(|| picture_in_boxes(head))
        .or_else(|| is_bmp(head).then_some(("a BMP picture", AS_PICTURE)))
        .or_else(|| is_aiff(head).then_some(("AIFF sound", AS_SOUND)))
        .or_else(|| is_transport_stream(head).then_some(("an MPEG transport stream", AS_FILM)))
        .or_else(|| is_svg(head).then_some(("an SVG drawing", AS_PICTURE)))
}

/// HEIF in its kinds: pictures in the container of films.
fn picture_in_boxes(head: &[u8]) -> Option<Named> {
    let has = |wanted: &[&[u8; 4]]| iso::brands(head).any(|brand| wanted.contains(&brand));
    let own = iso::brands(head).next()?;
    let still =
        [b"mif1", b"msf1", b"mif2", b"miaf", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"avif", b"avis"];
    match own {
        b"crx " => Some(("a raw picture of a Canon camera", AS_PICTURE)),
        own if !still.contains(&own) => None,
        _ if has(&[b"avif", b"avis"]) => Some(("an AVIF picture", AS_PICTURE)),
        _ => Some((
            "a HEIC picture (as iPhones take them)",
            "save it as JPEG, PNG or WebP; iPhones do with \"Most Compatible\"",
        )),
    }
}

fn is_bmp(head: &[u8]) -> bool {
    head.starts_with(b"BM") && head.get(6..10) == Some(&[0; 4])
}

fn is_aiff(head: &[u8]) -> bool {
    head.starts_with(b"FORM") && matches!(head.get(8..12), Some(b"AIFF" | b"AIFC"))
}

fn is_transport_stream(head: &[u8]) -> bool {
    [188, 192].iter().any(|packet| (0..3).all(|n| head.get(n * packet + packet - 188) == Some(&0x47)))
}

/// A drawing and no page that holds one: the first element decides.
fn is_svg(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&head[..head.len().min(2_048)]);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while rest.starts_with("<?") || rest.starts_with("<!") {
        let Some(end) = rest.find('>') else { return false };
        rest = rest[end + 1..].trim_start();
    }
    rest.starts_with("<svg")
}
