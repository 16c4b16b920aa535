//! Which node this is: a name that stays with the data directory, so that after a crash the node knows its own work.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use metastamp_protocol::{NodeRef, Timestamp};

/// Node processes on one data directory that were not given a name.
const SLOTS_MAX: usize = 64;

/// Holds the name for as long as the process lives; the operating system gives it back, whatever happens.
pub struct Identity {
    pub node: NodeRef,
    /// Tells this data directory from others on which a node of the same name may run.
    pub holder: String,
    _locks: [Option<File>; 2],
}

impl Identity {
    /// The node called `name`; without a name, the one kept in the first free slot of the data directory.
    ///
    /// # Errors
    /// When the directory can't be written, the name is in use, or all slots are taken.
    pub fn take(data_dir: &Path, name: Option<&str>) -> anyhow::Result<Self> {
        let dir = data_dir.join("nodes");
        private_dir(data_dir)?;
        std::fs::create_dir_all(&dir).with_context(|| format!("can't create {}", dir.display()))?;
        if let Some(name) = name {
            let lock = lock(&dir.join(format!("{name}.lock")))?
                .with_context(|| format!("a node called {name} runs on {} already", data_dir.display()))?;
            return Self::new(&dir, name.to_owned(), lock, None);
        }
        for slot in 0..SLOTS_MAX {
            let Some(mut slot) = lock(&dir.join(format!("{slot}.id")))? else { continue };
            let name = kept_name(&mut slot)?;
            // Somebody else may have been given this very name.
            if let Some(lock) = lock(&dir.join(format!("{name}.lock")))? {
                return Self::new(&dir, name, lock, Some(slot));
            }
        }
        anyhow::bail!("{SLOTS_MAX} nodes run on {} already", data_dir.display())
    }

    fn new(dir: &Path, node_id: String, mut lock: File, slot: Option<File>) -> anyhow::Result<Self> {
        let generation = next_generation(&mut lock, Timestamp::now().millis())
            .with_context(|| format!("can't keep the generation of {node_id}"))?;
        let holder = kept_holder(&dir.join(format!("{node_id}.holder")))
            .with_context(|| format!("can't keep the holder of {node_id}"))?;
        Ok(Self { node: NodeRef { node_id, generation }, holder, _locks: [Some(lock), slot] })
    }
}

/// The data directory holds password hashes and people's works: nobody else on the machine needs to look.
pub fn private_dir(dir: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("can't create {}", dir.display()))
}

/// The file, locked for this process; `None` when another process has it.
fn lock(path: &Path) -> anyhow::Result<Option<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("can't open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("can't lock {}", path.display())),
    }
}

fn kept_name(file: &mut File) -> anyhow::Result<String> {
    let mut name = String::new();
    file.read_to_string(&mut name)?;
    if !name.trim().is_empty() {
        return Ok(name.trim().to_owned());
    }
    let name = format!("node-{:08x}", rand::random::<u32>());
    write(file, &name)?;
    Ok(name)
}

/// Made at the first start here. The lock on the name keeps others from it.
fn kept_holder(path: &Path) -> std::io::Result<String> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut holder = String::new();
    file.read_to_string(&mut holder)?;
    if holder.trim().is_empty() {
        holder = format!("{:032x}", rand::random::<u128>());
        write(&mut file, &holder)?;
    }
    Ok(holder.trim().to_owned())
}

/// Rises at every start, also when the clock was put back: others take a lower generation for old news of a node they
/// have seen end.
fn next_generation(file: &mut File, now: i64) -> anyhow::Result<i64> {
    let mut last = String::new();
    file.read_to_string(&mut last)?;
    let next = last.trim().parse::<i64>().map_or(now, |last| now.max(last.saturating_add(1)));
    write(file, &next.to_string())?;
    Ok(next)
}

/// In place, since the lock is on this very file. Texts are short and of one length, so none is ever half old.
fn write(file: &mut File, text: &str) -> std::io::Result<()> {
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temp_dir() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("metastamp-identity-{:x}", rand::random::<u64>()))
    }

    #[test]
    fn two_at_once_differ_and_a_restart_keeps_its_name() {
        let dir = temp_dir();
        let first = Identity::take(&dir, None).unwrap();
        let second = Identity::take(&dir, None).unwrap();
        assert_ne!(first.node.node_id, second.node.node_id);
        let name = first.node.node_id.clone();
        let holder = first.holder.clone();
        assert_ne!(holder, second.holder);
        drop(first);
        let again = Identity::take(&dir, None).unwrap();
        assert_eq!((again.node.node_id, again.holder), (name, holder));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_given_name_is_held_by_one() {
        let dir = temp_dir();
        let first = Identity::take(&dir, Some("node-a")).unwrap();
        assert_eq!(first.node.node_id, "node-a");
        let error = Identity::take(&dir, Some("node-a")).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("a node called node-a runs on"), "{error}");
        let other = Identity::take(&dir, Some("node-b")).unwrap();
        drop((first, other));
        Identity::take(&dir, Some("node-a")).unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_generated_name_that_was_given_to_another_is_not_used_twice() {
        let dir = temp_dir();
        let name = Identity::take(&dir, None).unwrap().node.node_id;
        let given = Identity::take(&dir, Some(&name)).unwrap();
        assert_ne!(Identity::take(&dir, None).unwrap().node.node_id, given.node.node_id);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_generation_rises_even_if_the_clock_went_back() {
        let dir = temp_dir();
        let before = Identity::take(&dir, Some("a")).unwrap().node.generation;
        let after = Identity::take(&dir, Some("a")).unwrap().node.generation;
        assert!(after > before, "{before} {after}");
        let path = dir.join("nodes/a.lock");
        std::fs::write(&path, "9000000000000").unwrap();
        assert_eq!(Identity::take(&dir, Some("a")).unwrap().node.generation, 9_000_000_000_001);
        std::fs::write(&path, "torn").unwrap();
        assert!(Identity::take(&dir, Some("a")).unwrap().node.generation >= before);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
