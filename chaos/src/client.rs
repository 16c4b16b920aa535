//! A small HTTP client that knows the contract's main calls and follows a node over restarts.

mod answer;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use parking_lot::RwLock;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

pub use self::answer::{Answer, AssetInfo, FingerprintInfo, PictureInfo};
use crate::{UploadFile, multipart};

/// What the web client waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How often a condition is looked at over HTTP.
const POLL: Duration = Duration::from_millis(50);
const PAGE_ROWS: usize = 100;

/// Base URL of a node, shared by everyone who talks to it; a restart changes it for all.
#[derive(Debug, Clone, Default)]
pub struct Address(Arc<RwLock<String>>);

impl Address {
    pub fn set(&self, base: String) {
        *self.0.write() = base;
    }

    pub fn get(&self) -> String {
        self.0.read().clone()
    }
}

/// Sees every answer before the caller does. May panic: that is a test's failure.
pub type Observer = Arc<dyn Fn(&Answer) + Send + Sync>;

/// Pauses before each further attempt after a 5xx, 408, 429 or a broken connection.
#[derive(Debug, Clone, Default)]
pub struct Retries(Vec<Duration>);

impl Retries {
    /// As the web client does, POST included.
    pub fn web_client() -> Self {
        Self([1, 2, 4].map(Duration::from_secs).to_vec())
    }

    pub fn every(pause: Duration, times: usize) -> Self {
        Self(vec![pause; times])
    }
}

/// Speaks to one node, as one user once it has a token. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: Address,
    token: Option<String>,
    observer: Option<Observer>,
    retries: Retries,
    /// An answer that takes longer is an unknown outcome.
    patience: Duration,
}

impl Client {
    /// A client without a token. Its connections belong to the current runtime.
    pub fn new(address: Address) -> Result<Self> {
        static PROVIDER: OnceLock<()> = OnceLock::new();
        // the HTTP library asks for one even when only plain HTTP is spoken; fails when there is one, which is fine
        PROVIDER.get_or_init(|| _ = rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, address, token: None, observer: None, retries: Retries::default(), patience: ANSWER_WITHIN })
    }

    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    pub fn with_retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Gives each answer so long.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn without_token(mut self) -> Self {
        self.token = None;
        self
    }

    /// The same user, at another node.
    pub fn at(&self, address: Address) -> Self {
        Self { address, ..self.clone() }
    }

    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    // ---- any call

    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call { client: self, method, path: path.to_owned(), headers: HeaderMap::new(), body: None }
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    pub fn delete(&self, path: &str) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    // ---- the contract's calls

    /// Registers an account and speaks for it from then on.
    pub async fn register(self, email: &str, password: &str) -> Result<Self> {
        let answer =
            self.post("/api/v1/auth/register").json(&json!({ "email": email, "password": password })).send().await?;
        let token = answer.expect(201)?.text("/token")?;
        Ok(self.with_token(&token))
    }

    pub async fn login(&self, email: &str, password: &str) -> Result<Answer> {
        self.post("/api/v1/auth/login/json").json(&json!({ "email": email, "password": password })).send().await
    }

    pub async fn upload(&self, file: &UploadFile) -> Result<Answer> {
        let path = format!("/api/v1/upload/{}", file.route);
        self.post(&path).body(&multipart::content_type(), multipart::form(file)).send().await
    }

    pub async fn asset(&self, id: &str) -> Result<Answer> {
        self.get(&format!("/api/v1/assets/{id}")).send().await
    }

    /// All assets of the user, page by page.
    pub async fn all_assets(&self) -> Result<Vec<AssetInfo>> {
        let mut assets = Vec::new();
        loop {
            // oldest first: what is uploaded meanwhile can't shift a page
            let path = format!("/api/v1/assets?sort=created_at:asc&limit={PAGE_ROWS}&skip={}", assets.len());
            let answer = self.get(&path).send().await?;
            let body = answer.expect(200)?.json()?;
            let rows: Vec<AssetInfo> = serde_json::from_value(body["assets"].clone())?;
            assets.extend(rows);
            if body["hasMore"] != true {
                return Ok(assets);
            }
        }
    }

    /// Waits until the asset is `ready` or `failed`, and gives its fingerprint.
    pub async fn fingerprint_when_done(&self, asset_id: &str, within: Duration) -> Result<FingerprintInfo> {
        let deadline = Instant::now() + within;
        loop {
            let answer = self.get(&format!("/api/v1/fingerprint/asset/{asset_id}")).send().await?;
            let body = answer.expect(200)?.json()?;
            if matches!(body["status"].as_str(), Some("completed" | "failed")) {
                return Ok(serde_json::from_value(body)?);
            }
            ensure!(Instant::now() < deadline, "the fingerprint of {asset_id} is not done after {within:?}: {body}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the node answers that it is alive.
    pub async fn wait_until_up(&self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        while self.get("/health").send().await.map_or(0, |answer| answer.status) != 200 {
            ensure!(Instant::now() < deadline, "no sign of life within {within:?}");
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

/// One request in the making. Carries the client's token unless told otherwise.
#[must_use]
pub struct Call<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Call<'_> {
    /// Adds a header; an unusable name or value is left out.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.append(name, value);
        }
        self
    }

    pub fn body(self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        let mut call = self.header("content-type", content_type);
        call.body = Some(bytes.into());
        call
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn form(self, body: &str) -> Self {
        self.body("application/x-www-form-urlencoded", body.to_owned())
    }

    /// Sends it, again as often as the client's retries say. An error means that the outcome is unknown.
    pub async fn send(self) -> Result<Answer> {
        let mut pauses = self.client.retries.0.iter();
        loop {
            let outcome = self.send_once().await;
            let again = match &outcome {
                Ok(answer) => answer.status >= 500 || matches!(answer.status, 408 | 429),
                Err(_) => true,
            };
            match pauses.next().filter(|_| again) {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return outcome,
            }
        }
    }

    async fn send_once(&self) -> Result<Answer> {
        let url = self.client.address.get() + &self.path;
        let mut request: RequestBuilder = self.client.http.request(self.method.clone(), url);
        request = request.timeout(self.client.patience);
        if let Some(token) = self.client.token.as_ref().filter(|_| !self.headers.contains_key("authorization")) {
            request = request.bearer_auth(token);
        }
        request = request.headers(self.headers.clone());
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.with_context(|| format!("{} {}", self.method, self.path))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.with_context(|| format!("body of {} {}", self.method, self.path))?;
        let answer = Answer { method: self.method.to_string(), path: self.path.clone(), status, headers, body };
        if let Some(observer) = &self.client.observer {
            observer(&answer);
        }
        Ok(answer)
    }
}

/// Polls `condition` until it gives a value, or fails with `what` after `within`.
pub async fn eventually<T, F>(what: &str, within: Duration, mut condition: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if Instant::now() > deadline {
            bail!("not within {within:?}: {what}");
        }
        tokio::time::sleep(POLL).await;
    }
}
