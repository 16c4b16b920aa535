//! The administrator of a local cluster, whose password is kept beside the logs so that every start can tell it.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use metastamp_ops::init::{self, Ensured};
use metastamp_protocol::ObjectId;
use metastamp_service::accounts::tokens::{Tokens, new_session_id};
use metastamp_setup::config::Config;
use metastamp_setup::secrets::SigningSecret;
use metastamp_setup::stores::Opened;

#[derive(Clone)]
pub struct Admin {
    id: ObjectId,
    pub email: String,
    /// For people: the password, or where it is from.
    pub password: String,
    tokens: Arc<Tokens>,
    /// What the nodes sign with as well.
    pub signing_secret: String,
    session: String,
}

impl Admin {
    /// The administrator's account, made when it is not there. `dir` is where the password is kept.
    ///
    /// # Errors
    /// When a store can't be opened, or the password can't be kept.
    pub async fn prepare(config: &Config, dir: &Path) -> anyhow::Result<Self> {
        let file = dir.join("admin-password");
        let kept = kept_password(&file).context("can't read the password that was kept")?;
        let password = match (&config.admin_password, &kept) {
            (Some(password), _) | (None, Some(password)) => password.clone(),
            (None, None) => init::generate_password(),
        };
        let stores = Opened::open(config).await?;
        let ensured = init::ensure_administrator(config, &stores, password.clone()).await;
        if let Some(local) = stores.local_s3 {
            local.shutdown().await;
        }
        let (user, outcome) = ensured?;
        let shown = match outcome {
            Ensured::Promoted => "an account that existed: administrator now, with the password it had".to_owned(),
            _ if config.admin_password.is_some() => "password of ADMIN_PASSWORD".to_owned(),
            Ensured::Created => {
                keep_password(&file, &password).context("can't keep the password")?;
                format!("password {password}")
            }
            Ensured::WasThere if kept.is_some() => format!("password {password}"),
            Ensured::WasThere => "with the password it had before".to_owned(),
        };
        let signing_secret = SigningSecret::of(config)?.secret;
        let tokens = Arc::new(Tokens::new(&signing_secret, config.token_life));
        let session = new_session_id();
        Ok(Self { id: user.id, email: user.email, password: shown, tokens, signing_secret, session })
    }

    /// The nodes sign with the same secret, so what is signed here counts there.
    pub fn token(&self) -> Option<String> {
        self.tokens.issue(self.id, &self.email, &self.session).ok()
    }
}

fn kept_password(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(password) if !password.trim().is_empty() => Ok(Some(password.trim().to_owned())),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(None),
    }
}

fn keep_password(path: &Path, password: &str) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(password.as_bytes())?;
    Ok(file.sync_all()?)
}
