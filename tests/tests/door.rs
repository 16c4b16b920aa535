//! What comes in at the door in other forms than browsers send: names, parts, encodings, formats.

use metastamp_tests::raw::{self, Connection};
use metastamp_tests::{Client, NodeOptions, SharedNode, member};
use serde_json::Value;

static NODE: SharedNode = SharedNode::new(|| NodeOptions::new().env("DIRECT_UPLOAD_THRESHOLD_MB", 1));

/// Sends a form with one part, whose header lines and bytes are given; the answer's status and body.
fn sent(client: &Client, route: &str, headers: &[&[u8]], bytes: &[u8], more: &str) -> (u16, Value) {
    let mut body = b"--b\r\n".to_vec();
    for line in headers {
        body.extend_from_slice(line);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(&[b"\r\n", bytes, b"\r\n--b--\r\n"].concat());
    let head = format!(
        "POST /api/v1/upload/{route} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{more}\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        client.token().unwrap(),
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    let answer = tokio::task::block_in_place(|| raw::exchange(NODE.get().socket().unwrap(), &request));
    let (_, json) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (raw::status(&answer), serde_json::from_str(json).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_arrive_as_clients_write_them() {
    let node = NODE.get();
    let client = member(&node).await;
    for (disposition, safe, shown) in [
        (
            &b"filename=\"Ka\xcc\x88se fu\xcc\x88r Zoe\xcc\x88.txt\""[..],
            "Käse_für_Zoë.txt",
            "Ka\u{308}se fu\u{308}r Zoe\u{308}.txt",
        ),
        ("filename=\"हिन्दी में.txt\"".as_bytes(), "हिन्दी_में.txt", "हिन्दी में.txt"),
        (b"filename*=UTF-8''K%C3%A4se%20(1).txt", "Käse_1.txt", "Käse (1).txt"),
        (b"filename=\"x.txt\"; filename*=UTF-8''K%C3%A4se.txt", "Käse.txt", "Käse.txt"),
        (b"filename*=UTF-8''K%C3%A4se.txt; filename=\"x.txt\"", "Käse.txt", "Käse.txt"),
        (b"filename=\"=?UTF-8?B?S8Okc2UudHh0?=\"", "Käse.txt", "Käse.txt"),
        (b"filename=\"K\xe4se.txt\"", "Käse.txt", "Käse.txt"),
        (br#"filename="say \"hi\".txt""#, "say_hi.txt", "say \"hi\".txt"),
        ("filename=\"a\u{202e}b.txt\"".as_bytes(), "ab.txt", "ab.txt"),
    ] {
        let header = [b"Content-Disposition: form-data; name=\"file\"; ", disposition].concat();
        let (status, body) = sent(&client, "text", &[&header], b"a text", "");
        assert_eq!(status, 201, "{shown}: {body}");
        assert_eq!((&body["file_name"], &body["original_file_name"]), (&safe.into(), &shown.into()), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_in_base64_are_decoded_and_other_encodings_refused() {
    let node = NODE.get();
    let client = member(&node).await;
    let name: &[u8] = b"Content-Disposition: form-data; name=\"file\"; filename=\"hello.txt\"";
    let encoded: &[u8] = b"SGVsbG8s\r\nIHdvcmxkIQ==";
    let (status, body) = sent(&client, "text", &[name, b"Content-Transfer-Encoding: base64"], encoded, "");
    assert_eq!((status, body["file_size"].as_u64()), (201, Some(13)), "{body}");
    assert_eq!(body["sha256"], "315f5bdb76d078c43b8ac0064e4a0164612b1fce77c869345bfc94c75894edd3");
    let (status, body) = sent(&client, "text", &[name, b"Content-Transfer-Encoding: base64"], b"no base64!", "");
    assert_eq!(status, 422, "{body}");
    let (status, body) = sent(&client, "text", &[name, b"Content-Transfer-Encoding: quoted-printable"], b"a=20b", "");
    assert_eq!(status, 422, "{body}");
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let (status, body) = sent(&client, "text", &[name], b"a", &format!("Content-Encoding: {encoding}\r\n"));
        assert_eq!(status, 415, "{encoding}: {body}");
    }
    assert_eq!(sent(&client, "text", &[name], b"another", "Content-Encoding: identity\r\n").0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_let_in_and_what_is_not_is_named() {
    let node = NODE.get();
    let client = member(&node).await;
    let upload = |route: &str, name: &str, bytes: &[u8]| {
        let header = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
        sent(&client, route, &[header.as_bytes()], bytes, "")
    };
    let shift_jis = b"\x8c\xe1\x94y\x82\xcd\x94L\x82\xc5\x82\xa0\x82\xe9\x81B\x96\xbc\x91O\x82\xcd\x82\xdc\x82\xbe\x96\xb3\x82\xa2\x81B";
    assert_eq!(upload("text", "neko.txt", shift_jis).0, 201);
    let wide: Vec<u8> = "Все люди рождаются".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(upload("text", "wide.txt", &wide).0, 201);
    for (route, name, bytes, what) in [
        ("video", "a.mp4", &b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
        ("image", "a.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ("image", "a.png", b"GIF89a\x01\0\x01\0", "GIF"),
        ("audio", "a.mp3", b"MThd\0\0\0\x06\0\x01", "MIDI"),
    ] {
        let (status, body) = upload(route, name, bytes);
        let message = body["message"].as_str().unwrap_or_default();
        assert!(status == 415 && message.contains(what), "{name}: {status} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_before_sending_too_much_is_told_before_sending() {
    let node = NODE.get();
    let client = member(&node).await;
    let bearer = format!("Authorization: Bearer {}\r\n", client.token().unwrap());
    for (bearer, length, status) in
        [(bearer.as_str(), 2 << 20, 400), (bearer.as_str(), 600 << 20, 413), ("", 600 << 20, 401)]
    {
        let head = format!(
            "POST /api/v1/upload/text HTTP/1.1\r\nHost: x\r\n{bearer}Expect: 100-continue\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let answer = tokio::task::block_in_place(|| {
            let mut connection = Connection::open(node.socket().unwrap());
            connection.send(head.as_bytes()).unwrap();
            connection.read_to_end()
        });
        assert_eq!(raw::status(&answer), status, "{answer}");
        assert!(!answer.contains("100 Continue"), "{answer}");
    }
}
