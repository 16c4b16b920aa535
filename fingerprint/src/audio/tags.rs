//! Title, artist and the like, as the file tells them.

mod iff;

use symphonia::core::formats::FormatReader;
use symphonia::core::meta::well_known::{METADATA_ID_APEV1, METADATA_ID_APEV2, METADATA_ID_ID3V1, METADATA_ID_ID3V2};
use symphonia::core::meta::{MetadataRevision, RawValue, StandardTag, Tag};

pub(super) use self::iff::collect as of_chunks;

/// Characters of a tag that are kept.
const CHARS_MAX: usize = 500;
/// Between several values of one name.
const BETWEEN: &str = "; ";
/// Names that have one value only: further ones are of another meaning, such as those that programs hide in comments.
const SINGLE: [&str; 4] = ["comment", "date", "encoder", "track_number"];

/// Name and text of all tags that are worth showing.
pub(super) fn collect(reader: &mut dyn FormatReader) -> Vec<(&'static str, String)> {
    let mut metadata = reader.metadata();
    let mut revisions: Vec<MetadataRevision> = std::iter::from_fn(|| metadata.pop()).collect();
    // The newest one stays.
    revisions.extend(metadata.current().cloned());
    of_revisions(&revisions)
}

/// Of tags in the order of the file. Each name is taken from the first tag that has it: those of the format itself
/// before ID3v2, APE before ID3v1, which cuts texts off.
fn of_revisions(revisions: &[MetadataRevision]) -> Vec<(&'static str, String)> {
    let mut revisions: Vec<_> = revisions.iter().collect();
    revisions.sort_by_key(|revision| match revision.info.metadata {
        METADATA_ID_ID3V1 => 3,
        METADATA_ID_APEV1 | METADATA_ID_APEV2 => 2,
        METADATA_ID_ID3V2 => 1,
        _ => 0,
    });
    let mut found = Vec::new();
    for revision in revisions {
        let mut own = Vec::new();
        let tracks = revision.per_track.iter().flat_map(|track| &track.metadata.tags);
        for (name, text) in revision.media.tags.iter().chain(tracks).flat_map(pairs) {
            add(&mut own, name, text);
        }
        merge(&mut found, own);
    }
    found
}

/// Adds one more value to the tags of one source.
fn add(found: &mut Vec<(&'static str, String)>, name: &'static str, text: String) {
    if text.is_empty() {
        return;
    }
    match found.iter_mut().find(|(known, _)| *known == name) {
        None => found.push((name, text)),
        Some((_, known)) => {
            let is_new = !SINGLE.contains(&name) && !known.split(BETWEEN).any(|value| value == text);
            if is_new && known.chars().count() + text.chars().count() + BETWEEN.len() <= CHARS_MAX {
                known.push_str(BETWEEN);
                known.push_str(&text);
            }
        }
    }
}

/// Adds what another source knows of names that are not known yet.
pub(super) fn merge(found: &mut Vec<(&'static str, String)>, more: Vec<(&'static str, String)>) {
    let new: Vec<_> = more.into_iter().filter(|(name, _)| !found.iter().any(|(known, _)| known == name)).collect();
    found.extend(new);
}

fn pairs(tag: &Tag) -> Vec<(&'static str, String)> {
    if let Some(pair) = tag.std.as_ref().and_then(standard) {
        return vec![pair];
    }
    // Several values in one frame have no standard form.
    let RawValue::StringList(values) = &tag.raw.value else { return Vec::new() };
    let Some(name) = frame_name(&tag.raw.key) else { return Vec::new() };
    values.iter().map(|value| (name, clean(value))).collect()
}

fn standard(tag: &StandardTag) -> Option<(&'static str, String)> {
    let (name, text) = match tag {
        StandardTag::TrackTitle(text) => ("title", clean(text)),
        StandardTag::Artist(text) => ("artist", clean(text)),
        StandardTag::Album(text) => ("album", clean(text)),
        StandardTag::AlbumArtist(text) => ("album_artist", clean(text)),
        StandardTag::Composer(text) => ("composer", clean(text)),
        StandardTag::Genre(text) => ("genre", clean(text)),
        StandardTag::Comment(text) => ("comment", clean(text)),
        StandardTag::Copyright(text) => ("copyright", clean(text)),
        StandardTag::License(text) => ("license", clean(text)),
        StandardTag::Language(text) => ("language", clean(text)),
        StandardTag::IdentIsrc(text) => ("isrc", clean(text)),
        StandardTag::Encoder(text) => ("encoder", clean(text)),
        StandardTag::Label(text) => ("label", clean(text)),
        StandardTag::RecordingDate(text) | StandardTag::ReleaseDate(text) => ("date", clean(text)),
        StandardTag::RecordingYear(year) | StandardTag::ReleaseYear(year) => ("date", year.to_string()),
        // Tags of fixed length have a 0 where nothing was said.
        StandardTag::TrackNumber(number) if *number > 0 => ("track_number", number.to_string()),
        _ => return None,
    };
    Some((name, text))
}

/// Of text frames of ID3v2, in the spelling of 2.3 and of 2.2, and of items of APE.
fn frame_name(id: &str) -> Option<&'static str> {
    Some(match id.to_ascii_uppercase().as_str() {
        "TIT2" | "TT2" | "TITLE" => "title",
        "TPE1" | "TP1" | "ARTIST" => "artist",
        "TALB" | "TAL" | "ALBUM" => "album",
        "TPE2" | "TP2" | "ALBUM ARTIST" => "album_artist",
        "TCOM" | "TCM" | "COMPOSER" => "composer",
        "TCON" | "TCO" | "GENRE" => "genre",
        "TCOP" | "TCR" | "COPYRIGHT" => "copyright",
        "TLAN" | "TLA" | "LANGUAGE" => "language",
        "TSRC" | "TRC" | "ISRC" => "isrc",
        "TSSE" | "TSS" => "encoder",
        "TPUB" | "TPB" => "label",
        "TDRC" | "TDRL" | "TYER" | "TYE" => "date",
        _ => return None,
    })
}

/// Of the names that ffprobe gives, whatever the container.
pub(super) fn of_ffprobe<'a>(tags: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (key, text) in tags {
        let name = match key.to_ascii_lowercase().as_str() {
            "title" => "title",
            "artist" | "author" => "artist",
            "album" => "album",
            "album_artist" => "album_artist",
            "composer" => "composer",
            "genre" => "genre",
            "comment" => "comment",
            "copyright" => "copyright",
            "license" => "license",
            "language" if text != "und" => "language",
            "isrc" | "tsrc" => "isrc",
            "encoder" => "encoder",
            "label" | "publisher" => "label",
            "date" | "year" => "date",
            "track" => "track_number",
            _ => continue,
        };
        // Of several values ffprobe makes one text.
        merge(&mut found, Some((name, clean(text))).filter(|(_, text)| !text.is_empty()).into_iter().collect());
    }
    found
}

/// Trimmed, without control characters, not too long.
fn clean(text: &str) -> String {
    let printable = |c: &char| !c.is_control() || *c == '\n';
    text.trim().trim_matches('\0').trim().chars().filter(printable).take(CHARS_MAX).collect()
}
