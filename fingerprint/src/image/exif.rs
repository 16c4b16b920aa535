//! Exif tags as JSON, without those that tell where the creator was.

use std::panic::catch_unwind;

use ::exif::{Context, Exif as RawExif, Field, In, Reader, Tag, Value};
use serde_json::{Value as Json, json};

use crate::Metadata;

/// Tags kept per image; files with more are not made by cameras.
const TAGS_MAX: usize = 200;
/// Numbers kept of one tag.
const NUMBERS_MAX: usize = 16;
/// Characters kept of one text.
const TEXT_CHARS_MAX: usize = 256;

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
    pub(super) orientation: u32,
    /// `latitude` and `longitude` in degrees, north and east positive, and `altitude` in metres when it is known.
    pub(super) gps: Option<Metadata>,
}

/// Reads a raw Exif block (a TIFF structure). A broken block is as good as none.
pub(super) fn read(block: &[u8]) -> Exif {
    // WebP files often carry the JPEG prefix too.
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block).to_vec();
    let parsed = catch_unwind(|| Reader::new().read_raw(block).ok()).ok().flatten();
    let Some(raw) = parsed else { return Exif::default() };
    let tags = raw.fields().filter(|field| is_shown(field)).take(TAGS_MAX);
    let tags: Metadata = tags.filter_map(|field| Some((field.tag.to_string(), to_json(&field.value)?))).collect();
    Exif {
        present: raw.fields().next().is_some(),
        camera: camera(&tags),
        date_taken: date_taken(&raw),
        orientation: raw
            .get_field(Tag::Orientation, In::PRIMARY)
            .and_then(|field| field.value.get_uint(0))
            .unwrap_or(1),
        gps: gps(&raw),
        tags,
    }
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

fn date_taken(raw: &RawExif) -> Option<String> {
    let tag = |tag| match &raw.get_field(tag, In::PRIMARY)?.value {
        Value::Ascii(texts) => text(texts),
        _ => None,
    };
    let taken = tag(Tag::DateTimeOriginal).or_else(|| tag(Tag::DateTime))?;
    let date = ::exif::DateTime::from_ascii(taken.as_bytes()).ok()?;
    let local = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year, date.month, date.day, date.hour, date.minute, date.second
    );
    let offset = tag(Tag::OffsetTimeOriginal).filter(|offset| is_offset(offset.as_bytes()));
    Some(local + offset.as_deref().unwrap_or(""))
}

/// Where the picture was taken; nothing when either coordinate is missing or out of range.
fn gps(raw: &RawExif) -> Option<Metadata> {
    let latitude = degrees(raw, Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S', 90.0)?;
    let longitude = degrees(raw, Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W', 180.0)?;
    let mut gps = Metadata::from_iter([("latitude".into(), json!(latitude)), ("longitude".into(), json!(longitude))]);
    let below = raw.get_field(Tag::GPSAltitudeRef, In::PRIMARY).and_then(|field| field.value.get_uint(0)) == Some(1);
    if let Some([altitude, ..]) = rationals(raw, Tag::GPSAltitude).as_deref() {
        gps.insert("altitude".into(), json!(if below { -altitude } else { *altitude }));
    }
    Some(gps)
}

/// Degrees, minutes and seconds as degrees with seven decimals (a centimetre), negative in the hemisphere `negative`.
fn degrees(raw: &RawExif, tag: Tag, reference: Tag, negative: u8, max: f64) -> Option<f64> {
    let parts = rationals(raw, tag)?;
    let sum = parts.iter().take(3).zip([1.0, 60.0, 3_600.0]).map(|(part, unit)| part / unit).sum::<f64>();
    let is_negative = match &raw.get_field(reference, In::PRIMARY)?.value {
        Value::Ascii(texts) => texts.first()?.first()?.to_ascii_uppercase() == negative,
        _ => return None,
    };
    let rounded = (sum * 1e7).round() / 1e7;
    (rounded <= max).then_some(if is_negative { -rounded } else { rounded })
}

/// The values of a tag; `None` without any, and when one is no number.
fn rationals(raw: &RawExif, tag: Tag) -> Option<Vec<f64>> {
    let Value::Rational(values) = &raw.get_field(tag, In::PRIMARY)?.value else { return None };
    let values: Vec<f64> = values.iter().map(|value| value.to_f64()).collect();
    (!values.is_empty() && values.iter().all(|value| value.is_finite())).then_some(values)
}

/// `+HH:MM` or `-HH:MM`.
fn is_offset(offset: &[u8]) -> bool {
    matches!(offset, [b'+' | b'-', h1, h2, b':', m1, m2]
        if [h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()))
}
