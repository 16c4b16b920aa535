//! Which node this is: a name that stays with the data directory, so that after a crash the node knows its own work.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use metastamp_protocol::{NodeRef, Timestamp};

/// Node processes on one data directory.
const SLOTS_MAX: usize = 64;

/// Holds the slot for as long as the process lives; the operating system gives it back, whatever happens.
pub struct Identity {
    pub node: NodeRef,
    _slot: File,
}

impl Identity {
    /// Takes the first free slot of the data directory and the name kept in it.
    ///
    /// # Errors
    /// When the directory can't be written, or all slots are taken.
    pub fn take(data_dir: &Path) -> anyhow::Result<Self> {
        let dir = data_dir.join("nodes");
        private_dir(data_dir)?;
        std::fs::create_dir_all(&dir).with_context(|| format!("can't create {}", dir.display()))?;
        for slot in 0..SLOTS_MAX {
            let path = dir.join(format!("{slot}.id"));
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .with_context(|| format!("can't open {}", path.display()))?;
            match file.try_lock() {
                Ok(()) => {
                    let node_id = name(&mut file)?;
                    let node = NodeRef { node_id, generation: Timestamp::now().millis() };
                    return Ok(Self { node, _slot: file });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error).context("can't lock a node slot"),
            }
        }
        anyhow::bail!("{SLOTS_MAX} nodes run on {} already", data_dir.display())
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

fn name(file: &mut File) -> anyhow::Result<String> {
    let mut name = String::new();
    file.read_to_string(&mut name)?;
    if !name.trim().is_empty() {
        return Ok(name.trim().to_owned());
    }
    let name = format!("node-{:08x}", rand::random::<u32>());
    file.rewind()?;
    file.write_all(name.as_bytes())?;
    file.sync_all()?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_once_differ_and_a_restart_keeps_its_name() {
        let dir = std::env::temp_dir().join(format!("metastamp-identity-{:x}", rand::random::<u64>()));
        let first = Identity::take(&dir).unwrap();
        let second = Identity::take(&dir).unwrap();
        assert_ne!(first.node.node_id, second.node.node_id);
        let name = first.node.node_id.clone();
        drop(first);
        assert_eq!(Identity::take(&dir).unwrap().node.node_id, name);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
