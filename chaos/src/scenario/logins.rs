//! Many logins for made-up accounts from a few addresses, and one honest caller from another: what share of the node's
//! password hashes does it get, and how long does it wait?

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::client::{Answer, Client};
use crate::{NodeOptions, NodeProcess};

const PASSWORD: &str = "an-honest-caller-1";
const PATH: &str = "/api/v1/auth/login";
/// The node believes the addresses that are made up here.
const PROXIES: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.0/8");
/// Longest wait that is promised to a caller who has nothing running.
const PROMISED: Duration = Duration::from_secs(2);
/// On a machine that is busy with other things: so many times what a login takes without an attack.
const TIMES_ALONE_MAX: u32 = 8;

/// How to attack.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Addresses of the attackers.
    pub addresses: usize,
    /// Logins under way all the time, over all of them.
    pub parallel: usize,
    /// Logins of the honest caller, one after the other.
    pub honest: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { addresses: 4, parallel: 80, honest: 8 }
    }
}

/// What became of the attempts.
#[derive(Debug, Default)]
struct Tally {
    /// Refused after their password was looked at.
    hashed: AtomicUsize,
    /// Refused for want of room.
    refused: AtomicUsize,
    /// Refused by a limit.
    limited: AtomicUsize,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// The slowest login of the honest caller without an attack.
    pub alone: Duration,
    /// Its logins under the attack.
    pub waits: Vec<Duration>,
    /// Of them, those that were refused.
    pub failed: usize,
    /// Attempts of the attackers, by what became of them meanwhile.
    pub hashed: usize,
    pub refused: usize,
    pub limited: usize,
}

impl Report {
    pub fn slowest(&self) -> Duration {
        self.waits.iter().max().copied().unwrap_or_default()
    }

    /// Every honest login succeeded, and in time.
    pub fn holds(&self) -> bool {
        self.failed == 0 && self.slowest() <= PROMISED.max(self.alone * TIMES_ALONE_MAX)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served = self.waits.len() - self.failed;
        let share = 100.0 * served as f64 / (served + self.hashed).max(1) as f64;
        let verdict = if self.holds() { "holds" } else { "BROKEN" };
        write!(
            f,
            "{verdict}: {served} of {} honest logins, {share:.0} % of all hashes; slowest {:?}, alone {:?}; attackers: \
             {} hashed, {} refused for want of room, {} by a limit",
            self.waits.len(),
            self.slowest(),
            self.alone,
            self.hashed,
            self.refused,
            self.limited
        )
    }
}

/// Starts a node and attacks it.
///
/// # Errors
/// When the node can't be started, or does not answer at all.
pub async fn run(plan: Plan, options: NodeOptions) -> Result<Report> {
    let options = options.env(PROXIES.0, PROXIES.1);
    let node = tokio::task::spawn_blocking(|| NodeProcess::start(options)).await??;
    let honest = Client::new(node.address())?;
    let email = "honest@example.test";
    honest.clone().register(email, PASSWORD).await?;
    let mut alone = Duration::ZERO;
    for _ in 0..3 {
        alone = alone.max(timed(&honest, email).await?.0);
    }

    let (tally, is_over) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
    let attackers: Vec<_> = (0..plan.parallel)
        .map(|i| {
            let client = Client::new(node.address())?;
            Ok(tokio::spawn(attack(client, i, i % plan.addresses, tally.clone(), is_over.clone())))
        })
        .collect::<Result<_>>()?;
    // The attack has begun when somebody found no room, or enough were looked at.
    let begun = || tally.refused.load(Ordering::Relaxed) > 0 || tally.hashed.load(Ordering::Relaxed) >= plan.addresses;
    while !begun() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let hashed_before = tally.hashed.load(Ordering::Relaxed);
    let (mut waits, mut failed) = (Vec::new(), 0);
    for _ in 0..plan.honest {
        let (wait, answer) = timed(&honest, email).await?;
        waits.push(wait);
        failed += usize::from(answer.status != 200);
    }
    let hashed = tally.hashed.load(Ordering::Relaxed) - hashed_before;
    is_over.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.abort();
    }
    let [refused, limited] = [&tally.refused, &tally.limited].map(|count| count.load(Ordering::Relaxed));
    Ok(Report { alone, waits, failed, hashed, refused, limited })
}

/// One login of the honest caller, at an address of its own.
async fn timed(client: &Client, email: &str) -> Result<(Duration, Answer)> {
    let began = Instant::now();
    let answer = login(client, "203.0.113.200", email, PASSWORD).await.context("an honest login")?;
    Ok((began.elapsed(), answer))
}

async fn login(client: &Client, from: &str, email: &str, password: &str) -> Result<Answer> {
    let body = json!({ "email": email, "password": password });
    client.post(PATH).header("X-Forwarded-For", from).json(&body).send().await
}

/// Logs in as one made-up account after the other, without a pause.
async fn attack(client: Client, number: usize, address: usize, tally: Arc<Tally>, is_over: Arc<AtomicBool>) {
    let from = format!("198.51.100.{address}");
    for attempt in 0_usize.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let email = format!("nobody-{number}-{attempt}@example.test");
        let Ok(answer) = login(&client, &from, &email, "guessed-1").await else { continue };
        let count = match answer.status {
            503 => &tally.refused,
            429 => &tally.limited,
            _ => &tally.hashed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
