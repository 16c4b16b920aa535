//! What breaks in the server of the documents loses no money and makes none: one node under load, the way to its server
//! broken before, during and after writes. Whoever asks repeats everything, with its key, until it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use metastamp_chaos::servers::{DocumentServer, embedded, fresh_name};
use metastamp_chaos::wallet::judge::{End, judge};
use metastamp_chaos::wallet::{Acknowledged, Entry};
use metastamp_chaos::{Fault, Proxy};
use metastamp_tests::cluster::turn;
use metastamp_tests::money::{audit_is_clean, key, read, user_id};
use metastamp_tests::partners::{Partner, USAGE, creator, report};
use metastamp_tests::{Answer, Client, NodeOptions, eventually, start};
use serde_json::{Value, json};

/// Clients of the contract give up after 30 s.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Whatever is broken is mended by then, and what was asked is done.
const DONE_WITHIN: Duration = Duration::from_secs(120);
/// A transaction that nobody ends is held against others for 60 s, which is the limit of the server. Nobody waits for that.
const FREE_WITHIN: Duration = Duration::from_secs(40);
const CLIENTS: usize = 6;
/// What creator and partner have to begin with, in cents.
const DEPOSIT: i64 = 999_999_900;

/// Who asks, and of whom.
#[derive(Clone)]
struct Crew {
    admin: Client,
    creator: Client,
    partner: Client,
    wallet: String,
    asset: String,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    /// Answers 503.
    refused: Arc<AtomicUsize>,
}

impl Crew {
    /// Asks until there is an answer that is final. All others must be of the contract too, and in time.
    async fn ask(&self, client: &Client, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let attempt = || async {
            let sent = Instant::now();
            let call = client.post(path).json(body);
            let call = key.into_iter().fold(call, |call, key| call.header("Idempotency-Key", key));
            let answer = call.send().await.unwrap();
            assert!(sent.elapsed() < ANSWERED_WITHIN, "{answer} after {:?}", sent.elapsed());
            let again = answer.status == 503 || answer.code() == "REQUEST_IN_FLIGHT";
            if !again {
                assert!(answer.status < 500, "a fault of a store is none of the node: {answer}");
                self.done.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(answer));
            }
            assert!(answer.header("retry-after").is_some(), "{answer}");
            self.refused.fetch_add(usize::from(answer.status == 503), Ordering::Relaxed);
            Ok(None)
        };
        eventually(path, DONE_WITHIN, attempt).await.unwrap()
    }

    async fn opened(&self, client: &Client, path: &str, body: &Value) -> (String, Value) {
        let key = key();
        let answer = self.ask(client, path, Some(&key), body).await;
        assert!(matches!(answer.status, 200 | 201), "{answer}");
        (key, answer.json().unwrap())
    }

    /// A bonus, a payout with its end, usage with its end; again and again.
    async fn work(self, number: usize) -> Vec<Acknowledged> {
        let mut told = Vec::new();
        for round in number.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            match round % 3 {
                0 => told.push(self.bonus().await),
                1 => told.extend(self.payout(round % 2 == 0).await),
                _ => told.extend(self.usage(round % 2 == 0).await),
            }
        }
        told
    }

    async fn bonus(&self) -> Acknowledged {
        let body = json!({ "user_id": self.wallet, "amount": "10.01", "reason": "for the faults" });
        let (key, bonus) = self.opened(&self.admin, "/api/v1/wallet/bonuses", &body).await;
        Acknowledged::Opened { key: format!("bonus/{key}"), cents: 1_001, id: text(&bonus, "id") }
    }

    async fn payout(&self, is_paid: bool) -> [Acknowledged; 2] {
        const PAYOUTS: &str = "/api/v1/wallet/payouts";
        let (key, payout) = self.opened(&self.creator, PAYOUTS, &json!({ "amount": "10.00" })).await;
        let id = text(&payout, "id");
        let (how, end) = if is_paid { ("complete", End::Completed) } else { ("fail", End::Failed) };
        let end_it = format!("{PAYOUTS}/{id}/{how}");
        self.ask(&self.admin, &end_it, None, &json!({ "reason": "so it was" })).await.expect(200).unwrap();
        [
            Acknowledged::Opened { key: format!("payout/{key}"), cents: 1_000, id: id.clone() },
            Acknowledged::Ended { id, end },
        ]
    }

    async fn usage(&self, is_settled: bool) -> [Acknowledged; 2] {
        // 15 % of it
        let (_, usage) = self.opened(&self.partner, USAGE, &report(&self.asset, "20")).await;
        let (usage, id) = (text(&usage, "id"), text(&usage, "transaction_id"));
        let (how, end) = if is_settled { ("settle", End::Completed) } else { ("cancel", End::Cancelled) };
        let end_it = format!("{USAGE}/{usage}/{how}");
        self.ask(&self.partner, &end_it, None, &json!({})).await.expect(200).unwrap();
        [
            Acknowledged::Opened { key: format!("usage/{usage}"), cents: 300, id: id.clone() },
            Acknowledged::Ended { id, end },
        ]
    }

    /// Answers so far, refusals too.
    fn answers(&self) -> usize {
        self.done.load(Ordering::Relaxed) + self.refused.load(Ordering::Relaxed)
    }

    /// So many more answers come while something is as it is.
    async fn meets(&self, what: &str, answers: usize) {
        let wanted = self.answers() + answers;
        let met = || async { Ok((self.answers() >= wanted).then_some(())) };
        eventually(&format!("{answers} answers meet {what}"), ANSWERED_WITHIN, met).await.unwrap();
    }

    /// Some more is done, now that nothing is broken.
    async fn goes_on(&self, after: &str) {
        self.goes_on_within(DONE_WITHIN, after).await;
    }

    async fn goes_on_within(&self, within: Duration, after: &str) {
        let (began, wanted) = (Instant::now(), self.done.load(Ordering::Relaxed) + 4 * CLIENTS);
        let looked = || async { Ok((self.done.load(Ordering::Relaxed) >= wanted).then_some(())) };
        eventually(&format!("work goes on after {after}"), within, looked).await.unwrap();
        let refused = self.refused.swap(0, Ordering::Relaxed);
        eprintln!("money after {after}: goes on after {:?}, {refused} times refused", began.elapsed());
    }
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap().to_owned()
}

/// `times` short faults, each met by somebody, with some work in between.
async fn pulses(crew: &Crew, proxy: &Proxy, fault: Fault, times: usize) {
    for _ in 0..times {
        proxy.set(fault);
        crew.meets("a pulse", 1).await;
        proxy.set(Fault::Pass);
        crew.meets("the time between pulses", 2).await;
    }
}

async fn break_the_way(crew: &Crew, server: &mut DocumentServer, proxy: &Proxy) {
    crew.goes_on("nothing").await;
    // before a write: there is nobody to write to
    proxy.set(Fault::Refuse);
    crew.meets("a server nobody reaches", CLIENTS).await;
    proxy.set(Fault::Pass);
    crew.goes_on("no connections").await;
    // during one: the connection ends in the middle of it
    for _ in 0..30 {
        proxy.cut();
        crew.meets("a cut", 1).await;
    }
    crew.goes_on_within(FREE_WITHIN, "connections that were cut").await;
    // after one: the server has done it, and nobody is told
    pulses(crew, proxy, Fault::Mute, 15).await;
    crew.goes_on("answers that were dropped").await;
    proxy.set(Fault::Slow(Duration::from_secs(2)));
    crew.meets("a slow server", CLIENTS).await;
    proxy.set(Fault::Pass);
    crew.goes_on("a slow server").await;
    tokio::task::block_in_place(|| server.kill());
    // meanwhile all is refused
    crew.meets("a dead server", 2 * CLIENTS).await;
    tokio::task::block_in_place(|| server.restart()).unwrap();
    crew.goes_on("a server that was killed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_the_documents_loses_money_or_makes_any() {
    let _turn = turn().await;
    let mut server = DocumentServer::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let options = NodeOptions::new().defaults(embedded()).env("MONGODB_DATABASE", fresh_name("money"));
    let node = start(options.env("MONGODB_URL", server.url_at(proxy.port())));
    let partner = Partner::with(&node, "9999999").await;
    let (creator, asset) = creator(&node).await;
    let crew = Crew {
        admin: partner.admin.clone(),
        wallet: user_id(&creator).await,
        creator,
        partner: partner.client.clone(),
        asset,
        stop: Arc::default(),
        done: Arc::default(),
        refused: Arc::default(),
    };
    let begin = json!({ "user_id": crew.wallet, "amount": "9999999", "reason": "to begin with" });
    let (begun, answer) = crew.opened(&crew.admin, "/api/v1/wallet/adjustments", &begin).await;
    let mut told =
        vec![Acknowledged::Opened { key: format!("adjustment/{begun}"), cents: DEPOSIT, id: text(&answer, "id") }];
    let tasks: Vec<_> = (0..CLIENTS).map(|number| tokio::spawn(crew.clone().work(number))).collect();
    break_the_way(&crew, &mut server, &proxy).await;
    crew.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        told.extend(task.await.unwrap());
    }
    assert!(told.len() >= 60, "nothing was tried: {} answers", told.len());
    adds_up(&crew, &partner, &told).await;
    audit_is_clean(&node);
}

/// What was acknowledged is what there is, in the journal and in every sum.
async fn adds_up(crew: &Crew, partner: &Partner, told: &[Acknowledged]) {
    let ended = |id: &str| told.contains(&Acknowledged::Ended { id: id.to_owned(), end: End::Completed });
    let (mut balance, mut paid, mut earned) = (0, 0, 0);
    for told in told {
        let Acknowledged::Opened { key, cents, id } = told else { continue };
        match key.split_once('/').unwrap().0 {
            "adjustment" | "bonus" => balance += cents,
            "payout" if ended(id) => (balance, paid) = (balance - cents, paid + cents),
            "usage" if ended(id) => (balance, earned) = (balance + cents, earned + cents),
            _ => {}
        }
    }
    let cents = |value: &Value| (value.as_f64().unwrap() * 100.0).round() as i64;
    let shown = read(&crew.creator, "balance").await;
    let names = ["balance", "available", "held", "total_paid_out", "total_earned", "pending_earnings"];
    assert_eq!(names.map(|name| cents(&shown[name])), [balance, balance, 0, paid, earned, 0]);
    let of_partner = partner.money().await.map(|text| cents(&text.parse().unwrap()));
    assert_eq!(of_partner, [DEPOSIT - earned, 0, DEPOSIT, earned]);

    let verdict = judge(&crew.wallet, told, &statement(&crew.creator).await);
    assert!(verdict.holds(), "{verdict}");
}

/// All rows, in pages.
async fn statement(creator: &Client) -> Vec<Entry> {
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("statement?from=2020-01-01&to=2100-01-01&limit=1000&after={after}");
        let page = read(creator, &path).await;
        entries.extend(serde_json::from_value::<Vec<Entry>>(page["entries"].clone()).unwrap());
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => return entries,
        }
    }
}
