//! File names: what a stranger sends, made safe to store, show and log.

use super::extension;
use crate::{FileKind, ObjectId, Picture, Timestamp};

/// Longest stored name, in characters.
const NAME_CHARS_MAX: usize = 255;

/// Reduces a name to its last component with letters, digits, `_`, `-` and `.`, at most 255 characters.
///
/// `../../etc/passwd` becomes `passwd`, `My File (1).PNG` becomes `My_File_1.png`, `<>:.pdf` becomes `unnamed_file.pdf`.
pub fn sanitise(name: &str) -> String {
    let unix = name.replace('\\', "/");
    let last = unix.rsplit('/').next().unwrap_or_default();
    let (stem, ending) = match last.rsplit_once('.') {
        Some((stem, ending)) if !ending.is_empty() && !stem.is_empty() => (stem, clean(&ending.to_lowercase())),
        _ => (last, String::new()),
    };
    let mut stem = clean(stem);
    if stem.is_empty() {
        stem = "unnamed_file".to_owned();
    }
    let ending: String = ending.chars().take(20).collect();
    let room = NAME_CHARS_MAX - if ending.is_empty() { 0 } else { ending.chars().count() + 1 };
    let stem: String = stem.chars().take(room).collect();
    if ending.is_empty() { stem } else { format!("{stem}.{ending}") }
}

/// Blanks become `_`, everything but letters, digits and `_ - .` goes, runs collapse, ends are trimmed.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c.is_whitespace() && !c.is_control() { '_' } else { c };
        let keep = c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let repeated = matches!(c, '_' | '-' | '.') && out.ends_with(c);
        if keep && !repeated {
            out.push(c);
        }
    }
    out.trim_matches(['_', '-', '.']).to_owned()
}

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
    let mut stem = safe_name.to_owned();
    while stem.len() + ending.len() > room {
        stem.pop();
    }
    prefix + &stem + &ending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        for (raw, safe) in [
            ("../../etc/passwd", "passwd"),
            ("My File (1).PNG", "My_File_1.png"),
            ("a  b..c.txt", "a_b.c.txt"),
            (".hidden.txt", "hidden.txt"),
            ("<>:.pdf", "unnamed_file.pdf"),
            ("C:\\work\\x.md", "x.md"),
            ("tab\tnew\nline.txt", "tabnewline.txt"),
            ("naïve 画.txt", "naïve_画.txt"),
            ("", "unnamed_file"),
            ("nul\0byte.txt", "nulbyte.txt"),
        ] {
            assert_eq!(sanitise(raw), safe, "{raw:?}");
        }
    }

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
    fn sanitising_twice_changes_nothing() {
        for raw in ["a b.txt", "x..y..z.md", "-._-.pdf", "é (copy) (2).JPG", "a._b.txt", "a-_.-.txt"] {
            let once = sanitise(raw);
            assert_eq!(sanitise(&once), once, "{raw:?}");
        }
    }
}
