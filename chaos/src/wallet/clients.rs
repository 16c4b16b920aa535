//! Clients of one wallet: each asks for one thing after the other and repeats it, with its key, until it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::judge::{Acknowledged, End};
use crate::{Address, Answer, Client};

/// Pause once every node was tried in vain.
const PAUSE: Duration = Duration::from_millis(50);
/// An answer must come within this, whatever dies meanwhile.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// So many of the latest answers are asked for again.
const REMEMBERED: usize = 200;

/// What the clients share.
#[derive(Clone)]
pub(super) struct Bank {
    pub targets: Vec<Address>,
    pub admin: Client,
    pub creator: Client,
    /// Speaks by an API key.
    pub partner: Client,
    pub partner_id: String,
    pub asset_id: String,
    pub wallet_id: String,
    pub acknowledged: Arc<AtomicUsize>,
}

/// One client.
pub(super) struct Teller {
    number: usize,
    bank: Bank,
    random: StdRng,
    stop: Arc<AtomicBool>,
    /// `X-Owner` of the latest answer, of all clients.
    owner: Arc<Mutex<String>>,
    made: u64,
    acknowledged: Vec<Acknowledged>,
}

/// Something that is asked until it is answered.
struct Ask {
    client: Client,
    path: String,
    key: Option<String>,
    body: Value,
}

impl Teller {
    pub fn new(number: usize, seed: u64, bank: &Bank, stop: Arc<AtomicBool>, owner: Arc<Mutex<String>>) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_add(1 + number as u64));
        Self { number, bank: bank.clone(), random, stop, owner, made: 0, acknowledged: Vec::new() }
    }

    pub async fn work(mut self) -> Result<Vec<Acknowledged>> {
        while !self.stop.load(Ordering::Relaxed) {
            match self.random.random_range(0..11) {
                0..=3 => self.bonus().await?,
                4..=5 => self.payout().await?,
                6..=8 => self.usage().await?,
                9 => self.deposit().await?,
                _ => self.again().await?,
            }
        }
        Ok(self.acknowledged)
    }

    fn key(&mut self) -> String {
        self.made += 1;
        format!("c{}-{}", self.number, self.made)
    }

    async fn bonus(&mut self) -> Result<()> {
        let (key, cents) = (self.key(), self.random.random_range(1_000..5_000_i64));
        self.book(key, cents).await
    }

    async fn book(&mut self, key: String, cents: i64) -> Result<()> {
        let body = json!({ "user_id": self.bank.wallet_id, "amount": amount(cents), "reason": "for the chaos" });
        let (client, path) = (self.bank.admin.clone(), "/api/v1/wallet/bonuses".to_owned());
        let answer = self.ask(&Ask { client, path, key: Some(key.clone()), body }).await?;
        match answer.status {
            200 | 201 => self.acknowledged.push(Acknowledged::Opened {
                key: format!("bonus/{key}"),
                cents,
                id: answer.text("/id")?,
            }),
            _ => bail!("a bonus: {answer}"),
        }
        Ok(())
    }

    /// A payout, and mostly its end. Sometimes two ends at once, of which one must lose.
    async fn payout(&mut self) -> Result<()> {
        let (key, cents) = (self.key(), 1_000);
        let (client, path) = (self.bank.creator.clone(), "/api/v1/wallet/payouts".to_owned());
        let body = json!({ "amount": amount(cents) });
        let answer = self.ask(&Ask { client, path, key: Some(key.clone()), body }).await?;
        let id = match answer.status {
            200 | 201 => answer.text("/id")?,
            422 if answer.code() == "INSUFFICIENT_FUNDS" => {
                self.acknowledged.push(Acknowledged::Refused { key: format!("payout/{key}") });
                return Ok(());
            }
            _ => bail!("a payout: {answer}"),
        };
        self.acknowledged.push(Acknowledged::Opened { key: format!("payout/{key}"), cents, id: id.clone() });
        let ends = [End::Completed, End::Failed, End::Cancelled];
        let first = ends[self.random.random_range(0..3)];
        if self.random.random_bool(0.3) {
            let second = ends[self.random.random_range(0..3)];
            let (a, b) = (self.end_of(&id, first), self.end_of(&id, second));
            let (a, b) = tokio::try_join!(self.answer(&a, 0), self.answer(&b, 1))?;
            self.ended(&id, first, &a)?;
            self.ended(&id, second, &b)?;
        } else if self.random.random_bool(0.9) {
            let answer = self.ask(&self.end_of(&id, first)).await?;
            self.ended(&id, first, &answer)?;
        }
        Ok(())
    }

    fn end_of(&self, id: &str, end: End) -> Ask {
        let (client, word, body) = match end {
            End::Completed => (&self.bank.admin, "complete", json!({ "reference": "bank-1" })),
            End::Failed => (&self.bank.admin, "fail", json!({ "reason": "the bank refused" })),
            End::Cancelled => (&self.bank.creator, "cancel", json!({})),
        };
        Ask { client: client.clone(), path: format!("/api/v1/wallet/payouts/{id}/{word}"), key: None, body }
    }

    fn ended(&mut self, id: &str, end: End, answer: &Answer) -> Result<()> {
        match answer.status {
            200 => self.acknowledged.push(Acknowledged::Ended { id: id.to_owned(), end }),
            409 if answer.code() == "TRANSACTION_ENDED" => {}
            _ => bail!("the end of a payout: {answer}"),
        }
        Ok(())
    }

    /// Usage is reported, and mostly settled or cancelled.
    async fn usage(&mut self) -> Result<()> {
        let (key, earnings) = (self.key(), self.random.random_range(100..10_000_i64));
        let body = json!({
            "model": "chaos-1", "period": "2026-10", "model_earnings": earnings, "asset_id": self.bank.asset_id,
            "training_contribution_score": 80, "usage_exposure_score": 50,
        });
        let (client, path) = (self.bank.partner.clone(), "/api/v1/usage".to_owned());
        let answer = self.ask(&Ask { client, path, key: Some(key), body }).await?;
        match answer.status {
            200 | 201 => {}
            // The event says so, and the creator was credited with nothing: a stranger in the journal is found.
            422 if answer.code() == "INSUFFICIENT_FUNDS" => return Ok(()),
            _ => bail!("a report of usage: {answer}"),
        }
        // 0.8 x 0.5 x 0.25 of it, in cents
        let (usage, id, cents) = (answer.text("/id")?, answer.text("/transaction_id")?, earnings * 10);
        self.acknowledged.push(Acknowledged::Opened { key: format!("usage/{usage}"), cents, id: id.clone() });
        let (word, end) = match self.random.random_range(0..10) {
            0..=6 => ("settle", End::Completed),
            7..=8 => ("cancel", End::Cancelled),
            _ => return Ok(()),
        };
        let (client, path) = (self.bank.partner.clone(), format!("/api/v1/usage/{usage}/{word}"));
        let answer = self.ask(&Ask { client, path, key: None, body: json!({}) }).await?;
        match answer.status {
            200 => self.acknowledged.push(Acknowledged::Ended { id, end }),
            _ => bail!("the end of usage: {answer}"),
        }
        Ok(())
    }

    /// The partner pays in. It is another wallet, with another owner.
    async fn deposit(&mut self) -> Result<()> {
        let (key, path) = (self.key(), format!("/api/v1/partners/{}/deposits", self.bank.partner_id));
        let body = json!({ "amount": amount(50_000), "description": "for the chaos" });
        let answer = self.ask(&Ask { client: self.bank.admin.clone(), path, key: Some(key), body }).await?;
        if !matches!(answer.status, 200 | 201) {
            bail!("a deposit: {answer}");
        }
        Ok(())
    }

    /// What was acknowledged is asked for again: it must be the same, and nothing new.
    async fn again(&mut self) -> Result<()> {
        let bonuses = self.acknowledged.iter().rev().take(REMEMBERED).filter_map(|said| match said {
            Acknowledged::Opened { key, cents, .. } => key.strip_prefix("bonus/").map(|key| (key.to_owned(), *cents)),
            _ => None,
        });
        let bonuses: Vec<_> = bonuses.collect();
        let Some((key, cents)) = bonuses.choose(&mut self.random).cloned() else { return Ok(()) };
        self.book(key, cents).await
    }

    async fn ask(&mut self, ask: &Ask) -> Result<Answer> {
        let first = self.random.random_range(0..self.bank.targets.len());
        self.answer(ask, first).await
    }

    /// Asks node after node until one answers for good. What is not known is asked again, with the same key.
    async fn answer(&self, ask: &Ask, first: usize) -> Result<Answer> {
        let deadline = Instant::now() + ANSWERED_WITHIN;
        let mut last = String::new();
        for attempt in 0usize.. {
            let nodes = self.bank.targets.len();
            let client = ask.client.at(self.bank.targets[(first + attempt) % nodes].clone());
            let mut call = client.post(&ask.path).json(&ask.body);
            if let Some(key) = &ask.key {
                call = call.header("idempotency-key", key);
            }
            match call.send().await {
                Ok(answer) if !is_unknown(&answer) => {
                    if answer.status < 300 {
                        self.bank.acknowledged.fetch_add(1, Ordering::Relaxed);
                        let owner = answer.header("x-owner").filter(|owner| !owner.is_empty());
                        owner.into_iter().for_each(|owner| owner.clone_into(&mut self.owner.lock()));
                    }
                    return Ok(answer);
                }
                Ok(answer) => last = answer.to_string(),
                Err(error) => last = format!("{error:#}"),
            }
            if Instant::now() > deadline {
                break;
            }
            if (attempt + 1) % nodes == 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        bail!("no answer to {} within {ANSWERED_WITHIN:?}: {last}", ask.path)
    }
}

/// To be asked again: nobody knows, or somebody is still at it.
fn is_unknown(answer: &Answer) -> bool {
    answer.status >= 500 || matches!(answer.status, 408 | 429) || answer.code() == "REQUEST_IN_FLIGHT"
}

/// Cents as decimal text.
fn amount(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
