//! `metastamp init`: makes the stores and the administrator. Safe to run again.

use anyhow::Context;
use metastamp_protocol::user::is_email;
use metastamp_protocol::{Role, Timestamp, User};
use metastamp_store::StoreError;

use crate::auth::passwords::Passwords;
use crate::config::Config;
use crate::out;
use crate::stores::Stores;

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct InitArgs {
    /// Say what is done, step by step
    #[arg(long, short)]
    verbose: bool,
    /// Leave accounts alone
    #[arg(long)]
    skip_admin: bool,
}

/// # Errors
/// When a store can't be made, or the administrator's variables are wrong.
pub async fn run(config: &Config, args: InitArgs) -> anyhow::Result<()> {
    let say = |text: String| {
        if args.verbose {
            out::line(&text);
        }
    };
    let stores = Stores::open(config).await?;
    stores.documents.ping().await.context("documents")?;
    say(format!("documents ready in {}", config.data_dir.display()));
    stores.cache.ping().await.context("cache")?;
    say("cache ready".to_owned());
    stores.objects.ping().await.context("objects")?;
    say(format!("bucket {} ready", config.stores.bucket));
    if !args.skip_admin {
        administrator(config, &stores).await?;
    }
    if let Some(local) = stores.local_s3 {
        local.shutdown().await;
    }
    out::line("initialised");
    Ok(())
}

async fn administrator(config: &Config, stores: &Stores) -> anyhow::Result<()> {
    let generated = config.admin_password.is_none();
    let password = config.admin_password.clone().unwrap_or_else(generate_password);
    let (User { email, .. }, outcome) = ensure_administrator(config, stores, password.clone()).await?;
    out::line(&match outcome {
        Ensured::Created if generated => format!("administrator {email} created, password (shown once): {password}"),
        Ensured::Created => format!("administrator {email} created with the password of ADMIN_PASSWORD"),
        Ensured::Promoted => format!("{email} is an administrator now; the password stays as it was"),
        Ensured::WasThere => format!("administrator {email} exists"),
    });
    Ok(())
}

/// What [`ensure_administrator`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    Created,
    Promoted,
    WasThere,
}

/// Makes the account of `ADMIN_EMAIL` with `password`. One that exists becomes administrator and keeps its password.
///
/// # Errors
/// When `ADMIN_EMAIL` is no address, or a store fails.
pub async fn ensure_administrator(
    config: &Config,
    stores: &Stores,
    password: String,
) -> anyhow::Result<(User, Ensured)> {
    let email = &config.admin_email;
    anyhow::ensure!(is_email(email), "ADMIN_EMAIL is {email:?}, accepted: an email address");
    if let Some(user) = stores.documents.user_by_email(email).await? {
        return promote(stores, user).await;
    }
    let hash = Passwords::new(1).hash(password).await.map_err(|_| anyhow::anyhow!("can't hash the password"))?;
    let admin = User { role: Role::Admin, is_verified: true, ..User::local(email, hash, Timestamp::now()) };
    match stores.documents.insert_user(&admin).await {
        Ok(()) => Ok((admin, Ensured::Created)),
        // Another init was faster.
        Err(StoreError::Conflict { .. }) => {
            let user = stores.documents.user_by_email(email).await?.context("the administrator went away")?;
            promote(stores, user).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn promote(stores: &Stores, user: User) -> anyhow::Result<(User, Ensured)> {
    if user.role == Role::Admin {
        return Ok((user, Ensured::WasThere));
    }
    stores.documents.set_role(user.id, Role::Admin).await?;
    Ok((user, Ensured::Promoted))
}

/// 24 letters and digits, at least one of each.
pub fn generate_password() -> String {
    use rand::Rng;
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut rng = rand::rng();
    let mut text: String = (0..22).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect();
    text.push(char::from(b"abcdefghijkmnopqrstuvwxyz"[rng.random_range(0..25)]));
    text.push(char::from(b"23456789"[rng.random_range(0..8)]));
    text
}
