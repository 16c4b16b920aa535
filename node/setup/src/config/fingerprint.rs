//! What fingerprinting may take, and the programs it calls.

use std::path::PathBuf;
use std::time::Duration;

use metastamp_fingerprint::Tools;

use super::reader::Reader;

/// Jobs run in processes of their own, so that a decoder that goes wrong takes nothing else with it.
#[derive(Debug, Clone)]
pub struct FingerprintConfig {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    /// Address space of the process of one job.
    pub memory_bytes_max: u64,
    /// How long the job of a sound or a video may take; others have five minutes.
    pub long_time_max: Duration,
    /// What the jobs of one user may take of the processors on one day.
    pub cpu_per_day: Option<Duration>,
}

impl FingerprintConfig {
    /// What jobs call.
    pub fn programs(&self) -> Tools {
        Tools { ffmpeg: self.ffmpeg.clone(), ffprobe: self.ffprobe.clone(), ..Tools::default() }
    }

    /// Programs that are not there, neither by their path nor on the search path.
    pub fn missing(&self) -> Vec<String> {
        let search = std::env::var_os("PATH").unwrap_or_default();
        let is_there = |program: &PathBuf| match program.components().count() {
            1 => std::env::split_paths(&search).any(|dir| dir.join(program).is_file()),
            _ => program.is_file(),
        };
        let programs = [&self.ffmpeg, &self.ffprobe].into_iter().filter(|program| !is_there(program));
        programs.map(|program| program.display().to_string()).collect()
    }

    pub fn read(r: &mut Reader) -> Self {
        let memory = r.parse(&["FINGERPRINT_MEMORY_MB"], 4_096_u64, "512 to 65536", |n| (512..=65_536).contains(n));
        let time = r.parse(&["FINGERPRINT_TIME_MAX_SECONDS"], 7_200_u64, "60 to 86400", |n| (60..=86_400).contains(n));
        let accepted = "seconds, 1 to 86400000, or 0 for no limit";
        let cpu = r.parse(&["FINGERPRINT_CPU_PER_DAY"], 0_u64, accepted, |n| *n <= 86_400_000);
        Self {
            ffmpeg: r.text_or(&["FFMPEG_PATH"], "ffmpeg").into(),
            ffprobe: r.text_or(&["FFPROBE_PATH"], "ffprobe").into(),
            memory_bytes_max: memory << 20,
            long_time_max: Duration::from_secs(time),
            cpu_per_day: (cpu > 0).then(|| Duration::from_secs(cpu)),
        }
    }
}
