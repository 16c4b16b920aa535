//! What a picture says it is called, in the order in which iscc-sdk 0.9.7 looks: XMP, then IPTC, then Exif.

use std::collections::BTreeMap;

use super::blocks::Blocks;
use super::exif::Exif;
use super::xmp::{self, Property, Texts};
use crate::iscc::TitleAndDescription;

/// Properties of XMP that hold a title, the first that is there counts.
const TITLES: [Property; 6] = [
    Property::IsccName,
    Property::Title,
    Property::Nickname,
    Property::ShotName,
    Property::Headline,
    Property::ArtworkTitle,
];
const DESCRIPTIONS: [Property; 2] = [Property::IsccDescription, Property::Description];
/// Data sets of IPTC's record 2 that hold a title: headline, title of the author, name of the object.
const IPTC_TITLES: [u8; 3] = [105, 85, 5];
/// Characters shown to people.
const SHOWN_CHARS_MAX: usize = 500;

/// What was found.
#[derive(Debug, Clone, Default)]
pub(super) struct Titles {
    /// For people.
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    /// For the Meta-Code: as iscc-sdk takes it.
    pub(super) embedded: TitleAndDescription,
    /// How the pixels lie, where only XMP tells it: as Pillow, iscc-sdk's reader of pictures, takes it.
    pub(super) orientation: Option<u32>,
}

pub(super) fn read(blocks: &Blocks, exif: &Exif) -> Titles {
    let xmp = blocks.xmp.as_deref().map(xmp::read).unwrap_or_default();
    let texts = |properties: &[Property]| first(&xmp, properties);
    let iptc = || IPTC_TITLES.iter().find_map(|set| data_set(&blocks.iptc, *set));
    let other = || iptc().or_else(|| exif.title.clone());
    let (title, description) = (texts(&TITLES), texts(&DESCRIPTIONS));
    let shown = |texts: Option<&Texts>| texts.and_then(Texts::plain).map(str::to_owned);
    let reference = |texts: Option<&Texts>| texts.and_then(Texts::reference);
    let embedded = TitleAndDescription { title: reference(title).or_else(other), description: reference(description) };
    Titles {
        title: shown(title).or_else(other).map(|text| cut(&text)),
        description: shown(description).map(|text| cut(&text)),
        embedded: embedded.sanitized(),
        orientation: first(&xmp, &[Property::Orientation]).and_then(Texts::plain).and_then(|text| text.parse().ok()),
    }
}

fn first<'a>(xmp: &'a BTreeMap<Property, Texts>, properties: &[Property]) -> Option<&'a Texts> {
    properties.iter().filter_map(|property| xmp.get(property)).find(|texts| texts.plain().is_some())
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

/// The last data set of record 2 with the number `wanted` (IPTC-IIM 4.2, 1.6). Its text is UTF-8, or Latin-1 where it is
/// none, whatever the record of the character set says: that is wrong as often as not.
fn data_set(mut sets: &[u8], wanted: u8) -> Option<String> {
    let mut found = None;
    while let [0x1c, record, number, high, low, rest @ ..] = sets {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        // The highest bit tells that the length itself follows: sets of more than 32 KiB, which no title is.
        if length > 0x7fff {
            break;
        }
        let value = &rest[..length.min(rest.len())];
        if (*record, *number) == (2, wanted) {
            found = Some(text(value)).filter(|text| !text.is_empty());
        }
        sets = rest.get(length..).unwrap_or_default();
    }
    found
}

fn text(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
}
