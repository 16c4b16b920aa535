//! Files that can be decoded in this process, by Symphonia.

use std::fs::File;
use std::io;
use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as codecs;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known as formats;
use symphonia::core::formats::{FormatId, FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::Duration;

use super::{Block, Info, Layout, Opened, Source, Watch, convert};
use crate::audio::tags;
use crate::{FingerprintError, guard};

/// Bytes of a tag that are read; longer ones are left out.
const TAG_BYTES_MAX: usize = 64 << 10;
/// Packets in a row that may be broken, before the rest of the file counts as broken.
const BROKEN_MAX: u32 = 10_000;

/// A file that is being decoded.
pub(super) struct Native {
    info: Info,
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    format: FormatId,
    /// Packets are 16-bit samples, little end first: they need no decoder.
    plain: bool,
    ended: bool,
}

/// # Errors
/// [`FingerprintError::Io`] only: what can't be decoded here is for others to try.
pub(super) fn open(path: &Path) -> Result<Opened, FingerprintError> {
    let file = File::open(path).map_err(FingerprintError::Io)?;
    match guard::no_panic("sound", || probe(file)) {
        Err(FingerprintError::Io(error)) => Err(FingerprintError::Io(error)),
        Err(reason) => Ok(Opened::Elsewhere(reason, None)),
        Ok(opened) => Ok(opened),
    }
}

fn probe(file: File) -> Result<Opened, FingerprintError> {
    let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
    let metadata_options =
        MetadataOptions::default().limit_tag_bytes(Limit::Maximum(TAG_BYTES_MAX)).limit_visual_bytes(Limit::Maximum(0));
    let mut reader = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), metadata_options)
        .map_err(|error| fault(error, "the file is not sound of a known format"))?;
    let format = reader.format_info().format;
    let (track, parameters, frames_announced) = {
        let track = reader
            .default_track(TrackType::Audio)
            .or_else(|| reader.first_track(TrackType::Audio))
            .ok_or_else(|| FingerprintError::malformed("the file has no sound"))?;
        let Some(CodecParameters::Audio(parameters)) = track.codec_params.clone() else {
            return Err(FingerprintError::unsupported("the sound is of an unknown kind"));
        };
        (track.id, parameters, track.num_frames)
    };
    let tags = tags::collect(&mut *reader);
    let info = info(&parameters, format, frames_announced, tags);
    // The silence that encoders put before the sound is told by edit lists there, which this reader leaves alone.
    if format == formats::FORMAT_ID_ISOMP4 {
        return Ok(Opened::Elsewhere(
            FingerprintError::unsupported("the sound needs ffmpeg to be decoded"),
            Some(info),
        ));
    }
    let decoder =
        match symphonia::default::get_codecs().make_audio_decoder(&parameters, &AudioDecoderOptions::default()) {
            Ok(decoder) => decoder,
            Err(error) => return Ok(Opened::Elsewhere(fault(error, "the sound is of an unknown kind"), Some(info))),
        };
    let mut native = Native { info, reader, decoder, track, format, plain: plain(&parameters), ended: false };
    native.look_ahead();
    Ok(Opened::Here(Box::new(native)))
}

impl Native {
    /// Some headers tell neither rate nor channels: the decoder knows after it has been made.
    fn look_ahead(&mut self) {
        let parameters = self.decoder.codec_params();
        if self.info.rate == 0 {
            self.info.rate = parameters.sample_rate.unwrap_or(0);
        }
        if self.info.layout.channels() == 0 {
            self.info.layout = layout(parameters, self.format);
        }
    }

    fn decode(&mut self, block: &mut Block) -> Result<bool, FingerprintError> {
        let mut broken = 0;
        while !self.ended {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                // A file that ends early has given what it has. What comes after a reset is another sound.
                Err(Error::IoError(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    return Err(FingerprintError::Io(error));
                }
                Err(_) => break,
            };
            if packet.track_id != self.track {
                continue;
            }
            let untrimmed = packet.trim_start == Duration::ZERO && packet.trim_end == Duration::ZERO;
            if self.plain && untrimmed {
                if block.fill_from_s16le(&packet.data, self.info.layout.channels()) > 0 {
                    return Ok(true);
                }
                continue;
            }
            match self.decoder.decode(&packet) {
                Ok(buffer) if buffer.is_empty() => {}
                Ok(buffer) => {
                    if buffer.spec().rate() != self.info.rate {
                        let message = "the sample rate changes within the file";
                        return Err(FingerprintError::unsupported(message));
                    }
                    convert::fill(&buffer, self.info.layout.channels(), block);
                    return Ok(true);
                }
                Err(_) => {
                    broken += 1;
                    if broken > BROKEN_MAX {
                        break;
                    }
                }
            }
        }
        self.ended = true;
        Ok(false)
    }
}

impl Source for Native {
    fn info(&self) -> &Info {
        &self.info
    }

    fn next(&mut self, block: &mut Block, _watch: &mut Watch<'_>) -> Result<bool, FingerprintError> {
        // A decoder that has panicked is not asked again: the error ends the work.
        guard::no_panic("sound", || self.decode(block))
    }

    fn late_tags(&mut self) -> Vec<(&'static str, String)> {
        guard::no_panic("sound", || Ok(tags::collect(&mut *self.reader))).unwrap_or_default()
    }
}

/// `unknown` unless the reader failed.
fn fault(error: Error, unknown: &str) -> FingerprintError {
    match error {
        Error::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => FingerprintError::Io(error),
        Error::IoError(_) => FingerprintError::malformed("the file ends before any sound"),
        Error::DecodeError(_) => FingerprintError::malformed("the sound could not be decoded"),
        _ => FingerprintError::unsupported(unknown),
    }
}

fn info(
    parameters: &AudioCodecParameters,
    format: FormatId,
    frames_announced: Option<u64>,
    tags: Vec<(&'static str, String)>,
) -> Info {
    let codec = codec_name(parameters.codec);
    let lossless = codec.starts_with("pcm_") || matches!(codec, "flac" | "alac");
    Info {
        rate: parameters.sample_rate.unwrap_or(0),
        layout: layout(parameters, format),
        codec: codec.to_owned(),
        container: container_name(format).to_owned(),
        bit_depth: parameters.bits_per_sample.or(parameters.bits_per_coded_sample).filter(|_| lossless),
        frames_announced,
        tags,
    }
}

/// Whether samples are 16 bits wide throughout.
fn plain(parameters: &AudioCodecParameters) -> bool {
    let full = |bits: Option<u32>| bits.is_none_or(|bits| bits == 16);
    parameters.codec == codecs::CODEC_ID_PCM_S16LE
        && full(parameters.bits_per_sample)
        && full(parameters.bits_per_coded_sample)
}

fn layout(parameters: &AudioCodecParameters, format: FormatId) -> Layout {
    use symphonia::core::audio::{Channels, Position};
    let Some(channels) = &parameters.channels else { return Layout::new(0, None) };
    let mask = match channels {
        Channels::Positioned(positions) => Some(positions.bits()),
        _ => None,
    };
    let count = channels.count();
    // A WAVE file without a mask comes out of the reader with the first speakers of all, which is nobody's layout.
    let guessed = Position::from_count(count as u32).map(|positions| positions.bits());
    let mask = mask.filter(|mask| format != formats::FORMAT_ID_WAVE || Some(*mask) != guessed);
    Layout::new(count, mask)
}

fn container_name(format: FormatId) -> &'static str {
    match format {
        formats::FORMAT_ID_WAVE => "wav",
        formats::FORMAT_ID_AIFF => "aiff",
        formats::FORMAT_ID_MP1 | formats::FORMAT_ID_MP2 | formats::FORMAT_ID_MP3 => "mp3",
        formats::FORMAT_ID_ADTS => "aac",
        formats::FORMAT_ID_OGG => "ogg",
        formats::FORMAT_ID_FLAC => "flac",
        formats::FORMAT_ID_ISOMP4 => "mov,mp4,m4a,3gp,3g2,mj2",
        _ => "unknown",
    }
}

fn codec_name(codec: AudioCodecId) -> &'static str {
    match codec {
        codecs::CODEC_ID_PCM_U8 => "pcm_u8",
        codecs::CODEC_ID_PCM_S8 => "pcm_s8",
        codecs::CODEC_ID_PCM_S16LE => "pcm_s16le",
        codecs::CODEC_ID_PCM_S16BE => "pcm_s16be",
        codecs::CODEC_ID_PCM_S24LE => "pcm_s24le",
        codecs::CODEC_ID_PCM_S24BE => "pcm_s24be",
        codecs::CODEC_ID_PCM_S32LE => "pcm_s32le",
        codecs::CODEC_ID_PCM_S32BE => "pcm_s32be",
        codecs::CODEC_ID_PCM_F32LE => "pcm_f32le",
        codecs::CODEC_ID_PCM_F32BE => "pcm_f32be",
        codecs::CODEC_ID_PCM_F64LE => "pcm_f64le",
        codecs::CODEC_ID_PCM_F64BE => "pcm_f64be",
        codecs::CODEC_ID_PCM_ALAW => "pcm_alaw",
        codecs::CODEC_ID_PCM_MULAW => "pcm_mulaw",
        codecs::CODEC_ID_ADPCM_MS => "adpcm_ms",
        codecs::CODEC_ID_ADPCM_IMA_WAV => "adpcm_ima_wav",
        codecs::CODEC_ID_ADPCM_IMA_QT => "adpcm_ima_qt",
        codecs::CODEC_ID_MP1 => "mp1",
        codecs::CODEC_ID_MP2 => "mp2",
        codecs::CODEC_ID_MP3 => "mp3",
        codecs::CODEC_ID_AAC => "aac",
        codecs::CODEC_ID_VORBIS => "vorbis",
        codecs::CODEC_ID_OPUS => "opus",
        codecs::CODEC_ID_FLAC => "flac",
        codecs::CODEC_ID_ALAC => "alac",
        _ => "unknown",
    }
}
