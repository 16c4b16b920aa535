//! What is no money is refused on every route that takes some, in the contract's shape, and moves nothing.

use std::sync::Arc;

use metastamp_tests::money::{audit_is_clean, balance, book, key, post, user_id};
use metastamp_tests::partners::{Partner, USAGE, creator, report};
use metastamp_tests::{Client, NodeOptions, NodeProcess, SharedNode};
use reqwest::Method;
use serde_json::{Value, json};

const UNKNOWN: &str = "507f1f77bcf86cd799439011";
const BATCH: &str = "/api/v1/usage/batch";
const PREDICT: &str = "/api/v1/analytics/predict";

/// JSON that is no amount of any route.
const NO_AMOUNTS: [&str; 16] = [
    r#""NaN""#,
    r#""Infinity""#,
    r#""-inf""#,
    "1e400",
    r#""1e400""#,
    "-1e400",
    "123456789012345678901234567890",
    r#""0123456789012345678901234567.89""#,
    "true",
    "null",
    r#""""#,
    r#"" ""#,
    r#""1,000""#,
    r#""0x10""#,
    r#"{"amount":1}"#,
    "[1]",
];
/// Not even JSON.
const NO_JSON: [&str; 4] = ["NaN", "Infinity", "-Infinity", "01"];

static NODE: SharedNode = SharedNode::new(NodeOptions::new);

/// Where a route wants its amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Member(&'static str),
    /// The same, of an event of a batch.
    OfEvent(&'static str),
    /// As the limit in dollars.
    Limit,
}

/// One way to send money, with a body that is taken.
struct Route {
    client: Client,
    method: Method,
    path: String,
    body: Value,
    place: Place,
}

/// What was answered to a request, or for the one event in it.
struct Said {
    status: u64,
    code: String,
    errors: Value,
    text: String,
}

impl Route {
    fn new(client: &Client, path: impl Into<String>, body: Value, place: Place) -> Self {
        Self { client: client.clone(), method: Method::POST, path: path.into(), body, place }
    }

    fn is(&self, path: &str) -> bool {
        self.path == path
    }

    /// The good body with one member in other words.
    fn with(&self, member: &str, json: &str) -> String {
        let mut body = self.body.clone();
        body.as_object_mut().unwrap().remove(member);
        let rest = body.to_string();
        let rest = rest.trim_end_matches('}').to_owned() + if rest == "{}" { "" } else { "," };
        format!("{rest}{member:?}:{json}}}")
    }

    fn with_amount(&self, json: &str) -> String {
        match self.place {
            Place::Member(name) | Place::OfEvent(name) => self.with(name, json),
            Place::Limit => self.with("credit_limits", &format!(r#"{{"USD":{json}}}"#)),
        }
    }

    fn field(&self) -> &'static str {
        match self.place {
            Place::Member(name) | Place::OfEvent(name) => name,
            Place::Limit => "credit_limits",
        }
    }

    async fn send(&self, json: &str) -> Said {
        let is_event = matches!(self.place, Place::OfEvent(_));
        let body = if is_event { format!(r#"{{"events":[{json}]}}"#) } else { json.to_owned() };
        let call = self.client.call(self.method.clone(), &self.path).header("Idempotency-Key", &key());
        let answer = call.body("application/json", body).send().await.unwrap();
        let whole = answer.json().unwrap();
        let said = if is_event && answer.status == 200 { &whole["results"][0] } else { &whole };
        let error = &said["error"];
        let errors = if said["errors"].is_object() { &said["errors"] } else { &error["errors"] };
        Said {
            status: said["status_code"].as_u64().unwrap_or(u64::from(answer.status)),
            code: error["code"].as_str().unwrap_or_default().to_owned(),
            errors: errors.clone(),
            text: format!("{json}: {answer}"),
        }
    }

    async fn refuses(&self, json: &str, field: &str) {
        let said = self.send(json).await;
        assert_eq!((said.status, said.code.as_str()), (422, "VALIDATION_ERROR"), "{}", said.text);
        assert!(said.errors[field].is_array(), "{field} is not named: {}", said.text);
    }
}

/// A creator with money and a work, and a partner with money.
struct Stage {
    node: Arc<NodeProcess>,
    creator: Client,
    asset: String,
    partner: Partner,
}

impl Stage {
    async fn set() -> Self {
        let node = NODE.get();
        let partner = Partner::with(&node, "100").await;
        let (creator, asset) = creator(&node).await;
        book(&partner.admin, "bonuses", &creator, "50.00", "USD", "to begin with").await;
        Self { node, creator, asset, partner }
    }

    async fn routes(&self) -> Vec<Route> {
        let Self { creator, partner, .. } = self;
        let (admin, amount) = (&partner.admin, Place::Member("amount"));
        let (report, earnings) = (report(&self.asset, "100"), Place::Member("model_earnings"));
        let mut event = report.clone();
        event["idempotency_key"] = json!(key());
        let booking = json!({ "user_id": user_id(creator).await, "amount": "20.00", "reason": "thanks" });
        let terms = json!({ "model_earnings": 1, "training_contribution_score": 75, "usage_exposure_score": 80 });
        let deposit = json!({ "amount": "20.00", "description": "bank transfer" });
        let mut routes = vec![
            Route::new(&partner.client, USAGE, report, earnings),
            Route::new(&partner.client, BATCH, event, Place::OfEvent("model_earnings")),
            Route::new(creator, "/api/v1/wallet/payouts", json!({ "amount": "20.00" }), amount),
            Route::new(admin, partner.path() + "/deposits", deposit, amount),
            Route { method: Method::PATCH, ..Route::new(admin, partner.path(), json!({}), Place::Limit) },
            Route::new(admin, "/api/v1/partners", json!({ "name": key() }), Place::Limit),
            Route::new(creator, PREDICT, terms.clone(), earnings),
            Route::new(creator, "/api/v1/analytics/project", terms, earnings),
        ];
        let books = ["bonuses", "refunds", "adjustments"].map(|kind| format!("/api/v1/wallet/{kind}"));
        routes.extend(books.map(|path| Route::new(admin, path, booking.clone(), amount)));
        routes
    }

    /// Those that are done once for each key.
    async fn keyed(&self) -> Vec<Route> {
        let routes = self.routes().await.into_iter();
        routes.filter(|r| r.place != Place::Limit && !r.path.contains("/analytics/") && !r.is(BATCH)).collect()
    }

    /// Nothing was moved, and all adds up.
    async fn is_as_it_was(&self) {
        assert_eq!(self.partner.money().await, ["100.0", "0.0", "100.0", "0.0"]);
        assert_eq!(balance(&self.creator, "USD").await, ["50.0", "50.0", "0.0", "0.0"]);
        audit_is_clean(&self.node);
    }
}

#[tokio::test]
async fn what_is_no_amount_is_refused_by_every_route() {
    let stage = Stage::set().await;
    for route in stage.routes().await {
        let field = route.field();
        for amount in NO_AMOUNTS {
            route.refuses(&route.with_amount(amount), field).await;
        }
        for amount in NO_JSON {
            route.refuses(&route.with_amount(amount), "body").await;
        }
        if !route.path.ends_with("/adjustments") {
            route.refuses(&route.with_amount("-1"), field).await;
            route.refuses(&route.with_amount(r#""-0.01""#), field).await;
        }
        // what is only calculated is rounded at its end
        if !route.path.contains("/analytics/") {
            route.refuses(&route.with_amount("20.001"), field).await;
            route.refuses(&route.with_amount(&format!(r#""20.{}1""#, "0".repeat(40))), field).await;
        }
    }
    stage.is_as_it_was().await;
}

#[tokio::test]
async fn what_is_no_currency_is_refused_by_every_route() {
    let stage = Stage::set().await;
    for route in stage.routes().await.iter().filter(|route| !route.path.contains("/analytics/")) {
        for code in ["XAU", "usd", "Usd", "US", "USD ", "\u{ff35}SD", ""] {
            match route.place {
                Place::Limit => {
                    let limits = json!({ code: 1 }).to_string();
                    route.refuses(&route.with("credit_limits", &limits), "credit_limits").await;
                }
                _ => route.refuses(&route.with("currency", &json!(code).to_string()), "currency").await,
            }
        }
        if route.place != Place::Limit {
            for json in ["840", "true", r#"["USD"]"#, r#"{"code":"USD"}"#] {
                route.refuses(&route.with("currency", json), "currency").await;
            }
            let member = route.field();
            let yen = route.with(member, "20.5").trim_end_matches('}').to_owned() + r#","currency":"JPY"}"#;
            route.refuses(&yen, member).await;
        }
    }
    stage.is_as_it_was().await;
}

#[tokio::test]
async fn only_an_asset_that_is_there_is_paid_for() {
    let stage = Stage::set().await;
    let (stranger, foreign) = creator(&stage.node).await;
    let gone = stage.asset.clone();
    stage.creator.delete(&format!("/api/v1/assets/{gone}")).send().await.unwrap().expect(200).unwrap();
    for route in stage.routes().await {
        let mut missing = vec![UNKNOWN, &gone];
        let malformed = match route.path.as_str() {
            USAGE | BATCH => (422, "VALIDATION_ERROR"),
            // older clients know it so
            PREDICT => (400, "INVALID_ID"),
            _ => continue,
        };
        if route.is(PREDICT) {
            missing.push(&foreign);
        }
        for id in missing {
            let said = route.send(&route.with("asset_id", &json!(id).to_string())).await;
            assert_eq!((said.status, said.code.as_str()), (404, "NOT_FOUND"), "{}", said.text);
        }
        for id in ["zz", "", "507f1f77bcf86cd79943901", "507f1f77bcf86cd7994390111"] {
            let said = route.send(&route.with("asset_id", &json!(id).to_string())).await;
            assert_eq!((said.status, said.code.as_str()), malformed, "{}", said.text);
        }
        for json in ["7", "true", "[]", r#"{"$gt":""}"#] {
            route.refuses(&route.with("asset_id", json), "asset_id").await;
        }
    }
    assert_eq!(balance(&stranger, "USD").await, ["0.0"; 4]);
    stage.is_as_it_was().await;
}

#[tokio::test]
async fn a_request_without_a_proper_key_is_refused() {
    let stage = Stage::set().await;
    let long = "k".repeat(256);
    for route in stage.keyed().await {
        let call = || route.client.post(&route.path).json(&route.body);
        let calls = [
            call(),
            call().header("Idempotency-Key", ""),
            call().header("Idempotency-Key", &long),
            call().header("Idempotency-Key", "k\u{e9}y"),
            call().header("Idempotency-Key", "\u{9375}"),
            call().header("Idempotency-Key", "a\tb"),
            call().header("Idempotency-Key", "one").header("Idempotency-Key", "one"),
        ];
        for (call, i) in calls.into_iter().zip(0..) {
            let answer = call.send().await.unwrap();
            let errors = answer.expect(422).unwrap().json().unwrap()["errors"].take();
            let why = if i == 0 { "is required" } else { "must be one text of 1 to 255 printable ASCII characters" };
            assert_eq!(errors["Idempotency-Key"], json!([why]), "{answer}");
        }
    }
    let batch = stage.routes().await.into_iter().find(|route| route.is(BATCH)).unwrap();
    let keys = [r#""""#, r#""k\u00e9y""#, r#""a\u0000b""#, "7", "null", "[\"k\"]", &json!(long).to_string()]
        .map(str::to_owned);
    for json in keys {
        batch.refuses(&batch.with("idempotency_key", &json), "idempotency_key").await;
    }
    stage.is_as_it_was().await;
}

#[tokio::test]
async fn a_key_is_good_for_one_request_only() {
    let stage = Stage::set().await;
    for route in stage.keyed().await {
        let (key, field) = (key(), route.field());
        let first = post(&route.client, &route.path, &key, &route.body).await.expect(201).unwrap().json().unwrap();
        let free = ["model", "reason", "description"].into_iter().find(|name| route.body.get(name).is_some());
        let free = free.unwrap_or("description");
        for (member, value) in [(field, "20.01"), ("currency", "EUR"), (free, "something else")] {
            let mut body = route.body.clone();
            body[member] = json!(value);
            let reused = post(&route.client, &route.path, &key, &body).await;
            assert_eq!((reused.status, reused.code().as_str()), (422, "IDEMPOTENCY_KEY_REUSED"), "{member}: {reused}");
        }
        let again = post(&route.client, &route.path, &key, &route.body).await.expect(200).unwrap().json().unwrap();
        assert_eq!((&again["id"], &again["repeated"]), (&first["id"], &json!(true)), "{}", route.path);
    }
    // a payout that waits, a bonus, a refund and an adjustment; a deposit, and what was reserved of it
    assert_eq!(balance(&stage.creator, "USD").await, ["110.0", "90.0", "20.0", "0.0"]);
    assert_eq!(balance(&stage.creator, "EUR").await, ["0.0"; 4]);
    assert_eq!(stage.partner.money().await, ["105.0", "15.0", "120.0", "0.0"]);
    audit_is_clean(&stage.node);
}
