//! Uploads that work, and the refusals that a user meets.

use std::collections::BTreeSet;
use std::time::Duration;

use metastamp_chaos::multipart;
use metastamp_tests::raw::{self, Connection};
use metastamp_tests::{
    AssetInfo, Client, NodeOptions, SharedNode, UploadFile, accepted, anonymous, eventually, media, member, refused,
    start,
};

const MIB: usize = 1 << 20;
/// More than any node should swallow of a body that it refuses.
const SENT_MAX: usize = 200 * MIB;

static NODE: SharedNode = SharedNode::new(NodeOptions::new);
/// Direct below 1 MiB, nothing above 2.
static SMALL: SharedNode =
    SharedNode::new(|| NodeOptions::new().env("DIRECT_UPLOAD_THRESHOLD_MB", 1).env("MAX_UPLOAD_SIZE_MB", 2));

fn bytes_of_text(size: usize) -> UploadFile {
    media::text("size.txt", &"x".repeat(size))
}

#[tokio::test]
async fn every_kind_is_accepted_on_its_route() {
    let node = NODE.get();
    let client = member(&node).await;
    let files = [
        (media::text("note.txt", "a note"), "text/plain"),
        (media::text("read.MD", "# read"), "text/markdown"),
        (media::pdf("paper.pdf", 1, "paper"), "application/pdf"),
        (media::png("a.png", 1), "image/png"),
        (media::jpeg("a.jpg", 1), "image/jpeg"),
        (media::jpeg("a.jpeg", 2), "image/jpeg"),
        (media::webp("a.webp", 1), "image/webp"),
        (media::wav("a.wav"), "audio/wav"),
        (media::mp3("a.mp3"), "audio/mpeg"),
        (media::mp4("a.mp4"), "video/mp4"),
        (media::avi("a.avi"), "video/x-msvideo"),
    ];
    for (file, mime_type) in files {
        let answer = client.upload(&file).await.unwrap();
        let body = answer.expect(201).unwrap().json().unwrap();
        assert_eq!(body["mime_type"], mime_type, "{}", file.name);
        assert_eq!(body["sha256"], file.sha256(), "{}", file.name);
        assert_eq!(body["file_size"], file.size());
        assert_eq!(body["file_type"], file.route.as_str());
        assert_eq!(body["status"], "processing");
        assert_eq!(body["data"]["id"], body["id"]);
        let key = body["s3_key"].as_str().unwrap();
        assert!(key.starts_with(&format!("uploads/{}/", body["user_id"].as_str().unwrap())), "{key}");
    }
}

#[tokio::test]
async fn title_and_description_are_stored() {
    let node = NODE.get();
    let client = member(&node).await;
    let file = media::text("titled.txt", "with a title").field("title", "A title").field("description", "Ünïcode");
    let asset = accepted(&client, &file).await;
    let body = client.asset(&asset.id).await.unwrap().json().unwrap();
    assert_eq!((body["title"].as_str(), body["description"].as_str()), (Some("A title"), Some("Ünïcode")));
    let longest = media::text("t1.txt", "t1").field("title", &"t".repeat(255)).field("description", &"d".repeat(2000));
    accepted(&client, &longest).await;
    for (name, length) in [("title", 256), ("description", 2001)] {
        let file = media::text("t2.txt", name).field(name, &"x".repeat(length));
        let answer = refused(&client, &file, 422, "VALIDATION_ERROR").await;
        assert!(answer.json().unwrap()["errors"][name].is_array(), "{answer}");
    }
}

#[tokio::test]
async fn content_of_the_same_family_is_taken_for_what_it_is() {
    let node = NODE.get();
    let client = member(&node).await;
    let asset = accepted(&client, &media::png("really-a-png.jpg", 3)).await;
    assert_eq!((asset.mime_type.as_str(), asset.file_name.as_str()), ("image/png", "really-a-png.jpg"));
    let asset = accepted(&client, &media::jpeg("x.tar.png", 4)).await;
    assert_eq!((asset.mime_type.as_str(), asset.file_name.as_str()), ("image/jpeg", "x.tar.png"));
}

#[tokio::test]
async fn names_are_made_safe() {
    let node = NODE.get();
    let client = member(&node).await;
    let cases = [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\ann\\My File (1).TXT", "My_File_1.txt"),
        ("a  b..c.txt", "a_b.c.txt"),
        (".hidden.txt", "hidden.txt"),
        ("<>:.txt", "unnamed_file.txt"),
        ("tab\tname.txt", "tabname.txt"),
        ("größe.txt", "größe.txt"),
    ];
    for (sent, stored) in cases {
        let asset = accepted(&client, &media::text(sent, sent)).await;
        assert_eq!(asset.file_name, stored, "{sent:?}");
        assert!(asset.s3_key.ends_with(stored) && !asset.s3_key.contains(".."), "{}", asset.s3_key);
    }
    // a form can't carry most control characters, and may be refused for it
    let answer = client.upload(&media::text("bell\u{7}and\u{1b}escape.txt", "rings")).await.unwrap();
    match answer.status {
        201 => assert_eq!(answer.as_asset().unwrap().file_name, "bellandescape.txt"),
        _ => assert_eq!((answer.status, answer.code().as_str()), (422, "VALIDATION_ERROR"), "{answer}"),
    }
    let asset = accepted(&client, &media::text(&format!("{}.txt", "n".repeat(400)), "long")).await;
    assert!(asset.file_name.chars().count() <= 255 && asset.file_name.ends_with(".txt"), "{}", asset.file_name);
}

#[tokio::test]
async fn the_size_limits_are_exact() {
    let node = SMALL.get();
    let client = member(&node).await;
    accepted(&client, &bytes_of_text(MIB - 1)).await;
    refused(&client, &bytes_of_text(MIB), 400, "USE_PRESIGNED_UPLOAD").await;
    refused(&client, &bytes_of_text(2 * MIB), 400, "USE_PRESIGNED_UPLOAD").await;
    // the form as a whole is above the limit
    refused(&client, &bytes_of_text(4 * MIB), 413, "FILE_TOO_LARGE").await;
    assert_eq!(client.all_assets().await.unwrap().len(), 1);
}

#[tokio::test]
async fn one_byte_above_the_maximum_is_too_large() {
    let node = start(NodeOptions::new().env("DIRECT_UPLOAD_THRESHOLD_MB", 2).env("MAX_UPLOAD_SIZE_MB", 1));
    let client = member(&node).await;
    accepted(&client, &bytes_of_text(MIB)).await;
    refused(&client, &bytes_of_text(MIB + 1), 413, "FILE_TOO_LARGE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_cut_off_while_it_comes() {
    let node = SMALL.get();
    let client = member(&node).await;
    let (head, _) = raw::upload_request(client.token().unwrap(), &bytes_of_text(1));
    let head = String::from_utf8(head).unwrap();
    let lines: Vec<_> = head.lines().filter(|line| !line.starts_with("Content-Length")).collect();
    let head = lines.join("\r\n").trim_end().to_owned() + "\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (_, body) = raw::upload_request("", &bytes_of_text(64 << 10));
    let socket = node.socket().unwrap();
    let (sent, answer) = tokio::task::block_in_place(|| {
        let mut connection = Connection::open(socket);
        connection.send(head.as_bytes()).unwrap();
        let mut chunk = format!("{:x}\r\n", body.len()).into_bytes();
        chunk.extend(&body[..body.len() - 64].to_vec());
        chunk.resize(chunk.len() + 64, b'x');
        chunk.extend(b"\r\n");
        let mut sent = 0;
        // a node may read on for a while, so that the client sees the answer
        while sent < SENT_MAX && connection.send(&chunk).is_ok() {
            sent += chunk.len();
        }
        (sent, connection.read_to_end())
    });
    assert!(sent < SENT_MAX, "the node read {sent} bytes of a body above the limit");
    assert!(matches!(raw::status(&answer), 400 | 413 | 0), "{answer}");
    assert!(node.peak_memory_mib().unwrap() < 200, "the node keeps what it refuses");
    assert_eq!(client.all_assets().await.unwrap().len(), 0);
}

#[tokio::test]
async fn refusals_name_the_reason() {
    let node = NODE.get();
    let client = member(&node).await;
    refused(&client, &media::text("empty.txt", ""), 400, "EMPTY_FILE").await;
    for name in ["run.exe", "run.SH", "archive.zip", "page.php", "lib.so", "x.tar.gz", "..exe"] {
        refused(&client, &media::text(name, "harmless"), 415, "DANGEROUS_FILE_TYPE").await;
    }
    for name in ["sheet.xlsx", "noextension", "song.flac", "trailing."] {
        refused(&client, &media::text(name, "harmless"), 415, "INVALID_FILE_TYPE").await;
    }
    for (route, file) in [("image", media::text("a.txt", "text")), ("text", media::png("a.png", 1))] {
        refused(&client, &UploadFile { route: route.to_owned(), ..file }, 415, "INVALID_FILE_TYPE").await;
    }
    assert_eq!(client.all_assets().await.unwrap(), []);
}

#[tokio::test]
async fn misshapen_forms_are_errors_of_the_request() {
    let node = NODE.get();
    let client = member(&node).await;
    let form = multipart::content_type();
    let only_title = multipart::fields(&[("title", "no file"), ("file", "not a file either")]);
    let cases = [
        (form.as_str(), only_title.to_vec()),
        (form.as_str(), b"no boundary in here".to_vec()),
        (form.as_str(), Vec::new()),
        ("multipart/form-data", b"--x--\r\n".to_vec()),
        ("application/json", b"{}".to_vec()),
        ("text/plain", b"file".to_vec()),
    ];
    for (content_type, body) in cases {
        let answer = client.post("/api/v1/upload/text").body(content_type, body).send().await.unwrap();
        assert!(matches!(answer.status, 400 | 415 | 422), "{content_type}: {answer}");
        if content_type.contains("boundary") && !answer.body.is_empty() {
            assert!(matches!(answer.code().as_str(), "VALIDATION_ERROR" | "UPLOAD_FAILED"), "{answer}");
        }
    }
    let missing = client.post("/api/v1/upload/text").body(&form, only_title).send().await.unwrap();
    assert_eq!((missing.status, missing.code().as_str()), (422, "VALIDATION_ERROR"), "{missing}");
}

#[tokio::test]
async fn what_comes_after_the_file_counts_too() {
    let node = NODE.get();
    let client = member(&node).await;
    let send = |file: &UploadFile, after: bytes::Bytes| {
        let body = multipart::joined(&multipart::form(file), &after);
        client.post("/api/v1/upload/text").body(&multipart::content_type(), body).send()
    };
    let title = multipart::fields(&[("title", "Acknowledged late")]);
    let answer = send(&media::text("late.txt", "late"), title).await.unwrap();
    assert_eq!(answer.expect(201).unwrap().text("/title").unwrap(), "Acknowledged late");
    // refused after the bytes are in: nothing may stay
    let second = multipart::form(&media::text("second.txt", "second"));
    let answer = send(&media::text("first.txt", "first"), second).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (422, "VALIDATION_ERROR"), "{answer}");
    let title = multipart::fields(&[("title", &"t".repeat(256))]);
    let answer = send(&media::text("long.txt", "long"), title).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (422, "VALIDATION_ERROR"), "{answer}");
    let assets = client.all_assets().await.unwrap();
    assert_eq!(assets.iter().map(|asset| asset.file_name.as_str()).collect::<Vec<_>>(), ["late.txt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let node = NODE.get();
    let client = member(&node).await;
    let (head, body) = raw::upload_request(client.token().unwrap(), &media::text("ask.txt", "may I?"));
    let head = String::from_utf8(head)
        .unwrap()
        .replace("Connection: close\r\n", "Connection: close\r\nExpect: 100-continue\r\n");
    let mut connection = Connection::open(node.socket().unwrap());
    connection.send(head.as_bytes()).unwrap();
    assert_eq!(raw::status(&connection.read_some()), 100);
    connection.send(&body).unwrap();
    assert_eq!(raw::status(&connection.read_to_end()), 201);
}

#[tokio::test]
async fn strangers_upload_nothing() {
    let node = NODE.get();
    for route in ["text", "image", "audio", "video"] {
        let file = UploadFile { route: route.to_owned(), ..media::text("a.txt", "a") };
        refused(&anonymous(&node), &file, 401, "MISSING_TOKEN").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_off_upload_leaves_no_asset() {
    let node = NODE.get();
    let client = member(&node).await;
    let file = media::large_png("half.png", 5);
    let (head, body) = raw::upload_request(client.token().unwrap(), &file);
    for share in [0, body.len() / 2, body.len() - 10] {
        tokio::task::block_in_place(|| {
            let mut connection = Connection::open(node.socket().unwrap());
            connection.send(&head).unwrap();
            connection.send(&body[..share]).unwrap();
            connection.close();
        });
    }
    // whole afterwards: it shows that the node is past the halves
    let whole = accepted(&client, &media::text("after.txt", "after")).await;
    let assets = client.all_assets().await.unwrap();
    assert_eq!(assets.iter().map(|asset| &asset.id).collect::<Vec<_>>(), [&whole.id]);
}

/// As the existing web client does it: one chosen file, up to 18 times.
async fn upload_18_times(client: &Client, file: &UploadFile, at_once: bool) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    if at_once {
        let attempts: Vec<_> = (0..18)
            .map(|_| {
                let (client, file) = (client.clone(), file.clone());
                tokio::spawn(async move { accepted(&client, &file).await.id })
            })
            .collect();
        for attempt in attempts {
            ids.insert(attempt.await.unwrap());
        }
    } else {
        for _ in 0..18 {
            ids.insert(accepted(client, file).await.id);
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_upload_18_times_is_one_asset() {
    let node = NODE.get();
    let client = member(&node).await;
    let one = upload_18_times(&client, &media::png("again.png", 6), false).await;
    let other = upload_18_times(&client, &media::png("at-once.png", 7), true).await;
    assert_eq!((one.len(), other.len()), (1, 1), "{one:?} {other:?}");
    let rows: BTreeSet<_> = client.all_assets().await.unwrap().into_iter().map(|asset| asset.id).collect();
    assert_eq!(rows, one.union(&other).cloned().collect());
}

#[tokio::test]
async fn another_name_or_another_user_is_another_asset() {
    let node = NODE.get();
    let (ann, bob) = (member(&node).await, member(&node).await);
    let first = accepted(&ann, &media::text("one.txt", "same words")).await;
    let renamed = accepted(&ann, &media::text("two.txt", "same words")).await;
    let foreign = accepted(&bob, &media::text("one.txt", "same words")).await;
    let ids = BTreeSet::from([first.id, renamed.id, foreign.id]);
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn after_a_deletion_the_same_bytes_are_a_new_asset() {
    let node = NODE.get();
    let client = member(&node).await;
    let file = media::text("back.txt", "back again");
    let first = accepted(&client, &file).await;
    client.delete(&format!("/api/v1/assets/{}", first.id)).send().await.unwrap().expect(200).unwrap();
    let second = accepted(&client, &file).await;
    assert_ne!(first.id, second.id);
    let settled = || async { Ok(client.all_assets().await?.iter().all(AssetInfo::is_settled).then_some(())) };
    eventually("the second settles", Duration::from_secs(30), settled).await.unwrap();
    client.asset(&first.id).await.unwrap().expect(404).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_what_passes_through() {
    let node = start(NodeOptions::new().env("ENABLE_FINGERPRINTING", "false"));
    let client = member(&node).await;
    accepted(&client, &media::text("warm.txt", "warm")).await;
    let before = node.peak_memory_mib().unwrap();
    let uploads: Vec<_> = (0..16u8)
        .map(|i| {
            let file = media::text(&format!("large-{i}.txt"), &char::from(b'a' + i).to_string().repeat(10 * MIB - 1));
            let client = client.clone();
            tokio::spawn(async move { accepted(&client, &file).await })
        })
        .collect();
    for upload in uploads {
        upload.await.unwrap();
    }
    let grown = node.peak_memory_mib().unwrap() - before;
    assert!(grown < 80, "160 MiB at 16 at once took {grown} MiB of memory on top of {before}");
}
