//! Exif tags as JSON, without those that tell where the creator was.

use std::panic::catch_unwind;

use ::exif::{Context, Error, Exif as RawExif, Field, In, Reader, Tag, Value};
use serde_json::{Value as Json, json};

use super::mend;
use crate::Metadata;

/// Tags kept per image; files with more are not made by cameras.
const TAGS_MAX: usize = 200;
/// Numbers kept of one tag.
const NUMBERS_MAX: usize = 16;
/// Characters kept of one text.
const TEXT_CHARS_MAX: usize = 256;

/// Windows' title.
const XP_TITLE: Tag = Tag(Context::Tiff, 0x9c9b);

/// What the Exif block of an image tells.
#[derive(Debug, Default)]
pub(super) struct Exif {
    /// A readable block with at least one tag is there (GPS tags count).
    pub(super) present: bool,
    /// Standard tag name to text, number or list of numbers. Left out: GPS tags, binary values
    /// (maker notes among them), unknown tags and those of the thumbnail.
    pub(super) tags: Metadata,
    /// `Make Model`.
    pub(super) camera: Option<String>,
    /// `YYYY-MM-DDTHH:MM:SS` in the camera's own time, with the offset when it is known.
    pub(super) date_taken: Option<String>,
    /// How the stored pixels lie: 1 to 8.
    pub(super) orientation: Option<u32>,
    /// `XPTitle`, the title that Windows writes.
    pub(super) title: Option<String>,
    /// `latitude` and `longitude` in degrees, north and east positive, and `altitude` in metres when it is known.
    pub(super) gps: Option<Metadata>,
}

/// Reads the first of `blocks` that says anything.
pub(super) fn read(blocks: &[Vec<u8>]) -> Exif {
    blocks.iter().map(|block| read_block(block)).find(|exif| exif.present).unwrap_or_default()
}

/// Reads a raw Exif block (a TIFF structure): whatever of it can be read. Writers cut directories short (a child without
/// the pointer to a next one), name a next one where there is none, and leave values out.
fn read_block(block: &[u8]) -> Exif {
    let block = mend::tiff(block);
    let parsed = catch_unwind(|| parse(block)).ok().flatten();
    let Some(raw) = parsed else { return Exif::default() };
    let tags = raw.fields().filter(|field| is_shown(field)).take(TAGS_MAX);
    let tags: Metadata = tags.filter_map(|field| Some((field.tag.to_string(), to_json(&field.value)?))).collect();
    Exif {
        present: raw.fields().next().is_some(),
        camera: camera(&tags),
        date_taken: date_taken(&raw),
        orientation: field(&raw, Tag::Orientation).and_then(|value| number(value, 0)).map(|number| number as u32),
        title: field(&raw, XP_TITLE).and_then(windows_text),
        gps: gps(&raw),
        tags,
    }
}

fn parse(block: Vec<u8>) -> Option<RawExif> {
    match Reader::new().continue_on_error(true).read_raw(block) {
        Ok(exif) => Some(exif),
        Err(Error::PartialResult(partial)) => Some(partial.into_inner().0),
        Err(_) => None,
    }
}

/// Value of `tag` of the picture itself; tags of the camera stand in the first directory now and then, too.
fn field(raw: &RawExif, tag: Tag) -> Option<&Value> {
    let misplaced = (tag.context() == Context::Exif).then_some(Tag(Context::Tiff, tag.number()));
    let found = raw.get_field(tag, In::PRIMARY).or_else(|| raw.get_field(misplaced?, In::PRIMARY));
    found.map(|field| &field.value)
}

/// The number at `index` of a value, whatever its type.
fn number(value: &Value, index: usize) -> Option<f64> {
    let number = match value {
        Value::SByte(numbers) => f64::from(*numbers.get(index)?),
        Value::SShort(numbers) => f64::from(*numbers.get(index)?),
        Value::SLong(numbers) => f64::from(*numbers.get(index)?),
        Value::Float(numbers) => f64::from(*numbers.get(index)?),
        Value::Double(numbers) => *numbers.get(index)?,
        Value::Rational(numbers) => numbers.get(index)?.to_f64(),
        Value::SRational(numbers) => numbers.get(index)?.to_f64(),
        Value::Undefined(bytes, _) => f64::from(*bytes.get(index)?),
        value => f64::from(value.get_uint(index)?),
    };
    number.is_finite().then_some(number)
}

/// Text in UTF-16 with the little end first.
fn windows_text(value: &Value) -> Option<String> {
    let bytes = match value {
        Value::Byte(bytes) | Value::Undefined(bytes, _) => bytes,
        _ => return None,
    };
    let units = bytes.as_chunks::<2>().0.iter().map(|&unit| u16::from_le_bytes(unit));
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

fn is_shown(field: &Field) -> bool {
    field.ifd_num == In::PRIMARY
        && field.tag.context() != Context::Gps
        && field.tag.description().is_some()
        && !matches!(field.tag, Tag::ExifIFDPointer | Tag::GPSInfoIFDPointer | Tag::InteropIFDPointer)
}

fn to_json(value: &Value) -> Option<Json> {
    match value {
        Value::Ascii(texts) => Some(text(texts)?.into()),
        Value::Byte(numbers) => list(numbers),
        Value::SByte(numbers) => list(numbers),
        Value::Short(numbers) => list(numbers),
        Value::SShort(numbers) => list(numbers),
        Value::Long(numbers) => list(numbers),
        Value::SLong(numbers) => list(numbers),
        Value::Float(numbers) => list(numbers),
        Value::Double(numbers) => list(numbers),
        Value::Rational(numbers) => list(&numbers.iter().map(|number| number.to_f64()).collect::<Vec<_>>()),
        Value::SRational(numbers) => list(&numbers.iter().map(|number| number.to_f64()).collect::<Vec<_>>()),
        // Four ASCII digits such as ExifVersion; everything else undefined is binary.
        Value::Undefined(bytes, _) if bytes.len() == 4 && bytes.iter().all(u8::is_ascii_digit) => {
            Some(String::from_utf8_lossy(bytes).into())
        }
        Value::Undefined(..) | Value::Unknown(..) => None,
    }
}

/// One number as itself, several as a list. Division by zero in a file becomes null.
fn list<T: serde::Serialize>(numbers: &[T]) -> Option<Json> {
    match numbers {
        [] => None,
        [number] => Some(json!(number)),
        numbers if numbers.len() <= NUMBERS_MAX => Some(json!(numbers)),
        _ => None,
    }
}

fn text(texts: &[Vec<u8>]) -> Option<String> {
    let bytes = texts.first()?;
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let text: String = text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

fn camera(tags: &Metadata) -> Option<String> {
    let tag = |name| tags.get(name).and_then(Json::as_str);
    match (tag("Make"), tag("Model")) {
        // Many models repeat the maker.
        (Some(make), Some(model)) if model.starts_with(make) => Some(model.to_owned()),
        (Some(make), Some(model)) => Some(format!("{make} {model}")),
        (make, model) => make.or(model).map(str::to_owned),
    }
}

/// The first of the dates that can be read: when the picture was taken, was made digital, was last written.
fn date_taken(raw: &RawExif) -> Option<String> {
    let dates = [
        (Tag::DateTimeOriginal, Tag::OffsetTimeOriginal),
        (Tag::DateTimeDigitized, Tag::OffsetTimeDigitized),
        (Tag::DateTime, Tag::OffsetTime),
    ];
    dates.into_iter().find_map(|(date, offset)| {
        let local = local_time(&ascii(raw, date)?)?;
        let offset = ascii(raw, offset).filter(|offset| is_offset(offset.as_bytes()));
        Some(local + offset.as_deref().unwrap_or(""))
    })
}

fn ascii(raw: &RawExif, tag: Tag) -> Option<String> {
    match field(raw, tag)? {
        Value::Ascii(texts) => text(texts),
        Value::Undefined(bytes, _) | Value::Byte(bytes) => text(std::slice::from_ref(bytes)),
        _ => None,
    }
}

/// `YYYY-MM-DDTHH:MM:SS` of six numbers, however they are set apart; `None` for what is no date.
fn local_time(date: &str) -> Option<String> {
    let mut numbers = date.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let mut next = |max: u32| numbers.next()?.parse::<u32>().ok().filter(|&number| number <= max);
    let (year, month, day) = (next(9_999)?, next(12)?, next(31)?);
    let (hour, minute, second) = (next(23)?, next(59)?, next(60)?);
    let is_date = month > 0 && day > 0 && date.starts_with(|c: char| c.is_ascii_digit());
    is_date.then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"))
}

/// Where the picture was taken; nothing when either coordinate is missing or out of range.
fn gps(raw: &RawExif) -> Option<Metadata> {
    let latitude = degrees(raw, Tag::GPSLatitude, Tag::GPSLatitudeRef, b"NS", 90.0)?;
    let longitude = degrees(raw, Tag::GPSLongitude, Tag::GPSLongitudeRef, b"EW", 180.0)?;
    let mut gps = Metadata::from_iter([("latitude".into(), json!(latitude)), ("longitude".into(), json!(longitude))]);
    let below = field(raw, Tag::GPSAltitudeRef).and_then(|value| number(value, 0)) == Some(1.0);
    if let Some(altitude) = field(raw, Tag::GPSAltitude).and_then(|value| number(value, 0)) {
        gps.insert("altitude".into(), json!(if below { -altitude } else { altitude }));
    }
    Some(gps)
}

/// Degrees, minutes and seconds as degrees with seven decimals (a centimetre), negative in the second of two
/// `hemispheres`. Writers of whole minutes leave out the seconds, or divide them by zero.
fn degrees(raw: &RawExif, tag: Tag, reference: Tag, hemispheres: &[u8; 2], max: f64) -> Option<f64> {
    let value = field(raw, tag)?;
    let whole = number(value, 0)?;
    let sum = whole + number(value, 1).unwrap_or(0.0) / 60.0 + number(value, 2).unwrap_or(0.0) / 3_600.0;
    let hemisphere = ascii(raw, reference)?.as_bytes().first()?.to_ascii_uppercase();
    let rounded = (sum * 1e7).round() / 1e7;
    let is_place = hemispheres.contains(&hemisphere) && rounded <= max;
    is_place.then_some(if hemisphere == hemispheres[1] { -rounded } else { rounded })
}

/// `+HH:MM` or `-HH:MM`.
fn is_offset(offset: &[u8]) -> bool {
    matches!(offset, [b'+' | b'-', h1, h2, b':', m1, m2]
        if [h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()))
}
