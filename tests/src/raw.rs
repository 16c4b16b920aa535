//! HTTP by hand, for requests that no client library would send.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use metastamp_chaos::{UploadFile, multipart};

/// How long silence of the node is waited for.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// A connection under our control.
pub struct Connection(TcpStream);

impl Connection {
    pub fn open(socket: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&socket, SILENCE_MAX).unwrap();
        stream.set_read_timeout(Some(SILENCE_MAX)).unwrap();
        stream.set_write_timeout(Some(SILENCE_MAX)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Sends as much as the node takes; it may well hang up on what it does not like.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }

    /// What the node has to say next.
    pub fn read_some(&mut self) -> String {
        let mut chunk = [0; 4096];
        let count = self.0.read(&mut chunk).unwrap();
        String::from_utf8_lossy(&chunk[..count]).into_owned()
    }

    /// Everything until the node closes, falls silent or resets.
    pub fn read_to_end(mut self) -> String {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = self.0.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Says that nothing more will come.
    pub fn finish_sending(&self) {
        _ = self.0.shutdown(Shutdown::Write);
    }

    /// Closes both directions at once.
    pub fn close(self) {
        _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Sends a whole request and gives the whole answer.
pub fn exchange(socket: SocketAddr, request: &[u8]) -> String {
    let mut connection = Connection::open(socket);
    _ = connection.send(request);
    connection.read_to_end()
}

/// Status of a raw answer; 0 when there is none.
pub fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or_default()
}

/// A whole upload request: head and body.
pub fn upload_request(token: &str, file: &UploadFile) -> (Vec<u8>, Vec<u8>) {
    let body = multipart::form(file).to_vec();
    let head = format!(
        "POST /api/v1/upload/{} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        file.route,
        multipart::content_type(),
        body.len()
    );
    (head.into_bytes(), body)
}
