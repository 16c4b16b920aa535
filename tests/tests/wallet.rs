//! Balance, history, files and statements; what administrators book.

use metastamp_protocol::Timestamp;
use metastamp_protocol::ledger::Row;
use metastamp_tests::money::{administrator, balance, book, key, post, read, user_id};
use metastamp_tests::{Client, NodeOptions, SharedNode, anonymous, member};
use serde_json::{Value, json};

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

const UNKNOWN: &str = "507f1f77bcf86cd799439011";

/// A client with a known past, oldest first: bonus 10.10, refund 0.20, adjustment -0.30, bonus 5 yen.
async fn with_past(admin: &Client, node: &metastamp_tests::NodeProcess) -> Client {
    let client = member(node).await;
    for (kind, amount, currency, reason) in [
        ("bonuses", "10.10", "USD", "=SUM(A1:A9)"),
        ("refunds", "0.2", "USD", "paid \"twice\", sorry"),
        ("adjustments", "-0.30", "USD", "-correction"),
        ("bonuses", "5", "JPY", "welcome"),
    ] {
        book(admin, kind, &client, amount, currency, reason).await;
    }
    client
}

fn types(body: &Value) -> Vec<&str> {
    body["transactions"].as_array().unwrap().iter().map(|row| row["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_new_wallet_is_empty_and_nobody_elses() {
    let node = NODE.get();
    let client = member(&node).await;
    let body = read(&client, "balance").await;
    assert_eq!(body["user_id"], user_id(&client).await);
    for name in ["balance", "available", "held", "pending_earnings", "total_earned", "total_paid_out"] {
        assert_eq!(body[name], 0.0, "{name}: {body}");
    }
    assert_eq!((&body["currency"], &body["data"]["last_payout"]), (&json!("USD"), &Value::Null));
    assert_eq!(read(&client, "balance?currency=eur").await["currency"], "EUR");
    let history = read(&client, "history?page=1&pageSize=50").await;
    assert_eq!((&history["transactions"], &history["total"]), (&json!([]), &json!(0)));
    let statement = read(&client, "statement").await;
    assert_eq!((&statement["entries"], &statement["head"]["hash"]), (&json!([]), &json!(Row::GENESIS)));
    let paths = ["balance", "history", "history.csv", "statement", "payouts"];
    for path in paths {
        let path = format!("/api/v1/wallet/{path}");
        anonymous(&node).get(&path).send().await.unwrap().expect(401).unwrap();
    }
}

#[tokio::test]
async fn amounts_are_exact_and_currencies_stay_apart() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = with_past(&admin, &node).await;
    assert_eq!(balance(&client, "USD").await, ["10.0", "10.0", "0.0", "0.0"]);
    assert_eq!(balance(&client, "JPY").await, ["5.0", "5.0", "0.0", "0.0"]);
    assert_eq!(balance(&client, "CHF").await, ["0.0"; 4]);
    for _ in 0..3 {
        book(&admin, "bonuses", &client, "0.1", "CHF", "a tenth").await;
    }
    assert_eq!(balance(&client, "CHF").await[0], "0.3");
    book(&admin, "bonuses", &client, "9999999999999.99", "GBP", "the most there is").await;
    assert_eq!(balance(&client, "GBP").await[0], "9999999999999.99");
    let all = read(&client, "balance").await["balances"].take();
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["CHF", "GBP", "JPY", "USD"]);
}

#[tokio::test]
async fn a_history_filters_and_pages_under_every_name() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let first_day = Timestamp::now().day();
    let client = with_past(&admin, &node).await;
    let last_day = Timestamp::now().day();
    let newest_first = ["bonus", "adjustment", "refund", "bonus"];
    let whole_day = format!("startDate={first_day}&endDate={last_day}");
    let snake_day = format!("start_date={first_day}&end_date={last_day}");
    let cases: Vec<(&str, &[&str])> = vec![
        ("", &newest_first),
        ("type=all&status=all&unknown=ignored", &newest_first),
        ("type=&status=", &newest_first),
        ("type=bonus", &["bonus", "bonus"]),
        ("transaction_type=refund", &["refund"]),
        ("type=earning", &[]),
        ("status=completed", &newest_first),
        ("status=pending", &[]),
        ("currency=JPY", &["bonus"]),
        (&whole_day, &newest_first),
        (&snake_day, &newest_first),
        ("endDate=2020-01-01", &[]),
        ("startDate=2020-01-01T00:00:00Z&type=adjustment", &["adjustment"]),
    ];
    for (query, expected) in cases {
        let body = read(&client, &format!("history?{query}")).await;
        assert_eq!(types(&body), expected, "{query}");
        assert_eq!(body["total"], expected.len(), "{query}");
        assert_eq!(body["transactions"], body["data"]["transactions"], "{query}");
    }
    for query in
        ["page=2&pageSize=3", "page=2&page_size=3", "page=2&limit=3", "skip=3&limit=3", "page=2&skip=0&limit=3"]
    {
        let body = read(&client, &format!("history?{query}")).await;
        assert_eq!(types(&body), ["bonus"], "{query}");
        assert_eq!(
            (&body["page"], &body["pageSize"], &body["totalPages"], &body["hasNextPage"], &body["hasPreviousPage"]),
            (&json!(2), &json!(3), &json!(2), &json!(false), &json!(true)),
            "{query}"
        );
    }
    let rows = read(&client, "history?currency=USD").await;
    let amounts: Vec<_> =
        rows["transactions"].as_array().unwrap().iter().map(|row| row["amount"].to_string()).collect();
    assert_eq!(amounts, ["-0.3", "0.2", "10.1"]);
    let summary = &rows["data"]["summary"];
    assert_eq!((&summary["total_adjustments"], &summary["total_earnings"]), (&json!(10.0), &json!(0.0)));
    let both = read(&client, "history").await["data"]["summary"].take();
    assert_eq!(both["by_currency"]["JPY"]["total_adjustments"], 5.0, "{both}");
}

#[tokio::test]
async fn wrong_values_are_named() {
    let node = NODE.get();
    let client = member(&node).await;
    for (query, field) in [
        ("history?page=0", "page"),
        ("history?pageSize=101", "pageSize"),
        ("history?page_size=x", "page_size"),
        ("history?limit=0", "limit"),
        ("history?skip=-1", "skip"),
        ("history?type=pull", "type"),
        ("history?transaction_type=deposit", "transaction_type"),
        ("history?status=done", "status"),
        ("history?startDate=yesterday", "startDate"),
        ("history?end_date=2025-02-30", "end_date"),
        ("history?startDate=2025-02-02&endDate=2025-02-01", "endDate"),
        ("history?format=xlsx", "format"),
        ("history.csv?currency=BTC", "currency"),
        ("balance?currency=dollar", "currency"),
        ("statement?limit=1001", "limit"),
        ("statement?after=-1", "after"),
        ("statement?from=2025-02-02&to=2025-02-01", "to"),
        ("statement?from=2999-01-01", "from"),
        ("payouts?status=paid", "status"),
        ("payouts?all=perhaps", "all"),
    ] {
        let answer = client.get(&format!("/api/v1/wallet/{query}")).send().await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (422, "VALIDATION_ERROR"), "{answer}");
        assert!(answer.json().unwrap()["errors"][field].is_array(), "{query}: {answer}");
    }
}

#[tokio::test]
async fn a_history_is_a_file_that_spreadsheets_do_not_run() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = with_past(&admin, &node).await;
    for path in ["/api/v1/wallet/history.csv", "/api/v1/wallet/history?format=csv&page=7&pageSize=1"] {
        let answer = client.get(path).send().await.unwrap();
        answer.expect(200).unwrap();
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
        assert!(answer.header("content-disposition").unwrap().starts_with("attachment; filename=\"metastamp-history-"));
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let lines: Vec<_> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(lines[0].starts_with("transaction_id,created_at,type,status,amount,currency,description,"), "{text}");
        assert!(lines[1].contains(",bonus,completed,5,JPY,welcome,"), "{text}");
        assert!(lines[2].contains(",adjustment,completed,-0.30,USD,'-correction,"), "{text}");
        assert!(lines[3].contains(",refund,completed,0.20,USD,\"paid \"\"twice\"\", sorry\","), "{text}");
        assert!(lines[4].contains(",bonus,completed,10.10,USD,'=SUM(A1:A9),"), "{text}");
    }
    let filtered = client.get("/api/v1/wallet/history.csv?type=refund").send().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&filtered.body).matches("\r\n").count(), 2);
}

#[tokio::test]
async fn a_statement_adds_up_and_is_chained() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = with_past(&admin, &node).await;
    let whole = read(&client, "statement").await;
    let entries = whole["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 4);
    assert_eq!(whole["opening"]["seq"], 0);
    let mut previous = Row::GENESIS;
    for (entry, seq) in entries.iter().zip(1..) {
        assert_eq!((entry["seq"].as_u64(), entry["previous"].as_str()), (Some(seq), Some(previous)));
        previous = entry["hash"].as_str().unwrap();
    }
    assert_eq!((&whole["head"]["hash"], &whole["closing"]["hash"]), (&json!(previous), &json!(previous)));
    let cents = |number: &Value| (number.as_f64().unwrap() * 100.0).round() as i64;
    let of_dollars = entries.iter().filter(|entry| entry["currency"] == "USD");
    let sum: i64 = of_dollars.map(|entry| cents(&entry["amount"])).sum();
    assert_eq!((sum, cents(&whole["closing"]["balances"]["USD"]["balance"])), (1_000, 1_000));
    // the same in pages
    let (from, to) = (whole["from"].as_str().unwrap(), whole["to"].as_str().unwrap());
    let (mut after, mut paged) = (0, Vec::new());
    loop {
        let page = read(&client, &format!("statement?from={from}&to={to}&limit=3&after={after}")).await;
        assert_eq!((&page["opening"], &page["closing"]), (&whole["opening"], &whole["closing"]));
        paged.extend(page["entries"].as_array().unwrap().clone());
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(&paged, entries);
    let yen = read(&client, "statement?currency=JPY").await;
    assert_eq!(yen["entries"].as_array().unwrap().len(), 1);
    let past = read(&client, "statement?from=2020-01-01&to=2020-01-31").await;
    assert_eq!((&past["entries"], &past["closing"]["seq"]), (&json!([]), &json!(0)));
    assert_eq!(past["head"]["hash"], previous);
    let file = client.get("/api/v1/wallet/statement?format=csv").send().await.unwrap();
    let text = String::from_utf8(file.expect(200).unwrap().body.to_vec()).unwrap();
    assert_eq!(text.matches("\r\n").count(), 5, "{text}");
    assert!(text.contains(previous) && text.contains(",-0.30,"), "{text}");
}

#[tokio::test]
async fn only_administrators_book_and_only_what_makes_sense() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = member(&node).await;
    let id = user_id(&client).await;
    let good = json!({ "user_id": id, "amount": "1.00", "reason": "thanks" });
    for kind in ["bonuses", "refunds", "adjustments"] {
        let path = format!("/api/v1/wallet/{kind}");
        let refused = post(&client, &path, &key(), &good).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "FORBIDDEN"), "{refused}");
        let stranger = json!({ "user_id": UNKNOWN, "amount": 1, "reason": "who" });
        post(&admin, &path, &key(), &stranger).await.expect(404).unwrap();
        let keyless = admin.post(&path).json(&good).send().await.unwrap();
        assert!(keyless.expect(422).unwrap().json().unwrap()["errors"]["Idempotency-Key"].is_array(), "{keyless}");
        for amount in [r#""NaN""#, "1e400", "0.001", "123456789012345678901234567890", "0", "true", r#""1,000""#] {
            let body = format!(r#"{{"user_id":"{id}","amount":{amount},"reason":"x"}}"#);
            let call = admin.post(&path).header("Idempotency-Key", &key()).body("application/json", body);
            let answer = call.send().await.unwrap();
            assert!(answer.expect(422).unwrap().json().unwrap()["errors"]["amount"].is_array(), "{answer}");
        }
    }
    for kind in ["bonuses", "refunds"] {
        let down = json!({ "user_id": id, "amount": -1, "reason": "no" });
        post(&admin, &format!("/api/v1/wallet/{kind}"), &key(), &down).await.expect(422).unwrap();
    }
    let too_far = json!({ "user_id": id, "amount": -0.01, "reason": "below zero" });
    let answer = post(&admin, "/api/v1/wallet/adjustments", &key(), &too_far).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "INSUFFICIENT_FUNDS"), "{answer}");
    assert_eq!(answer.json().unwrap()["error"]["details"]["available"], 0.0);
    assert_eq!(read(&client, "history").await["total"], 0);
    assert_eq!(balance(&client, "USD").await, ["0.0"; 4]);
}

#[tokio::test]
async fn a_key_is_one_transaction() {
    let node = NODE.get();
    let admin = administrator(&node).await;
    let client = member(&node).await;
    let key = key();
    let body = json!({ "user_id": user_id(&client).await, "amount": "7.07", "reason": "once" });
    let first = post(&admin, "/api/v1/wallet/bonuses", &key, &body).await.expect(201).unwrap().json().unwrap();
    let again = post(&admin, "/api/v1/wallet/bonuses", &key, &body).await.expect(200).unwrap().json().unwrap();
    assert_eq!((&first["id"], &again["repeated"]), (&again["id"], &json!(true)));
    let other = json!({ "user_id": user_id(&client).await, "amount": "7.08", "reason": "once" });
    let refused = post(&admin, "/api/v1/wallet/bonuses", &key, &other).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "IDEMPOTENCY_KEY_REUSED"), "{refused}");
    assert_eq!(balance(&client, "USD").await[0], "7.07");
}
