//! Calls to one node: addresses, token, patience.

use std::error::Error;
use std::time::Duration;

use anyhow::Context;
use metastamp_protocol::ledger::ClientKey;
use metastamp_setup::progress::Progress;
use reqwest::{RequestBuilder, Response, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::credentials::CredentialsFile;
use super::error::{CallError, Refused};
use super::retry::{Outcome, pause_after};
use super::settings::{choose_url, is_loopback, process_env};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same patience as the web client's.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A node, and who we are there.
#[derive(Clone)]
pub struct Api {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
    progress: Progress,
}

impl Api {
    /// `base` is a normalised URL.
    pub fn new(base: String, token: Option<String>, progress: Progress) -> anyhow::Result<Self> {
        // The TLS library wants to be told its cryptography once per process; whoever came first is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("metastamp/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would turn an upload into a GET, or carry the token to another host.
            .redirect(reqwest::redirect::Policy::none());
        if base.starts_with("http://") {
            // No certificates are needed, and a bare container has none to load.
            builder = builder.tls_certs_only(std::iter::empty());
        }
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().context("can't set up the HTTP client")?;
        Ok(Self { base, token, http, progress })
    }

    /// The node that flag, environment and last login point to, with the token that belongs to it.
    pub fn open(url: Option<&str>, progress: Progress) -> anyhow::Result<Self> {
        let env = &process_env;
        let known = match CredentialsFile::locate(env) {
            Ok(file) => file.load()?,
            // Without a home there is still METASTAMP_TOKEN.
            Err(_) => Default::default(),
        };
        let base = choose_url(url, env, known.current.as_deref())?;
        let token = env("METASTAMP_TOKEN").or_else(|| known.servers.get(&base).map(|login| login.token.clone()));
        let token = token.with_context(|| format!("not logged in to {base}: run `metastamp login`"))?;
        Self::new(base, Some(token), progress)
    }

    /// The same node as somebody else.
    pub fn with_token(self, token: String) -> Self {
        Self { token: Some(token), ..self }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// GET; the answer as it came.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<u8>, CallError> {
        let url = self.url(path);
        self.patiently(async || Ok(self.http.get(&url).query(query).timeout(CALL_TIMEOUT))).await
    }

    /// GET; the answer as JSON.
    pub async fn get_json(&self, path: &str, query: &[(&str, String)]) -> Result<Value, CallError> {
        self.read(path, &self.get(path, query).await?)
    }

    /// POST of JSON, answered with JSON.
    pub async fn post_json(&self, path: &str, body: &Value) -> Result<Value, CallError> {
        let url = self.url(path);
        let answer = self.patiently(async || Ok(self.http.post(&url).json(body).timeout(CALL_TIMEOUT))).await?;
        self.read(path, &answer)
    }

    /// POST of JSON under an idempotency key: however often it is sent, it is one request.
    pub async fn post_json_keyed(&self, path: &str, body: &Value, key: &str) -> Result<Value, CallError> {
        let url = self.url(path);
        let request = || self.http.post(&url).header(ClientKey::HEADER, key).json(body).timeout(CALL_TIMEOUT);
        let answer = self.patiently(async || Ok(request())).await?;
        self.read(path, &answer)
    }

    /// POST of a form that is made afresh for each attempt, since a streamed body can be sent only once.
    pub async fn post_form<F>(&self, path: &str, patience: Duration, mut form: F) -> Result<Value, CallError>
    where
        F: AsyncFnMut() -> Result<reqwest::multipart::Form, CallError>,
    {
        let url = self.url(path);
        let answer =
            self.patiently(async || Ok(self.http.post(&url).multipart(form().await?).timeout(patience))).await?;
        self.read(path, &answer)
    }

    /// Sends what `request` builds until it is answered for good or patience ends.
    async fn patiently<F>(&self, mut request: F) -> Result<Vec<u8>, CallError>
    where
        F: AsyncFnMut() -> Result<RequestBuilder, CallError>,
    {
        for attempt in 0.. {
            let mut request = request().await?;
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let (failure, outcome) = match answer(request).await {
                Ok(Answer { status, body, .. }) if (200..300).contains(&status) => return Ok(body),
                Ok(answer) => self.judge(answer),
                Err(reason) => (CallError::Unreachable { url: self.base.clone(), reason }, Outcome::NoAnswer),
            };
            let Some(pause) = pause_after(attempt, outcome) else { return Err(failure) };
            self.progress.note(&format!("{failure}; trying again in {} s", pause.as_secs()));
            tokio::time::sleep(pause).await;
        }
        unreachable!("the loop ends with the last pause")
    }

    fn judge(&self, answer: Answer) -> (CallError, Outcome) {
        let mut refused = Refused::read(answer.status, answer.request_id.as_deref(), &answer.body);
        if let Some(place) = answer.location.filter(|_| (300..400).contains(&answer.status)) {
            refused.message = format!("the node is elsewhere: try --url with the host of {place}");
        }
        (CallError::Refused(refused), Outcome::Status(answer.status, answer.retry_after_s))
    }

    /// Reads an answer of `path`.
    pub fn read<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, CallError> {
        serde_json::from_slice(body)
            .map_err(|error| CallError::Garbled { url: self.url(path), reason: error.to_string() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// What came back.
struct Answer {
    status: u16,
    retry_after_s: Option<u64>,
    request_id: Option<String>,
    location: Option<String>,
    body: Vec<u8>,
}

/// Sends one request and reads its whole answer. The error is a reason for people.
async fn answer(request: RequestBuilder) -> Result<Answer, String> {
    let response = request.send().await.map_err(|error| reason(&error))?;
    let text = |response: &Response, name: header::HeaderName| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let status = response.status().as_u16();
    let retry_after_s = text(&response, header::RETRY_AFTER).and_then(|value| value.trim().parse().ok());
    let request_id = text(&response, header::HeaderName::from_static("x-request-id"));
    let location = text(&response, header::LOCATION);
    let body = response.bytes().await.map_err(|error| reason(&error))?.to_vec();
    Ok(Answer { status, retry_after_s, request_id, location, body })
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match error.is_connect() {
        true => format!("{cause}; is the node running?"),
        false => cause.to_string(),
    }
}
