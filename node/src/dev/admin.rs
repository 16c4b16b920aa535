//! The administrator of a local cluster, whose password is kept beside the logs so that every start can tell it.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use metastamp_protocol::ObjectId;

use crate::auth::tokens::{Tokens, new_session_id};
use crate::config::Config;
use crate::init;
use crate::stores::Stores;

#[derive(Clone)]
pub struct Admin {
    id: ObjectId,
    pub email: String,
    /// For people: the password, or where it is from.
    pub password: String,
    tokens: Arc<Tokens>,
    session: String,
}

impl Admin {
    /// The administrator's account, made when it is not there. `dir` is where the password is kept.
    ///
    /// # Errors
    /// When a store can't be opened, or the password can't be kept.
    pub async fn prepare(config: &Config, dir: &Path) -> anyhow::Result<Self> {
        let (password, shown) = match &config.admin_password {
            Some(password) => (password.clone(), "password of ADMIN_PASSWORD".to_owned()),
            None => {
                let password = kept_password(&dir.join("admin-password")).context("can't keep the password")?;
                (password.clone(), format!("password {password}"))
            }
        };
        let stores = Stores::open(config).await?;
        let ensured = init::ensure_administrator(config, &stores, password).await;
        if let Some(local) = stores.local_s3 {
            local.shutdown().await;
        }
        let (user, _) = ensured?;
        let tokens = Arc::new(Tokens::new(&config.jwt_secret, config.token_life));
        Ok(Self { id: user.id, email: user.email, password: shown, tokens, session: new_session_id() })
    }

    /// The nodes sign with the same secret, so what is signed here counts there.
    pub fn token(&self) -> Option<String> {
        self.tokens.issue(self.id, &self.email, &self.session).ok()
    }
}

fn kept_password(path: &Path) -> anyhow::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(password) if !password.trim().is_empty() => return Ok(password.trim().to_owned()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let password = init::generate_password();
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(password.as_bytes())?;
    file.sync_all()?;
    Ok(password)
}
