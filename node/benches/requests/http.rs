//! A load generator small enough not to be what is measured: prepared bytes out, status and length in.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BOUNDARY: &str = "benchboundary7d1f";

/// A request of which each copy may differ in one place.
#[derive(Clone)]
pub struct Template {
    head: String,
    /// File bytes of an upload.
    file: Option<usize>,
}

impl Template {
    pub fn get(path: &str, token: Option<&str>) -> Self {
        let auth = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
        Self { head: format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{auth}\r\n"), file: None }
    }

    pub fn upload(token: &str, bytes: usize) -> Self {
        let head = format!(
            "POST /api/v1/upload/text HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        );
        Self { head, file: Some(bytes) }
    }

    /// The bytes to send; `unique` makes the file a new one.
    pub fn render(&self, unique: u64) -> Vec<u8> {
        let Some(bytes) = self.file else { return self.head.clone().into_bytes() };
        let mut file = format!("file number {unique}\n").into_bytes();
        while file.len() < bytes {
            file.extend_from_slice(b"All work and no play makes a dull benchmark. ");
        }
        file.truncate(bytes);
        let before = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"bench-{unique}.txt\"\r\n\
             Content-Type: text/plain\r\n\r\n"
        );
        let after = format!("\r\n--{BOUNDARY}--\r\n");
        let length = before.len() + file.len() + after.len();
        let mut request = format!("{}Content-Length: {length}\r\n\r\n{before}", self.head).into_bytes();
        request.extend_from_slice(&file);
        request.extend_from_slice(after.as_bytes());
        request
    }
}

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(256 << 10) }
    }

    /// Sends one request, reads its answer to the end, tells the status.
    pub async fn send(&mut self, request: &[u8]) -> u16 {
        self.exchange(request).await.0
    }

    pub async fn exchange(&mut self, request: &[u8]) -> (u16, String) {
        let (status, _, body) = self.exchange_all(request).await;
        (status, body)
    }

    /// Status, head in lower case, body.
    pub async fn exchange_all(&mut self, request: &[u8]) -> (u16, String, String) {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        let head_end = loop {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "connection closed");
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_lowercase();
        let length: usize =
            head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |v| v.trim().parse().unwrap());
        while self.buffer.len() < head_end + length {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "connection closed");
        }
        let status = head[9..12].parse().unwrap();
        (status, head, String::from_utf8_lossy(&self.buffer[head_end..]).into_owned())
    }
}
