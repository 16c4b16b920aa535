//! Secrets that nobody has set: made up, and kept where all who must share them find them. None stands in the source.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use ring::hmac;

use crate::config::{Config, DocumentStore};
use crate::identity::private_dir;

/// File of the secret of a cluster on one machine.
pub const CLUSTER: &str = "cluster.secret";
/// File of the secret that signs tokens.
pub const TOKENS: &str = "token.secret";
const CHARS_MIN: usize = 16;
/// What is derived from the secret of the cluster is good for this alone.
const TOKENS_OF_A_CLUSTER: &[u8] = b"metastamp: secret that signs tokens, 1";

/// The secret that signs tokens, and where it is from.
#[derive(Clone)]
pub struct SigningSecret {
    pub secret: String,
    pub source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `JWT_SECRET_KEY`.
    Given,
    /// Derived from `CLUSTER_SECRET`, which all nodes of the cluster have.
    Cluster,
    /// Made at the first start on the data directory.
    Kept,
}

impl SigningSecret {
    /// What was set; without it, one that every node of the installation finds by itself: those that share their
    /// documents in `DATA_DIR` find it there, those of a cluster over servers in the cluster's own secret.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        if let Some(secret) = &config.jwt_secret {
            return Ok(Self { secret: secret.clone(), source: Source::Given });
        }
        let cluster = config.cluster.as_ref().and_then(|cluster| cluster.secret.as_deref());
        match cluster.filter(|_| config.stores.documents != DocumentStore::Embedded) {
            Some(cluster) => Ok(Self { secret: derived(cluster), source: Source::Cluster }),
            None => {
                let secret = kept(&config.data_dir, TOKENS).context("can't keep a secret that signs tokens")?;
                Ok(Self { secret, source: Source::Kept })
            }
        }
    }

    /// Says what was done in place of a setting that is missing.
    pub fn introduce(&self, config: &Config) {
        let file = config.data_dir.join(TOKENS);
        let is_alone = config.stores.documents == DocumentStore::Embedded;
        match self.source {
            Source::Given => {}
            Source::Cluster => tracing::info!(
                "JWT_SECRET_KEY is not set: tokens are signed with a secret derived from CLUSTER_SECRET, the same on all nodes"
            ),
            Source::Kept if is_alone => tracing::info!(
                file = %file.display(),
                "JWT_SECRET_KEY is not set: tokens are signed with a secret that was made up and is kept in DATA_DIR, for all nodes that share it"
            ),
            Source::Kept => tracing::warn!(
                file = %file.display(),
                "JWT_SECRET_KEY is not set: tokens are signed with a secret of this DATA_DIR alone. If other nodes use the same MongoDB, set JWT_SECRET_KEY to one value on all of them, or they refuse each other's tokens"
            ),
        }
    }
}

fn derived(cluster: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, cluster.as_bytes());
    let tag = hmac::sign(&key, TOKENS_OF_A_CLUSTER);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A secret that all nodes on one data directory share, made by whoever comes first.
///
/// # Errors
/// When it can't be read or written.
pub fn kept(data_dir: &Path, name: &str) -> anyhow::Result<String> {
    let path = data_dir.join(name);
    match std::fs::read_to_string(&path) {
        Ok(secret) => return checked(&secret, &path),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    }
    private_dir(data_dir)?;
    let draft = data_dir.join(format!("{name}.{:016x}", rand::random::<u64>()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
    let written = file.write_all(secret.as_bytes()).and_then(|()| file.sync_all());
    // A link appears whole or not at all, and only for the first of those who start together.
    let linked = written.and_then(|()| std::fs::hard_link(&draft, &path));
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    checked(&std::fs::read_to_string(&path)?, &path)
}

fn checked(secret: &str, path: &Path) -> anyhow::Result<String> {
    let secret = secret.trim();
    anyhow::ensure!(secret.len() >= CHARS_MIN, "{} holds no secret: remove it", path.display());
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn temp_dir() -> PathBuf {
        std::env::temp_dir().join(format!("metastamp-secret-{:x}", rand::random::<u64>()))
    }

    fn signing(pairs: &[(&str, &str)], dir: &Path) -> SigningSecret {
        let with = [pairs, &[("DATA_DIR", dir.to_str().unwrap())]].concat();
        SigningSecret::of(&Config::of_pairs(&with).unwrap()).unwrap()
    }

    #[test]
    fn nodes_that_start_together_agree_on_the_secret() {
        let dir = temp_dir();
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| kept(&dir, CLUSTER).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0] && secret.len() == 64));
        let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, ["cluster.secret"]);
        assert_eq!(std::fs::metadata(dir.join(CLUSTER)).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn without_a_setting_the_data_directory_has_its_own() {
        let dirs = [temp_dir(), temp_dir()];
        let [first, other] = [0, 1].map(|i| signing(&[], &dirs[i]));
        assert_eq!((first.source, first.secret.len()), (Source::Kept, 64));
        assert_ne!(first.secret, other.secret);
        // the same for all who share the documents, in a cluster or not
        let cluster = [("CLUSTER_LISTEN", "127.0.0.1:0"), ("CLUSTER_SECRET", "a secret of the cluster")];
        assert_eq!(signing(&cluster, &dirs[0]).secret, first.secret);
        let given = signing(&[("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef")], &dirs[0]);
        assert_eq!((given.source, given.secret.len()), (Source::Given, 32));
        for dir in dirs {
            std::fs::remove_dir_all(dir).unwrap();
        }
    }

    #[test]
    fn a_cluster_over_servers_needs_no_file_in_common() {
        let nowhere = temp_dir();
        let of = |secret: &str| {
            let pairs =
                [("MONGODB_URL", "mongodb://db:27017"), ("CLUSTER_LISTEN", "127.0.0.1:0"), ("CLUSTER_SECRET", secret)];
            signing(&pairs, &nowhere)
        };
        let [one, same, other] = ["secret of a cluster", "secret of a cluster", "secret of another"].map(of);
        assert_eq!((one.source, one.secret.len()), (Source::Cluster, 64));
        assert!(one.secret == same.secret && one.secret != other.secret);
        assert!(!nowhere.exists());
    }

    #[test]
    fn a_file_without_a_secret_is_named() {
        let dir = temp_dir();
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(TOKENS), " \n").unwrap();
        let error = kept(&dir, TOKENS).unwrap_err().to_string();
        assert!(error.contains("token.secret holds no secret"), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
