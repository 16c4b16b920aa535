//! A byte stream over pieces of files, read with positional reads on the blocking pool: constant memory, exact length.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Frame, SizeHint};
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::JoinHandle;

/// Bytes read from disk at a time.
const CHUNK_BYTES: u64 = 128 * 1024;

/// Where the bytes of a piece are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A file held open: its bytes stay readable even when it is unlinked.
    Open(Arc<File>),
    /// A file opened when the stream gets there.
    Path(PathBuf),
}

/// `len` bytes of a file from `offset`.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub source: Source,
    pub offset: u64,
    pub len: u64,
}

type Read = io::Result<(Bytes, Arc<File>)>;

/// The pieces, one after the other.
pub(crate) struct FileStream {
    pieces: VecDeque<Piece>,
    remaining: u64,
    reading: Option<JoinHandle<Read>>,
}

impl FileStream {
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let pieces: VecDeque<Piece> = pieces.into_iter().filter(|piece| piece.len > 0).collect();
        let remaining = pieces.iter().map(|piece| piece.len).sum();
        Self { pieces, remaining, reading: None }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.reading.is_none() {
            let Some(piece) = self.pieces.front().cloned() else { return Poll::Ready(None) };
            self.reading = Some(tokio::task::spawn_blocking(move || read_chunk(&piece)));
        }
        let Some(reading) = self.reading.as_mut() else { return Poll::Ready(None) };
        let done = match Pin::new(reading).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(done) => done.map_err(io::Error::other).and_then(|read| read),
        };
        self.reading = None;
        Poll::Ready(Some(match done {
            Ok((bytes, file)) => {
                self.advance(bytes.len() as u64, file);
                Ok(bytes)
            }
            Err(error) => {
                // nothing after a gap: the length promised can't be kept, so the stream ends with the error
                self.pieces.clear();
                Err(error)
            }
        }))
    }

    fn advance(&mut self, read: u64, file: Arc<File>) {
        self.remaining -= read;
        let Some(piece) = self.pieces.front_mut() else { return };
        piece.source = Source::Open(file);
        piece.offset += read;
        piece.len -= read;
        if piece.len == 0 {
            self.pieces.pop_front();
        }
    }
}

fn read_chunk(piece: &Piece) -> Read {
    let file = match &piece.source {
        Source::Open(file) => Arc::clone(file),
        Source::Path(path) => Arc::new(File::open(path)?),
    };
    let mut chunk = vec![0; piece.len.min(CHUNK_BYTES) as usize];
    file.read_exact_at(&mut chunk, piece.offset)?;
    Ok((Bytes::from(chunk), file))
}

impl Stream for FileStream {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(cx).map(|chunk| chunk.map(|read| read.map_err(Into::into)))
    }
}

impl ByteStream for FileStream {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining).map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

impl http_body::Body for FileStream {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        self.poll_chunk(cx).map(|chunk| chunk.map(|read| read.map(Frame::data).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
