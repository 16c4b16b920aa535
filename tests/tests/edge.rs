//! The HTTP edge: what holds whatever the endpoint.

use std::time::Duration;

use metastamp_tests::raw::{self, Connection};
use metastamp_tests::{
    DONE_WITHIN, NodeOptions, SharedNode, accepted, anonymous, contract, eventually, media, member, unique_email,
};
use reqwest::Method;
use serde_json::json;

const ORIGIN: &str = "http://web.example.test:3000";

static NODE: SharedNode = SharedNode::new(|| NodeOptions::new().env("CORS_ORIGINS", ORIGIN));

#[tokio::test]
async fn unknown_paths_get_the_contracts_body() {
    let node = NODE.get();
    let client = anonymous(&node);
    for path in ["/nothing", "/api/v1/nothing", "/api/v1", "/api/v1/ws", "/health/deeper"] {
        let answer = client.get(path).send().await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (404, "NOT_FOUND"), "{answer}");
        assert_eq!(answer.text("/path").unwrap(), path);
    }
}

#[tokio::test]
async fn wrong_methods_are_405_with_allow() {
    let node = NODE.get();
    let client = member(&node).await;
    let cases = [
        (Method::POST, "/health", "GET"),
        (Method::GET, "/api/v1/auth/login", "POST"),
        (Method::PUT, "/api/v1/assets/507f1f77bcf86cd799439011", "DELETE"),
        (Method::PATCH, "/api/v1/assets", "GET"),
        (Method::GET, "/api/v1/upload/text", "POST"),
    ];
    for (method, path, allowed) in cases {
        let answer = client.call(method, path).send().await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (405, "METHOD_NOT_ALLOWED"), "{answer}");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains(allowed)), "{:?}", answer.headers);
    }
}

#[tokio::test]
async fn a_trailing_slash_and_a_doubled_prefix_are_answered_directly() {
    let node = NODE.get();
    let client = member(&node).await;
    let paths = [
        "/health/",
        "/ready/",
        "/metrics/",
        "/api/v1/health/",
        "/api/v1/auth/me/",
        "/api/v1/assets/",
        "/api/v1/assets/?page=1",
        "/api/v1/api/v1/health",
        "/api/v1/api/v1/auth/me",
        "/api/v1/api/v1/assets/?page=1&limit=12",
    ];
    for path in paths {
        client.get(path).send().await.unwrap().expect(200).unwrap();
    }
    let login = json!({ "email": unique_email(), "password": "wrong-1-wrong" });
    let answer = client.post("/api/v1/api/v1/auth/login/json").json(&login).send().await.unwrap();
    assert_eq!(answer.code(), "INVALID_CREDENTIALS", "{answer}");
    // only /api/v1 paths are doubled
    client.get("/api/v1/ready").send().await.unwrap().expect(404).unwrap();
}

#[tokio::test]
async fn request_ids_are_kept_when_they_are_well_formed() {
    let node = NODE.get();
    let client = anonymous(&node);
    let longest = "x".repeat(128);
    for id in ["abc-1.2_3", longest.as_str()] {
        let answer = client.get("/health").header("x-request-id", id).send().await.unwrap();
        assert_eq!(answer.header("x-request-id"), Some(id));
        let answer = client.get("/nothing").header("x-request-id", id).send().await.unwrap();
        assert_eq!(answer.text("/request_id").unwrap(), id);
    }
    let too_long = "x".repeat(129);
    for id in ["with space", "semi;colon", "<script>", "", too_long.as_str()] {
        let answer = client.get("/health").header("x-request-id", id).send().await.unwrap();
        assert_ne!(answer.header("x-request-id"), Some(id), "{id:?}");
    }
    let one = client.get("/health").send().await.unwrap();
    let two = client.get("/health").send().await.unwrap();
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let node = NODE.get();
    let client = member(&node).await;
    let paths = ["/", "/health", "/ready", "/api/v1/auth/me", "/api/v1/assets", "/nothing", "/api/v1/assets/zz"];
    for path in paths {
        let get = client.get(path).send().await.unwrap();
        let head = client.call(Method::HEAD, path).send().await.unwrap();
        assert_eq!(get.status, head.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(get.header("content-type"), head.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn preflights_are_answered_for_allowed_origins() {
    let node = NODE.get();
    let client = anonymous(&node);
    for path in ["/api/v1/auth/login/json", "/api/v1/upload/image", "/api/v1/assets/507f1f77bcf86cd799439011"] {
        let answer = client
            .call(Method::OPTIONS, path)
            .header("origin", ORIGIN)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization, content-type, cache-control, x-anything")
            .send()
            .await
            .unwrap();
        assert!(matches!(answer.status, 200 | 204), "{answer}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        let methods = answer.header("access-control-allow-methods").unwrap();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            assert!(methods.contains(method), "{methods}");
        }
        let headers = answer.header("access-control-allow-headers").unwrap().to_lowercase();
        for header in ["authorization", "content-type", "cache-control", "x-anything"] {
            assert!(headers == "*" || headers.contains(header), "{headers}");
        }
    }
    let foreign = client
        .call(Method::OPTIONS, "/api/v1/assets")
        .header("origin", "http://evil.example.test")
        .header("access-control-request-method", "GET")
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn cors_headers_are_on_errors_too() {
    let node = NODE.get();
    let client = anonymous(&node);
    let cases = [
        (Method::GET, "/health"),
        (Method::GET, "/api/v1/assets"),
        (Method::GET, "/nothing"),
        (Method::PUT, "/health"),
    ];
    for (method, path) in cases {
        let answer = client.call(method.clone(), path).header("origin", ORIGIN).send().await.unwrap();
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{answer}");
        let exposed = answer.header("access-control-expose-headers").unwrap().to_lowercase();
        assert!(exposed.contains("x-request-id") && exposed.contains("x-process-time"), "{exposed}");
        assert!(answer.header("vary").is_some_and(|vary| vary.to_lowercase().contains("origin")), "no Vary: Origin");
        let foreign = client.call(method, path).header("origin", "http://evil.test").send().await.unwrap();
        assert_eq!(foreign.header("access-control-allow-origin"), None, "{path}");
    }
    let answer = client
        .post("/api/v1/auth/login/json")
        .header("origin", ORIGIN)
        .body("application/json", "{")
        .send()
        .await
        .unwrap();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (422, Some(ORIGIN)));
}

#[tokio::test]
async fn scripts_may_read_what_they_need() {
    let node = NODE.get();
    let answer = anonymous(&node).get("/health").header("origin", ORIGIN).send().await.unwrap();
    let exposed = answer.header("access-control-expose-headers").unwrap();
    let exposed: Vec<_> = exposed.split(", ").collect();
    for name in ["X-Total-Count", "Location", "ETag", "Content-Range", "Content-Disposition", "Retry-After"] {
        assert!(exposed.contains(&name), "{name}: {exposed:?}");
    }
    for (family, names) in [
        ("X-RateLimit-", &["Limit", "Remaining", "Reset"][..]),
        ("Upload-", &["Offset", "Length", "Expires", "Metadata"]),
        ("Tus-", &["Resumable", "Version", "Extension", "Max-Size"]),
    ] {
        for name in names {
            assert!(exposed.contains(&format!("{family}{name}").as_str()), "{family}{name}: {exposed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_is_refused_before_it_is_sent() {
    let node = NODE.get();
    // who is not let in is told so, whatever the length
    let (login, batch) = ("/api/v1/auth/login", "/api/v1/usage/batch");
    let cases = [(login, (64 << 10) + 1, 413, "FILE_TOO_LARGE"), (batch, (1 << 20) + 1, 401, "MISSING_TOKEN")];
    for (path, bytes, status, code) in cases {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\n{expect}Content-Type: application/json\r\n\
                 Content-Length: {bytes}\r\nConnection: close\r\n\r\n"
            );
            let answer = tokio::task::block_in_place(|| {
                let mut connection = Connection::open(node.socket().unwrap());
                connection.send(head.as_bytes()).unwrap();
                // whoever did not ask sends all the same
                if expect.is_empty() {
                    _ = connection.send(&vec![b' '; bytes]);
                }
                connection.read_to_end()
            });
            assert_eq!(raw::status(&answer), status, "{path} {expect}: {answer}");
            assert!(answer.contains(code) && !answer.contains("100 Continue"), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_while_it_is_made() {
    let node = NODE.get();
    let client = member(&node).await;
    let path = "/api/v1/wallet/history.csv";
    let ask = |method: &str, version: &str| {
        let token = client.token().unwrap();
        let request = format!(
            "{method} {path} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let answer = tokio::task::block_in_place(|| raw::exchange(node.socket().unwrap(), request.as_bytes()));
        assert!(answer.starts_with(&format!("HTTP/{version} 200 OK")), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    };
    let (head, body) = ask("GET", "1.1");
    assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
    assert!(body.ends_with("\r\n0\r\n\r\n") && body.contains("transaction_id,created_at,"), "{body}");
    for name in [
        "content-type: text/csv",
        "x-node: ",
        "x-request-id: ",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(head.contains(name), "{name}: {head}");
    }
    let (head, body) = ask("GET", "1.0");
    assert!(!head.contains("transfer-encoding") && body.starts_with("transaction_id,"), "{head} {body}");
    // nobody knows yet how long it will be
    let (head, body) = ask("HEAD", "1.1");
    assert!(head.contains("content-type: text/csv") && !head.contains("content-length") && body.is_empty(), "{head}");
}

#[tokio::test]
async fn options_without_an_origin_says_what_a_path_answers() {
    let node = NODE.get();
    let client = anonymous(&node);
    let answer = client.call(Method::OPTIONS, "/api/v1/auth/login").send().await.unwrap();
    assert_eq!((answer.status, answer.header("allow")), (204, Some("POST, OPTIONS")), "{answer}");
    let answer = client.call(Method::OPTIONS, "/nothing").send().await.unwrap();
    assert_eq!(answer.status, 404, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_on_the_wire_does_not_hurt_the_node() {
    let node = NODE.get();
    let socket = node.socket().unwrap();
    let long_header = format!("GET /health HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(2 << 20));
    let many_headers: String = (0..5_000).map(|i| format!("X-{i}: 1\r\n")).collect();
    let many_headers = format!("GET /health HTTP/1.1\r\nHost: x\r\n{many_headers}\r\n");
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "p".repeat(1 << 20));
    let requests: [&[u8]; 9] = [
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 this is TLS",
        b"rubbish\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: minus\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n",
        long_header.as_bytes(),
        many_headers.as_bytes(),
        long_path.as_bytes(),
    ];
    for request in requests {
        let answer = tokio::task::block_in_place(|| {
            let mut connection = Connection::open(socket);
            _ = connection.send(request);
            connection.finish_sending();
            connection.read_to_end()
        });
        let status = raw::status(&answer);
        assert!(
            status == 0 || (400..500).contains(&status) || status == 505,
            "{}: {answer}",
            &answer[..answer.len().min(80)]
        );
    }
    anonymous(&node).get("/health").send().await.unwrap().expect(200).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_do_not_keep_others_out() {
    let node = NODE.get();
    let silent: Vec<_> = (0..300)
        .map(|i| {
            let mut connection = Connection::open(node.socket().unwrap());
            let head: &[u8] = if i % 2 == 0 { b"" } else { b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nConte" };
            connection.send(head).unwrap();
            connection
        })
        .collect();
    anonymous(&node).get("/health").send().await.unwrap().expect(200).unwrap();
    drop(silent);
}

#[tokio::test]
async fn metrics_name_what_the_alerts_need() {
    let node = NODE.get();
    let client = member(&node).await;
    client.get("/api/v1/assets/507f1f77bcf86cd799439011").send().await.unwrap().expect(404).unwrap();
    let answer = client.get("/metrics").send().await.unwrap();
    let text = String::from_utf8_lossy(&answer.expect(200).unwrap().body).into_owned();
    let counted = |line: &&str| line.starts_with("http_requests_total{") && line.contains("status=\"404\"");
    assert!(text.lines().any(|line| counted(&line)), "{text}");
    assert!(!text.contains("507f1f77bcf86cd799439011"), "a raw path is a label");
    assert!(!text.lines().any(|line| line.starts_with("http_requests_total") && line.contains("\"/metrics\"")));
    for bucket in ["0.5", "1", "2", "5"] {
        let name = format!("le=\"{bucket}\"");
        let found = |line: &str| line.starts_with("http_request_duration_seconds_bucket") && line.contains(&name);
        assert!(text.lines().any(found), "no bucket {bucket}");
    }
}

#[tokio::test]
async fn metrics_name_what_operators_need() {
    let node = NODE.get();
    let client = member(&node).await;
    let asset = accepted(&client, &media::text("measured.txt", "measured")).await;
    client.fingerprint_when_done(&asset.id, DONE_WITHIN).await.unwrap();
    let wanted = [
        "http_requests_in_flight",
        "upload_bytes_total{",
        "fingerprint_jobs{",
        "fingerprint_job_duration_seconds_bucket{",
        "fingerprint_queue_depth",
        "actor_mailbox_depth",
        "store_call_duration_seconds_bucket{",
    ];
    // gauges of the stores are renewed every few seconds
    let all_there = || async {
        let answer = client.get("/metrics").send().await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Ok(wanted.iter().all(|name| text.lines().any(|line| line.starts_with(name))).then_some(()))
    };
    eventually(&format!("all of {wanted:?}"), Duration::from_secs(20), all_there).await.unwrap();
}

#[tokio::test]
async fn the_api_page_is_served_from_here() {
    let node = NODE.get();
    let client = anonymous(&node);
    let page = client.get("/docs").send().await.unwrap();
    let html = String::from_utf8_lossy(&page.expect(200).unwrap().body).into_owned();
    assert!(page.header("content-type").is_some_and(|t| t.starts_with("text/html")));
    for attribute in ["src=", "href="] {
        for (at, _) in html.match_indices(attribute) {
            let target = html[at + attribute.len()..].trim_start_matches(['"', '\'']);
            assert!(
                !target.starts_with("http") && !target.starts_with("//"),
                "foreign: {}",
                &target[..target.len().min(60)]
            );
            let target = target.split(['"', '\'', ' ', '>']).next().unwrap();
            let path = if target.starts_with('/') {
                target.to_owned()
            } else {
                format!("/docs/{}", target.trim_start_matches("./"))
            };
            client.get(&path).send().await.unwrap().expect(200).unwrap();
        }
    }
    client.get("/redoc").send().await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn the_served_document_is_the_projects_own() {
    let node = NODE.get();
    let answer = anonymous(&node).get("/openapi.json").send().await.unwrap();
    let served = answer.expect(200).unwrap().json().unwrap();
    assert_eq!(&served, contract::Contract::get().unwrap().document());
}
