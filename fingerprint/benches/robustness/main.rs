//! How many copies each algorithm recognises after what happens to files in the world, and how many strangers it takes
//! for copies.
//!
//! `scripts/media.sh && cargo bench -p metastamp-fingerprint --bench robustness [-- image|audio|video|text]`
//! prints tables in Markdown. Works are photos, music, a film and prose from packages (`target/media`, or what
//! `METASTAMP_MEDIA` names); each is attacked, fingerprinted like any file, and compared with its original by
//! [`metastamp_fingerprint::compare`], whose verdict `same` counts (in brackets: at least
//! `similar`). The first line of a table is the share of pairs of
//! different works that are taken for the same. Attacks on sound and video are ffmpeg's.

mod images;
mod sounds;
mod table;
mod texts;
mod videos;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use metastamp_fingerprint::file::fingerprint_file;
use metastamp_fingerprint::{Limits, NoProgress, Tools};
use metastamp_protocol::files::kind_of_name;
use metastamp_protocol::fingerprint::FingerprintContent;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Prints the table of one modality, from the media in a folder.
type Part = fn(&Path) -> Result<(), BoxError>;

fn main() -> Result<(), BoxError> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let media = std::env::var_os("METASTAMP_MEDIA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/media"), PathBuf::from);
    if !media.is_dir() {
        return Err(format!("{} is missing: run scripts/media.sh first", media.display()).into());
    }
    let parts: [(&str, Part); 4] =
        [("image", images::run), ("audio", sounds::run), ("video", videos::run), ("text", texts::run)];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            part(&media)?;
        }
    }
    Ok(())
}

/// The fingerprint of a file, whatever it is.
pub(crate) fn fingerprint(path: &Path) -> Result<FingerprintContent, BoxError> {
    let kind = path.to_str().and_then(kind_of_name).ok_or("unknown kind")?;
    // The name is the same for all: the Meta-Code speaks of names, not of works.
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let name = format!("work.{extension}");
    fingerprint_file(path, kind, &name, None, &Tools::default(), &Limits::default(), &mut NoProgress)
        .map(|found| found.content)
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Runs ffmpeg quietly.
pub(crate) fn ffmpeg(arguments: &[&str]) -> Result<(), BoxError> {
    let status = Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(format!("ffmpeg {arguments:?}: {status}").into()) }
}

/// Does `work` for every item on all cores; results in the order of the items.
pub(crate) fn on_all_cores<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(usize, &T) -> Result<R, BoxError> + Sync,
) -> Result<Vec<R>, BoxError> {
    let cores = std::thread::available_parallelism()?.get();
    let next = AtomicUsize::new(0);
    let worker = || -> Result<Vec<(usize, R)>, BoxError> {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return Ok(done) };
            done.push((index, work(index, item)?));
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err("a worker panicked".into()))).collect()
    });
    let mut all = Vec::new();
    for result in results {
        all.extend(result?);
    }
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

/// Every file below `folder` with one of `extensions`, sorted by path.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, BoxError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extensions)?);
        } else if path.extension().is_some_and(|known| extensions.iter().any(|extension| known == *extension)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Numbers without order, the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0 to `end`, without `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end.max(1)
    }

    /// -1 to 1, in a bell: the sum of twelve.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| (self.next() >> 11) as f64 / (1_u64 << 53) as f64).sum::<f64>() - 6.0
    }
}
