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
use symphonia::core::packet::Packet;
use symphonia::core::units::Duration;

use super::iff::{Outline, read_at};
use super::media::Media;
use super::{Block, Claim, Info, Layout, Next, Opened, Source, Watch, claim, convert};
use crate::audio::tags;
use crate::{FingerprintError, guard};

/// Bytes of a tag that are read; longer ones are left out.
const TAG_BYTES_MAX: usize = 64 << 10;
/// Packets in a row that may be broken, before the rest of the file counts as broken.
const BROKEN_MAX: u32 = 10_000;
/// Samples more than the encoder's padding that a header with a number of frames may cut off at the end: some count
/// the frame of the header, some don't.
const CUT_MAX: u64 = 2 * 1152;
/// Bytes of a FLAC file that may follow the frames or stand between them.
const STRAY_BYTES_MAX: u64 = 4096;

/// How a Matroska file begins.
const MATROSKA: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

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
    /// What can't be read here is left out, instead of being read elsewhere.
    alone: bool,
    /// Samples that an MPEG encoder says it has added at the end, and those cut off there so far.
    padding: u64,
    cut: u64,
    /// Bytes of frames that have not been seen yet, of FLAC.
    bytes_left: u64,
    any: bool,
}

/// `alone`: there is nobody else, so that the file is to be read as far as that is possible here.
///
/// # Errors
/// [`FingerprintError::Io`] only: what can't be decoded here is for others to try.
pub(super) fn open(path: &Path, alone: bool) -> Result<Opened, FingerprintError> {
    // The one is read from start to end, the other looked at.
    let (file, look) =
        (File::open(path).map_err(FingerprintError::Io)?, File::open(path).map_err(FingerprintError::Io)?);
    match guard::no_panic("sound", || probe(file, look, alone)) {
        Err(FingerprintError::Io(error)) => Err(FingerprintError::Io(error)),
        Err(reason) => Ok(Opened::Elsewhere(reason, None)),
        Ok(opened) => Ok(opened),
    }
}

fn probe(file: File, mut look: File, alone: bool) -> Result<Opened, FingerprintError> {
    // The first sound within would be found, and the rest not.
    if read_at::<4>(&mut look, 0)? == Some(MATROSKA) {
        return Err(FingerprintError::unsupported("the sound needs ffmpeg to be decoded"));
    }
    let outline = Outline::of(&mut look)?;
    let media = Media::new(file, outline.as_ref())?;
    let stream = MediaSourceStream::new(Box::new(media), MediaSourceStreamOptions::default());
    let metadata_options =
        MetadataOptions::default().limit_tag_bytes(Limit::Maximum(TAG_BYTES_MAX)).limit_visual_bytes(Limit::Maximum(0));
    let mut reader = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), metadata_options)
        .map_err(|error| fault(error, "the file is not sound of a known format"))?;
    let format = reader.format_info().format;
    let (track, parameters, frames_announced, padding) = {
        let track = reader
            .default_track(TrackType::Audio)
            .or_else(|| reader.first_track(TrackType::Audio))
            .ok_or_else(|| FingerprintError::malformed("the file has no sound"))?;
        let Some(CodecParameters::Audio(parameters)) = track.codec_params.clone() else {
            return Err(FingerprintError::unsupported("the sound is of an unknown kind"));
        };
        (track.id, parameters, track.num_frames, track.padding.unwrap_or(0))
    };
    let tags = match &outline {
        Some(outline) => tags::of_chunks(&mut look, outline)?,
        None => tags::collect(&mut *reader),
    };
    let mut info = info(&parameters, format, frames_announced, tags);
    info.claims = claims(&info, format, outline.as_ref(), &mut look)?;
    if format == formats::FORMAT_ID_ADTS && !alone && !claim::is_uniform_adts(&mut look)? {
        let reason = FingerprintError::unsupported("the kind of the sound changes within the file");
        return Ok(Opened::Elsewhere(reason, Some(info)));
    }
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
    let is_flac = format == formats::FORMAT_ID_FLAC;
    let mut native = Native {
        info,
        reader,
        decoder,
        track,
        format,
        plain: plain(&parameters),
        ended: false,
        alone,
        padding: padding.into(),
        cut: 0,
        bytes_left: if is_flac { claim::flac_frame_bytes(&mut look)? } else { 0 },
        any: false,
    };
    native.look_ahead();
    Ok(Opened::Here(Box::new(native)))
}

/// What the header says of the length, as far as it says anything.
fn claims(
    info: &Info,
    format: FormatId,
    outline: Option<&Outline>,
    look: &mut File,
) -> Result<Vec<Claim>, FingerprintError> {
    if let Some(outline) = outline {
        return Ok(outline.sound_over_claim.map(Claim::Of).into_iter().collect());
    }
    let tells = match format {
        formats::FORMAT_ID_MP1 | formats::FORMAT_ID_MP2 | formats::FORMAT_ID_MP3 => claim::counts_mpeg_frames(look)?,
        formats::FORMAT_ID_ADTS => false,
        _ => true,
    };
    let frames = info.frames_announced.filter(|frames| tells && *frames > 0 && info.rate > 0);
    Ok(frames.map(|frames| Claim::Seconds(frames as f64 / f64::from(info.rate))).into_iter().collect())
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

    fn decode(&mut self, block: &mut Block) -> Result<Next, FingerprintError> {
        let mut broken = 0;
        while !self.ended {
            let mut packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                // A file that ends early has given what it has.
                Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(Error::IoError(error)) => return Err(FingerprintError::Io(error)),
                // After a reset comes another sound, after what can't be read perhaps more of this one.
                Err(_) => return Ok(self.elsewhere()),
            };
            self.bytes_left = self.bytes_left.saturating_sub(packet.data.len() as u64);
            if packet.track_id != self.track {
                continue;
            }
            if !self.believes_end(&mut packet) {
                return Ok(self.elsewhere());
            }
            let untrimmed = packet.trim_start == Duration::ZERO && packet.trim_end == Duration::ZERO;
            if self.plain && untrimmed {
                if block.fill_from_s16le(&packet.data, self.info.layout.channels()) > 0 {
                    self.any = true;
                    return Ok(Next::Block);
                }
                continue;
            }
            match self.decoder.decode(&packet) {
                Ok(buffer) if buffer.is_empty() => {}
                Ok(buffer) => {
                    let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
                    if (rate, channels) != (self.info.rate, self.info.layout.channels()) && !self.alone {
                        return Ok(Next::Elsewhere);
                    }
                    if rate != self.info.rate {
                        let message = "the sample rate changes within the file";
                        return Err(FingerprintError::unsupported(message));
                    }
                    convert::fill(&buffer, self.info.layout.channels(), block);
                    self.any = true;
                    return Ok(Next::Block);
                }
                Err(_) => {
                    broken += 1;
                    if broken > BROKEN_MAX {
                        return Ok(self.elsewhere());
                    }
                }
            }
        }
        self.ended = true;
        let is_whole = self.any && self.bytes_left <= STRAY_BYTES_MAX;
        Ok(if is_whole { Next::End } else { self.elsewhere() })
    }

    /// The end, where there is nobody else.
    fn elsewhere(&mut self) -> Next {
        self.ended = true;
        if self.alone { Next::End } else { Next::Elsewhere }
    }

    /// The header of an MPEG stream says how many frames there are, and the reader cuts off what goes beyond. That is
    /// right for what the encoder has added to fill the last frames, and only then: `false` when there is more.
    fn believes_end(&mut self, packet: &mut Packet) -> bool {
        if !matches!(self.format, formats::FORMAT_ID_MP1 | formats::FORMAT_ID_MP2 | formats::FORMAT_ID_MP3) {
            return true;
        }
        self.cut += packet.trim_end.get();
        if self.padding == 0 || self.cut > self.padding + CUT_MAX {
            packet.trim_end = Duration::ZERO;
            return self.padding == 0 || self.alone;
        }
        true
    }
}

impl Source for Native {
    fn info(&self) -> &Info {
        &self.info
    }

    fn next(&mut self, block: &mut Block, _watch: &mut Watch<'_>) -> Result<Next, FingerprintError> {
        // A decoder that has panicked is not asked again: the error ends the work.
        guard::no_panic("sound", || self.decode(block))
    }

    fn late_tags(&mut self) -> Vec<(&'static str, String)> {
        if matches!(self.format, formats::FORMAT_ID_WAVE | formats::FORMAT_ID_AIFF) {
            return Vec::new();
        }
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
        claims: Vec::new(),
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
