//! Everything that one file gives, whatever it holds: the one function that jobs and the command line call.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::algorithm;
use crate::digest::{self, Digests};
use crate::iscc::{Iscc, TitleAndDescription};
use crate::progress::step;
use crate::video::VideoHashes;
use crate::{
    FingerprintError, ImageFingerprint, Limits, Metadata, PdfFingerprint, Progress, Report, TextFingerprint, Tools,
    audio, image, pdf, text, video,
};

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// Percent of the progress that the digests take.
const DIGEST_PERCENT: u8 = 10;
/// Where the signature of a PDF document may begin.
const PDF_HEAD_BYTES: u64 = 1024;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Plain text, Markdown, and PDF documents.
    Text,
    /// A picture.
    Image,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
}

impl Kind {
    /// By the extension of `path`, in any case; `None` when no modality reads such files.
    #[must_use]
    pub fn of(path: impl AsRef<Path>) -> Option<Self> {
        Some(match extension(path.as_ref())?.as_str() {
            "txt" | "md" | "pdf" => Self::Text,
            "png" | "jpg" | "jpeg" | "webp" => Self::Image,
            "mp3" | "wav" | "aac" | "flac" | "ogg" | "m4a" => Self::Audio,
            "mp4" | "mov" | "avi" => Self::Video,
            _ => return None,
        })
    }
}

impl Kind {
    /// As the HTTP contract spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// All that the file at `path` gives. `name` is what its creator called it: the Meta-Code is made of it when the file
/// holds no title, and its extension tells PDF documents from other texts. `digests` are those of the same bytes, when
/// they are known already; else the file is read once more.
///
/// # Errors
/// See [`FingerprintError`]; those of the modality.
pub fn fingerprint_file(
    path: &Path,
    kind: Kind,
    name: &str,
    digests: Option<Digests>,
    tools: &Tools,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<Report, FingerprintError> {
    step(progress, 0)?;
    let (digests, from) = match digests {
        Some(digests) => (digests, 0),
        None => (digests_of(path, &mut Part::new(progress, 0, DIGEST_PERCENT))?, DIGEST_PERCENT),
    };
    let mut part = Part::new(progress, from, 99);
    let mut found = match kind {
        Kind::Text => of_text(path, name, limits, &mut part)?,
        Kind::Image => of_image(image::fingerprint(open(path)?, limits, &mut part)?),
        Kind::Audio => of_audio(audio::fingerprint(path, tools, limits, &mut part)?),
        Kind::Video => of_video(video::fingerprint(path, tools, limits, &mut part)?),
    };
    let report = &mut found.report;
    report.iscc = Iscc::compose(name, &found.embedded, found.content, &digests);
    let units = report.iscc.as_ref().and_then(|iscc| iscc.meta.as_ref().map(|_| ("iscc_meta", algorithm::ISCC_META)));
    report.algorithms.extend(units);
    report.algorithms.extend([
        ("sha256", algorithm::SHA256),
        ("blake3", algorithm::BLAKE3),
        ("iscc_data", algorithm::ISCC_DATA),
        ("iscc_instance", algorithm::ISCC_INSTANCE),
    ]);
    report.digests = Some(digests);
    step(progress, 100)?;
    Ok(found.report)
}

fn open(path: &Path) -> Result<BufReader<File>, FingerprintError> {
    Ok(BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(FingerprintError::Io)?))
}

fn digests_of(path: &Path, progress: &mut dyn Progress) -> Result<Digests, FingerprintError> {
    let file = File::open(path).map_err(FingerprintError::Io)?;
    let size = file.metadata().map_err(FingerprintError::Io)?.len();
    digest::of_sized(file, Some(size), progress)
}

/// What a modality found, before the codes of the whole file.
#[derive(Default)]
struct Found {
    report: Report,
    /// ISCC Content-Code.
    content: Option<String>,
    embedded: TitleAndDescription,
}

fn of_text(path: &Path, name: &str, limits: &Limits, progress: &mut dyn Progress) -> Result<Found, FingerprintError> {
    let mut reader = open(path)?;
    let size = reader.get_ref().metadata().map_err(FingerprintError::Io)?.len();
    let is_pdf = match extension(Path::new(name)).as_deref() {
        Some("pdf") => true,
        Some("txt" | "md") => false,
        _ => {
            let mut head = Vec::new();
            reader.by_ref().take(PDF_HEAD_BYTES).read_to_end(&mut head)?;
            reader.rewind()?;
            head.windows(5).any(|window| window == b"%PDF-")
        }
    };
    if !is_pdf {
        return Ok(of_plain(text::fingerprint(reader, Some(size), limits, progress)?));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to be refused.
    reader.take(limits.pdf_input_bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(of_pdf(pdf::fingerprint(&bytes, limits, progress)?))
}

fn of_plain(text: TextFingerprint) -> Found {
    let report = Report {
        text_hash: Some(text.text_hash),
        text_length: Some(text.text_length),
        word_count: Some(text.word_count),
        line_count: Some(text.line_count),
        text_features: Some(text.features),
        metadata: text.metadata,
        algorithms: text.algorithms,
        ..Report::default()
    };
    Found { report, content: text.iscc_content, ..Found::default() }
}

fn of_pdf(pdf: PdfFingerprint) -> Found {
    let embedded = TitleAndDescription::from_metadata(&pdf.metadata, "title", &["subject"]).sanitized();
    let report = Report {
        text_hash: Some(pdf.text_hash),
        text_length: Some(pdf.text_length),
        word_count: Some(pdf.word_count),
        line_count: Some(pdf.line_count),
        text_features: pdf.features,
        metadata: pdf.metadata,
        algorithms: pdf.algorithms,
        ..Report::default()
    };
    Found { report, content: pdf.iscc_content, embedded }
}

fn of_image(image: ImageFingerprint) -> Found {
    let embedded = TitleAndDescription::from_metadata(&image.metadata, "title", &["description"]).sanitized();
    let report = Report {
        perceptual_hashes: Some(image.perceptual_hashes),
        pdq: Some(image.pdq),
        gps: image.gps,
        image_metadata: Some(image.metadata.clone()),
        metadata: image.metadata,
        algorithms: image.algorithms,
        pictures: image.pictures,
        ..Report::default()
    };
    Found { report, content: content(image.iscc_content), embedded }
}

fn of_audio(audio: audio::AudioFingerprint) -> Found {
    // iscc-sdk takes descriptions of sound from its own tags only.
    let embedded = TitleAndDescription::from_metadata(&audio.metadata, "title", &[]);
    let report = Report {
        chromaprint: Some(audio.chromaprint),
        spectral_data: Some(audio.spectral_data),
        audio_metadata: Some(audio.metadata.clone()),
        metadata: audio.metadata,
        algorithms: audio.algorithms,
        pictures: audio.pictures,
        ..Report::default()
    };
    Found { report, content: content(audio.iscc_content), embedded }
}

fn of_video(video: video::VideoFingerprint) -> Found {
    let embedded =
        TitleAndDescription::from_metadata(&video.metadata, "title", &["description", "synopsis", "comment"]);
    let mut report = Report {
        video_hashes: Some(video.video_hashes),
        video_metadata: Some(video.metadata.clone()),
        metadata: video.metadata,
        algorithms: video.algorithms,
        pictures: video.pictures,
        ..Report::default()
    };
    if let Some(sound) = video.audio {
        add_sound(&mut report, sound.metadata, sound.algorithms);
        report.chromaprint = Some(sound.chromaprint);
        report.spectral_data = Some(sound.spectral_data);
        report.pictures.extend(sound.pictures);
    }
    Found { report, content: content(video.iscc_content), embedded }
}

/// What the sound of a video adds; where both say something, the video is right.
fn add_sound(report: &mut Report, metadata: Metadata, algorithms: algorithm::Algorithms) {
    report.audio_metadata = Some(metadata);
    for (field, id) in algorithms {
        report.algorithms.entry(field).or_insert(id);
    }
}

fn content(code: String) -> Option<String> {
    (!code.is_empty()).then_some(code)
}

/// A part of the way that is a whole one to those who report to it.
struct Part<'a> {
    whole: &'a mut dyn Progress,
    from: u8,
    to: u8,
}

impl<'a> Part<'a> {
    fn new(whole: &'a mut dyn Progress, from: u8, to: u8) -> Self {
        Self { whole, from, to }
    }
}

impl Progress for Part<'_> {
    fn report(&mut self, percent: u8) -> ControlFlow<()> {
        let width = u16::from(self.to - self.from);
        self.whole.report(self.from + (u16::from(percent.min(100)) * width / 100) as u8)
    }

    fn first(&mut self, hashes: &VideoHashes) {
        self.whole.first(hashes);
    }
}
