//! What breaks in the servers breaks no promise: one node under load, its servers broken one after the other.

use std::time::{Duration, Instant};

use metastamp_chaos::check;
use metastamp_chaos::history::What;
use metastamp_chaos::servers::{ObjectServer, embedded, fresh_name};
use metastamp_chaos::workload::{Crew, Target};
use metastamp_chaos::{Fault, History, Proxy, Servers};
use metastamp_protocol::ProcessingStatus;
use metastamp_tests::cluster::turn;
use metastamp_tests::{Answer, Client, NodeOptions, NodeProcess, UploadFile, eventually, member, start, unique};

/// Clients of the contract give up after 30 s: whatever the stores do, a write has its answer before. (Who asks has a
/// look-up or two of 5 s at most, and two steps of the session of 10 s at most.)
const ANSWERED_WITHIN: Duration = Duration::from_secs(28);
/// A server that is back is used again so soon.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at a node whose servers are broken.
const PACE: Duration = Duration::from_millis(200);
const SLOW: Fault = Fault::Slow(Duration::from_secs(2));

/// A node, its servers, and the ways between them.
struct Stage {
    servers: Servers,
    documents: Proxy,
    cache: Proxy,
    objects: Proxy,
    node: NodeProcess,
    client: Client,
}

impl Stage {
    async fn set() -> Self {
        let servers = Servers::start().unwrap();
        let documents = Proxy::start(servers.documents.port()).unwrap();
        let cache = Proxy::start(servers.cache.port()).unwrap();
        let objects = Proxy::start(servers.objects.port()).unwrap();
        let options = NodeOptions::new()
            .defaults(servers.env())
            .env("MONGODB_URL", servers.documents.url_at(documents.port()))
            .env("REDIS_URL", servers.cache.url_at(cache.port(), 1))
            .env("S3_ENDPOINT_URL", servers.objects.url_at(objects.port()));
        let node = start(options);
        let client = member(&node).await;
        Self { servers, documents, cache, objects, node, client }
    }

    /// Uploads a new file; the answer must come in time.
    async fn upload(&self) -> Answer {
        let name = unique("probe") + ".txt";
        let file = UploadFile::text(&name, &name);
        let began = Instant::now();
        let answer = self.client.upload(&file).await.unwrap();
        assert!(began.elapsed() < ANSWERED_WITHIN, "{answer} after {:?}", began.elapsed());
        answer
    }

    /// Writes are refused in the right way, for as long as `during` lasts, and reads say whether they can be served.
    async fn refuses(&self, what: &str, during: Duration, listing: u16) {
        let began = Instant::now();
        // what was under way when the fault began may still succeed
        self.upload().await;
        loop {
            let answer = self.upload().await;
            assert_eq!(answer.status, 503, "{what}: {answer}");
            assert!(answer.header("retry-after").is_some(), "{what}: {answer}");
            self.client.get("/health").send().await.unwrap().expect(200).unwrap();
            let began_ready = Instant::now();
            self.client.get("/ready").send().await.unwrap().expect(503).unwrap();
            self.client.get("/api/v1/health").send().await.unwrap().expect(503).unwrap();
            assert!(began_ready.elapsed() < Duration::from_secs(8), "{what}: {:?}", began_ready.elapsed());
            let listed = self.client.get("/api/v1/assets").send().await.unwrap();
            assert_eq!(listed.status, listing, "{what}: {listed}");
            if began.elapsed() > during {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Writes succeed although something is broken.
    async fn goes_on(&self, what: &str, times: usize) {
        for _ in 0..times {
            let answer = self.upload().await;
            assert_eq!(answer.status, 201, "{what}: {answer}");
            self.client.get("/ready").send().await.unwrap().expect(200).unwrap();
        }
    }

    /// From now on everything works again, soon.
    async fn recovers(&self, what: &str) {
        let began = Instant::now();
        let works = || async {
            let ready = self.client.get("/ready").send().await?.status == 200;
            Ok((ready && self.upload().await.status == 201).then_some(()))
        };
        eventually(what, Duration::from_secs(60), works).await.unwrap();
        let took = began.elapsed();
        eprintln!("{what}: recovered after {took:?}");
        assert!(took < RECOVERED_WITHIN, "{what}: recovered only after {took:?}");
    }

    /// The way to a server is broken in one manner for a while, and mended.
    async fn broken_way(&self, what: &str, proxy: &Proxy, fault: Fault, listing: u16) {
        proxy.set(fault);
        self.refuses(what, Duration::from_secs(2), listing).await;
        proxy.set(Fault::Pass);
        self.recovers(what).await;
    }

    /// Slow servers may be too slow for a write; then it is refused in time, and nothing else.
    async fn slow_way(&self, what: &str, proxy: &Proxy) {
        proxy.set(SLOW);
        for _ in 0..2 {
            let answer = self.upload().await;
            eprintln!("{what}: {}", answer.status);
            assert!(answer.status == 201 || answer.status == 503, "{what}: {answer}");
            assert!(answer.status == 201 || answer.header("retry-after").is_some(), "{what}: {answer}");
        }
        proxy.set(Fault::Pass);
        self.recovers(what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_a_server_breaks_a_promise() {
    let _turn = turn().await;
    let mut stage = Stage::set().await;
    let history = History::default();
    let target = Target { name: "node".to_owned(), address: stage.node.address() };
    let mut crew = Crew::start(&[target], 2, 0, 20_261_101, &history).await.unwrap();
    stage.goes_on("nothing is broken", 1).await;

    // without the cache everything works
    for (what, fault) in [("no cache", Fault::Refuse), ("a cache that hangs", Fault::Hang), ("a slow cache", SLOW)] {
        stage.cache.set(fault);
        stage.goes_on(what, 3).await;
        stage.cache.set(Fault::Pass);
        stage.recovers(what).await;
    }
    let gone = member(&stage.node).await;
    gone.post("/api/v1/auth/logout").send().await.unwrap().expect(200).unwrap();
    stage.servers.cache.flush().unwrap();
    gone.get("/api/v1/auth/me").send().await.unwrap().expect(401).unwrap();
    stage.goes_on("a flushed cache", 1).await;
    stage.servers.cache.kill();
    stage.goes_on("a killed cache", 2).await;
    gone.get("/api/v1/auth/me").send().await.unwrap().expect(401).unwrap();
    stage.servers.cache.restart().unwrap();

    // without documents nothing can be written, nor be shown that might be revoked
    stage.broken_way("no documents", &stage.documents, Fault::Refuse, 503).await;
    stage.broken_way("documents that hang", &stage.documents, Fault::Hang, 503).await;
    stage.slow_way("slow documents", &stage.documents).await;
    stage.documents.cut();
    stage.recovers("connections to documents that break").await;
    stage.servers.documents.kill();
    stage.refuses("killed documents", Duration::from_secs(30), 503).await;
    stage.servers.documents.restart().unwrap();
    stage.recovers("killed documents").await;

    // without objects all else goes on
    stage.broken_way("no objects", &stage.objects, Fault::Refuse, 200).await;
    stage.broken_way("objects that hang", &stage.objects, Fault::Hang, 200).await;
    stage.slow_way("slow objects", &stage.objects).await;
    stage.servers.objects.kill();
    stage.refuses("killed objects", Duration::from_secs(2), 200).await;
    stage.servers.objects.restart().unwrap();
    stage.recovers("killed objects").await;

    crew.stop().await.unwrap();
    crew.record_end_state().await.unwrap();
    let events = history.events();
    let verdict = check::judge(&events);
    eprintln!("{verdict}");
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.acknowledged > 20, "{verdict}");
    let failed = events.iter().filter_map(|event| match &event.what {
        What::Unknown { why, .. } if why.contains("answered 5") && !why.contains("answered 503") => Some(why),
        _ => None,
    });
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<&String>::new(), "a fault of a store is none of the node");
    drop(stage);
}

/// Long enough that the proxy takes it for bytes of a work.
fn long_text(name: &str) -> UploadFile {
    UploadFile::new("text", name, "text/plain", "every work has a line of its own, and many of them. ".repeat(200))
}

async fn jobs_that_wait(client: &Client, cause: &str) -> f64 {
    let answer = client.get("/metrics").send().await.unwrap();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let name = format!("fingerprint_jobs_waited_total{{cause=\"{cause}\"}} ");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok());
    lines.sum()
}

/// What the object store does to a work on its way says nothing about the work.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_wrong_or_not_at_all_end_no_job() {
    let _turn = turn().await;
    let server = ObjectServer::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let options = NodeOptions::new().defaults(server.env(&fresh_name("faults").replace('_', "-"))).defaults(embedded());
    let node = start(options.env("S3_ENDPOINT_URL", server.url_at(proxy.port())));
    let client = member(&node).await;
    // the store takes it, then its way back breaks; three times in all, which is as often as a file may fail
    proxy.set(Fault::Flip);
    let asset = metastamp_tests::accepted(&client, &long_text("work.txt")).await;
    for (fault, cause, times) in [(Fault::Flip, "digest", 2.0), (Fault::Refuse, "fetch", 1.0)] {
        proxy.set(fault);
        let met = || async { Ok((jobs_that_wait(&client, cause).await >= times).then_some(())) };
        eventually(cause, Duration::from_secs(60), met).await.unwrap();
    }
    let path = format!("/api/v1/fingerprint/asset/{}", asset.id);
    let waiting = client.get(&path).send().await.unwrap().text("/status").unwrap();
    assert!(["pending", "processing"].contains(&waiting.as_str()), "{waiting}");
    proxy.set(Fault::Pass);
    let done = client.fingerprint_when_done(&asset.id, Duration::from_secs(60)).await.unwrap();
    assert_eq!(done.status, ProcessingStatus::Completed, "{done:?}");
}
