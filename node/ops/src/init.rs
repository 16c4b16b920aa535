//! `metastamp init`: makes the stores and the administrator. Safe to run again.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use metastamp_protocol::files::UPLOADS;
use metastamp_protocol::user::is_email;
use metastamp_protocol::{Role, Timestamp, User};
use metastamp_service::accounts::passwords::Passwords;
use metastamp_service::fair::Origin;
use metastamp_setup::config::{Config, DocumentStore, ObjectStore};
use metastamp_setup::stores::{Opened, WAYS_ON};
use metastamp_setup::{out, telemetry};
use metastamp_store::StoreError;
use metastamp_store::objects::{Objects, Setting};

/// As a shell says of a program that was ended by Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;
const OBJECTS_PER_PAGE: u32 = 1_000;
const DELETIONS_AT_ONCE: usize = 16;

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct InitArgs {
    /// Say what is done, step by step
    #[arg(long, short)]
    verbose: bool,
    /// Leave accounts alone
    #[arg(long)]
    skip_admin: bool,
    /// Remove all records first: accounts, assets, fingerprints and everything else. Objects stay. Asks for `yes`
    #[arg(long)]
    drop: bool,
    /// Accept that documents and bucket were not used together before: from now on they belong to each other
    #[arg(long)]
    adopt: bool,
    /// With --drop: remove all uploads from the bucket too
    #[arg(long, requires = "drop")]
    drop_objects: bool,
    /// Do not ask before --drop
    #[arg(long, requires = "drop")]
    yes: bool,
}

/// Servers that do not answer are waited for as a node does.
///
/// # Errors
/// When a store can't be made, nobody agreed to `--drop`, or the administrator's variables are wrong.
pub async fn run(config: &Config, args: InitArgs) -> anyhow::Result<()> {
    // what is waited for is said as a warning
    telemetry::logs::install(if args.verbose { "info" } else { "warning" }, false);
    tokio::select! {
        done = initialise(config, args) => done,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            out::line("interrupted; running it again goes on where it stopped");
            std::process::exit(EXIT_INTERRUPTED);
        }
    }
}

async fn initialise(config: &Config, args: InitArgs) -> anyhow::Result<()> {
    let say = |text: &str| {
        if args.verbose {
            out::line(text);
        }
    };
    if args.drop && !args.yes {
        agreed(config, args.drop_objects).await?;
    }
    let stores = Opened::open(config).await?;
    for line in &stores.prepared {
        say(line);
    }
    belong_together(&stores, args.adopt).await?;
    say(&match &config.stores.documents {
        DocumentStore::Embedded => format!("documents ready in {}", config.data_dir.display()),
        DocumentStore::Mongo(mongo) => format!("documents ready in database {}", mongo.database),
    });
    match stores.cache.ping().await {
        Ok(()) => say("cache ready"),
        Err(error) => out::line(&format!("the cache does not answer, which a node can do without: {error}")),
    }
    bucket(config, &stores.objects, say).await?;
    if args.drop {
        stores.documents.records.clear().await.context("can't remove the records")?;
        out::line("all records removed");
        if args.drop_objects {
            let count = remove_objects(&stores.objects).await.context("can't remove the objects")?;
            out::line(&format!("{count} objects removed"));
        } else {
            out::line("objects stay in the bucket, and nothing refers to them any more; --drop-objects removes them");
        }
    }
    if !args.skip_admin {
        administrator(config, &stores).await?;
    }
    if let Some(local) = stores.local_s3 {
        local.shutdown().await;
    }
    out::line("initialised");
    Ok(())
}

/// Documents and bucket are those that were used together before, or whoever runs this says that they are to be.
async fn belong_together(stores: &Opened, adopt: bool) -> anyhow::Result<()> {
    let Some(misfit) = stores.identities.misfit() else { return Ok(()) };
    if adopt {
        stores.identities.adopt(&stores.documents, &stores.objects).await?;
        out::line("documents and bucket belong together from now on");
        return Ok(());
    }
    anyhow::bail!("{misfit} {WAYS_ON}")
}

/// Open to browsers for presigned URLs, to strangers for `public/*` only.
async fn bucket(config: &Config, objects: &Objects, say: impl Fn(&str)) -> anyhow::Result<()> {
    let bucket = &config.stores.bucket;
    say(&format!("bucket {bucket} ready"));
    let cors = objects.ensure_cors(&config.cors_origins).await.context("CORS rules of the bucket")?;
    let policy = objects.ensure_policy().await.context("policy of the bucket")?;
    for (what, setting) in [("CORS rules", cors), ("policy, anonymous read of public/* only", policy)] {
        match setting {
            Setting::Kept => say(&format!("{what}: as they should be")),
            Setting::Set => say(&format!("{what}: set")),
            Setting::Unsupported if config.stores.objects == ObjectStore::Embedded => {
                say(&format!("{what}: none, the embedded service listens on loopback only"));
            }
            Setting::Unsupported => out::line(&format!("{what}: this server has no such setting, see to it yourself")),
        }
    }
    Ok(())
}

/// Asks whoever sits at the terminal.
async fn agreed(config: &Config, objects: bool) -> anyhow::Result<()> {
    let place = match &config.stores.documents {
        DocumentStore::Embedded => config.data_dir.display().to_string(),
        DocumentStore::Mongo(mongo) => format!("database {}", mongo.database),
    };
    let objects = if objects { format!(" and all uploads in bucket {}", config.stores.bucket) } else { String::new() };
    anyhow::ensure!(std::io::stdin().is_terminal(), "--drop would remove everything in {place}: say --yes as well");
    let answer = tokio::task::spawn_blocking(move || {
        let mut stdout = std::io::stdout().lock();
        write!(stdout, "This removes all records in {place}{objects}, for good. Type yes to go on: ")?;
        stdout.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    anyhow::ensure!(answer.await??.trim() == "yes", "nothing was done");
    Ok(())
}

/// Removes every upload of the bucket; returns how many there were.
async fn remove_objects(objects: &Objects) -> anyhow::Result<usize> {
    let (mut count, mut next) = (0, None::<String>);
    loop {
        // the token names a key, so that deleting what was listed does not disturb it
        let page = objects.list(UPLOADS, next.as_deref(), OBJECTS_PER_PAGE).await?;
        count += page.objects.len();
        let deletions = page.objects.into_iter().map(|object| async move { objects.delete(&object.key).await });
        stream::iter(deletions).buffer_unordered(DELETIONS_AT_ONCE).try_collect::<()>().await?;
        next = page.next;
        if next.is_none() {
            return Ok(count);
        }
    }
}

async fn administrator(config: &Config, stores: &Opened) -> anyhow::Result<()> {
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
    stores: &Opened,
    password: String,
) -> anyhow::Result<(User, Ensured)> {
    let email = &config.admin_email;
    anyhow::ensure!(is_email(email), "ADMIN_EMAIL is {email:?}, accepted: an email address");
    if let Some(user) = stores.documents.users.user_by_email(email).await? {
        return promote(stores, user).await;
    }
    let hash = Passwords::new(1)
        .hash(Origin::default(), password)
        .await
        .map_err(|_| anyhow::anyhow!("can't hash the password"))?;
    let admin = User { role: Role::Admin, is_verified: true, ..User::local(email, hash, Timestamp::now()) };
    match stores.documents.users.insert_user(&admin).await {
        Ok(()) => Ok((admin, Ensured::Created)),
        // Another init was faster.
        Err(StoreError::Conflict { .. }) => {
            let user = stores.documents.users.user_by_email(email).await?.context("the administrator went away")?;
            promote(stores, user).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn promote(stores: &Opened, user: User) -> anyhow::Result<(User, Ensured)> {
    if user.role == Role::Admin {
        return Ok((user, Ensured::WasThere));
    }
    stores.documents.users.set_role(user.id, Role::Admin).await?;
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
