//! What it costs to ask an owner: here, at another member over a link, and over plain HTTP/1.1 for comparison.
//!
//! `cargo bench -p metastamp-cluster` starts a second process of itself as the other member and prints the table of
//! docs/BENCHMARKS.md. Compare within one run: both processes and the load generator share the machine.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and its failures are its user's to see")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use metastamp_cluster::{Cluster, Detection, Entities, LinkState, Settings};
use metastamp_protocol::cluster::wire::VERSION_MAX;
use metastamp_protocol::cluster::{Answer, Command, Failure, Notice};
use metastamp_protocol::{FileKind, NewUpload, NodeRef, ObjectId, StoreTags, Timestamp};
use tokio::net::{TcpListener, TcpStream};

const RUN: Duration = Duration::from_secs(2);
const WITHIN: Duration = Duration::from_secs(5);

/// Answers with what it was sent, at once: what is measured is the way there and back.
struct Echo;

#[async_trait]
impl Entities for Echo {
    async fn perform(&self, command: Command, _: Duration) -> Result<Answer, Failure> {
        match command {
            Command::BeginUpload(new) => Ok(Answer::Ticket { s3_key: new.file_name }),
            _ => Ok(Answer::Done),
        }
    }
    fn notice(&self, _: &NodeRef, _: Notice) {}
    fn distrust(&self) {}
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match std::env::args().nth(1).as_deref() {
        Some("--other") => runtime.block_on(other(std::env::args().nth(2).unwrap())),
        _ => runtime.block_on(measure()),
    }
}

async fn join(name: &str, seeds: Vec<String>) -> Cluster {
    let settings = Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        advertise: None,
        seeds,
        secret: "a secret that only this bench knows".to_owned(),
        certificates: None,
        detection: Detection::default(),
        http: String::new(),
        stores: StoreTags::default(),
        protocol_max: VERSION_MAX,
    };
    let node = NodeRef { node_id: name.to_owned(), generation: Timestamp::now().millis() };
    let cluster = Cluster::start(settings, node).await.unwrap();
    cluster.serve(Arc::new(Echo));
    cluster
}

/// The second process: a member, and an HTTP server that echoes.
async fn other(seed: String) {
    let _cluster = join("other", vec![seed]).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let echo = service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                let body = request.into_body().collect().await?.to_bytes();
                Ok::<_, hyper::Error>(hyper::Response::new(Full::new(body)))
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), echo).await;
        });
    }
}

/// Ended with the bench.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn measure() {
    let cluster = join("here", Vec::new()).await;
    let seed = cluster.address().unwrap().to_string();
    let exe = std::env::current_exe().unwrap();
    let mut child = Process::new(exe).args(["--other", &seed]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _child = Guard(child);
    let http = line.trim().to_owned();
    let mut view = cluster.watch();
    let linked = view.wait_for(|view| view.member("other").is_some_and(|member| member.link == LinkState::Up));
    drop(tokio::time::timeout(Duration::from_secs(20), linked).await.unwrap().unwrap());

    println!("| call | payload | at once | per second | p50 ms | p99 ms | x HTTP/1.1 |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for bytes in [64, 16 << 10] {
        for at_once in [1, 64] {
            let reference = over_http(&http, bytes, at_once).await;
            row("HTTP/1.1", bytes, at_once, &reference, &reference);
            row("remote owner", bytes, at_once, &ask(&cluster, "other", bytes, at_once).await, &reference);
            row("local owner", bytes, at_once, &ask(&cluster, "here", bytes, at_once).await, &reference);
        }
    }
}

fn row(name: &str, bytes: usize, at_once: usize, times: &[f64], reference: &[f64]) {
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize];
    let per_second = times.len() as f64 / RUN.as_secs_f64();
    let ratio = times.len() as f64 / reference.len() as f64;
    println!("| {name} | {bytes} B | {at_once} | {per_second:.0} | {:.3} | {:.3} | {ratio:.2} |", at(0.5), at(0.99));
}

/// Asks the owner again and again; the ids are chosen so that it is `owner`. Answers sorted milliseconds.
async fn ask(cluster: &Cluster, owner: &str, bytes: usize, at_once: usize) -> Vec<f64> {
    let started = Instant::now();
    let askers = (0..at_once).map(|_| {
        let (cluster, owner) = (cluster.clone(), owner.to_owned());
        tokio::spawn(async move {
            let view = cluster.view();
            let ids = std::iter::repeat_with(ObjectId::generate).filter(|id| view.owner(*id).node_id == owner);
            let ids: Vec<_> = ids.take(64).collect();
            let mut times = Vec::new();
            for id in ids.iter().cycle() {
                if started.elapsed() > RUN {
                    break;
                }
                let command = Command::BeginUpload(NewUpload {
                    id: *id,
                    user_id: *id,
                    file_name: "x".repeat(bytes),
                    original_file_name: None,
                    kind: FileKind::Text,
                    receiver: cluster.local().clone(),
                });
                let begun = Instant::now();
                let owned = cluster.ask(command, WITHIN).await.unwrap();
                times.push(begun.elapsed().as_secs_f64() * 1_000.0);
                assert_eq!(owned.owner.node_id, owner);
            }
            times
        })
    });
    collect(askers.collect()).await
}

async fn over_http(address: &str, bytes: usize, at_once: usize) -> Vec<f64> {
    let started = Instant::now();
    let askers = (0..at_once).map(|_| {
        let address = address.to_owned();
        tokio::spawn(async move {
            let mut sender = connect(&address).await;
            let body = Bytes::from("x".repeat(bytes));
            let mut times = Vec::new();
            while started.elapsed() <= RUN {
                let request = hyper::Request::post("/").header("host", "echo").body(Full::new(body.clone())).unwrap();
                let begun = Instant::now();
                let response = sender.send_request(request).await.unwrap();
                let answer = response.into_body().collect().await.unwrap().to_bytes();
                times.push(begun.elapsed().as_secs_f64() * 1_000.0);
                assert_eq!(answer.len(), bytes);
            }
            times
        })
    });
    collect(askers.collect()).await
}

async fn connect(address: &str) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn collect(tasks: Vec<tokio::task::JoinHandle<Vec<f64>>>) -> Vec<f64> {
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times.sort_by(f64::total_cmp);
    times
}
