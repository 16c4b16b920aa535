//! How long a film really is: by its packets, not by what its header says.
//!
//! Looked at only when what was decoded does not fit what the header says: it takes another pass over the file, without
//! decoding anything.

use std::path::Path;

use super::child::{Budget, Child, Watch, input};
use super::probe::FORMATS;
use crate::{FingerprintError, Limits, Tools};

/// Bytes of a line; longer ones are none of a packet.
const LINE_BYTES_MAX: usize = 4096;

/// What the packets of a file add up to. Those that an edit list leaves out don't count.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Extent {
    /// Of the video track.
    pub(super) frames: u64,
    /// Seconds to the end of its last frame.
    pub(super) video_end: f64,
    /// The same of all tracks.
    pub(super) end: f64,
}

/// Measures the file at `path`, whose video is the track `index`.
///
/// # Errors
/// [`FingerprintError::LimitExceeded`] when that takes too long.
pub(super) fn measure(
    path: &Path,
    index: u32,
    seconds: f64,
    tools: &Tools,
    limits: &Limits,
    watch: &mut Watch<'_>,
) -> Result<Extent, FingerprintError> {
    let entries = "packet=stream_index,pts_time,duration_time,flags";
    let options = ["-v", "error", "-print_format", "compact=p=0", "-show_entries", entries];
    let arguments = options.into_iter().map(Into::into).chain(input(path, FORMATS)?);
    let mut child = Child::spawn(&tools.ffprobe, "ffprobe", arguments, Budget::new(limits, seconds))?;
    let mut extent = Extent::default();
    let mut line = Vec::new();
    let mut buffer = [0; 64 << 10];
    loop {
        let count = child.read(&mut buffer, watch)?;
        if count == 0 {
            break;
        }
        for &byte in &buffer[..count] {
            match byte {
                b'\n' => {
                    extent.add(&line, index);
                    line.clear();
                }
                _ if line.len() < LINE_BYTES_MAX => line.push(byte),
                _ => {}
            }
        }
    }
    child.finish(watch)?;
    Ok(extent)
}

impl Extent {
    /// `stream_index=0|pts_time=1.200000|duration_time=0.040000|flags=K_`
    fn add(&mut self, line: &[u8], index: u32) {
        let line = String::from_utf8_lossy(line);
        let value = |name: &str| line.split('|').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        let seconds = |name: &str| value(name)?.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
        if value("flags").is_none_or(|flags| flags.contains('D')) {
            return;
        }
        let end = seconds("pts_time").map_or(0.0, |at| at + seconds("duration_time").unwrap_or(0.0));
        self.end = self.end.max(end);
        if value("stream_index").and_then(|text| text.parse().ok()) == Some(index) {
            self.frames += 1;
            self.video_end = self.video_end.max(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_add_up_but_for_those_left_out() {
        let mut extent = Extent::default();
        for line in [
            "stream_index=0|pts_time=0.000000|duration_time=0.100000|flags=K_",
            "stream_index=1|pts_time=0.500000|duration_time=0.020000|flags=K_",
            "stream_index=0|pts_time=0.200000|duration_time=N/A|flags=__",
            "stream_index=0|pts_time=N/A|duration_time=N/A|flags=__",
            "stream_index=0|pts_time=9.000000|duration_time=0.100000|flags=_D",
            "nonsense",
        ] {
            extent.add(line.as_bytes(), 0);
        }
        assert_eq!(extent, Extent { frames: 3, video_end: 0.2, end: 0.52 });
    }
}
