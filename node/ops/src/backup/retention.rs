//! Which archives may go.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use metastamp_protocol::Timestamp;

use super::NAME;

const DAY: Duration = Duration::from_secs(24 * 3_600);
const SUFFIX: &str = ".tar.gz";

/// Archives below `dir` that are older than `days`, oldest first, but for the `count_min` newest of all.
pub fn outdated(dir: &Path, now: Timestamp, days: u32, count_min: u32) -> anyhow::Result<Vec<PathBuf>> {
    let mut archives = Vec::new();
    for day in days_below(dir)? {
        for path in entries(&day)? {
            archives.extend(time(&path).map(|at| (at, path)));
        }
    }
    archives.sort();
    let removable = archives.len().saturating_sub(count_min as usize);
    let limit = now.minus(DAY * days);
    Ok(archives.into_iter().take(removable).filter(|(at, _)| *at < limit).map(|(_, path)| path).collect())
}

/// Removes the archive, its checksum, and its directory if nothing else is in there.
pub fn remove(archive: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(archive).with_context(|| format!("can't remove {}", archive.display()))?;
    let mut checksum = archive.as_os_str().to_owned();
    checksum.push(".sha256");
    let _ = std::fs::remove_file(Path::new(&checksum));
    if let Some(day) = archive.parent() {
        // refused unless it is empty
        let _ = std::fs::remove_dir(day);
    }
    Ok(())
}

/// Removes what a run that was broken off left behind.
pub fn remove_leftovers(dir: &Path) -> anyhow::Result<()> {
    for day in days_below(dir)? {
        for path in entries(&day)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ours = name.starts_with(".work-") || (name.starts_with('.') && name.ends_with(".partial"));
            let is_link = path.symlink_metadata().is_ok_and(|about| about.is_symlink());
            // a younger one may be of a run under way
            let old = path
                .metadata()
                .and_then(|about| about.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > DAY));
            if ours && old && !is_link {
                let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            }
        }
    }
    Ok(())
}

/// Directories that backups made: real ones, named by a day. Whatever else is there is not ours.
fn days_below(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_day = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.len() == 8
            && name.bytes().all(|byte| byte.is_ascii_digit())
            && path.symlink_metadata().is_ok_and(|about| about.is_dir())
    };
    Ok(entries(dir)?.into_iter().filter(is_day).collect())
}

fn entries(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("can't read {}", dir.display())),
    }
}

/// When an archive was made, by its name; none for any other file.
fn time(path: &Path) -> Option<Timestamp> {
    let stamp = path.file_name()?.to_str()?.strip_prefix(NAME)?.strip_suffix(SUFFIX)?;
    let digits: String = stamp.chars().filter(char::is_ascii_digit).collect();
    if digits.len() != 14 || stamp.len() != 15 {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let text =
        format!("{}-{}-{}T{}:{}:{}.000Z", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14));
    serde_json::from_value(serde_json::Value::String(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ones_go_and_the_newest_stay() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["20250101_000000", "20250102_000000", "20250103_000000", "20251125_000000"];
        for name in names {
            let day = dir.path().join(&name[..8]);
            std::fs::create_dir(&day).unwrap();
            std::fs::write(day.join(format!("{NAME}{name}{SUFFIX}")), "").unwrap();
        }
        std::fs::write(dir.path().join("20250101").join("mine.tar.gz"), "").unwrap();
        let kept = dir.path().join("keep");
        std::fs::create_dir_all(kept.join(".work-tree")).unwrap();
        std::fs::write(kept.join(format!("{NAME}20240101_000000{SUFFIX}")), "").unwrap();
        std::os::unix::fs::symlink(dir.path().join("20251125"), dir.path().join("20251126")).unwrap();
        let now = Timestamp(1_764_167_422_000);
        let count = |days, min| outdated(dir.path(), now, days, min).unwrap().len();
        assert_eq!((count(30, 1), count(30, 3), count(30, 7), count(1, 1)), (3, 1, 0, 3));
        let oldest = outdated(dir.path(), now, 30, 3).unwrap().remove(0);
        assert!(oldest.ends_with("20250101/metastamp_backup_20250101_000000.tar.gz"), "{oldest:?}");
        remove(&oldest).unwrap();
        assert!(dir.path().join("20250101/mine.tar.gz").exists(), "what is not ours stays");
    }
}
