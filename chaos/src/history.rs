//! What was asked, what was answered and when: the record that a run is judged by.
//!
//! An acknowledgement is an obligation. A timeout or a broken connection is *unknown*: the node may or may not have
//! done it. Only an explicit refusal is a failure.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::client::AssetInfo;

/// What makes an upload distinct: the same values again are a retry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Upload {
    pub user: String,
    pub name: String,
    pub size: u64,
    pub sha256: String,
}

/// One line of a recorded history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum What {
    /// How to repeat the run.
    Run { scenario: String, seed: u64 },
    /// A request is about to be sent.
    Invoke { op: u64, upload: Upload },
    /// It was acknowledged: from here on the asset must exist.
    Ok { op: u64, asset_id: String },
    /// It was refused for a reason that another attempt does not change.
    Fail { op: u64, status: u16, code: String },
    /// Nobody knows.
    Unknown { op: u64, why: String },
    /// A logout was acknowledged: no token of the session may be accepted again.
    Revoked { session: String },
    /// A token of the session was accepted.
    Accepted { session: String },
    /// The harness did something to the node.
    Fault { action: String },
    /// What the node shows of one user in the end.
    State { user: String, assets: Vec<AssetInfo> },
}

/// Collects events from many tasks.
#[derive(Clone)]
pub struct History {
    started: Instant,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Default for History {
    fn default() -> Self {
        Self { started: Instant::now(), events: Arc::default() }
    }
}

impl History {
    pub fn record(&self, what: What) {
        // the clock is read under the lock: the order of lines is the order of times
        let mut events = self.events.lock();
        let at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        events.push(Event { at_ms, what });
    }

    /// Records the start of an upload; the number is for [`Self::record`] of its outcome.
    pub fn invoke(&self, upload: &Upload) -> u64 {
        let mut events = self.events.lock();
        let at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let op = events.len() as u64;
        events.push(Event { at_ms, what: What::Invoke { op, upload: upload.clone() } });
        op
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().clone()
    }
}

/// Writes events as JSON lines.
pub fn write(events: &[Event], mut out: impl Write) -> Result<()> {
    for event in events {
        serde_json::to_writer(&mut out, event)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Reads what [`write`] wrote.
pub fn read(input: impl BufRead) -> Result<Vec<Event>> {
    let parse = |(i, line): (usize, std::io::Result<String>)| {
        serde_json::from_str(&line?).with_context(|| format!("line {} is not an event", i + 1))
    };
    input.lines().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_survives_the_file() {
        let history = History::default();
        let upload = Upload { user: "u".into(), name: "a.txt".into(), size: 3, sha256: "00".into() };
        let op = history.invoke(&upload);
        history.record(What::Unknown { op, why: "connection reset".into() });
        history.record(What::Fault { action: "kill".into() });
        let mut file = Vec::new();
        write(&history.events(), &mut file).unwrap();
        assert_eq!(read(file.as_slice()).unwrap(), history.events());
    }
}
