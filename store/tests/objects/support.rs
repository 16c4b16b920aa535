//! Servers to test on, raw HTTP, and bytes that can be recognised.

use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use metastamp_chaos::ObjectServer;
use metastamp_chaos::servers::{ACCESS_KEY, SECRET_KEY};
use metastamp_store::objects::{LocalS3, Objects, ObjectsConfig};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An S3 server and a bucket on it.
#[derive(Clone)]
pub struct Target {
    pub endpoint: String,
    pub access_key: String,
    pub secret_key: String,
    pub bucket: String,
}

impl Target {
    pub fn local(service: &LocalS3, bucket: &str) -> Self {
        Self {
            endpoint: service.endpoint().into(),
            access_key: service.access_key().into(),
            secret_key: service.secret_key().into(),
            bucket: bucket.into(),
        }
    }

    pub fn from_env(bucket: &str) -> Option<Self> {
        let endpoint = std::env::var("METASTAMP_TEST_S3_ENDPOINT").ok()?;
        let named = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        Some(Self {
            endpoint,
            access_key: named("METASTAMP_TEST_S3_ACCESS_KEY"),
            secret_key: named("METASTAMP_TEST_S3_SECRET_KEY"),
            bucket: bucket.into(),
        })
    }

    pub fn server(server: &ObjectServer, bucket: &str) -> Self {
        Self {
            endpoint: server.url(),
            access_key: ACCESS_KEY.into(),
            secret_key: SECRET_KEY.into(),
            bucket: bucket.into(),
        }
    }

    pub fn objects(&self) -> Objects {
        self.objects_within(Duration::from_secs(20))
    }

    pub fn objects_within(&self, op_timeout: Duration) -> Objects {
        Objects::new(ObjectsConfig {
            endpoint: Some(self.endpoint.clone()),
            public_endpoint: None,
            region: "us-east-1".into(),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            bucket: self.bucket.clone(),
            op_timeout,
        })
    }

    /// The SDK as other programs use it, with its own defaults.
    pub fn sdk(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(&self.access_key, &self.secret_key, None, None, "test"))
            .endpoint_url(&self.endpoint)
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

/// Bytes that differ everywhere, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    Bytes::from(bytes)
}

pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A fresh prefix, so that cases and runs don't meet.
pub fn prefix(case: &str) -> String {
    format!("{case}-{}/", uuid::Uuid::new_v4().simple())
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// One request over a plain socket.
pub async fn http(method: &str, url: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let mut head = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // a server that refuses may close before it has read everything
    _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("no answer");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: answer[end + 4..].to_vec() }
}
