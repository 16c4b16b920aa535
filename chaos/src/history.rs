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

/// How to repeat a run, as far as it can be repeated: moments depend on the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    pub nodes: usize,
    pub uploaders: usize,
    /// Faults end early after so many.
    pub rounds: usize,
    /// Faults end when this has passed.
    pub time_max_ms: u64,
    /// How long a node is stopped by SIGSTOP.
    pub pause_ms: u64,
    /// An upload may be sent so many times; 0 is without limit.
    pub attempts_max: usize,
}

/// Which faults promise how long their victims' work may wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// A node died without a word; others remain.
    Kill,
    /// Everything else.
    #[default]
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum What {
    /// How to repeat the run.
    Run {
        scenario: String,
        seed: u64,
        #[serde(default)]
        parameters: Parameters,
    },
    /// A request is about to be sent, to the named node.
    Invoke {
        op: u64,
        upload: Upload,
        #[serde(default)]
        node: String,
    },
    /// It was acknowledged: from here on the asset must exist.
    Ok {
        op: u64,
        asset_id: String,
        /// `X-Node` of the answer: who took the request.
        #[serde(default)]
        node: String,
        /// `X-Owner` of the answer: who decided.
        #[serde(default)]
        owner: String,
    },
    /// It was refused for a reason that another attempt does not change.
    Fail { op: u64, status: u16, code: String },
    /// Nobody knows.
    Unknown { op: u64, why: String },
    /// A logout was acknowledged: no token of the session may be accepted again.
    Revoked { session: String },
    /// A token of the session was accepted.
    Accepted { session: String },
    /// The harness did something to the node.
    Fault {
        action: String,
        #[serde(default)]
        kind: FaultKind,
        /// Id of the node it was done to, empty where there is not one.
        #[serde(default)]
        victim: String,
    },
    /// The harness took the fault back.
    Healed { action: String },
    /// Every node saw every other again, so long after the fault was taken back.
    Reformed { after_ms: u64 },
    /// They did not, within the time given to them.
    Torn { within_ms: u64, why: String },
    /// A node's log says that it committed the end of a job.
    Committed { job: String, node: String },
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

    /// Records the start of an upload at a node; the number is for [`Self::record`] of its outcome.
    pub fn invoke(&self, upload: &Upload, node: &str) -> u64 {
        let mut events = self.events.lock();
        let at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let op = events.len() as u64;
        events.push(Event { at_ms, what: What::Invoke { op, upload: upload.clone(), node: node.to_owned() } });
        op
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().clone()
    }

    pub fn len(&self) -> usize {
        self.events.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks at the events from number `start` on, without copying them.
    pub fn look_from<T>(&self, start: usize, look: impl FnOnce(&[Event]) -> T) -> T {
        let events = self.events.lock();
        look(events.get(start..).unwrap_or_default())
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
        let op = history.invoke(&upload, "node-1");
        history.record(What::Unknown { op, why: "connection reset".into() });
        history.record(What::Fault { action: "kill".into(), kind: FaultKind::Kill, victim: "node-1".into() });
        let mut file = Vec::new();
        write(&history.events(), &mut file).unwrap();
        assert_eq!(read(file.as_slice()).unwrap(), history.events());
    }

    #[test]
    fn histories_of_older_versions_are_read() {
        let line = br#"{"at_ms":1,"event":"run","scenario":"kill","seed":7}"#;
        let events = read(line.as_slice()).unwrap();
        let parameters = Parameters::default();
        assert_eq!(events[0].what, What::Run { scenario: "kill".into(), seed: 7, parameters });
    }
}
