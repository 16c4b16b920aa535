//! What one fingerprint may cost.

/// What one fingerprint may cost. Anything above is refused with
/// [`FingerprintError::LimitExceeded`](crate::FingerprintError::LimitExceeded), before the memory
/// is taken wherever the file announces its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Width times height of an image.
    pub pixels_max: u64,
    /// Width or height of an image, in pixels.
    pub side_px_max: u32,
    /// Bytes a decoded image may take, decoder's working memory included.
    pub decoded_bytes_max: u64,
    /// Scans of a progressive JPEG; each costs a pass over all its coefficients.
    pub jpeg_scans_max: u32,
    /// Bytes of Exif data that are looked at; larger blocks are ignored, not refused.
    pub exif_bytes_max: u64,
    /// Bytes of a text. Memory does not depend on it.
    pub text_bytes_max: u64,
    /// Bytes of a PDF document.
    pub pdf_input_bytes_max: u64,
    /// Pages of a PDF document.
    pub pdf_pages_max: u32,
    /// Unicode scalar values extracted from a PDF document; the hash would not be over the whole
    /// text above this, so more is refused.
    pub pdf_text_chars_max: u64,
    /// Bytes that all decompressed streams of a PDF document may take together.
    pub pdf_decoded_bytes_max: u64,
    /// Names, numbers, strings and other tokens in all objects of a PDF document; each takes
    /// about 120 bytes once parsed.
    pub pdf_tokens_max: u64,
    /// Operators executed to extract the text of a PDF document.
    pub pdf_operations_max: u64,
    /// Seconds of a video.
    pub video_seconds_max: u64,
    /// Width times height of a frame of a video.
    pub video_pixels_max: u64,
    /// Sampled frames of a video.
    pub video_frames_max: u64,
    /// Address space of one ffmpeg or ffprobe, in bytes.
    pub ffmpeg_memory_bytes_max: u64,
    /// Processor seconds of one ffmpeg or ffprobe, whatever the length of what it decodes; short files get less.
    pub ffmpeg_cpu_seconds_max: u64,
    /// Seconds one ffmpeg or ffprobe may run, whatever the length of what it decodes; short files get less.
    pub ffmpeg_wall_seconds_max: u64,
    /// Seconds of a sound, as counted while it is decoded. Memory hardly depends on it.
    pub audio_seconds_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pixels_max: 100_000_000,
            side_px_max: 65_535,
            decoded_bytes_max: 640 << 20,
            jpeg_scans_max: 500,
            exif_bytes_max: 1 << 20,
            text_bytes_max: 1 << 30,
            pdf_input_bytes_max: 256 << 20,
            pdf_pages_max: 5_000,
            pdf_text_chars_max: 50_000_000,
            pdf_decoded_bytes_max: 512 << 20,
            pdf_tokens_max: 4_000_000,
            pdf_operations_max: 100_000_000,
            video_seconds_max: 12 * 3_600,
            video_pixels_max: 8_192 * 8_192,
            video_frames_max: 50_000,
            ffmpeg_memory_bytes_max: 3 << 30,
            ffmpeg_cpu_seconds_max: 24 * 3_600,
            ffmpeg_wall_seconds_max: 24 * 3_600,
            audio_seconds_max: 24 * 60 * 60,
        }
    }
}
