//! Uploaders work while nodes on one data directory are killed at random moments and started again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::history::{Event, Upload, What};
use crate::{Address, Client, History, NodeOptions, NodeProcess, UploadFile};

const PASSWORD: &str = "chaos-password-1";
/// Pause of an uploader whose node does not answer.
const PAUSE: Duration = Duration::from_millis(50);
/// A node that is left alone must end some job of each user within this time; a claim of a dead node lasts 15 s.
const PROGRESS_WITHIN: Duration = Duration::from_secs(60);
const SETTLING_POLL: Duration = Duration::from_millis(250);

/// How hard to try.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub uploaders: usize,
    /// Node processes that share one data directory.
    pub nodes: usize,
    /// How often the node is killed; the run ends after the last restart.
    pub kills: usize,
    /// Kills end early when this has passed.
    pub time_max: Duration,
    /// Longest life of a node between ready and the kill.
    pub life_max: Duration,
}

/// Runs the plan on fresh nodes and gives the history with the end state, to be judged by [`crate::check::judge`].
pub async fn run(plan: &Plan, options: NodeOptions, mut progress: impl FnMut(String)) -> Result<Vec<Event>> {
    let history = History::default();
    history.record(What::Run { scenario: "kill".to_owned(), seed: plan.seed });
    let dir = tempfile::Builder::new().prefix("metastamp-chaos-").tempdir()?;
    let mut nodes = VecDeque::new();
    for _ in 0..plan.nodes.max(1) {
        let options = options.clone().data_dir(dir.path());
        nodes.push_back(tokio::task::spawn_blocking(|| NodeProcess::start(options)).await??);
    }
    let addresses: Vec<Address> = nodes.iter().map(NodeProcess::address).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for i in 0..plan.uploaders {
        let user = format!("uploader{i}@chaos.test");
        let address = addresses[i % addresses.len()].clone();
        clients.push((user.clone(), Client::new(address)?.register(&user, PASSWORD).await?));
    }
    let uploaders: Vec<_> = (0u64..)
        .zip(&clients)
        .map(|(i, (user, client))| {
            let uploader = Uploader {
                user: user.clone(),
                client: client.clone(),
                addresses: addresses.clone(),
                history: history.clone(),
                stop: Arc::clone(&stop),
                random: StdRng::seed_from_u64(plan.seed.wrapping_add(1 + i)),
            };
            tokio::spawn(uploader.work())
        })
        .collect();

    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut leaver = Leaver::new(Client::new(addresses[0].clone())?, addresses.clone(), history.clone()).await?;
    let began = Instant::now();
    for round in 1..=plan.kills {
        if began.elapsed() > plan.time_max {
            break;
        }
        let life = random.random_range(Duration::ZERO..plan.life_max);
        tokio::time::sleep(life).await;
        leaver.log_in_and_out().await;
        nodes.rotate_left(random.random_range(0..nodes.len()));
        let mut node = nodes.pop_front().context("no node")?;
        history.record(What::Fault { action: format!("kill -9 after {life:?}: {}", node.address().get()) });
        let restarted = tokio::task::spawn_blocking(move || {
            node.kill();
            node.restart().map(|()| node)
        });
        nodes.push_back(restarted.await?.context("restart after a kill")?);
        leaver.knock().await;
        progress(format!("{:.0?}: {round} kills, {} events", began.elapsed(), history.events().len()));
    }

    stop.store(true, Ordering::Relaxed);
    for uploader in uploaders {
        uploader.await?;
    }
    leaver.knock().await;
    for (user, client) in &clients {
        record_end_state(&history, user, client).await?;
    }
    Ok(history.events())
}

/// Waits for the user's assets to settle as long as there is progress, and records what the node shows of them.
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

/// Ends its sessions right before the kills, and tries their tokens ever after.
struct Leaver {
    client: Client,
    addresses: Vec<Address>,
    history: History,
    tokens: Vec<String>,
}

impl Leaver {
    const EMAIL: &str = "leaver@chaos.test";

    async fn new(client: Client, addresses: Vec<Address>, history: History) -> Result<Self> {
        let client = client.register(Self::EMAIL, PASSWORD).await?.without_token();
        Ok(Self { client, addresses, history, tokens: Vec::new() })
    }

    async fn log_in_and_out(&mut self) {
        let login = self.client.login(Self::EMAIL, PASSWORD).await;
        let Some(token) = login.ok().and_then(|answer| answer.text("/token").ok()) else { return };
        let session = self.client.clone().with_token(&token);
        let logout = session.post("/api/v1/auth/logout").send().await;
        if logout.is_ok_and(|answer| answer.status == 200) {
            self.history.record(What::Revoked { session: self.tokens.len().to_string() });
            self.tokens.push(token);
        }
    }

    /// Tries every token of an ended session at every node.
    async fn knock(&self) {
        for (session, token) in self.tokens.iter().enumerate() {
            for address in &self.addresses {
                let client = self.client.at(address.clone()).with_token(token);
                let me = client.get("/api/v1/auth/me").send().await;
                if me.is_ok_and(|answer| answer.status == 200) {
                    self.history.record(What::Accepted { session: session.to_string() });
                }
            }
        }
    }
}

/// Uploads one new file after another; a file whose outcome is unknown is sent again, to any node, until it is answered.
struct Uploader {
    user: String,
    client: Client,
    addresses: Vec<Address>,
    history: History,
    stop: Arc<AtomicBool>,
    random: StdRng,
}

impl Uploader {
    async fn work(mut self) {
        let mut number = 0u64;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let file = self.next_file(number);
            let upload =
                Upload { user: self.user.clone(), name: file.name.clone(), size: file.size(), sha256: file.sha256() };
            while !self.attempt(&upload, &file).await && !self.stop.load(Ordering::Relaxed) {
                tokio::time::sleep(PAUSE).await;
                let next = self.random.random_range(0..self.addresses.len());
                self.client = self.client.at(self.addresses[next].clone());
            }
        }
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
    async fn attempt(&self, upload: &Upload, file: &UploadFile) -> bool {
        let op = self.history.invoke(upload);
        let (outcome, done) = match self.client.upload(file).await {
            Ok(answer) if answer.status == 201 => match answer.text("/id") {
                Ok(asset_id) => (What::Ok { op, asset_id }, true),
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
