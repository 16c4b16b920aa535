//! Where documents, cache and objects are: embedded in this process, or on servers.

use std::time::Duration;

use metastamp_store::{MongoSettings, RedisSettings};

use super::reader::Reader;

/// The word that asks for an embedded store by name.
const EMBEDDED: &str = "embedded";
const DEVELOPMENT_S3_KEY: &str = "minioadmin";
/// Longest call to MongoDB with its retries: a request does two at most before it answers.
const MONGO_CALL_WITHIN: Duration = Duration::from_secs(5);
/// Longest call to Redis: what is slower is no help.
const REDIS_CALL_WITHIN: Duration = Duration::from_millis(300);

/// Where documents are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentStore {
    /// SQLite in the data directory.
    Embedded,
    Mongo(MongoSettings),
}

/// Where the cache is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheStore {
    /// SQLite in the data directory.
    Embedded,
    Redis(RedisSettings),
}

/// Where objects are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectStore {
    /// The S3 service inside this process.
    Embedded,
    External {
        /// `None` means AWS.
        endpoint: Option<String>,
        access_key: String,
        secret_key: String,
    },
}

#[derive(Debug, Clone)]
pub struct StoresConfig {
    pub documents: DocumentStore,
    pub cache: CacheStore,
    pub objects: ObjectStore,
    pub s3_public_endpoint: Option<String>,
    pub bucket: String,
    pub region: String,
    /// How long a start waits for servers that do not answer.
    pub wait: Duration,
    /// Life of cached entries, and of cached fingerprints.
    pub cache_ttl: Duration,
    pub fingerprint_cache_ttl: Duration,
}

impl StoresConfig {
    pub(super) fn read(r: &mut Reader, production: bool) -> Self {
        let documents = documents(r, production);
        let cache = cache(r, production);
        let (objects, s3_public_endpoint) = objects(r, production);
        let wait_s = r.parse(&["STORES_WAIT_SECONDS"], 60_u64, "0 to 3600", |n| *n <= 3_600);
        let ttl_s = r.parse(&["REDIS_CACHE_TTL_SECONDS"], 300_u64, "1 to 86400", |n| (1..=86_400).contains(n));
        let fingerprint_ttl_s =
            r.parse(&["FINGERPRINT_CACHE_TTL_SECONDS"], 3_600_u64, "1 to 86400", |n| (1..=86_400).contains(n));
        Self {
            documents,
            cache,
            objects,
            s3_public_endpoint,
            bucket: required(r, &["S3_BUCKET_NAME"], "metastamp-assets", production),
            region: r.text_or(&["S3_REGION"], "us-east-1"),
            wait: Duration::from_secs(wait_s),
            cache_ttl: Duration::from_secs(ttl_s),
            fingerprint_cache_ttl: Duration::from_secs(fingerprint_ttl_s),
        }
    }
}

/// A variable that production must set; elsewhere `default` stands in.
fn required(r: &mut Reader, names: &[&'static str], default: &str, production: bool) -> String {
    let value = r.text_or(names, default);
    missing_in_production(r, names[0], production);
    value
}

/// The same for a URL that may hold a password.
fn required_url(r: &mut Reader, names: &[&'static str], production: bool) -> String {
    let value = r.url_or(names, EMBEDDED);
    missing_in_production(r, names[0], production);
    value
}

fn missing_in_production(r: &mut Reader, name: &str, production: bool) {
    if production && r.entries.last().is_some_and(|entry| entry.source == "default") {
        r.problem(name, "is required when APP_ENV=production");
    }
}

fn documents(r: &mut Reader, production: bool) -> DocumentStore {
    let url = required_url(r, &["MONGODB_URL", "MONGODB_URI"], production);
    let database = required(r, &["MONGODB_DATABASE", "MONGODB_DB_NAME"], "metastamp", production);
    let password = r.secret(&["MONGODB_PASSWORD"]);
    let replica_set = r.text(&["MONGODB_REPLICA_SET"]);
    let pool_min = r.parse(&["MONGODB_MIN_POOL_SIZE"], 10_u32, "0 to 10000", |n| *n <= 10_000);
    let pool_max = r.parse(&["MONGODB_MAX_POOL_SIZE"], 100_u32, "1 to 10000", |n| (1..=10_000).contains(n));
    if url == EMBEDDED {
        return DocumentStore::Embedded;
    }
    // the value is not repeated: it may hold a password
    if !url.starts_with("mongodb://") && !url.starts_with("mongodb+srv://") {
        r.problem("MONGODB_URL", "accepted: embedded, mongodb://HOST:PORT or mongodb+srv://HOST");
    }
    if password.is_some() && !url.contains('@') {
        r.problem("MONGODB_PASSWORD", "is set, and MONGODB_URL names no user, accepted: mongodb://USER@HOST:PORT");
    }
    if database.is_empty() || database.len() > 63 || database.contains(['/', '\\', '.', ' ', '"', '$']) {
        let accepted = "at most 63 characters, none of / \\ . \" $ or a space";
        r.problem("MONGODB_DATABASE", format!("is {database:?}, accepted: {accepted}"));
    }
    if pool_min > pool_max {
        r.problem(
            "MONGODB_MIN_POOL_SIZE",
            format!("is {pool_min}, accepted: up to MONGODB_MAX_POOL_SIZE ({pool_max})"),
        );
    }
    let call_within = MONGO_CALL_WITHIN;
    DocumentStore::Mongo(MongoSettings { url, database, password, replica_set, pool_min, pool_max, call_within })
}

fn cache(r: &mut Reader, production: bool) -> CacheStore {
    let url = required_url(r, &["REDIS_URL"], production);
    if url == EMBEDDED {
        return CacheStore::Embedded;
    }
    if !url.starts_with("redis") || !url.contains("://") {
        r.problem("REDIS_URL", "accepted: embedded, or a URL that begins with redis:// or rediss://");
    }
    CacheStore::Redis(RedisSettings { url, call_within: REDIS_CALL_WITHIN })
}

fn objects(r: &mut Reader, production: bool) -> (ObjectStore, Option<String>) {
    let endpoint = required(r, &["S3_ENDPOINT_URL"], EMBEDDED, production);
    let public = r.text(&["S3_PUBLIC_ENDPOINT_URL"]);
    let access_key = r.secret(&["S3_ACCESS_KEY", "S3_ACCESS_KEY_ID"]);
    let secret_key = r.secret(&["S3_SECRET_KEY", "S3_SECRET_ACCESS_KEY"]);
    for (name, url) in [("S3_ENDPOINT_URL", Some(&endpoint)), ("S3_PUBLIC_ENDPOINT_URL", public.as_ref())] {
        let Some(url) = url else { continue };
        let web = url.starts_with("http://") || url.starts_with("https://");
        if !web && !["aws", EMBEDDED].contains(&url.as_str()) {
            r.problem(name, format!("is {url:?}, accepted: embedded, aws, or an http(s) URL"));
        }
    }
    if endpoint == EMBEDDED {
        return (ObjectStore::Embedded, public);
    }
    let mut key = |name: &str, value: Option<String>| {
        if production && value.as_deref().is_none_or(|v| v == DEVELOPMENT_S3_KEY) {
            r.problem(name, "is required when APP_ENV=production, and may not be the default");
        }
        value.unwrap_or_else(|| DEVELOPMENT_S3_KEY.to_owned())
    };
    let (access_key, secret_key) = (key("S3_ACCESS_KEY", access_key), key("S3_SECRET_KEY", secret_key));
    let endpoint = (endpoint != "aws").then_some(endpoint);
    (ObjectStore::External { endpoint, access_key, secret_key }, public)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<(StoresConfig, Reader), Vec<String>> {
        let mut reader = Reader::from_pairs(pairs);
        let config = StoresConfig::read(&mut reader, false);
        let names: Vec<_> = reader.problems.iter().map(|problem| problem.name.clone()).collect();
        if names.is_empty() { Ok((config, reader)) } else { Err(names) }
    }

    #[test]
    fn everything_is_embedded_unless_named() {
        let (config, _) = read(&[]).unwrap();
        assert_eq!((config.documents, config.cache), (DocumentStore::Embedded, CacheStore::Embedded));
        assert_eq!((config.objects, config.wait.as_secs()), (ObjectStore::Embedded, 60));
    }

    #[test]
    fn servers_are_named_by_their_urls() {
        let pairs = [
            ("MONGODB_URI", "mongodb://me:pass-word-1@a:27017,b/?replicaSet=x"),
            ("MONGODB_DB_NAME", "works"),
            ("MONGODB_PASSWORD", "another-password"),
            ("REDIS_URL", "rediss://:pass-word-2@c:6379/3"),
        ];
        let (config, reader) = read(&pairs).unwrap();
        let DocumentStore::Mongo(mongo) = config.documents else { panic!("no MongoDB") };
        assert_eq!((mongo.database.as_str(), mongo.pool_min, mongo.pool_max), ("works", 10, 100));
        assert_eq!(mongo.password.as_deref(), Some("another-password"));
        assert!(matches!(config.cache, CacheStore::Redis(redis) if redis.url.ends_with("/3")));
        let shown = |name: &str| reader.entries.iter().find(|entry| entry.name == name).unwrap().value.clone();
        assert_eq!(shown("MONGODB_URL"), "mongodb://me:***@a:27017,b/?replicaSet=x");
        assert_eq!(shown("REDIS_URL"), "rediss://:***@c:6379/3");
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        let mongo = ("MONGODB_URL", "mongodb://h");
        for (pairs, name) in [
            (vec![("MONGODB_URL", "http://h")], "MONGODB_URL"),
            (vec![("REDIS_URL", "http://h")], "REDIS_URL"),
            (vec![mongo, ("MONGODB_PASSWORD", "x")], "MONGODB_PASSWORD"),
            (vec![mongo, ("MONGODB_DATABASE", "a.b")], "MONGODB_DATABASE"),
            (vec![mongo, ("MONGODB_MIN_POOL_SIZE", "101")], "MONGODB_MIN_POOL_SIZE"),
            (vec![mongo, ("MONGODB_MAX_POOL_SIZE", "0")], "MONGODB_MAX_POOL_SIZE"),
            (vec![("STORES_WAIT_SECONDS", "4000")], "STORES_WAIT_SECONDS"),
            (vec![("REDIS_CACHE_TTL_SECONDS", "0")], "REDIS_CACHE_TTL_SECONDS"),
        ] {
            assert_eq!(read(&pairs).err(), Some(vec![name.to_owned()]), "{pairs:?}");
        }
    }
}
