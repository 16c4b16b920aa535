//! The real servers a node can be told to use, as child processes on loopback: a database of MongoDB's protocol, Redis,
//! and an S3 server.
//!
//! `scripts/test.sh` installs them. They are looked for in `METASTAMP_TEST_SERVERS` (a directory), then in
//! `target/servers/bin` of the workspace, then on `PATH`; what is missing is an error and never a skipped test.
//! All calls that start, stop or wait block the thread.

mod kinds;
mod process;
mod ready;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, anyhow};
use parking_lot::Mutex;

pub use self::kinds::{ACCESS_KEY, CacheServer, DocumentServer, ObjectServer, SECRET_KEY};

/// Numbered databases of the Redis server, so that each node or fleet gets its own.
const CACHE_DATABASES: u32 = 4_096;

/// Names and values of variables of a node.
pub type Env = Vec<(String, String)>;

/// One server of each kind.
pub struct Servers {
    pub documents: DocumentServer,
    pub cache: CacheServer,
    pub objects: ObjectServer,
}

impl Servers {
    /// Starts one of each, at the same time, and waits until all serve.
    ///
    /// # Errors
    /// When one is not installed or does not serve in time.
    pub fn start() -> Result<Self> {
        std::thread::scope(|scope| {
            let documents = scope.spawn(DocumentServer::start);
            let cache = scope.spawn(CacheServer::start);
            let objects = scope.spawn(ObjectServer::start);
            let panicked = |_| anyhow!("a start panicked");
            Ok(Self {
                documents: documents.join().map_err(panicked)??,
                cache: cache.join().map_err(panicked)??,
                objects: objects.join().map_err(panicked)??,
            })
        })
    }

    /// The set that all tests of this process share; nobody may break it. It ends with the process.
    ///
    /// # Errors
    /// As [`Servers::start`]; everybody who asks later gets the first error again.
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Option<Result<Arc<Servers>, String>>> = Mutex::new(None);
        let mut shared = SHARED.lock();
        let started = shared.get_or_insert_with(|| Self::start().map(Arc::new).map_err(|error| format!("{error:#}")));
        started.clone().map_err(|error| anyhow!(error))
    }

    /// What a node must be told to use these servers: a fresh database, Redis number and bucket at each call.
    pub fn env(&self) -> Env {
        let name = fresh_name("metastamp");
        let mut env = self.documents.env(&name);
        env.extend(self.cache.env(fresh_database()));
        env.extend(self.objects.env(&name.replace('_', "-")));
        env
    }
}

/// Whether every node and fleet is to be put on the shared servers, unless it says otherwise:
/// `METASTAMP_TEST_STORES=servers`.
pub fn wanted() -> bool {
    std::env::var_os("METASTAMP_TEST_STORES").is_some_and(|stores| stores == "servers")
}

/// What nodes on this data directory are told when [`wanted`]: the same at each call, so that all of them share their
/// stores. Nothing otherwise.
///
/// # Errors
/// As [`Servers::shared`].
pub fn env_of(data_dir: &Path) -> Result<Env> {
    static KNOWN: Mutex<Option<HashMap<PathBuf, Env>>> = Mutex::new(None);
    if !wanted() {
        return Ok(Vec::new());
    }
    let servers = Servers::shared()?;
    let mut known = KNOWN.lock();
    let env = known.get_or_insert_default().entry(data_dir.to_owned()).or_insert_with(|| servers.env());
    Ok(env.clone())
}

/// Has a Redis forget what is in the numbered database of the URL.
///
/// # Errors
/// When it does not, or the URL is not of the form that [`CacheServer::url`] gives.
pub fn flush(url: &str) -> Result<()> {
    let (port, database) = url.rsplit_once(':').and_then(|(_, rest)| rest.split_once('/')).context("no port")?;
    ready::tell(port.parse()?, &format!("SELECT {database}\r\nFLUSHDB"), 2)
}

/// What keeps a node on embedded stores whatever is wanted.
pub fn embedded() -> Env {
    let names = ["MONGODB_URL", "REDIS_URL", "S3_ENDPOINT_URL"];
    names.map(|name| (name.to_owned(), "embedded".to_owned())).to_vec()
}

/// A name that no other test of this process uses, fit for databases.
pub fn fresh_name(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A number of a Redis database that no other test of this process uses. Number 0 is left to those who name none.
pub fn fresh_database() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    1 + COUNT.fetch_add(1, Ordering::Relaxed) % (CACHE_DATABASES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_start_die_and_come_back_at_the_same_address() {
        let mut servers = Servers::start().unwrap();
        let urls = |servers: &Servers| [servers.documents.url(), servers.cache.url(1), servers.objects.url()];
        let before = urls(&servers);
        servers.documents.kill();
        servers.cache.kill();
        servers.objects.kill();
        servers.documents.restart().unwrap();
        servers.cache.restart().unwrap();
        servers.objects.restart().unwrap();
        assert_eq!(urls(&servers), before);
        servers.cache.pause().unwrap();
        servers.cache.resume().unwrap();
    }

    #[test]
    fn everybody_gets_places_of_their_own() {
        assert_ne!(fresh_name("a"), fresh_name("a"));
        assert_ne!(fresh_database(), fresh_database());
    }
}
