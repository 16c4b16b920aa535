//! Strangers at the ports of a cluster: they change nothing, cost little and are counted.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use metastamp_chaos::stranger::knock_without_certificate;
use metastamp_chaos::{Fleet, FleetOptions};
use metastamp_tests::cluster::{fleet, member_everywhere, metric_reaches, turn};
use metastamp_tests::{Client, accepted, media};

const SOON: Duration = Duration::from_secs(20);
/// What attacks may cost a node at most, beyond what it needed before.
const GROWTH_MIB_MAX: u64 = 64;
/// What links call their protocol in TLS.
const LINKS: &[u8] = b"metastamp-link/1";
const REFUSED: &str = "cluster_connections_refused_total";
const REJECTED: &str = "cluster_gossip_rejected_total";

/// A formed cluster of two with one account, and what its nodes needed until then.
struct Besieged {
    fleet: Fleet,
    clients: Vec<Client>,
    memory: Vec<u64>,
    /// A seed of the nodes' that is none of them.
    stranger: UdpSocket,
}

impl Besieged {
    async fn new() -> Self {
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.set_read_timeout(Some(SOON)).unwrap();
        let fleet = fleet(FleetOptions::of(2).seed(stranger.local_addr().unwrap())).await;
        let clients = member_everywhere(&fleet).await;
        // what the first upload needs is not the attack's
        for (seed, client) in (0..).zip(&clients) {
            accepted(client, &media::png(&format!("before-{seed}.png"), seed)).await;
        }
        let memory = (0..2).map(|i| fleet.node(i).peak_memory_mib().unwrap()).collect();
        Self { fleet, clients, memory, stranger }
    }

    fn cluster_ports(&self) -> [SocketAddr; 2] {
        [0, 1].map(|i| self.fleet.cluster_address(i))
    }

    /// The cluster is as it was, and works.
    async fn unimpressed(&self) {
        self.fleet.formed(SOON).await.unwrap();
        for view in self.fleet.views().await.unwrap() {
            let known: Vec<_> = view.members.iter().map(|member| &member.node_id).collect();
            assert_eq!(known.len(), self.fleet.len(), "{view:?}");
        }
        for client in &self.clients {
            let name = metastamp_tests::unique("after-") + ".txt";
            accepted(client, &media::text(&name, &name)).await;
        }
        for (i, before) in self.memory.iter().enumerate() {
            let peak = self.fleet.node(i).peak_memory_mib().unwrap();
            assert!(peak <= before + GROWTH_MIB_MAX, "node {i} went from {before} MiB to {peak} MiB");
        }
    }
}

fn garbage(length: usize, seed: u64) -> Vec<u8> {
    metastamp_chaos::files::noise_png(64, 64, seed).into_iter().skip(64).cycle().take(length).collect()
}

/// Connects and sends; the node may hang up whenever it likes.
fn send(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect_timeout(&to, SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    _ = stream.write_all(bytes);
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_both_ports_is_counted_and_dropped() {
    let _turn = turn().await;
    let besieged = Besieged::new().await;
    for (at, port) in besieged.cluster_ports().into_iter().enumerate() {
        for seed in 0..500u64 {
            let length = (seed as usize * 37) % 1_400;
            besieged.stranger.send_to(&garbage(length, seed), port).unwrap();
        }
        // the magic of a real one, and nothing else that fits
        let mut forged = garbage(400, 9);
        forged[..4].copy_from_slice(b"MSG1");
        besieged.stranger.send_to(&forged, port).unwrap();
        let http = besieged.fleet.node(at).socket().unwrap();
        for seed in 0..20 {
            drop(send(port, &garbage(5_000, seed)));
            drop(send(port, b"GET / HTTP/1.1\r\nHost: cluster\r\n\r\n"));
            drop(send(http, &garbage(5_000, seed)));
        }
        let client = besieged.fleet.client(at).unwrap();
        metric_reaches(&client, REJECTED, &[r#"reason="malformed""#], 1.0).await;
        metric_reaches(&client, REJECTED, &[r#"reason="secret""#], 1.0).await;
        metric_reaches(&client, REFUSED, &[r#"reason="protocol""#], 20.0).await;
    }
    besieged.unimpressed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_datagram_is_counted_and_dropped() {
    let _turn = turn().await;
    let besieged = Besieged::new().await;
    let (ports, mut datagram) = (besieged.cluster_ports(), [0; 65_536]);
    let (length, from) = besieged.stranger.recv_from(&mut datagram).unwrap();
    let sender = ports.iter().position(|port| *port == from).expect("not from a member");
    for _ in 0..3 {
        for port in ports {
            besieged.stranger.send_to(&datagram[..length], port).unwrap();
        }
    }
    let other = besieged.fleet.client(1 - sender).unwrap();
    metric_reaches(&other, REJECTED, &[r#"reason="replay""#], 1.0).await;
    besieged.unimpressed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_a_certificate_is_refused() {
    let _turn = turn().await;
    let besieged = Besieged::new().await;
    for port in besieged.cluster_ports() {
        let ended = knock_without_certificate(port, LINKS).unwrap();
        assert!(ended.contains("CertificateRequired"), "{ended}");
        // the right certificate would not help somebody who speaks another protocol
        knock_without_certificate(port, b"h2").unwrap();
    }
    for at in 0..2 {
        let client = besieged.fleet.client(at).unwrap();
        metric_reaches(&client, REFUSED, &[r#"reason="certificate""#], 1.0).await;
        let told = besieged.fleet.node(at).log().find_from(0, |line| line.contains("link refused").then_some(()));
        assert!(told.is_some(), "nothing in the log");
    }
    besieged.unimpressed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_silent_connections_keep_nobody_out() {
    let _turn = turn().await;
    metastamp_chaos::node::raise_file_limit().unwrap();
    let mut besieged = Besieged::new().await;
    let ports = besieged.cluster_ports();
    let silent: Vec<_> = (0..1_000).map(|i| send(ports[i % 2], b"")).collect();
    besieged.unimpressed().await;
    // they are still there
    besieged.fleet.add().unwrap();
    besieged.unimpressed().await;
    for at in 0..2 {
        let client = besieged.fleet.client(at).unwrap();
        metric_reaches(&client, REFUSED, &[], 500.0).await;
    }
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_of_16_mib_costs_nothing() {
    let _turn = turn().await;
    let besieged = Besieged::new().await;
    let half = vec![7; 8 << 20];
    let mut open = Vec::new();
    for (at, port) in besieged.cluster_ports().into_iter().enumerate() {
        // as the links frame messages, and as TLS announces a record
        for head in [(16u64 << 20).to_be_bytes().to_vec(), vec![0x16, 3, 1, 0xff, 0xff]] {
            open.push(send(port, &[head, half.clone()].concat()));
        }
        let http = besieged.fleet.node(at).socket().unwrap();
        let head = "POST /api/v1/auth/login/json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Content-Length: 16777216\r\n\r\n";
        // no more than it takes to be refused: what the node leaves unread would cost us the answer
        let mut login = send(http, &[head.as_bytes(), &half[..80 << 10]].concat());
        let mut answer = [0; 12];
        login.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413");
        let client = besieged.fleet.client(at).unwrap();
        metric_reaches(&client, REFUSED, &[], 2.0).await;
    }
    besieged.unimpressed().await;
    drop(open);
}
