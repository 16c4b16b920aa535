//! Everything that one file gives, whatever it holds: the one function that jobs and the command line call.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

use metastamp_protocol::FileKind;
use metastamp_protocol::files::Format;
use metastamp_protocol::fingerprint::{Digests, FingerprintContent, VideoHashes, algorithm};

use crate::iscc::{self, TitleAndDescription};
use crate::progress::step;
use crate::{
    EncodedPicture, FingerprintError, ImageFingerprint, Limits, PdfFingerprint, Progress, TextFingerprint, Tools,
    audio, digest, image, pdf, text, video,
};

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// Percent of the progress that the digests take.
const DIGEST_PERCENT: u8 = 10;
/// Where the signature of a PDF document may begin.
const PDF_HEAD_BYTES: u64 = 1024;

/// All that one file gave.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Its sections. The pictures are not listed there yet: they are, once they are stored.
    pub content: FingerprintContent,
    /// Pictures for people, to be stored beside the work.
    pub pictures: Vec<EncodedPicture>,
}

/// All that the file at `path` gives. `name` is what its creator called it: the Meta-Code is made of it when the file
/// holds no title, and its extension tells PDF documents from other texts. `digests` are those of the same bytes, when
/// they are known already; else the file is read once more.
///
/// # Errors
/// See [`FingerprintError`]; those of the modality.
pub fn fingerprint_file(
    path: &Path,
    kind: FileKind,
    name: &str,
    digests: Option<Digests>,
    tools: &Tools,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<Found, FingerprintError> {
    step(progress, 0)?;
    let (digests, from) = match digests {
        Some(digests) => (digests, 0),
        None => (digests_of(path, &mut Stage::new(progress, 0, DIGEST_PERCENT))?, DIGEST_PERCENT),
    };
    let mut stage = Stage::new(progress, from, 99);
    let part = match kind {
        FileKind::Text | FileKind::Url => of_text(path, name, limits, &mut stage)?,
        FileKind::Image => of_image(image::fingerprint(open(path)?, limits, &mut stage)?),
        FileKind::Audio => of_audio(audio::fingerprint(path, tools, limits, &mut stage)?),
        FileKind::Video => of_video(video::fingerprint(path, tools, limits, &mut stage)?),
    };
    let Part { mut found, iscc_content, embedded } = part;
    let content = &mut found.content;
    content.iscc = iscc::compose(name, &embedded, iscc_content, &digests);
    let has_meta = content.iscc.as_ref().is_some_and(|iscc| iscc.meta.is_some());
    content.algorithms.extend(has_meta.then_some(("iscc_meta", algorithm::ISCC_META)));
    content.algorithms.extend([
        ("sha256", algorithm::SHA256),
        ("blake3", algorithm::BLAKE3),
        ("iscc_data", algorithm::ISCC_DATA),
        ("iscc_instance", algorithm::ISCC_INSTANCE),
    ]);
    content.digests = Some(digests);
    step(progress, 100)?;
    Ok(found)
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
struct Part {
    found: Found,
    /// ISCC Content-Code.
    iscc_content: Option<String>,
    embedded: TitleAndDescription,
}

fn of_text(path: &Path, name: &str, limits: &Limits, progress: &mut dyn Progress) -> Result<Part, FingerprintError> {
    let mut reader = open(path)?;
    let size = reader.get_ref().metadata().map_err(FingerprintError::Io)?.len();
    let is_pdf = match Format::of_name(name) {
        Some(Format::Pdf) => true,
        Some(Format::Text | Format::Markdown) => false,
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

fn of_plain(text: TextFingerprint) -> Part {
    let content = FingerprintContent {
        text_hash: Some(text.text_hash),
        text_length: Some(text.text_length),
        word_count: Some(text.word_count),
        line_count: Some(text.line_count),
        text_features: Some(text.features),
        metadata: text.metadata,
        algorithms: text.algorithms,
        ..FingerprintContent::default()
    };
    Part { found: Found { content, pictures: Vec::new() }, iscc_content: text.iscc_content, ..Part::default() }
}

fn of_pdf(pdf: PdfFingerprint) -> Part {
    let embedded = TitleAndDescription::from_metadata(&pdf.metadata, "title", &["subject"]).sanitized();
    let content = FingerprintContent {
        text_hash: Some(pdf.text_hash),
        text_length: Some(pdf.text_length),
        word_count: Some(pdf.word_count),
        line_count: Some(pdf.line_count),
        text_features: pdf.features,
        metadata: pdf.metadata,
        algorithms: pdf.algorithms,
        ..FingerprintContent::default()
    };
    Part { found: Found { content, pictures: Vec::new() }, iscc_content: pdf.iscc_content, embedded }
}

fn of_image(image: ImageFingerprint) -> Part {
    let content = FingerprintContent {
        perceptual_hashes: Some(image.perceptual_hashes.into()),
        pdq: Some(image.pdq),
        gps: image.gps,
        image_metadata: Some(image.metadata.clone()),
        metadata: image.metadata,
        algorithms: image.algorithms,
        evidence: image.evidence,
        ..FingerprintContent::default()
    };
    Part {
        found: Found { content, pictures: image.pictures },
        iscc_content: code(image.iscc_content),
        embedded: image.embedded,
    }
}

fn of_audio(audio: audio::AudioFingerprint) -> Part {
    // iscc-sdk takes descriptions of sound from its own tags only.
    let embedded = TitleAndDescription::from_metadata(&audio.metadata, "title", &[]);
    let content = FingerprintContent {
        chromaprint: Some(audio.chromaprint),
        spectral_data: Some(audio.spectral_data.into()),
        audio_metadata: Some(audio.metadata.clone()),
        metadata: audio.metadata,
        algorithms: audio.algorithms,
        ..FingerprintContent::default()
    };
    Part { found: Found { content, pictures: audio.pictures }, iscc_content: code(audio.iscc_content), embedded }
}

fn of_video(video: video::VideoFingerprint) -> Part {
    let embedded =
        TitleAndDescription::from_metadata(&video.metadata, "title", &["description", "synopsis", "comment"]);
    let mut content = FingerprintContent {
        video_hashes: Some(video.video_hashes.into()),
        video_metadata: Some(video.metadata.clone()),
        metadata: video.metadata,
        algorithms: video.algorithms,
        ..FingerprintContent::default()
    };
    let mut pictures = video.pictures;
    // Where both say something, the video is right.
    if let Some(sound) = video.audio {
        content.audio_metadata = Some(sound.metadata);
        content.algorithms.fill(sound.algorithms);
        content.chromaprint = Some(sound.chromaprint);
        content.spectral_data = Some(sound.spectral_data.into());
        pictures.extend(sound.pictures);
    }
    Part { found: Found { content, pictures }, iscc_content: code(video.iscc_content), embedded }
}

fn code(code: String) -> Option<String> {
    (!code.is_empty()).then_some(code)
}

/// A part of the way that is a whole one to those who report to it.
struct Stage<'a> {
    whole: &'a mut dyn Progress,
    from: u8,
    to: u8,
}

impl<'a> Stage<'a> {
    fn new(whole: &'a mut dyn Progress, from: u8, to: u8) -> Self {
        Self { whole, from, to }
    }
}

impl Progress for Stage<'_> {
    fn report(&mut self, percent: u8) -> ControlFlow<()> {
        let width = u16::from(self.to - self.from);
        self.whole.report(self.from + (u16::from(percent.min(100)) * width / 100) as u8)
    }

    fn first(&mut self, hashes: &VideoHashes) {
        self.whole.first(hashes);
    }
}
