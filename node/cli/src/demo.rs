//! The demo: an account with a few works of each kind, so that there is something to look at in a minute.
//!
//! All works are made here, by formula or by hand, the same on every run. There is no MP3, AAC, MP4 or MOV among them:
//! those need an encoder, and bytes that merely look like one would be a lie in a system about provenance.

mod avi;
mod pdf;
mod pictures;
mod seed;
mod sound;
mod words;

pub use seed::seed;

/// A sample work.
#[derive(Debug, Clone)]
pub struct Work {
    pub file_name: &'static str,
    pub bytes: Vec<u8>,
    pub title: &'static str,
    pub description: &'static str,
}

/// All sample works. Deterministic, so that a second run finds them by their digest.
///
/// # Errors
/// When a picture can't be encoded, which would be a defect.
pub fn works() -> anyhow::Result<Vec<Work>> {
    let work = |file_name, bytes, title, description| Work { file_name, bytes, title, description };
    Ok(vec![
        work(
            "the-maker-s-mark.txt",
            words::POEM.into(),
            "The Maker's Mark",
            "A short poem about signing what one makes",
        ),
        work("field-notes.md", words::NOTES.into(), "Field Notes from a Lighthouse", "A very short story in Markdown"),
        work("on-fingerprints.pdf", pdf::document(), "On Fingerprints", "Two pages on what a fingerprint of a work is"),
        work("julia-garden.png", pictures::julia_png()?, "Julia Garden", "A Julia set, coloured by escape time"),
        work("five-ridges.jpg", pictures::landscape_jpeg()?, "Five Ridges at Dusk", "A landscape made of sines"),
        work(
            "interference.webp",
            pictures::interference_webp()?,
            "Interference",
            "Waves from three points, losslessly kept",
        ),
        work("evening-bells.wav", sound::melody(), "Evening Bells", "A melody for a synthesised bell"),
        work("orbit.avi", avi::clip()?, "Orbit", "Three seconds of two moons, as Motion JPEG"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use metastamp_protocol::files::{SNIFF_BYTES, check_content, extension, kind_of_extension, sanitise};

    #[test]
    fn every_work_is_what_its_extension_says_and_small() {
        let mime = |name: &str| match extension(name).as_deref() {
            Some("txt") => "text/plain",
            Some("md") => "text/markdown",
            Some("pdf") => "application/pdf",
            Some("png") => "image/png",
            Some("jpg") => "image/jpeg",
            Some("webp") => "image/webp",
            Some("wav") => "audio/wav",
            Some("avi") => "video/x-msvideo",
            other => panic!("unexpected extension {other:?}"),
        };
        for work in works().unwrap() {
            let head = &work.bytes[..work.bytes.len().min(SNIFF_BYTES)];
            assert_eq!(check_content(work.file_name, head), Ok(mime(work.file_name)), "{}", work.file_name);
            assert!(work.bytes.len() < 600_000, "{} has {} bytes", work.file_name, work.bytes.len());
            assert_eq!(sanitise(work.file_name), work.file_name, "the node keeps the name");
        }
    }

    #[test]
    fn every_kind_is_there_and_names_are_unique() {
        let works = works().unwrap();
        let kinds: std::collections::HashSet<_> =
            works.iter().filter_map(|w| extension(w.file_name)).filter_map(|e| kind_of_extension(&e)).collect();
        assert_eq!(kinds.len(), 4);
        let names: std::collections::HashSet<_> = works.iter().map(|work| work.file_name).collect();
        assert_eq!(names.len(), works.len());
    }

    #[test]
    fn two_runs_make_the_same_bytes() {
        for (a, b) in works().unwrap().into_iter().zip(works().unwrap()) {
            assert!(a.bytes == b.bytes, "{}", a.file_name);
        }
    }
}
