//! The first words on a link, right after TLS: each side says which start of which node it is, and, where both know the
//! second version, which stores it works on.

use metastamp_protocol::NodeRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const BYTES_MAX: u16 = 512;

pub async fn say(stream: &mut (impl AsyncWrite + Unpin), node: &NodeRef) -> std::io::Result<()> {
    say_text(stream, &node.to_string()).await
}

pub async fn say_text(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> std::io::Result<()> {
    let length = u16::try_from(text.len()).ok().filter(|length| *length <= BYTES_MAX);
    stream.write_u16(length.ok_or(std::io::ErrorKind::InvalidInput)?).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

pub async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<NodeRef> {
    parse(&hear_text(stream).await?).ok_or(std::io::ErrorKind::InvalidData.into())
}

pub async fn hear_text(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let length = stream.read_u16().await?;
    if length > BYTES_MAX {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; usize::from(length)];
    stream.read_exact(&mut text).await?;
    String::from_utf8(text).map_err(|_| std::io::ErrorKind::InvalidData.into())
}

/// `id/generation`, as [`NodeRef`] prints it.
pub fn parse(text: &str) -> Option<NodeRef> {
    let (node_id, generation) = text.rsplit_once('/')?;
    Some(NodeRef { node_id: node_id.to_owned(), generation: generation.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_is_heard() {
        let node = NodeRef { node_id: "node-a".into(), generation: 17 };
        let (mut near, mut far) = tokio::io::duplex(512);
        say(&mut near, &node).await.unwrap();
        assert_eq!(hear(&mut far).await.unwrap(), node);
        near.write_u16(60_000).await.unwrap();
        assert!(hear(&mut far).await.is_err());
    }
}
