//! Many files at once, one per core, in the order they were named.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use metastamp_fingerprint::file::{Found, fingerprint_file};
use metastamp_fingerprint::{FingerprintError, Limits, Tools};
use metastamp_protocol::FileKind;
use metastamp_setup::progress::{Meter, Progress, Unit};
use parking_lot::{Condvar, Mutex};

use super::kind::{check_is_file, kind_of};

/// How far any file may be ahead of the one whose turn it is, for each job: what waits is in memory.
const AHEAD_MAX: usize = 16;
/// Deepest directory below one that was named.
const DEPTH_MAX: usize = 64;

/// What came of one file.
pub struct Outcome {
    pub path: PathBuf,
    pub kind: Option<FileKind>,
    pub found: Result<Found, FingerprintError>,
    pub took: Duration,
}

/// Fingerprints `files`, `jobs` at once. `each` gets every outcome, in order, as soon as those before it are there.
pub fn all(files: Vec<PathBuf>, jobs: usize, progress: &Progress, mut each: impl FnMut(Outcome)) {
    let meter = progress.step("fingerprints", files.len() as u64 * 100, Unit::Percents);
    let next = AtomicUsize::new(0);
    let (done, outcomes) = mpsc::channel();
    let order = (Mutex::new(0_usize), Condvar::new());
    let ahead_max = jobs * AHEAD_MAX;
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(files.len()).max(1) {
            let (next, files, done, meter, order) = (&next, &files, done.clone(), meter.clone(), &order);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = files.get(at) else { return };
                    let (due, moved) = order;
                    moved.wait_while(&mut due.lock(), |due| at > *due + ahead_max);
                    if done.send((at, one(path, &meter))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (at, outcome) in outcomes {
            early.insert(at, outcome);
            while let Some(outcome) = early.remove(&due) {
                each(outcome);
                due += 1;
                *order.0.lock() = due;
                order.1.notify_all();
            }
        }
    });
}

fn one(path: &Path, meter: &Meter) -> Outcome {
    let started = Instant::now();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kind = kind_of(&name);
    let mut told = 0_u8;
    let mut progress = |percent: u8| {
        meter.add(percent.saturating_sub(told).into());
        told = told.max(percent);
        ControlFlow::Continue(())
    };
    let found = match (check_is_file(path), kind) {
        (Err(error), _) => Err(error),
        (Ok(()), Some(kind)) => {
            let work =
                || fingerprint_file(path, kind, &name, None, &Tools::default(), &Limits::default(), &mut progress);
            let crashed = |_| Err(FingerprintError::Malformed("the decoder crashed on this file".to_owned()));
            catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(crashed)
        }
        (Ok(()), None) => Err(FingerprintError::Unsupported("the ending of the name is none that is known".to_owned())),
    };
    meter.add(100_u64.saturating_sub(told.into()));
    Outcome { path: path.to_owned(), kind, found, took: started.elapsed() }
}

/// What was named, with directories replaced by the known files in them.
pub fn expand(named: &[PathBuf], is_known: &dyn Fn(&str) -> bool) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() { walk(path, DEPTH_MAX, is_known, &mut files)? } else { files.push(path.clone()) }
    }
    Ok(files)
}

fn walk(dir: &Path, depth: usize, is_known: &dyn Fn(&str) -> bool, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if depth == 0 {
        return Ok(());
    }
    let mut entries: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            walk(&path, depth - 1, is_known, files)?;
        } else if kind.is_file() && is_known(&entry.file_name().to_string_lossy()) {
            files.push(path);
        }
    }
    Ok(())
}
