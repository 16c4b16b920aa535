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
    say(format!("bucket {} ready", config.bucket));
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
    let email = &config.admin_email;
    anyhow::ensure!(is_email(email), "ADMIN_EMAIL is {email:?}, accepted: an email address");
    if let Some(user) = stores.documents.user_by_email(email).await? {
        if user.role != Role::Admin {
            stores.documents.set_role(user.id, Role::Admin).await?;
            out::line(&format!("{email} is an administrator now; the password stays as it was"));
        } else {
            out::line(&format!("administrator {email} exists"));
        }
        return Ok(());
    }
    let generated = config.admin_password.is_none();
    let password = config.admin_password.clone().unwrap_or_else(generate_password);
    let hash =
        Passwords::new(1).hash(password.clone()).await.map_err(|_| anyhow::anyhow!("can't hash the password"))?;
    let admin = User { role: Role::Admin, is_verified: true, ..User::local(email, hash, Timestamp::now()) };
    match stores.documents.insert_user(&admin).await {
        Ok(()) if generated => out::line(&format!("administrator {email} created, password (shown once): {password}")),
        Ok(()) => out::line(&format!("administrator {email} created with the password of ADMIN_PASSWORD")),
        // Another init was faster.
        Err(StoreError::Conflict { .. }) => out::line(&format!("administrator {email} exists")),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// 24 letters and digits, at least one of each.
fn generate_password() -> String {
    use rand::Rng;
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut rng = rand::rng();
    let mut text: String = (0..22).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect();
    text.push(char::from(b"abcdefghijkmnopqrstuvwxyz"[rng.random_range(0..25)]));
    text.push(char::from(b"23456789"[rng.random_range(0..8)]));
    text
}
