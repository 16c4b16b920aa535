//! Tokens on disk: one per node, readable by their owner only.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use metastamp_protocol::{ObjectId, Timestamp};
use serde::{Deserialize, Serialize};

use super::settings::Env;

/// A login that is remembered. No `Debug`: a token has no business in a log.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    pub email: String,
    pub token: String,
    pub expires_at: Option<Timestamp>,
}

/// All logins by the URL of their node, and which one was the last.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Credentials {
    #[serde(default)]
    pub current: Option<String>,
    #[serde(default)]
    pub servers: BTreeMap<String, Login>,
}

/// Where the credentials are kept.
#[derive(Debug, Clone)]
pub struct CredentialsFile {
    path: PathBuf,
}

impl CredentialsFile {
    /// `METASTAMP_CONFIG_DIR`, else `$XDG_CONFIG_HOME/metastamp`, else `~/.config/metastamp`.
    pub fn locate(env: Env) -> anyhow::Result<Self> {
        let folder = env("METASTAMP_CONFIG_DIR")
            .map(PathBuf::from)
            // The XDG specification asks to ignore relative values.
            .or_else(|| {
                env("XDG_CONFIG_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).map(|p| p.join("metastamp"))
            })
            .or_else(|| env("HOME").map(|home| Path::new(&home).join(".config/metastamp")))
            .context("no place for the credentials: set METASTAMP_CONFIG_DIR")?;
        Ok(Self { path: folder.join("credentials.json") })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is remembered; nothing when the file does not exist yet.
    pub fn load(&self) -> anyhow::Result<Credentials> {
        let shown = self.path.display();
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{shown} is damaged: delete it and run `metastamp login`")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Credentials::default()),
            Err(error) => Err(error).with_context(|| format!("can't read {shown}")),
        }
    }

    /// Remembers a login and makes its node the current one.
    pub fn remember(&self, url: &str, login: Login) -> anyhow::Result<()> {
        let mut all = self.load()?;
        all.servers.insert(url.to_owned(), login);
        all.current = Some(url.to_owned());
        self.write(&all).with_context(|| format!("can't write {}", self.path.display()))
    }

    /// Writes beside the file and renames: a crash leaves the old file or the new one, never half of one.
    fn write(&self, all: &Credentials) -> anyhow::Result<()> {
        let folder = self.path.parent().context("no folder")?;
        create_private_folder(folder)?;
        let draft = folder.join(format!(".credentials.{}", ObjectId::generate()));
        let result = (|| {
            let mut file = private_options().open(&draft)?;
            file.write_all(&serde_json::to_vec_pretty(all)?)?;
            file.sync_all()?;
            fs::rename(&draft, &self.path)
        })();
        if result.is_err() {
            let _ = fs::remove_file(&draft);
        }
        Ok(result?)
    }
}

/// Created with its final mode: there is no moment at which others could read it.
fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for each test, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("metastamp-credentials-{}", ObjectId::generate())))
        }

        fn file(&self) -> CredentialsFile {
            let folder = self.0.join("deep").to_string_lossy().into_owned();
            CredentialsFile::locate(&move |name| (name == "METASTAMP_CONFIG_DIR").then(|| folder.clone())).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn login(email: &str, token: &str) -> Login {
        Login { email: email.to_owned(), token: token.to_owned(), expires_at: Some(Timestamp(1)) }
    }

    #[test]
    fn two_nodes_keep_their_tokens_and_the_last_is_current() {
        let folder = Folder::new();
        let file = folder.file();
        assert!(file.load().unwrap().servers.is_empty());
        file.remember("http://one", login("a@b.co", "t1")).unwrap();
        file.remember("http://two", login("c@d.co", "t2")).unwrap();
        file.remember("http://two", login("c@d.co", "t3")).unwrap();
        let all = file.load().unwrap();
        assert_eq!(all.current.as_deref(), Some("http://two"));
        assert_eq!(all.servers["http://one"].token, "t1");
        assert_eq!(all.servers["http://two"].token, "t3");
        let left: Vec<_> = fs::read_dir(file.path().parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no drafts are left behind");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new();
        let file = folder.file();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        file.remember("http://one", login("a@b.co", "t1")).unwrap();
        assert_eq!(mode(file.path()), 0o600);
        assert_eq!(mode(file.path().parent().unwrap()), 0o700);
        // A file that was opened up is closed again with the next login.
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        file.remember("http://one", login("a@b.co", "t2")).unwrap();
        assert_eq!(mode(file.path()), 0o600);
    }

    #[test]
    fn a_damaged_file_says_what_to_do() {
        let folder = Folder::new();
        let file = folder.file();
        file.remember("http://one", login("a@b.co", "t1")).unwrap();
        fs::write(file.path(), "{").unwrap();
        let error = file.load().err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("delete it"), "{error}");
    }

    #[test]
    fn places() {
        let at = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let found = CredentialsFile::locate(&|name| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()));
            found.map(|file| file.path().to_string_lossy().into_owned()).unwrap_or_default()
        };
        assert_eq!(at(&[("HOME", "/h")]), "/h/.config/metastamp/credentials.json");
        assert_eq!(at(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), "/x/metastamp/credentials.json");
        assert_eq!(at(&[("XDG_CONFIG_HOME", "/x"), ("METASTAMP_CONFIG_DIR", "/m")]), "/m/credentials.json");
        assert_eq!(at(&[]), "");
    }
}
