//! Nobody takes the node from the others: shares of password hashes and connections, and a secret that nobody knows.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use metastamp_chaos::scenario::logins::{self, Plan};
use metastamp_tests::cluster::turn;
use metastamp_tests::raw::{self, Connection};
use metastamp_tests::{NodeOptions, NodeProcess, anonymous, eventually, member, start, token};

/// What signed tokens in earlier versions where nobody had set a secret.
const ONCE_IN_THE_SOURCE: &str = "metastamp-development-secret-not-for-production";
const PER_ADDRESS: usize = 20;
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_logs_in_while_four_addresses_attack() {
    let _turn = turn().await;
    let plan = Plan { honest: 4, ..Plan::default() };
    let report = logins::run(plan, NodeOptions::new()).await.unwrap();
    assert!(report.holds(), "{report}");
    assert!(report.refused > 0, "the attack must fill the room: {report}");
    assert_eq!(report.limited, 0, "what was refused for want of room costs no attempt: {report}");
}

fn crowded() -> NodeProcess {
    start(NodeOptions::new().env("CONNECTIONS_PER_ADDRESS_MAX", PER_ADDRESS))
}

fn ask(socket: SocketAddr, path: &str) -> String {
    raw::exchange(socket, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_too_many_idle_connections_loses_its_oldest() {
    let node = crowded();
    let socket = node.socket().unwrap();
    let mut silent: Vec<_> = (0..3 * PER_ADDRESS).map(|_| Connection::open(socket)).collect();
    let answer = ask(socket, "/api/v1/auth/me");
    assert_eq!(raw::status(&answer), 401, "not a probe, and answered all the same: {answer}");
    let newest = silent.pop().unwrap();
    // the oldest was closed without a word
    assert_eq!(silent.remove(0).read_to_end(), "");
    let mut newest = newest;
    newest.send(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(raw::status(&newest.read_to_end()), 200, "the newest stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_when_all_connections_are_busy() {
    let node = crowded();
    let socket = node.socket().unwrap();
    let head =
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    let begun = || {
        let mut connection = Connection::open(socket);
        connection.send(head).unwrap();
        connection
    };
    let busy: RefCell<Vec<_>> = RefCell::new((0..PER_ADDRESS).map(|_| begun()).collect());
    let refused = || async {
        // one whose head was not read yet is idle, and may have been closed for another
        busy.borrow_mut().push(begun());
        let answer = ask(socket, "/api/v1/auth/me");
        Ok((raw::status(&answer) == 503).then_some(answer))
    };
    let answer = eventually("all are busy", SOON, refused).await.unwrap();
    let answer = answer.to_lowercase();
    assert!(answer.contains("service_unavailable") && answer.contains("retry-after: 2"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    for path in ["/health", "/ready"] {
        assert_eq!(raw::status(&ask(socket, path)), 200, "{path}");
    }
    // and what is free again is given again
    busy.into_inner().into_iter().for_each(Connection::close);
    let served = || async { Ok((raw::status(&ask(socket, "/api/v1/auth/me")) == 401).then_some(())) };
    eventually("there is room again", SOON, served).await.unwrap();
}

#[tokio::test]
async fn without_settings_no_token_can_be_forged() {
    let node = start(NodeOptions::new());
    let client = member(&node).await;
    let (header, claims) = (token::header(client.token().unwrap()), token::claims(client.token().unwrap()));
    let me = async |secret: &str| {
        let forged = client.clone().with_token(&token::signed(&header, &claims, secret));
        forged.get("/api/v1/auth/me").send().await.unwrap().status
    };
    assert_eq!(me(ONCE_IN_THE_SOURCE).await, 401);
    // proof of teeth: with the secret that the node made for itself it is a token
    let file = node.data_dir().join("token.secret");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert_eq!((me(&secret).await, secret.len()), (200, 64));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(node.log().lines().iter().any(|line| line.contains("JWT_SECRET_KEY is not set")), "it is said");
}

#[tokio::test]
async fn the_secret_outlives_a_restart_and_is_each_directorys_own() {
    let mut node = start(NodeOptions::new());
    let client = member(&node).await;
    node.kill();
    node.restart().unwrap();
    client.get("/api/v1/auth/me").send().await.unwrap().expect(200).unwrap();
    let other = start(NodeOptions::new());
    let stranger = anonymous(&other).with_token(client.token().unwrap());
    stranger.get("/api/v1/auth/me").send().await.unwrap().expect(401).unwrap();
}
