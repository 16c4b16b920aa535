//! Everything a node wrote, line by line.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// Lines of both streams in the order they arrived.
#[derive(Debug, Default)]
pub struct LogBook {
    lines: Mutex<Vec<(Stream, String)>>,
}

impl LogBook {
    /// Reads a pipe to its end on a thread of its own.
    pub(super) fn follow(self: &Arc<Self>, stream: Stream, pipe: Option<impl Read + Send + 'static>) -> JoinHandle<()> {
        let book = Arc::clone(self);
        std::thread::spawn(move || {
            let pipe = pipe.map(BufReader::new);
            for line in pipe.into_iter().flat_map(|pipe| pipe.split(b'\n')).map_while(Result::ok) {
                book.lines.lock().push((stream, String::from_utf8_lossy(&line).into_owned()));
            }
        })
    }

    pub fn len(&self) -> usize {
        self.lines.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of all lines.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().iter().map(|(_, line)| line.clone()).collect()
    }

    /// A copy of the lines of one stream.
    pub fn lines_of(&self, stream: Stream) -> Vec<String> {
        self.lines.lock().iter().filter(|(s, _)| *s == stream).map(|(_, line)| line.clone()).collect()
    }

    /// The last `count` lines as one text.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// What `find` makes of the first line it likes, from line `start` on.
    pub fn find_from<T>(&self, start: usize, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.lines.lock().iter().skip(start).find_map(|(_, line)| find(line))
    }
}
