//! Objects out of a bundle into the store, each read back.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use metastamp_protocol::Timestamp;
use metastamp_setup::progress::{Progress, Unit};
use metastamp_setup::stores::Opened;
use metastamp_store::archive::{ObjectLine, Verified};
use metastamp_store::objects::Objects;
use metastamp_store::{Result, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{LEASE_TTL, SWEEPER_LEASE};
use crate::bytes_of;

/// Objects up to this size are sent in one piece, several at once.
const SMALL_BYTES_MAX: u64 = 1 << 20;
const AT_ONCE: usize = 8;
const CHUNK_BYTES: usize = 256 * 1024;
/// Pieces that wait to be sent: small objects, or chunks of a large one.
const PIECES_WAITING: usize = 8;
/// The lease is renewed after so many objects.
const RENEWED_EVERY: u64 = 50;

enum Piece {
    Small(ObjectLine, Bytes),
    Large(ObjectLine),
    Chunk(Bytes),
    End,
}

pub async fn put_all(
    stores: &Opened,
    verified: Arc<Verified>,
    holder: &str,
    progress: &Progress,
) -> anyhow::Result<()> {
    let Some(sum) = verified.manifest.as_ref().and_then(|manifest| manifest.objects.clone()) else { return Ok(()) };
    let meter = progress.step("objects", sum.bytes, Unit::Bytes);
    let (pieces, mut queue) = mpsc::channel(PIECES_WAITING);
    let reader =
        tokio::task::spawn_blocking(move || verified.objects(&|_| {}, &mut |line, input| read(line, input, &pieces)));
    let spool = tempfile::tempdir()?;
    let mut small = JoinSet::new();
    let mut count = 0;
    while let Some(piece) = queue.recv().await {
        match piece {
            Piece::Small(line, bytes) => {
                while small.len() >= AT_ONCE {
                    finished(small.join_next().await)?;
                }
                let (objects, meter) = (stores.objects.clone(), meter.clone());
                small.spawn(async move {
                    objects.put(&line.key, &line.content_type, bytes).await?;
                    meter.add(line.size);
                    is_there(&objects, &line).await
                });
            }
            Piece::Large(line) => {
                let mut writer = stores.objects.writer(&line.key, &line.content_type, spool.path());
                while let Some(Piece::Chunk(bytes)) = queue.recv().await {
                    meter.add(bytes.len() as u64);
                    writer.write(bytes).await?;
                }
                if writer.bytes_written() != line.size {
                    // the reader failed: its error says why
                    break;
                }
                writer.finish().await?;
                is_there(&stores.objects, &line).await?;
            }
            Piece::Chunk(_) | Piece::End => {}
        }
        count += 1;
        if count % RENEWED_EVERY == 0 {
            stores.documents.leases.take_lease(SWEEPER_LEASE, holder, Timestamp::now(), LEASE_TTL).await?;
        }
    }
    while let Some(done) = small.join_next().await {
        finished(Some(done))?;
    }
    Ok(reader.await??)
}

fn finished(done: Option<std::result::Result<Result<()>, tokio::task::JoinError>>) -> anyhow::Result<()> {
    if let Some(done) = done {
        done??;
    }
    Ok(())
}

/// Reads the object back.
async fn is_there(objects: &Objects, line: &ObjectLine) -> Result<()> {
    let found = bytes_of::sum(objects, &line.key).await?;
    match found {
        Some(sum) if (sum.size, &sum.sha256) == (line.size, &line.sha256) => Ok(()),
        _ => Err(StoreError::Internal(format!("{} is not in the store as it was sent", line.key))),
    }
}

/// Runs on a thread of its own: gives the pieces of one object.
fn read(line: ObjectLine, input: &mut dyn Read, pieces: &mpsc::Sender<Piece>) -> Result<()> {
    let gone = |_| StoreError::Internal("objects can't be written".to_owned());
    let broken = |e: std::io::Error| StoreError::Internal(format!("the archive was changed while it was read: {e}"));
    let size = line.size;
    if size <= SMALL_BYTES_MAX {
        let mut bytes = Vec::new();
        input.take(size).read_to_end(&mut bytes).map_err(broken)?;
        return pieces.blocking_send(Piece::Small(line, Bytes::from(bytes))).map_err(gone);
    }
    pieces.blocking_send(Piece::Large(line)).map_err(gone)?;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        input.take(CHUNK_BYTES as u64).read_to_end(&mut chunk).map_err(broken)?;
        if chunk.is_empty() {
            return pieces.blocking_send(Piece::End).map_err(gone);
        }
        pieces.blocking_send(Piece::Chunk(Bytes::from(chunk))).map_err(gone)?;
    }
}
