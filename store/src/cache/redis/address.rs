//! Where Redis is: the forms of `REDIS_URL`. No message holds a part of the URL, because it may be the password.

use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{Client, ConnectionInfo, IntoConnectionInfo as _, RedisResult, TlsMode};

use crate::{Result, StoreError};

const SENTINEL_PORT: u16 = 26_379;

pub(super) enum Address {
    Single(Client),
    /// Some nodes of a Redis Cluster.
    Cluster(Vec<ConnectionInfo>),
    Sentinel(Sentinels),
}

/// Sentinels and the master they watch.
pub(super) struct Sentinels {
    pub sentinels: Vec<ConnectionInfo>,
    pub master: String,
    /// User, password and database of the master; the host is nobody's.
    pub login: ConnectionInfo,
    pub tls: bool,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(|| wrong("has no scheme"))?;
        let (tls, form) = match scheme.strip_prefix("rediss") {
            Some(form) => (true, form),
            None => (false, scheme.strip_prefix("redis").ok_or_else(unknown_scheme)?),
        };
        if tls {
            provide_tls();
        }
        let parts = Parts::of(rest);
        let scheme = if tls { "rediss" } else { "redis" };
        match form {
            "" if parts.hosts.contains(',') => {
                Err(wrong("names several hosts, which needs redis-cluster:// or redis-sentinel://"))
            }
            "" => {
                // The library reads the plain forms itself, with all their options.
                let info = info(&format!("{scheme}://{rest}"))?;
                Ok(Self::Single(Client::open(info).map_err(|error| unusable(&error))?))
            }
            "-cluster" => Ok(Self::Cluster(parts.nodes(scheme)?)),
            "-sentinel" => Ok(Self::Sentinel(Sentinels::of(&parts, scheme, tls)?)),
            _ => Err(unknown_scheme()),
        }
    }

    pub(super) fn cluster(nodes: &[ConnectionInfo]) -> redis::cluster::ClusterClientBuilder {
        ClusterClient::builder(nodes.to_vec())
    }
}

impl Sentinels {
    fn of(parts: &Parts<'_>, scheme: &str, tls: bool) -> Result<Self> {
        let mut path = parts.path.split('/').filter(|part| !part.is_empty());
        let master = path.next().ok_or_else(|| wrong("names no master after the sentinels"))?.to_owned();
        let database = path.next().unwrap_or("0");
        let login = info(&format!("{scheme}://{}nobody/{database}", parts.user))?;
        let user = parts.option("sentinel_username").unwrap_or_default();
        let user = match parts.option("sentinel_password") {
            Some(password) => format!("{user}:{password}@"),
            None => String::new(),
        };
        let sentinels = parts.hosts.split(',').map(|host| {
            let port = if has_port(host) { String::new() } else { format!(":{SENTINEL_PORT}") };
            info(&format!("{scheme}://{user}{host}{port}"))
        });
        Ok(Self { sentinels: sentinels.collect::<Result<_>>()?, master, login, tls })
    }

    /// Asks the sentinels for the master of today.
    pub(super) async fn master(&self) -> RedisResult<Client> {
        let mut node = SentinelNodeConnectionInfo::default()
            .set_redis_connection_info(self.login.redis_settings().clone())
            .set_tcp_settings(self.login.tcp_settings().clone());
        if self.tls {
            node = node.set_tls_mode(TlsMode::Secure);
        }
        let role = SentinelServerType::Master;
        SentinelClient::build(self.sentinels.clone(), &self.master, Some(node), role)?.async_get_client().await
    }
}

/// `[user@]hosts[/path][?options]`, each part still encoded.
struct Parts<'a> {
    /// With the `@`, or empty.
    user: &'a str,
    hosts: &'a str,
    path: &'a str,
    options: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Self {
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        Self { user, hosts, path, options }
    }

    fn nodes(&self, scheme: &str) -> Result<Vec<ConnectionInfo>> {
        if !matches!(self.path, "" | "0") {
            return Err(wrong("names a database, which a Redis Cluster does not have"));
        }
        self.hosts.split(',').map(|host| info(&format!("{scheme}://{}{host}", self.user))).collect()
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

/// Whether a host has a port behind it; colons in brackets are an address.
fn has_port(host: &str) -> bool {
    host.rsplit(']').next().unwrap_or(host).contains(':')
}

fn info(url: &str) -> Result<ConnectionInfo> {
    url.into_connection_info().map_err(|error| unusable(&error))
}

/// rustls has no provider of its own in a process that was built with two of them.
fn provide_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only when somebody else was faster, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

fn wrong(what: &str) -> StoreError {
    StoreError::Internal(format!("REDIS_URL {what}"))
}

fn unknown_scheme() -> StoreError {
    wrong("must begin with redis://, rediss://, redis-cluster:// or redis-sentinel://")
}

fn unusable(error: &redis::RedisError) -> StoreError {
    wrong(&format!("is not usable: {}", error.category()))
}
