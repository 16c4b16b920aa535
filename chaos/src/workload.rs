//! What clients do while nodes break: uploads with retries, logins and logouts.

mod leaver;
mod uploader;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;

pub use self::leaver::Leaver;
use self::uploader::Uploader;
use crate::client::eventually;
use crate::history::{Event, What};
use crate::node::LogBook;
use crate::{Address, Client, History};

const PASSWORD: &str = "chaos-password-1";
/// A client gives up an attempt after this and goes to another node. Longer than an owner's deadline.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nodes that are left alone must end some job of each user within this time; a claim of a dead node lasts 15 s.
const PROGRESS_WITHIN: Duration = Duration::from_secs(60);
const SETTLING_POLL: Duration = Duration::from_millis(250);

/// A node as clients know it.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    pub address: Address,
}

/// Uploaders at work, one user each.
pub struct Crew {
    history: History,
    users: Vec<(String, Client)>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Registers the users and sets them to work. `attempts_max` 0 means to try until answered.
    pub async fn start(
        targets: &[Target],
        uploaders: usize,
        attempts_max: usize,
        seed: u64,
        history: &History,
    ) -> Result<Self> {
        let (mut users, stop) = (Vec::new(), Arc::new(AtomicBool::new(false)));
        for i in 0..uploaders {
            let user = format!("uploader{i}@chaos.test");
            let client = Client::new(targets[i % targets.len()].address.clone())?;
            users.push((user.clone(), client.register(&user, PASSWORD).await?));
        }
        let begin = |(i, (user, client)): (u64, &(String, Client))| {
            let uploader = Uploader {
                user: user.clone(),
                client: client.clone().with_patience(PATIENCE),
                targets: targets.to_vec(),
                attempts_max,
                history: history.clone(),
                stop: Arc::clone(&stop),
                random: StdRng::seed_from_u64(seed.wrapping_add(1 + i)),
            };
            tokio::spawn(uploader.work())
        };
        let tasks = (0u64..).zip(&users).map(begin).collect();
        Ok(Self { history: history.clone(), users, stop, tasks })
    }

    /// Waits until each user was acknowledged an upload that was begun after event number `start`.
    pub async fn all_served(&self, start: usize, within: Duration) -> Result<()> {
        let served = || async {
            let users: std::collections::BTreeSet<String> = self.history.look_from(start, |events| {
                let begun: std::collections::BTreeMap<u64, &str> = events.iter().filter_map(invoked).collect();
                let done = events.iter().filter_map(|event| match &event.what {
                    What::Ok { op, .. } => begun.get(op).map(|user| (*user).to_owned()),
                    _ => None,
                });
                done.collect()
            });
            Ok((users.len() == self.users.len()).then_some(()))
        };
        eventually("every uploader is served", within, served).await
    }

    /// Lets everyone finish what they are at.
    pub async fn stop(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            task.await?;
        }
        Ok(())
    }

    /// Waits for all assets to settle as long as there is progress, and records what the nodes show of them: the users
    /// ask one node each.
    pub async fn record_end_state(&self) -> Result<()> {
        for (user, client) in &self.users {
            record_end_state(&self.history, user, client).await?;
        }
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn invoked(event: &Event) -> Option<(u64, &str)> {
    match &event.what {
        What::Invoke { op, upload, .. } => Some((*op, &upload.user)),
        _ => None,
    }
}

async fn record_end_state(history: &History, user: &str, client: &Client) -> Result<()> {
    let mut fewest = usize::MAX;
    let mut deadline = Instant::now() + PROGRESS_WITHIN;
    loop {
        let assets = client.all_assets().await.context("reading the end state")?;
        let unsettled = assets.iter().filter(|asset| !asset.is_settled()).count();
        if unsettled < fewest {
            (fewest, deadline) = (unsettled, Instant::now() + PROGRESS_WITHIN);
        }
        // what is not settled by then is for the judge to name
        if unsettled == 0 || Instant::now() > deadline {
            history.record(What::State { user: user.to_owned(), assets });
            return Ok(());
        }
        tokio::time::sleep(SETTLING_POLL).await;
    }
}

/// Records every end of a job that a node's log tells of.
pub fn record_jobs(history: &History, node: &str, log: &LogBook) {
    for line in log.lines() {
        if let Some(job) = job_ended(&line) {
            history.record(What::Committed { job, node: node.to_owned() });
        }
    }
}

/// The job in a log line that says its end was committed.
pub fn job_ended(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_it = line["message"] == "fingerprint job ended";
    is_it.then(|| line["job"].as_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_jobs_are_told_from_other_lines() {
        let ended = r#"{"level":"INFO","message":"fingerprint job ended","job":"j7","outcome":"completed"}"#;
        assert_eq!(job_ended(ended).as_deref(), Some("j7"));
        assert_eq!(job_ended(r#"{"message":"listening","job":"j7"}"#), None);
        assert_eq!(job_ended("fingerprint job ended"), None);
    }
}
