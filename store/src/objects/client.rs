//! The S3 client: the one code path to object storage, whatever server is behind it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use metastamp_protocol::Timestamp;

use super::error::{status, store_error};
use super::observe::observe;
use super::writer::Stored;
use crate::error::{Result, StoreError};

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS_MAX: u32 = 3;
/// Share of a call's time that one attempt may take.
const ATTEMPT_SHARE: f64 = 0.45;
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Below what servers use, so that a connection is not reused at the moment the server closes it.
const POOL_IDLE_MAX: Duration = Duration::from_secs(20);
/// Most entries S3 gives in one page.
const LIST_LIMIT_MAX: u32 = 1000;

/// How to reach a bucket.
#[derive(Clone)]
pub struct ObjectsConfig {
    /// Base URL of the S3 server; none is AWS itself.
    pub endpoint: Option<String>,
    /// Base URL in presigned URLs, where clients reach the server under another name.
    pub public_endpoint: Option<String>,
    pub region: String,
    pub access_key: String,
    pub secret_key: String,
    pub bucket: String,
    /// Longest time of a small call with all its attempts, and longest silence of a server that takes or gives a body.
    /// Bodies themselves may take as long as their bytes move.
    pub op_timeout: Duration,
}

impl fmt::Debug for ObjectsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectsConfig")
            .field("endpoint", &self.endpoint)
            .field("public_endpoint", &self.public_endpoint)
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .field("op_timeout", &self.op_timeout)
            .finish_non_exhaustive()
    }
}

/// What is known of a stored object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub content_type: Option<String>,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// When it was written, by the server's clock; none when the server does not say.
    pub modified: Option<Timestamp>,
}

/// One page of a listing, in key order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPage {
    pub objects: Vec<ListedObject>,
    /// Pass it on to get the next page; none on the last.
    pub next: Option<String>,
}

/// A bucket. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Objects {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub client: Client,
    /// Signs URLs for the public endpoint; never sends anything.
    pub presigner: Client,
    pub bucket: String,
    pub op_timeout: Duration,
    pub region: String,
    pub aws: bool,
}

impl Objects {
    /// Makes the client; nothing is sent yet.
    pub fn new(config: ObjectsConfig) -> Objects {
        let public = config.public_endpoint.as_ref().or(config.endpoint.as_ref());
        let inner = Inner {
            client: client(&config, config.endpoint.as_deref()),
            presigner: client(&config, public.map(String::as_str)),
            bucket: config.bucket,
            op_timeout: config.op_timeout,
            region: config.region,
            aws: config.endpoint.is_none(),
        };
        Objects { inner: Arc::new(inner) }
    }

    /// Name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.inner.bucket
    }

    /// Whether the server answers and the bucket is there.
    pub async fn ping(&self) -> Result<()> {
        observe("ping", self.head_bucket()).await
    }

    pub(super) async fn head_bucket(&self) -> Result<()> {
        let sent = self.inner.client.head_bucket().bucket(self.bucket()).send().await;
        sent.map(drop).map_err(|error| match store_error(error) {
            StoreError::NotFound { .. } => StoreError::NotFound { what: "bucket" },
            other => other,
        })
    }

    /// Stores a small object whose bytes are at hand.
    pub async fn put(&self, key: &str, content_type: &str, bytes: Bytes) -> Result<Stored> {
        observe("put", async {
            let size = bytes.len() as u64;
            let request = self.inner.client.put_object().bucket(self.bucket()).key(key).content_type(content_type);
            let output = request.body(ByteStream::from(bytes)).send().await.map_err(store_error)?;
            Ok(Stored { size, etag: unquoted(output.e_tag()) })
        })
        .await
    }

    /// Stores a small object unless there is one under the key; true when it was stored. A server that does not know the
    /// condition stores it in any case.
    pub async fn put_if_absent(&self, key: &str, content_type: &str, bytes: Bytes) -> Result<bool> {
        observe("put_if_absent", async {
            let request = self.inner.client.put_object().bucket(self.bucket()).key(key).content_type(content_type);
            let request = request.if_none_match("*").body(ByteStream::from(bytes.clone()));
            match request.send().await {
                Ok(_) => Ok(true),
                // There is one, or somebody is at it.
                Err(error) if matches!(status(&error), Some(409 | 412)) => Ok(false),
                Err(error) if status(&error) == Some(501) => self.put(key, content_type, bytes).await.map(|_| true),
                Err(error) => Err(store_error(error)),
            }
        })
        .await
    }

    /// Deletes the object; one that is not there is fine.
    pub async fn delete(&self, key: &str) -> Result<()> {
        observe("delete", async {
            match self.inner.client.delete_object().bucket(self.bucket()).key(key).send().await.map_err(store_error) {
                Ok(_) | Err(StoreError::NotFound { what: "object" }) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// A page of the objects whose keys start with `prefix`, at most `limit` (and 1000).
    pub async fn list(&self, prefix: &str, continuation: Option<&str>, limit: u32) -> Result<ListPage> {
        observe("list", async {
            let limit = i32::try_from(limit.min(LIST_LIMIT_MAX)).unwrap_or(i32::MAX);
            let request = self.inner.client.list_objects_v2().bucket(self.bucket()).prefix(prefix).max_keys(limit);
            let request = request.set_continuation_token(continuation.map(str::to_owned));
            let output = request.send().await.map_err(store_error)?;
            let objects = output.contents().iter().map(|object| ListedObject {
                key: object.key().unwrap_or_default().to_owned(),
                size: u64::try_from(object.size().unwrap_or_default()).unwrap_or_default(),
                etag: unquoted(object.e_tag()),
                modified: object.last_modified().and_then(|at| at.to_millis().ok()).map(Timestamp),
            });
            let next = output.next_continuation_token().filter(|_| output.is_truncated() == Some(true));
            Ok(ListPage { objects: objects.collect(), next: next.map(str::to_owned) })
        })
        .await
    }

    /// All objects whose keys start with `prefix`, in key order, read page by page as they are asked for. Ends with the
    /// first error.
    pub fn walk(&self, prefix: &str) -> impl Stream<Item = Result<ListedObject>> + Send + use<> {
        let (objects, prefix) = (self.clone(), prefix.to_owned());
        let pages = stream::try_unfold(Some(None), move |place: Option<Option<String>>| {
            let (objects, prefix) = (objects.clone(), prefix.clone());
            async move {
                let Some(place) = place else { return Ok::<_, StoreError>(None) };
                let page = objects.list(&prefix, place.as_deref(), LIST_LIMIT_MAX).await?;
                Ok(Some((stream::iter(page.objects.into_iter().map(Ok)), page.next.map(Some))))
            }
        });
        pages.try_flatten()
    }
}

pub(super) fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

fn client(config: &ObjectsConfig, endpoint: Option<&str>) -> Client {
    let attempts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // so that a server that hangs once, or a connection that is dead, leaves time for another attempt
        .operation_attempt_timeout(config.op_timeout.mul_f64(ATTEMPT_SHARE))
        .operation_timeout(config.op_timeout)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS_MAX)
        .with_initial_backoff(BACKOFF_MIN)
        .with_max_backoff(BACKOFF_MAX);
    let keys = Credentials::new(&config.access_key, &config.secret_key, None, None, "configuration");
    let mut builder = aws_sdk_s3::config::Builder::new()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(config.region.clone()))
        .credentials_provider(keys)
        .force_path_style(true)
        .http_client(http_client(endpoint))
        .timeout_config(attempts)
        .retry_config(retries)
        // silence of a body is bounded by our own reader, which knows when the caller does not ask
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    builder.set_endpoint_url(endpoint.map(str::to_owned));
    Client::from_conf(builder.build())
}

fn http_client(endpoint: Option<&str>) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new().pool_idle_timeout(POOL_IDLE_MAX);
    // plain HTTP needs no TLS set-up, which would read the system's certificates
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder.build_http()
    } else {
        builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
    }
}
