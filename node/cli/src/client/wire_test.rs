//! The client against a socket that plays a node: what really goes over the wire, and what is made of the answers.

use std::path::Path;

use metastamp_setup::progress::Progress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Api, Parcel};

const ASSET: &str = r#"{"id":"507f1f77bcf86cd799439011","file_name":"a.txt","file_type":"text","file_size":11,
    "status":"processing","created_at":"2025-11-26T14:50:00.123Z"}"#;

fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nX-Request-ID: r-1\r\nConnection: close\r\n\r\n{body}")
}

/// Answers one request per item, each on a connection of its own; gives back what was asked. `None` hangs up.
async fn node(answers: Vec<Option<String>>) -> (Api, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) {
                let read = socket.read_buf(&mut request).await.unwrap();
                assert!(read > 0, "the client went away");
            }
            requests.push(String::from_utf8_lossy(&request).into_owned());
            if let Some(answer) = answer {
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        requests
    });
    (Api::new(base, Some("secret".to_owned()), Progress::new(false)).unwrap(), served)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some(head) = text.find("\r\n\r\n") else { return false };
    let length = text[..head].lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    request.len() >= head + 4 + length.unwrap_or(0)
}

#[tokio::test]
async fn an_upload_is_sent_whole_again_after_a_failure() {
    let path = std::env::temp_dir().join(format!("metastamp-{}.txt", metastamp_protocol::ObjectId::generate()));
    std::fs::write(&path, "hello there").unwrap();
    let stored = http("201 Created", &format!(r#"{{"message":"ok","data":{ASSET}}}"#));
    let (api, served) = node(vec![Some(http("503 Service Unavailable", "{}")), Some(stored)]).await;
    let parcel = Parcel { title: Some("Greeting".to_owned()), ..Parcel::of_file(&path) };
    let answer = api.send(&parcel).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(answer.unwrap().asset.id, "507f1f77bcf86cd799439011");
    let requests = served.await.unwrap();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert!(request.starts_with("POST /api/v1/upload/text HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains("authorization: bearer secret\r\n"), "{request}");
        let name = path.file_name().unwrap().to_string_lossy();
        for piece in ["name=\"title\"\r\n\r\nGreeting\r\n", &format!("filename=\"{name}\""), "\r\n\r\nhello there\r\n"]
        {
            assert!(request.contains(piece), "{piece:?} in {request}");
        }
    }
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let (api, served) = node(vec![None, Some(http("200 OK", r#"{"assets":[],"total":0}"#))]).await;
    assert_eq!(api.asset_page(&[("page", "1".to_owned())]).await.unwrap().total, 0);
    assert!(served.await.unwrap()[1].starts_with("GET /api/v1/assets?page=1 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_refusal_is_final_and_shown_as_the_node_said_it() {
    let body = r#"{"error":{"code":"INVALID_FILE_TYPE","message":"not a picture"}}"#;
    let (api, served) = node(vec![Some(http("415 Unsupported Media Type", body))]).await;
    let parcel = Parcel { payload: super::Payload::Memory("x".into()), ..Parcel::of_file(Path::new("a.png")) };
    let error = api.send(&parcel).await.err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("INVALID_FILE_TYPE: not a picture (request id r-1)"));
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let moved = "HTTP/1.1 301 Moved\r\nLocation: http://other/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (api, _served) = node(vec![Some(moved.to_owned())]).await;
    let error = api.get("/api/v1/assets", &[]).await.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("http://other/"), "{error}");
}
