//! Looks at the nodes twice a second: which are ready, and what they say of each other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;

use super::admin::Admin;
use super::balancer::Backends;
use crate::client::{CLUSTER_PATH, Members};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// `/ready` itself gives its stores two seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What was seen last.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Option<Members>>>);

impl Seen {
    pub fn members(&self) -> Option<Members> {
        self.0.lock().clone()
    }
}

/// Looks until it is dropped.
///
/// # Errors
/// When the HTTP client can't be set up.
pub async fn watch(backends: Arc<Backends>, admin: Admin, seen: Seen) -> anyhow::Result<()> {
    // The TLS library wants to be told its cryptography once per process; whoever came first is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        .no_proxy()
        .tls_certs_only(std::iter::empty())
        .pool_max_idle_per_host(1)
        .build()?;
    loop {
        join_all((0..backends.len()).map(|at| look_at(&http, &backends, at))).await;
        let ready = (0..backends.len()).find(|at| backends.is_ready(*at));
        let members = match ready {
            Some(at) => members(&http, backends.address(at), &admin).await,
            None => None,
        };
        *seen.0.lock() = members;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn look_at(http: &reqwest::Client, backends: &Backends, at: usize) {
    let url = format!("http://{}/ready", backends.address(at));
    let ready = http.get(url).send().await.is_ok_and(|answer| answer.status() == 200);
    backends.set_ready(at, ready);
}

async fn members(http: &reqwest::Client, address: SocketAddr, admin: &Admin) -> Option<Members> {
    let token = admin.token()?;
    let answer = http.get(format!("http://{address}{CLUSTER_PATH}")).bearer_auth(token).send().await.ok()?;
    answer.json().await.ok()
}
