//! Configuration: read once, checked once, typed from there on. Every variable is documented in `.env.example`.

mod backup;
mod cluster;
pub mod dotenv;
mod fingerprint;
mod reader;
mod stores;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use backup::BackupConfig;
pub use cluster::ClusterConfig;
pub use dotenv::Interpolated;
pub use fingerprint::FingerprintConfig;
use ipnet::IpNet;
use metastamp_protocol::files::ALLOWED_EXTENSIONS;
pub use reader::{Entry, Problem, Reader};
pub use stores::{CacheStore, DocumentStore, ObjectStore, StoresConfig};

/// Stood in for a missing secret in earlier versions, so everybody knows it.
const PUBLIC_SECRET: &str = "metastamp-development-secret-not-for-production";
const MIB: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppEnv {
    Development,
    Staging,
    Production,
    Testing,
}

#[derive(Debug, Clone)]
pub struct Config {
    pub app_name: String,
    pub log_level: String,
    pub log_json: bool,
    pub address: SocketAddr,
    pub cors_origins: Vec<String>,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How clients reach this installation, without a slash at the end; otherwise as each request says.
    pub public_url: Option<String>,
    pub data_dir: PathBuf,
    pub stores: StoresConfig,
    /// `None`: see [`crate::secrets::SigningSecret`]. Production asks for one.
    pub jwt_secret: Option<String>,
    /// Connections at once from one network address that is no trusted proxy.
    pub connections_per_address: usize,
    pub token_life: Duration,
    pub allow_registration: bool,
    pub upload_bytes_max: u64,
    pub direct_bytes_below: u64,
    pub allowed_extensions: Vec<String>,
    pub fingerprinting: bool,
    pub threads: usize,
    pub fingerprint_workers: usize,
    pub fingerprint: FingerprintConfig,
    pub drain_time_max: Duration,
    /// What others call this node; generated and kept when not given.
    pub node_id: Option<String>,
    /// `None`: the node acts alone.
    pub cluster: Option<ClusterConfig>,
    pub backup: BackupConfig,
    pub admin_email: String,
    pub admin_password: Option<String>,
    /// What `config --dump` prints.
    pub entries: Vec<Entry>,
    /// Set variables that this version knows and does not use yet.
    pub unused: Vec<&'static str>,
    /// Values of `.env` into which something was put for a `$`.
    pub interpolated: Vec<Interpolated>,
}

impl Config {
    /// Reads `.env` of `dir` and the environment.
    ///
    /// # Errors
    /// All that is wrong, each with the variable's name and what is accepted.
    pub fn load(dir: &Path) -> Result<Self, Vec<Problem>> {
        Self::read(Reader::from_environment(dir), dir)
    }

    /// Like [`Config::load`], with `given` in place of what environment and file say.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(dir: &Path, given: &[(&str, &str)]) -> Result<Self, Vec<Problem>> {
        Self::read(Reader::from_environment(dir).with(given), dir)
    }

    /// Reads `file` alone; relative paths in it are relative to where it lies.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_file(file: &Path) -> Result<Self, Vec<Problem>> {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::read(Reader::from_file(file), dir)
    }

    #[cfg(test)]
    pub(crate) fn of_pairs(pairs: &[(&str, &str)]) -> Result<Self, Vec<Problem>> {
        Self::read(Reader::from_pairs(pairs), Path::new("/work"))
    }

    fn read(mut r: Reader, dir: &Path) -> Result<Self, Vec<Problem>> {
        let app_name = r.text_or(&["APP_NAME"], "META-STAMP V3");
        let app_env = match r
            .choice(&["APP_ENV"], "development", &["development", "staging", "production", "testing"])
            .as_str()
        {
            "production" => AppEnv::Production,
            "staging" => AppEnv::Staging,
            "testing" => AppEnv::Testing,
            _ => AppEnv::Development,
        };
        let debug = r.flag(&["DEBUG"], false);
        let level = if debug { "debug" } else { "info" };
        let log_level = r.choice(&["LOG_LEVEL"], level, &["debug", "info", "warning", "error", "critical"]);
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
        let format = if terminal && app_env == AppEnv::Development { "pretty" } else { "json" };
        let log_json = r.choice(&["LOG_FORMAT"], format, &["json", "pretty"]) == "json";
        let host = r.parse(&["HOST"], IpAddr::from([0, 0, 0, 0]), "an IP address", |_| true);
        let port = r.parse(&["PORT"], 8_000_u16, "0 to 65535 (0 takes a free one)", |_| true);
        let cors_origins = cors_origins(&mut r);
        let trusted_proxies = trusted_proxies(&mut r);
        let connections_per_address =
            r.parse(&["CONNECTIONS_PER_ADDRESS_MAX"], 1_000_usize, "1 to 10000", |n| (1..=10_000).contains(n));
        let data_dir = r.text_or(&["DATA_DIR"], "./data");
        let data_dir = dir.join(data_dir.strip_prefix("./").unwrap_or(&data_dir));
        let production = app_env == AppEnv::Production;
        let stores = StoresConfig::read(&mut r, production);
        let jwt_secret = jwt_secret(&mut r, production);
        let hours = r.parse(&["JWT_EXPIRATION_HOURS"], 24_u64, "1 to 168", |h| (1..=168).contains(h));
        let max_mb = r.parse(&["MAX_UPLOAD_SIZE_MB"], 500_u64, "1 to 500", |n| (1..=500).contains(n));
        let direct_mb = r.parse(&["DIRECT_UPLOAD_THRESHOLD_MB"], 10_u64, "1 to 100", |n| (1..=100).contains(n));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = r.parse(&["WORKERS"], cores, "1 to 256", |n| (1..=256).contains(n));
        let workers = cores.saturating_sub(1).max(1);
        let fingerprint_workers = r.parse(&["FINGERPRINT_WORKERS"], workers, "1 to 256", |n| (1..=256).contains(n));
        let drain_s = r.parse(&["DRAIN_TIMEOUT_SECONDS"], 20_u64, "0 to 600", |n| *n <= 600);
        let config = Self {
            app_name,
            log_level,
            log_json,
            address: SocketAddr::new(host, port),
            cors_origins,
            trusted_proxies,
            public_url: public_url(&mut r),
            data_dir,
            stores,
            jwt_secret,
            connections_per_address,
            token_life: Duration::from_secs(hours * 3_600),
            allow_registration: r.flag(&["ALLOW_REGISTRATION"], true),
            upload_bytes_max: max_mb * MIB,
            direct_bytes_below: direct_mb * MIB,
            allowed_extensions: allowed_extensions(&mut r),
            fingerprinting: r.flag(&["ENABLE_FINGERPRINTING"], true),
            threads,
            fingerprint_workers,
            fingerprint: FingerprintConfig::read(&mut r),
            drain_time_max: Duration::from_secs(drain_s),
            node_id: cluster::node_id(&mut r),
            cluster: cluster::read(&mut r, production),
            backup: BackupConfig::read(&mut r, dir),
            admin_email: r.text_or(&["ADMIN_EMAIL"], "admin@metastamp.local"),
            admin_password: r.secret(&["ADMIN_PASSWORD"]),
            unused: unused(&mut r),
            entries: Vec::new(),
            interpolated: std::mem::take(&mut r.interpolated),
        };
        equity_factor(&mut r);
        if r.problems.is_empty() { Ok(Self { entries: r.entries, ..config }) } else { Err(r.problems) }
    }
}

fn cors_origins(r: &mut Reader) -> Vec<String> {
    let origins = r.list(&["CORS_ORIGINS"], &["http://localhost:3000"]);
    for origin in &origins {
        if origin != "*" && !origin.starts_with("http://") && !origin.starts_with("https://") {
            r.problem(
                "CORS_ORIGINS",
                format!("holds {origin:?}, accepted: origins like https://app.example.org, or *"),
            );
        }
    }
    origins.into_iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect()
}

/// `10.0.0.1` is a network of one.
fn trusted_proxies(r: &mut Reader) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in r.list(&["TRUSTED_PROXIES"], &[]) {
        match text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
            Some(network) => networks.push(network),
            None => r.problem(
                "TRUSTED_PROXIES",
                format!("holds {text:?}, accepted: addresses and networks like 10.0.0.0/8"),
            ),
        }
    }
    networks
}

fn public_url(r: &mut Reader) -> Option<String> {
    let url = r.text(&["PUBLIC_URL"])?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        r.problem("PUBLIC_URL", format!("is {url:?}, accepted: an address like https://metastamp.example.org"));
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn jwt_secret(r: &mut Reader, production: bool) -> Option<String> {
    let secret = r.secret(&["JWT_SECRET_KEY", "SECRET_KEY"]);
    r.choice(&["JWT_ALGORITHM"], "hs256", &["hs256", "rs256"]);
    match secret.as_deref() {
        Some(secret) if secret.len() < 32 => {
            r.problem("JWT_SECRET_KEY", "is too short, accepted: at least 32 characters");
        }
        Some(PUBLIC_SECRET) => {
            r.problem("JWT_SECRET_KEY", "is a value that stood in the source and that everybody knows");
        }
        None if production => {
            r.problem("JWT_SECRET_KEY", "is required when APP_ENV=production (at least 32 characters)");
        }
        _ => {}
    }
    secret
}

fn allowed_extensions(r: &mut Reader) -> Vec<String> {
    let list = r.list(&["ALLOWED_FILE_EXTENSIONS"], &ALLOWED_EXTENSIONS);
    let list: Vec<_> = list.iter().map(|e| e.trim_start_matches('.').to_lowercase()).collect();
    for extension in &list {
        if !ALLOWED_EXTENSIONS.contains(&extension.as_str()) {
            let message = format!("holds {extension:?}, accepted: {}", ALLOWED_EXTENSIONS.join(", "));
            r.problem("ALLOWED_FILE_EXTENSIONS", message);
        }
    }
    list
}

/// Exists as a setting in the guide, but no calculation may read it: the factor is fixed.
fn equity_factor(r: &mut Reader) {
    r.parse(&["EQUITY_FACTOR"], 0.25_f64, "0.25 (the factor is fixed)", |f| (f - 0.25).abs() < f64::EPSILON);
}

/// Variables of the guide that this version reads, checks where it can, and has no use for yet.
fn unused(r: &mut Reader) -> Vec<&'static str> {
    r.parse(&["PRESIGNED_URL_EXPIRATION_SECONDS", "PRESIGNED_URL_EXPIRY_SECONDS"], 900_u32, "60 to 3600", |n| {
        (60..=3_600).contains(n)
    });
    r.choice(&["DEFAULT_AI_PROVIDER"], "openai", &["openai", "anthropic", "google", "local"]);
    let plain: [&'static str; 5] =
        ["SENTRY_DSN", "AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "OLLAMA_BASE_URL", "DEFAULT_AI_MODEL"];
    let secrets: [&'static str; 4] = ["AUTH0_CLIENT_SECRET", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"];
    let mut set = Vec::new();
    for name in plain {
        set.extend(r.text(&[name]).map(|_| name));
    }
    set.extend(r.text(&["AUTH0_AUDIENCE", "AUTH0_API_AUDIENCE"]).map(|_| "AUTH0_AUDIENCE"));
    for name in secrets {
        set.extend(r.secret(&[name]).map(|_| name));
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        Config::of_pairs(pairs)
    }

    fn problems(pairs: &[(&str, &str)]) -> Vec<String> {
        read(pairs).err().unwrap_or_default().into_iter().map(|p| p.name).collect()
    }

    #[test]
    fn a_newcomer_needs_no_variable() {
        let config = read(&[]).unwrap();
        assert_eq!(config.address.port(), 8_000);
        assert_eq!(config.stores.objects, ObjectStore::Embedded);
        assert_eq!(config.data_dir, Path::new("/work/data"));
        assert_eq!((config.upload_bytes_max, config.direct_bytes_below), (524_288_000, 10_485_760));
    }

    #[test]
    fn production_names_everything_that_is_missing() {
        let names = problems(&[("APP_ENV", "production")]);
        for name in
            ["MONGODB_URL", "MONGODB_DATABASE", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET_NAME", "JWT_SECRET_KEY"]
        {
            assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
        }
    }

    #[test]
    fn production_takes_embedded_stores_by_name_and_refuses_default_secrets() {
        let secret = "x".repeat(32);
        let base = [
            ("APP_ENV", "production"),
            ("MONGODB_URL", "embedded"),
            ("MONGODB_DATABASE", "metastamp"),
            ("REDIS_URL", "embedded"),
            ("S3_ENDPOINT_URL", "embedded"),
            ("S3_BUCKET_NAME", "b"),
        ];
        let with = |s: &str| problems(&[&base[..], &[("JWT_SECRET_KEY", s)]].concat());
        assert_eq!(with(&secret), Vec::<String>::new());
        assert_eq!(with(&secret[1..]), ["JWT_SECRET_KEY"]);
        assert_eq!(with(PUBLIC_SECRET), ["JWT_SECRET_KEY"]);
        assert_eq!(problems(&[("JWT_SECRET_KEY", PUBLIC_SECRET)]), ["JWT_SECRET_KEY"], "nowhere");
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (name, value) in [
            ("PORT", "70000"),
            ("HOST", "here"),
            ("APP_ENV", "prod"),
            ("MAX_UPLOAD_SIZE_MB", "0"),
            ("DIRECT_UPLOAD_THRESHOLD_MB", "101"),
            ("JWT_EXPIRATION_HOURS", "169"),
            ("JWT_SECRET_KEY", "short"),
            ("CONNECTIONS_PER_ADDRESS_MAX", "0"),
            ("ALLOWED_FILE_EXTENSIONS", ".txt,exe"),
            ("CORS_ORIGINS", "example.org"),
            ("TRUSTED_PROXIES", "10.0.0.0/8,nginx"),
            ("EQUITY_FACTOR", "0.5"),
            ("MONGODB_URL", "http://localhost"),
            ("DEBUG", "si"),
            ("PRESIGNED_URL_EXPIRATION_SECONDS", "59"),
        ] {
            assert_eq!(problems(&[(name, value)]), [name], "{value}");
        }
    }

    #[test]
    fn aliases_work() {
        let secret = "y".repeat(40);
        let config = read(&[("SECRET_KEY", &secret), ("ALLOWED_FILE_EXTENSIONS", ".TXT, png")]).unwrap();
        assert_eq!(config.jwt_secret, Some(secret));
        assert_eq!(config.allowed_extensions, ["txt", "png"]);
    }
}
