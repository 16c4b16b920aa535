//! Keys of the object store: where the bytes of a work and its pictures live.

use unicode_segmentation::UnicodeSegmentation as _;

use super::extension;
use crate::{FileKind, ObjectId, Picture, Timestamp};

/// Where uploads go; other keys of a bucket are not ours.
pub const UPLOADS: &str = "uploads/";

/// Longest last part of a key, in bytes: servers that keep objects as files take no more than 255, and the longest ending
/// of a [`picture_key`] must fit besides.
const KEY_NAME_BYTES_MAX: usize = 255 - "~contact_sheet.jpg".len();

/// Stands between the key of a work and the name of a picture of it; no safe name contains it.
const PICTURE_MARK: char = '~';

/// Where a picture of the work under `s3_key` lives: beside it, `{s3_key}~{name}.{png|jpg}`.
pub fn picture_key(s3_key: &str, picture: &Picture) -> String {
    let ending = if picture.media_type == "image/png" { "png" } else { "jpg" };
    format!("{s3_key}{PICTURE_MARK}{}.{ending}", picture.name)
}

/// The keys of all pictures that a work of this kind may have: those of an unfinished fingerprint are in no record.
pub fn possible_picture_keys(s3_key: &str, kind: FileKind) -> Vec<String> {
    let endings: &[&str] = match kind {
        FileKind::Image => &["thumbnail.jpg", "thumbnail.png"],
        FileKind::Audio => &["waveform.png", "spectrogram.png"],
        FileKind::Video => &["thumbnail.jpg", "contact_sheet.jpg", "waveform.png", "spectrogram.png"],
        FileKind::Text | FileKind::Url => &[],
    };
    endings.iter().map(|ending| format!("{s3_key}{PICTURE_MARK}{ending}")).collect()
}

/// The key of the work that the object under `key` belongs to: itself, or what it is a picture of.
pub fn owner_key(key: &str) -> &str {
    let picture = |ending: &str| ending.rsplit_once('.').is_some_and(|(name, _)| Picture::NAMES.contains(&name));
    match key.rsplit_once(PICTURE_MARK) {
        Some((owner, ending)) if picture(ending) => owner,
        _ => key,
    }
}

/// Where the bytes live: `uploads/{user_id}/{YYYY-MM-DD}/{unique}_{safe_name}`. A name too long for the last part of a key
/// is shortened in it.
pub fn object_key(user_id: ObjectId, now: Timestamp, unique: &str, safe_name: &str) -> String {
    let prefix = format!("{UPLOADS}{user_id}/{}/{unique}_", now.day());
    let room = KEY_NAME_BYTES_MAX.saturating_sub(unique.len() + 1);
    if safe_name.len() <= room {
        return prefix + safe_name;
    }
    let ending = extension(safe_name).map(|e| format!(".{e}")).unwrap_or_default();
    let stem = safe_name.strip_suffix(&ending).unwrap_or(safe_name);
    prefix + cut_to_bytes(stem, room.saturating_sub(ending.len())) + &ending
}

/// The longest beginning that fits and ends where a reader sees a character end.
fn cut_to_bytes(text: &str, bytes_max: usize) -> &str {
    let whole = |(at, grapheme): (usize, &str)| at + grapheme.len();
    let end = text.grapheme_indices(true).map(whole).take_while(|end| *end <= bytes_max).last();
    &text[..end.unwrap_or_else(|| text.floor_char_boundary(bytes_max))]
}

#[cfg(test)]
mod tests {
    use super::super::sanitise;
    use unicode_normalization::UnicodeNormalization as _;

    use super::*;

    #[test]
    fn long_names_keep_their_extension() {
        let long = format!("{}.png", "画".repeat(400));
        let safe = sanitise(&long);
        assert_eq!(safe.chars().count(), 255);
        assert!(safe.ends_with(".png"));
        let key = object_key(ObjectId::generate(), Timestamp(0), "u", &safe);
        let last = key.rsplit('/').next().unwrap_or_default();
        assert!(last.len() <= 255 && last.starts_with("u_") && last.ends_with(".png"), "{last}");
    }

    #[test]
    fn pictures_lie_beside_their_work() {
        let picture = |name: &str, media_type: &str| Picture {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            width: 1,
            height: 1,
            size: 1,
        };
        for name in Picture::NAMES {
            let key =
                object_key(ObjectId::generate(), Timestamp(0), "u", &sanitise(&format!("{}.mp4", "x".repeat(400))));
            let beside = picture_key(&key, &picture(name, "image/jpeg"));
            assert_eq!(owner_key(&beside), key);
            assert!(beside.rsplit('/').next().unwrap_or_default().len() <= 255, "{beside}");
        }
        assert_eq!(picture_key("uploads/a", &picture("waveform", "image/png")), "uploads/a~waveform.png");
        assert_eq!(owner_key("uploads/old~name.png"), "uploads/old~name.png");
    }

    #[test]
    fn keys_are_cut_between_what_a_reader_sees() {
        for grapheme in ["\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}", "क्षि", "e\u{331}\u{301}"] {
            let safe = sanitise(&format!("{}.png", grapheme.repeat(100)));
            let key = object_key(ObjectId::generate(), Timestamp(0), "u", &safe);
            let last = key.rsplit("/u_").next().unwrap_or_default();
            let stem = last.strip_suffix(".png").unwrap_or_default();
            let whole: String = grapheme.nfc().collect();
            assert!(!stem.is_empty() && stem.len().is_multiple_of(whole.len()) && stem.starts_with(&whole), "{last}");
        }
    }
}
