use super::*;
use crate::ledger::{LedgerAnswer, Order, OrderKind, Outcome, Refusal, Row};
use crate::{Amount, Currency};

fn node(id: &str) -> NodeRef {
    NodeRef { node_id: id.into(), generation: 7 }
}

fn request(ask: Ask) -> Request {
    Request { version: VERSION_MAX, from: node("a"), key: 5, within_ms: 900, hop: 1, fallback: true, ask }
}

fn payout() -> Order {
    let wallet_id = ObjectId::generate();
    let (amount, currency) = (Amount::from_minor(1_050).unwrap(), Currency::Jpy);
    let metadata = [("destination".to_owned(), "bank \"1\"".to_owned())].into();
    let kind = OrderKind::Payout { amount, currency, description: "Out".into(), metadata };
    Order { wallet_id, key: "payout/1".into(), asked_by: wallet_id, kind }
}

fn asks() -> Vec<Ask> {
    let id = ObjectId::generate();
    let new = NewUpload {
        id,
        user_id: ObjectId::generate(),
        file_name: "a.txt".into(),
        original_file_name: Some("á (1).txt".into()),
        kind: FileKind::Text,
        receiver: node("edge"),
    };
    let received = Received {
        size: 3,
        sha256: "ab".into(),
        digests: Some(MoreDigests {
            blake3: "cd".into(),
            iscc_data: "ISCC:GAA".into(),
            iscc_instance: "ISCC:IAA".into(),
        }),
        mime_type: "text/plain".into(),
        title: Some(String::new()),
        description: None,
    };
    vec![
        Ask::Ping,
        Ask::Command(Command::BeginUpload(new)),
        Ask::Command(Command::RenewUpload(id)),
        Ask::Command(Command::CompleteUpload(id, Box::new(received))),
        Ask::Command(Command::AbortUpload(id)),
        Ask::Command(Command::Order(Box::new(payout()))),
        Ask::Command(Command::Order(Box::new(Order {
            kind: OrderKind::Resolve {
                transaction_id: id,
                outcome: Outcome::Failed,
                reason: "no such account".into(),
                reference: Some("bank 7".into()),
            },
            ..payout()
        }))),
        Ask::Notice(Notice::JobsWaiting),
        Ask::Notice(Notice::JobCancelled(id)),
        Ask::Notice(Notice::Leaving),
        Ask::Notice(Notice::Drain { on: true }),
    ]
}

#[test]
fn requests_survive_the_wire() {
    for ask in asks() {
        let sent = request(ask);
        assert_eq!(Request::decode(&sent.encode().unwrap(), VERSION_MAX).unwrap(), sent);
    }
}

#[test]
fn replies_survive_the_wire() {
    let failures = [
        Failure::NotOwner(Some(node("b"))),
        Failure::NotOwner(None),
        Failure::Busy,
        Failure::Expired,
        Failure::Unsupported,
        Failure::Timeout,
        Failure::Stopped,
        Failure::Refused("why".into()),
        Failure::Fenced("job".into()),
        Failure::NotFound("asset".into()),
        Failure::Unavailable("away".into()),
        Failure::NewerVersion("row 7".into()),
        Failure::Internal("odd".into()),
    ];
    let answers = [
        Answer::Done,
        Answer::Ticket { s3_key: "k".into() },
        Answer::Stored { asset_id: ObjectId::generate(), repeat: true, asset: None },
        Answer::Ledger(Box::new(LedgerAnswer::Refused(Refusal::InFlight))),
        Answer::Ledger(Box::new(LedgerAnswer::Refused(Refusal::Insufficient {
            available: Amount::from_minor(-7).unwrap(),
        }))),
    ];
    for result in answers.into_iter().map(Ok).chain(failures.into_iter().map(Err)) {
        let sent = Reply { version: VERSION_MAX, from: node("b"), result };
        assert_eq!(Reply::decode(&sent.encode().unwrap()).unwrap(), sent);
    }
}

#[test]
fn members_without_a_word_for_newer_versions_come_back_later() {
    let sent = Reply { version: 3, from: node("b"), result: Err(Failure::NewerVersion("row 7".into())) };
    let read = Reply::decode(&sent.encode().unwrap()).unwrap();
    assert_eq!(read.result, Err(Failure::Unavailable("row 7".into())));
}

#[test]
fn rows_are_of_the_version_that_all_members_read() {
    assert_eq!((VERSION_MIN..=VERSION_MAX).map(row_version).collect::<Vec<_>>(), [1, 1, 1, Row::VERSION]);
}

#[test]
fn a_reader_of_the_previous_version_says_what_it_does_not_speak() {
    let sent = request(Ask::Ping).encode().unwrap();
    assert_eq!(Request::decode(&sent, VERSION_MAX - 1), Err(WireError::Version(VERSION_MAX)));
}

#[test]
fn what_is_from_the_future_or_too_large_is_told_apart_from_garbage() {
    // A body with a number nobody knows yet, inside a sound envelope.
    let mut future = pb::Request { version: 2, key: vec![0; 16], ..Default::default() }.encode_to_vec();
    future.extend([0xf2, 0x07, 0x00]);
    assert_eq!(Request::decode(&future, 2), Err(WireError::Unknown));
    assert!(matches!(Request::decode(b"\xff\xff\xff", 2), Err(WireError::Malformed(_))));
    assert!(matches!(Request::decode(&vec![0; MESSAGE_BYTES_MAX + 1], 2), Err(WireError::TooLarge(_))));
    let mut long = request(Ask::Ping);
    long.from.node_id = "x".repeat(MESSAGE_BYTES_MAX);
    assert!(matches!(long.encode(), Err(WireError::TooLarge(_))));
}
