//! Title, artist and the like, as the file tells them.

use symphonia::core::formats::FormatReader;
use symphonia::core::meta::{MetadataRevision, StandardTag, Tag};

/// Characters of a tag that are kept.
const CHARS_MAX: usize = 500;

/// Name and text of all tags that are worth showing, each name once: the first that was found.
pub(super) fn collect(reader: &mut dyn FormatReader) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut metadata = reader.metadata();
    // A file may have several generations of tags; the latest comes last and is looked at first.
    let mut revisions: Vec<MetadataRevision> = std::iter::from_fn(|| metadata.pop()).collect();
    if let Some(current) = metadata.current() {
        revisions.push(current.clone());
    }
    for revision in revisions.iter().rev() {
        let tracks = revision.per_track.iter().flat_map(|track| &track.metadata.tags);
        for (name, text) in revision.media.tags.iter().chain(tracks).filter_map(pair) {
            if !text.is_empty() && !found.iter().any(|(known, _)| *known == name) {
                found.push((name, text));
            }
        }
    }
    found
}

fn pair(tag: &Tag) -> Option<(&'static str, String)> {
    let (name, text) = match tag.std.as_ref()? {
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
        StandardTag::TrackNumber(number) => ("track_number", number.to_string()),
        _ => return None,
    };
    Some((name, text))
}

/// Trimmed, without control characters, not too long.
fn clean(text: &str) -> String {
    let printable = |c: &char| !c.is_control() || *c == '\n';
    text.trim().chars().filter(printable).take(CHARS_MAX).collect()
}
