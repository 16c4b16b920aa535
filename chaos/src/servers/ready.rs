//! Whether a server really serves, asked in its own protocol with nothing but a socket.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// `{ hello: 1, $db: "admin" }` in BSON.
const HELLO: &[u8] = b"\x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";
/// Operation code of MongoDB's present wire messages.
const OP_MSG: i32 = 2013;

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    Ok(stream)
}

/// Whether Redis answers `PING`.
pub(super) fn cache(port: u16) -> Result<()> {
    let mut stream = connect(port)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    ensure!(&answer == b"+PONG", "answered {:?}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// Whether the database answers `hello` and takes writes.
pub(super) fn documents(port: u16) -> Result<()> {
    let mut stream = connect(port)?;
    // length, id, id answered to, operation; flags; one section with one document
    let length = i32::try_from(16 + 4 + 1 + HELLO.len())?;
    let mut message = Vec::new();
    [length, 1, 0, OP_MSG, 0].iter().for_each(|number| message.extend(number.to_le_bytes()));
    message.push(0);
    message.extend(HELLO);
    stream.write_all(&message)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let rest = u64::from(u32::from_le_bytes(length)).clamp(4, ANSWER_BYTES_MAX) - 4;
    let mut answer = Vec::new();
    stream.take(rest).read_to_end(&mut answer)?;
    let primary = b"\x08isWritablePrimary\0\x01";
    ensure!(answer.windows(primary.len()).any(|part| part == primary), "it takes no writes yet");
    Ok(())
}

/// Whether the S3 server is healthy and a byte that is written can be read back. `files` is the port of its file store,
/// below S3, which needs no signature.
pub(super) fn objects(s3: u16, files: u16) -> Result<()> {
    http(s3, "GET", "/healthz")?;
    http(files, "PUT", "/ready/probe")?;
    let answer = http(files, "GET", "/ready/probe")?;
    ensure!(answer.ends_with("1"), "it does not give back what it was given");
    Ok(())
}

/// The whole answer to a request, which must be one of success. Requests other than GET carry the byte `1`.
fn http(port: u16, method: &str, path: &str) -> Result<String> {
    let mut stream = connect(port)?;
    let body = if method == "GET" { "" } else { "1" };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close");
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).context("no status line")?;
    ensure!(status.starts_with('2'), "{method} {path} answered {status}");
    Ok(answer)
}

/// Gives Redis commands, which must all be answered by OK.
pub(super) fn tell(port: u16, commands: &str, answers: usize) -> Result<()> {
    let mut stream = connect(port)?;
    write!(stream, "{commands}\r\n")?;
    let mut answer = vec![0; answers * b"+OK\r\n".len()];
    stream.read_exact(&mut answer)?;
    ensure!(answer == b"+OK\r\n".repeat(answers), "answered {:?}", String::from_utf8_lossy(&answer));
    Ok(())
}
