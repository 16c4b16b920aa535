//! Programs of others that are run as child processes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the programs are, and what one of them may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// Decodes video, and sound that the decoders here can't read.
    pub ffmpeg: PathBuf,
    /// Tells what is in a file.
    pub ffprobe: PathBuf,
    /// Where they put what they hand over.
    pub temp_dir: PathBuf,
}

impl Default for Tools {
    /// As the search path has them.
    fn default() -> Self {
        Self { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into(), temp_dir: std::env::temp_dir() }
    }
}
