//! One user who uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rngs::StdRng;

use super::Target;
use crate::history::{Upload, What};
use crate::{Client, History, UploadFile};

/// Between two uploads of a user. What is measured is how long work waits after a fault, not a saturated machine.
const PACE: Duration = Duration::from_millis(20);
/// Pause once every node was tried in vain.
const PAUSE: Duration = Duration::from_millis(50);
/// After the end of work an upload is still tried so long: its outcome must become known where that can be.
const LAST_TRIES: Duration = Duration::from_secs(30);
/// A balancer's health check is waited for no longer.
const HEALTH_PATIENCE: Duration = Duration::from_secs(1);

/// Uploads one new file after another. A file whose outcome is unknown is sent again with the same bytes and name,
/// which are its key, at once at another node.
pub(super) struct Uploader {
    pub user: String,
    pub client: Client,
    pub targets: Vec<Target>,
    /// 0 is without limit. With a limit, only nodes that say they are ready are sent to, as a balancer does.
    pub attempts_max: usize,
    pub history: History,
    pub stop: Arc<AtomicBool>,
    pub random: StdRng,
}

impl Uploader {
    pub async fn work(mut self) {
        let mut number = 0u64;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let file = self.next_file(number);
            let upload =
                Upload { user: self.user.clone(), name: file.name.clone(), size: file.size(), sha256: file.sha256() };
            self.send(&upload, &file).await;
            tokio::time::sleep(PACE).await;
        }
    }

    /// Sends the file until it is answered.
    async fn send(&mut self, upload: &Upload, file: &UploadFile) {
        let (mut last_tries, mut target) = (None, self.random.random_range(0..self.targets.len()));
        for attempt in 1usize.. {
            if self.attempts_max > 0 {
                target = self.next_ready(target).await;
            }
            let (name, address) = (self.targets[target].name.clone(), self.targets[target].address.clone());
            self.client = self.client.at(address);
            if self.attempt(upload, file, &name).await || attempt == self.attempts_max {
                return;
            }
            target = (target + 1) % self.targets.len();
            if attempt % self.targets.len() == 0 {
                tokio::time::sleep(PAUSE).await;
            }
            if self.stop.load(Ordering::Relaxed) {
                let deadline = *last_tries.get_or_insert_with(|| Instant::now() + LAST_TRIES);
                if Instant::now() > deadline {
                    return;
                }
            }
        }
    }

    /// The first node from `target` on that says it is ready; `target` itself when none does.
    async fn next_ready(&self, target: usize) -> usize {
        for i in (0..self.targets.len()).map(|i| (target + i) % self.targets.len()) {
            let node = self.client.at(self.targets[i].address.clone()).with_patience(HEALTH_PATIENCE);
            if node.get("/ready").send().await.is_ok_and(|answer| answer.status == 200) {
                return i;
            }
        }
        target
    }

    fn next_file(&mut self, number: u64) -> UploadFile {
        let unique: u64 = self.random.random();
        if self.random.random_bool(0.5) {
            UploadFile::text(&format!("note-{number}.txt"), &format!("{} {number} {unique:x}", self.user))
        } else {
            UploadFile::png(&format!("picture-{number}.png"), unique)
        }
    }

    /// Sends the file once; false when it must be sent again.
    async fn attempt(&self, upload: &Upload, file: &UploadFile, node: &str) -> bool {
        let op = self.history.invoke(upload, node);
        let (outcome, done) = match self.client.upload(file).await {
            Ok(answer) if answer.status == 201 => match answer.text("/id") {
                Ok(asset_id) => {
                    let header = |name| answer.header(name).unwrap_or_default().to_owned();
                    // a node outside of any cluster does not name itself
                    let node = Some(header("x-node")).filter(|name| !name.is_empty()).unwrap_or(node.to_owned());
                    (What::Ok { op, asset_id, node, owner: header("x-owner") }, true)
                }
                Err(error) => (What::Fail { op, status: 201, code: error.to_string() }, true),
            },
            Ok(answer) if answer.status >= 500 || matches!(answer.status, 408 | 429) => {
                (What::Unknown { op, why: answer.to_string() }, false)
            }
            Ok(answer) => (What::Fail { op, status: answer.status, code: answer.code() }, true),
            Err(error) => (What::Unknown { op, why: format!("{error:#}") }, false),
        };
        self.history.record(outcome);
        done
    }
}
