//! One wallet, hit through all nodes at once at full speed, while its owner is killed and while owners that were stopped
//! wake up: bonuses, payouts with their ends, usage that is reported and settled.
//!
//! [`clients`] ask and write down what they were told, [`judge`] holds that against the statement in the end.

mod clients;
pub mod judge;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use self::clients::{Bank, Teller};
pub use self::judge::{Acknowledged, Entry, Verdict};
use crate::client::eventually;
use crate::fleet::{Fleet, FleetOptions, index, name};
use crate::node::{Signal, run_to_end};
use crate::{Address, Client, UploadFile};

const CREATOR: &str = "creator@chaos.test";
const PASSWORD: &str = "chaos-password-1";
/// A client gives up an attempt after this and goes to another node.
const PATIENCE: Duration = Duration::from_secs(4);
/// Acknowledgements go on within this after a fault.
const SERVED_WITHIN: Duration = Duration::from_secs(30);
const REFORMED_WITHIN: Duration = Duration::from_secs(30);
const AUDITED_WITHIN: Duration = Duration::from_secs(120);
/// Of the partner: soon used up, and paid in again by its clients.
const CREDIT: u32 = 300;
const PAGE_ROWS: u32 = 1_000;

/// How hard to try.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub nodes: usize,
    pub clients: usize,
    /// Faults go on for so long.
    pub time: Duration,
    /// How long SIGSTOP lasts.
    pub pause: Duration,
}

impl Plan {
    /// Three nodes, eight clients.
    pub fn of(seed: u64, time: Duration) -> Self {
        Self { seed, nodes: 3, clients: 8, time, pause: Duration::from_millis(2_500) }
    }
}

/// Runs the plan on fresh nodes and judges it. Needs a multi-threaded runtime.
///
/// # Errors
/// When the harness itself fails; broken promises are in the verdict.
pub async fn run(plan: &Plan, options: FleetOptions, mut progress: impl FnMut(String)) -> Result<Verdict> {
    let mut fleet = Fleet::start(FleetOptions { nodes: plan.nodes, ..options }).await?;
    let bank = Bank::open(&fleet).await?;
    let (stop, owner) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(String::new())));
    let tellers: Vec<_> = (0..plan.clients)
        .map(|i| Teller::new(i, plan.seed, &bank, Arc::clone(&stop), Arc::clone(&owner)))
        .map(|teller| tokio::spawn(teller.work()))
        .collect();
    let faults = break_nodes(plan, &mut fleet, &bank, &owner, &mut progress).await;
    // Whatever happened, all nodes run again before the last answers are waited for.
    for i in 0..fleet.len() {
        _ = fleet.signal(i, Signal::CONT);
    }
    fleet.restart_all()?;
    stop.store(true, Ordering::Relaxed);
    let mut told = Vec::new();
    for teller in tellers {
        told.extend(teller.await??);
    }
    fleet.formed(REFORMED_WITHIN).await?;
    let entries = bank.statement().await?;
    let mut verdict = judge::judge(&bank.wallet_id, &told, &entries);
    verdict.faults = faults?;
    for i in 0..fleet.len() {
        let balance = bank.balance(i).await?;
        verdict.balance_at(&name(i), &balance, &entries);
    }
    verdict.audited(audit(&fleet)?);
    Ok(verdict)
}

/// Kills the owner, then stops the next one for a while, in turn, until the time is over. Returns how often.
async fn break_nodes(
    plan: &Plan,
    fleet: &mut Fleet,
    bank: &Bank,
    owner: &Mutex<String>,
    progress: &mut impl FnMut(String),
) -> Result<usize> {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let (began, mut faults) = (Instant::now(), 0);
    while began.elapsed() < plan.time {
        bank.goes_on("before a fault", SERVED_WITHIN).await?;
        tokio::time::sleep(Duration::from_millis(random.random_range(200..1_200))).await;
        let victim = index(&owner.lock()).unwrap_or_else(|| random.random_range(0..fleet.len()));
        faults += 1;
        if faults % 2 == 1 {
            progress(format!("{:.0?}: kill -9 of {}", began.elapsed(), name(victim)));
            fleet.kill(victim);
            bank.goes_on("while a node is dead", SERVED_WITHIN).await?;
            fleet.restart(victim)?;
        } else {
            progress(format!("{:.0?}: {} sleeps {:?}", began.elapsed(), name(victim), plan.pause));
            fleet.stop(victim)?;
            // the length of the pause is the fault itself
            tokio::time::sleep(plan.pause).await;
            fleet.signal(victim, Signal::CONT)?;
        }
    }
    Ok(faults)
}

/// What `metastamp audit` says of the store: its exit code, and its words.
fn audit(fleet: &Fleet) -> Result<(bool, String)> {
    let (data, stores) = (fleet.data_dir(), fleet.stores());
    let mut env: Vec<_> = stores.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    env.push(("DATA_DIR", data.to_str().context("no UTF-8 path")?));
    let home = tempfile::tempdir()?;
    let ended = tokio::task::block_in_place(|| run_to_end(home.path(), &["audit"], &env, AUDITED_WITHIN))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((ended.status.success(), text(&ended.stdout) + &text(&ended.stderr)))
}

impl Bank {
    /// A creator with a work, and a partner that may spend.
    async fn open(fleet: &Fleet) -> Result<Self> {
        let targets: Vec<Address> = fleet.addresses();
        let creator = fleet.client(0)?.register(CREATOR, PASSWORD).await?;
        let asset = creator.upload(&UploadFile::text("work.txt", "what was used")).await?;
        let asset_id = asset.expect(201)?.text("/id")?;
        let wallet_id = creator.get("/api/v1/auth/me").send().await?.expect(200)?.text("/id")?;
        let admin = fleet.admin(0).with_patience(PATIENCE);
        let made = admin.post("/api/v1/partners").json(&json!({ "name": "Chaos", "credit_limits": { "USD": CREDIT } }));
        let partner_id = made.send().await?.expect(201)?.text("/id")?;
        let scopes = json!({ "name": "all", "scopes": ["usage:write", "usage:settle"] });
        let key = admin.post(&format!("/api/v1/partners/{partner_id}/keys")).json(&scopes).send().await?;
        let key = key.expect(201)?.text("/secret")?;
        let partner = Client::new(targets[0].clone())?.with_token(&key).with_patience(PATIENCE);
        let creator = creator.with_patience(PATIENCE);
        Ok(Self { targets, admin, creator, partner, partner_id, asset_id, wallet_id, acknowledged: Arc::default() })
    }

    /// Waits for some more acknowledgements.
    async fn goes_on(&self, when: &str, within: Duration) -> Result<()> {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + 20;
        let looked = || async { Ok((self.acknowledged.load(Ordering::Relaxed) >= wanted).then_some(())) };
        eventually(&format!("orders are acknowledged {when}"), within, looked).await
    }

    /// Every row of the wallet's journal.
    async fn statement(&self) -> Result<Vec<Entry>> {
        let (mut entries, mut after): (Vec<Entry>, u64) = (Vec::new(), 0);
        // one period for all pages; the clocks of nodes and harness are the same
        let period = "from=2020-01-01&to=2100-01-01";
        loop {
            let path = format!("/api/v1/wallet/statement?{period}&limit={PAGE_ROWS}&after={after}");
            let body = self.creator.get(&path).send().await?.expect(200)?.json()?;
            let rows: Vec<Entry> = serde_json::from_value(body["entries"].clone())?;
            entries.extend(rows);
            match body["next"].as_u64() {
                Some(next) => {
                    ensure!(next > after, "the statement does not go on after {after}");
                    after = next;
                }
                None => return Ok(entries),
            }
        }
    }

    async fn balance(&self, node: usize) -> Result<Value> {
        let client = self.creator.at(self.targets[node].clone());
        client.get("/api/v1/wallet/balance").send().await?.expect(200)?.json()
    }
}
