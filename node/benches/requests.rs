//! What a request costs: requests per second, latency and the server's own CPU time, on a real process.
//!
//! `cargo bench -p metastamp-node` prints the table of docs/BENCHMARKS.md. Believe CPU per request and the ratios: load
//! generator and server share the machine, so requests per second say as much about the one as about the other.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and its failures are its user's to see")]

#[path = "requests/http.rs"]
mod http;
#[path = "requests/process.rs"]
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Connection, Template};
use process::Server;

/// Clients at once.
const CLIENTS: usize = 16;
const RUN: Duration = Duration::from_secs(5);
const UPLOADS_AT_ONCE: usize = 32;

/// CPU milliseconds per request of the Python service this project replaces, measured on a machine like the one this
/// was written on: one worker, 2 cores.
const ORIGINAL_ME_MS: f64 = 0.72;
const ORIGINAL_LIST_MS: f64 = 3.7;
const ORIGINAL_UPLOAD_MS: f64 = 46.0;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let server = Server::start().await;
    println!("start-up to first /ready: {:.0} ms wall, {:.0} ms CPU", server.ready_ms, server.cpu_ms());
    println!("resident after start: {:.1} MiB\n", server.resident_mib());
    let token = server.register().await;
    for n in 0..50 {
        server.upload_once(&token, n, 2_000).await;
    }
    server.wait_for_jobs(&token).await;

    println!("| request | per second | p50 ms | p99 ms | CPU ms each | x /health | original CPU ms | times less CPU |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let health = row(&server, "GET /health", Template::get("/health", None), None, None).await;
    let me = Template::get("/api/v1/auth/me", Some(&token));
    row(&server, "GET /auth/me", me, Some(health), Some(ORIGINAL_ME_MS)).await;
    let list = Template::get("/api/v1/assets?page=1&limit=50", Some(&token));
    row(&server, "GET /assets, 50 rows", list, Some(health), Some(ORIGINAL_LIST_MS)).await;
    let upload = Template::upload(&token, 10 << 10);
    row(&server, "POST /upload/text, 10 KiB", upload, Some(health), Some(ORIGINAL_UPLOAD_MS)).await;
    println!("\nAn upload's CPU includes its fingerprint job.");
    server.wait_for_jobs(&token).await;

    let server = Server::start().await;
    let token = server.register().await;
    let idle = server.resident_mib();
    for n in 0..1_000 {
        server.upload_once(&token, n, 10 << 10).await;
    }
    server.wait_for_jobs(&token).await;
    println!("\nresident idle: {idle:.1} MiB, after 1,000 uploads of 10 KiB: {:.1} MiB", server.resident_mib());
    memory(&server, &token).await;
}

/// Runs one kind of request for a while and prints its row; answers the CPU milliseconds each took.
async fn row(server: &Server, name: &str, template: Template, health: Option<f64>, original: Option<f64>) -> f64 {
    let counter = Arc::new(AtomicU64::new(1_000_000));
    let (cpu, started) = (server.cpu_ms(), Instant::now());
    let clients = (0..CLIENTS).map(|_| {
        let (address, template, counter) = (server.address.clone(), template.clone(), counter.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(&address).await;
            let mut times = Vec::new();
            while started.elapsed() < RUN {
                let request = template.render(counter.fetch_add(1, Ordering::Relaxed));
                let begun = Instant::now();
                let status = connection.send(&request).await;
                assert!((200..300).contains(&status), "status {status}");
                times.push(begun.elapsed().as_secs_f64() * 1_000.0);
            }
            times
        })
    });
    let mut times = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        times.extend(client.await.unwrap());
    }
    let seconds = started.elapsed().as_secs_f64();
    // Work that an answer leaves behind belongs to it.
    server.settle().await;
    let each = (server.cpu_ms() - cpu) / times.len() as f64;
    times.sort_by(f64::total_cmp);
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize];
    let ratio = health.map_or("1.0".to_owned(), |h| format!("{:.1}", each / h));
    let (was, less) = original.map_or(("".to_owned(), "".to_owned()), |o| (format!("{o}"), format!("{:.1}", o / each)));
    let per_second = times.len() as f64 / seconds;
    println!("| {name} | {per_second:.0} | {:.2} | {:.2} | {each:.3} | {ratio} | {was} | {less} |", at(0.5), at(0.99));
    each
}

/// Peak memory must not follow the size of the files.
async fn memory(server: &Server, token: &str) {
    let mut peaks = Vec::new();
    for bytes in [64 << 10, (10 << 20) - 1_024] {
        server.reset_peak();
        let base = server.resident_mib();
        let uploads = (0..UPLOADS_AT_ONCE).map(|n| {
            let request = Template::upload(token, bytes).render(9_000_000 + n as u64 + bytes as u64);
            let address = server.address.clone();
            tokio::spawn(async move { assert_eq!(Connection::open(&address).await.send(&request).await, 201) })
        });
        for upload in uploads.collect::<Vec<_>>() {
            upload.await.unwrap();
        }
        let grown = server.peak_mib() - base;
        println!("{UPLOADS_AT_ONCE} uploads at once of {} KiB each: peak {grown:.1} MiB above rest", bytes >> 10);
        peaks.push(grown);
        server.wait_for_jobs(token).await;
    }
    println!(
        "ratio of the peaks: {:.2} for files {} times larger",
        peaks[1] / peaks[0],
        ((10 << 20) - 1_024) / (64 << 10)
    );
}
