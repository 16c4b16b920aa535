//! A server that is away, hangs or is slow: calls end in time, and nothing is said to be stored that is not.

use std::time::{Duration, Instant};

use bytes::Bytes;
use metastamp_chaos::{Fault, ObjectServer, Proxy};
use metastamp_store::StoreError;
use metastamp_store::objects::{Objects, PART_BYTES};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::contract::read;
use super::support::{Target, noise, prefix};

const OP_TIMEOUT: Duration = Duration::from_secs(3);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(1_500);
const BIG: usize = 2 * PART_BYTES as usize + 7;

pub async fn contract(server: &mut ObjectServer, target: &Target) {
    let proxy = Proxy::start(server.port()).unwrap();
    let behind = Target { endpoint: server.url_at(proxy.port()), ..target.clone() };
    let objects = behind.objects_within(OP_TIMEOUT);
    let key = prefix("faults") + "there";
    objects.put(&key, "a/b", Bytes::from_static(b"there")).await.unwrap();
    for fault in [Fault::Hang, Fault::Refuse, Fault::Slow(OP_TIMEOUT * 4)] {
        proxy.set(fault);
        everything_fails_in_time(&objects, &key).await;
        proxy.set(Fault::Pass);
        works_again(&objects, &key).await;
    }
    proxy.set(Fault::Slow(OP_TIMEOUT / 4));
    works_again(&objects, &key).await;
    proxy.set(Fault::Pass);
    breaks_off_half_way(&objects, &proxy).await;
    server.kill();
    everything_fails_in_time(&objects, &key).await;
    tokio::task::block_in_place(|| server.restart().unwrap());
    works_again(&objects, &key).await;
}

/// Also says how long it took.
async fn fails<T: std::fmt::Debug>(what: &str, call: impl Future<Output = metastamp_store::Result<T>>) {
    let began = Instant::now();
    let result = call.await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{what}: {result:?}");
    assert!(began.elapsed() < OP_TIMEOUT + SLACK, "{what} took {:?}", began.elapsed());
}

async fn write(objects: &Objects, key: &str, bytes: Bytes) -> metastamp_store::Result<()> {
    let spool = tempfile::tempdir().unwrap();
    let mut writer = objects.writer(key, "a/b", spool.path());
    writer.write(bytes).await?;
    writer.finish().await.map(drop)
}

async fn everything_fails_in_time(objects: &Objects, there: &str) {
    let key = prefix("away") + "object";
    let list = objects.list("", None, 10);
    tokio::join!(
        fails("ping", objects.ping()),
        fails("put", objects.put(&key, "a/b", Bytes::from_static(b"x"))),
        fails("head", objects.head(there)),
        fails("range", objects.get_range(there, 0..3)),
        fails("list", list),
        // not of what is there: a request that was given up may still arrive
        fails("delete", objects.delete(&key)),
        fails("half a part", write(objects, &key, noise(1, BIG / 4))),
        fails("parts", write(objects, &key, noise(1, BIG))),
    );
}

/// Within five seconds.
async fn works_again(objects: &Objects, there: &str) {
    let back = Instant::now();
    while objects.put(there, "a/b", Bytes::from_static(b"there")).await.is_err() {
        assert!(back.elapsed() < Duration::from_secs(5), "not back after {:?}", back.elapsed());
    }
    assert_eq!(read(objects, there).await, b"there");
    let key = prefix("back") + "object";
    let bytes = noise(3, BIG);
    while let Err(error) = write(objects, &key, bytes.clone()).await {
        assert!(back.elapsed() < Duration::from_secs(5), "{error}");
    }
    assert_eq!(read(objects, &key).await, bytes);
}

/// The server hangs when the first part is stored: no object, and no upload for ever.
async fn breaks_off_half_way(objects: &Objects, proxy: &Proxy) {
    let (key, spool) = (prefix("half") + "object", tempfile::tempdir().unwrap());
    let mut writer = objects.writer(&key, "a/b", spool.path());
    writer.write(noise(5, PART_BYTES as usize + 300_000)).await.unwrap();
    proxy.set(Fault::Hang);
    fails("the rest", async {
        writer.write(noise(6, PART_BYTES as usize)).await?;
        writer.finish().await
    })
    .await;
    proxy.set(Fault::Pass);
    assert_eq!(objects.head(&key).await.unwrap(), None);
    // What the writer could not abort is found by its key, as the sweep does.
    objects.abort_multiparts(&key).await.unwrap();
    assert_eq!(objects.abort_multiparts(&key).await.unwrap(), 0);
}

/// A body may take longer than a call, as long as it moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_moves_is_waited_for() {
    const BYTES_A_SECOND: f64 = 1_400_000.0;
    let socket = TcpSocket::new_v4().unwrap();
    // little room, so that the sender sees how fast it is read
    socket.set_recv_buffer_size(128 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(8).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let size = PART_BYTES as usize - 1;
    let slow = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (began, mut read, mut buffer) = (Instant::now(), 0, vec![0; 64 << 10]);
        while read < size {
            read += stream.read(&mut buffer).await.unwrap();
            let due = began + Duration::from_secs_f64(read as f64 / BYTES_A_SECOND);
            tokio::time::sleep_until(due.into()).await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        // open until the client has read
        _ = stream.read(&mut buffer).await;
    });
    let (access_key, secret_key) = ("k".to_owned(), "s".to_owned());
    let target = Target { endpoint, access_key, secret_key, bucket: "b".to_owned() };
    let began = Instant::now();
    write(&target.objects_within(OP_TIMEOUT), "slow", noise(1, size)).await.unwrap();
    assert!(began.elapsed() > OP_TIMEOUT, "{:?} proves nothing", began.elapsed());
    slow.abort();
}
