//! Registration, login in every spelling, token life and revocation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metastamp_tests::{
    Answer, Client, NodeOptions, NodeProcess, PASSWORD, SharedNode, anonymous, member, start, token, unique_email,
};
use serde_json::{Value, json};

const SECRET: &str = "a-secret-of-the-tests-that-is-long-enough";

static NODE: SharedNode = SharedNode::new(options);

fn options() -> NodeOptions {
    NodeOptions::new().env("JWT_SECRET_KEY", SECRET)
}

async fn register(client: &Client, body: Value) -> Answer {
    client.post("/api/v1/auth/register").json(&body).send().await.unwrap()
}

async fn me(client: &Client) -> Answer {
    client.get("/api/v1/auth/me").send().await.unwrap()
}

fn is_refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (401, code), "{answer}");
}

#[tokio::test]
async fn registration_makes_an_account_that_can_be_used_at_once() {
    let node = NODE.get();
    let client = anonymous(&node);
    let email = format!("  {} ", unique_email().to_uppercase());
    let body = json!({ "email": email, "password": PASSWORD, "name": "Ann Author", "username": "ann-1" });
    let answer = register(&client, body).await;
    assert_eq!(answer.status, 201, "{answer}");
    let session = answer.json().unwrap();
    assert_eq!(session["user"]["email"], email.trim().to_lowercase());
    assert_eq!(session["user"]["full_name"], "Ann Author");
    assert_eq!(session["user"]["profile"]["name"], "Ann Author");
    assert_eq!(session["token"], session["access_token"]);
    assert_eq!(session["expires_in"], 24 * 3600);
    assert!(!String::from_utf8_lossy(&answer.body).contains("$2"), "a password hash leaks");
    let profile = me(&client.with_token(session["token"].as_str().unwrap())).await;
    assert_eq!(profile.expect(200).unwrap().text("/data/id").unwrap(), session["user"]["id"]);
}

#[tokio::test]
async fn an_address_can_be_registered_once_in_whatever_case() {
    let node = NODE.get();
    let client = anonymous(&node);
    let email = unique_email();
    register(&client, json!({ "email": email, "password": PASSWORD })).await.expect(201).unwrap();
    let again = register(&client, json!({ "email": email.to_uppercase(), "password": PASSWORD })).await;
    assert_eq!((again.status, again.code().as_str()), (409, "EMAIL_EXISTS"), "{again}");
}

#[tokio::test]
async fn weak_or_misshapen_registrations_name_their_fields() {
    let node = NODE.get();
    let client = anonymous(&node);
    let long = "a1".repeat(65);
    let cases = [
        (json!({ "email": unique_email(), "password": "short1" }), "password"),
        (json!({ "email": unique_email(), "password": "onlyletters" }), "password"),
        (json!({ "email": unique_email(), "password": "1234567890" }), "password"),
        (json!({ "email": unique_email(), "password": long }), "password"),
        (json!({ "email": unique_email() }), "password"),
        (json!({ "email": "not an address", "password": PASSWORD }), "email"),
        (json!({ "password": PASSWORD }), "email"),
        (json!({ "email": unique_email(), "password": PASSWORD, "username": "no spaces" }), "username"),
        (json!({ "email": unique_email(), "password": PASSWORD, "name": "n".repeat(101) }), "name"),
    ];
    for (body, field) in cases {
        let answer = register(&client, body.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "VALIDATION_ERROR"), "{body} -> {answer}");
        let errors = answer.json().unwrap()["errors"].clone();
        assert!(errors[field].as_array().is_some_and(|e| !e.is_empty()), "{field} is not named: {answer}");
    }
}

#[tokio::test]
async fn all_of_a_long_password_counts() {
    let node = NODE.get();
    let client = anonymous(&node);
    let email = unique_email();
    // bcrypt itself would see only 72 bytes
    let password = "long-enough-1".repeat(9);
    assert!(password.len() > 72);
    register(&client, json!({ "email": email, "password": password })).await.expect(201).unwrap();
    client.login(&email, &password).await.unwrap().expect(200).unwrap();
    is_refused(&client.login(&email, &password[..80]).await.unwrap(), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn registration_can_be_switched_off() {
    let node = start(NodeOptions::new().env("ALLOW_REGISTRATION", "false"));
    let answer = register(&anonymous(&node), json!({ "email": unique_email(), "password": PASSWORD })).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "REGISTRATION_DISABLED"), "{answer}");
}

#[tokio::test]
async fn login_takes_json_and_forms() {
    let node = NODE.get();
    let client = anonymous(&node);
    let email = unique_email();
    register(&client, json!({ "email": email, "password": PASSWORD })).await.expect(201).unwrap();
    let shouted = email.to_uppercase();
    for path in ["/api/v1/auth/login", "/api/v1/auth/login/json", "/api/v1/auth/login/"] {
        for name in ["email", "username"] {
            let answer = client.post(path).json(&json!({ name: shouted, "password": PASSWORD })).send().await.unwrap();
            assert_eq!(answer.expect(200).unwrap().text("/user/email").unwrap(), email);
        }
    }
    let form = format!("grant_type=password&username={}&password={PASSWORD}", email.replace('@', "%40"));
    let answer = client.post("/api/v1/auth/login").form(&form).send().await.unwrap();
    let session = answer.expect(200).unwrap().json().unwrap();
    assert!(session["user"]["last_login"].is_string(), "{session}");
    let claims = token::claims(session["token"].as_str().unwrap());
    assert_eq!(claims["type"], "local");
    assert_eq!(claims["iss"], "meta-stamp-v3");
    assert_eq!(claims["sub"], session["user"]["id"]);
    assert_eq!(claims["email"], email);
    assert!(claims["sid"].is_string() && claims["jti"].is_string(), "{claims}");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 24 * 3600);
}

#[tokio::test]
async fn wrong_logins_are_told_nothing() {
    let node = NODE.get();
    let client = anonymous(&node);
    let email = unique_email();
    register(&client, json!({ "email": email, "password": PASSWORD })).await.expect(201).unwrap();
    let wrong = client.login(&email, "wrong-password-1").await.unwrap();
    is_refused(&wrong, "INVALID_CREDENTIALS");
    is_refused(&client.login(&email, "x").await.unwrap(), "INVALID_CREDENTIALS");
    let unknown = client.login(&unique_email(), PASSWORD).await.unwrap();
    is_refused(&unknown, "INVALID_CREDENTIALS");
    assert_eq!(wrong.text("/message").unwrap(), unknown.text("/message").unwrap());
}

#[tokio::test]
async fn misshapen_logins_are_errors_of_the_request() {
    let node = NODE.get();
    let client = anonymous(&node);
    for path in ["/api/v1/auth/login", "/api/v1/auth/login/json"] {
        for body in ["{\"email\": ", "[]", "\"text\"", "{}", r#"{"email":"a@b.test"}"#, r#"{"email":7,"password":"x"}"#]
        {
            let answer = client.post(path).body("application/json", body).send().await.unwrap();
            assert_eq!((answer.status, answer.code().as_str()), (422, "VALIDATION_ERROR"), "{body} -> {answer}");
        }
        let huge = format!("{{\"email\":\"a@b.test\",\"password\":\"{}\"}}", "x".repeat(1 << 20));
        let answer = client.post(path).body("application/json", huge).send().await.unwrap();
        assert!(matches!(answer.status, 413 | 422), "{answer}");
        let answer = client.post(path).body("text/plain", "email=a@b.test").send().await.unwrap();
        assert!(matches!(answer.status, 400 | 415 | 422), "{answer}");
    }
}

#[tokio::test]
async fn refresh_keeps_the_session() {
    let node = NODE.get();
    let client = member(&node).await;
    let old = client.token().unwrap().to_owned();
    let answer = client.post("/api/v1/auth/refresh").send().await.unwrap();
    let new = answer.expect(200).unwrap().text("/token").unwrap();
    assert_ne!(old, new);
    let (before, after) = (token::claims(&old), token::claims(&new));
    assert_eq!(before["sid"], after["sid"]);
    assert_ne!(before["jti"], after["jti"]);
    me(&client).await.expect(200).unwrap();
    me(&client.with_token(&new)).await.expect(200).unwrap();
}

#[tokio::test]
async fn logout_ends_all_tokens_of_the_session_and_no_other() {
    let node = NODE.get();
    let anyone = anonymous(&node);
    let email = unique_email();
    let first = anyone.clone().register(&email, PASSWORD).await.unwrap();
    let other = anyone.login(&email, PASSWORD).await.unwrap().text("/token").unwrap();
    let second = first.post("/api/v1/auth/refresh").send().await.unwrap().text("/token").unwrap();
    // seen once by the caches
    me(&first).await.expect(200).unwrap();
    first.post("/api/v1/auth/logout").send().await.unwrap().expect(200).unwrap();
    is_refused(&me(&first).await, "INVALID_TOKEN");
    is_refused(&me(&anyone.clone().with_token(&second)).await, "INVALID_TOKEN");
    is_refused(&first.post("/api/v1/auth/refresh").send().await.unwrap(), "INVALID_TOKEN");
    is_refused(&first.post("/api/v1/auth/logout").send().await.unwrap(), "INVALID_TOKEN");
    me(&anyone.with_token(&other)).await.expect(200).unwrap();
}

#[tokio::test]
async fn logout_without_a_token_is_nothing_to_do() {
    let node = NODE.get();
    let client = anonymous(&node);
    let answer = client.post("/api/v1/auth/logout").send().await.unwrap();
    assert_eq!(answer.expect(200).unwrap().text("/message").unwrap(), "Successfully logged out");
    is_refused(&client.with_token("rubbish").post("/api/v1/auth/logout").send().await.unwrap(), "INVALID_TOKEN");
}

#[tokio::test]
async fn a_revocation_survives_the_loss_of_the_cache_and_a_restart() {
    let mut node = start(options());
    let client = member(&node).await;
    let kept = member(&node).await;
    client.post("/api/v1/auth/logout").send().await.unwrap().expect(200).unwrap();
    is_refused(&me(&client).await, "INVALID_TOKEN");
    node.terminate(Duration::from_secs(30)).unwrap();
    if let Some(url) = node.setting("REDIS_URL").filter(|url| url != "embedded") {
        metastamp_chaos::servers::flush(&url).unwrap();
    } else {
        let removed = remove_cache(&node);
        assert!(removed > 0, "no cache.db* in {}", node.data_dir().display());
    }
    node.restart().unwrap();
    is_refused(&me(&client).await, "INVALID_TOKEN");
    me(&kept).await.expect(200).unwrap();
}

/// Deletes the files of the cache wherever they lie in the data directory.
fn remove_cache(node: &NodeProcess) -> usize {
    let mut directories = vec![node.data_dir()];
    let mut removed = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            if entry.path().is_dir() {
                directories.push(entry.path());
            } else if entry.file_name().to_string_lossy().starts_with("cache.db") {
                std::fs::remove_file(entry.path()).unwrap();
                removed += 1;
            }
        }
    }
    removed
}

#[tokio::test]
async fn every_missing_or_odd_authorization_is_401_with_a_challenge() {
    let node = NODE.get();
    let client = anonymous(&node);
    let routes =
        ["/api/v1/auth/me", "/api/v1/assets", "/api/v1/assets/507f1f77bcf86cd799439011", "/api/v1/fingerprint/0"];
    for path in routes {
        let answer = client.get(path).send().await.unwrap();
        is_refused(&answer, "MISSING_TOKEN");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    // the scheme's case does not matter, as the standard says
    let token = member(&node).await.token().unwrap().to_owned();
    let lower = client.get("/api/v1/auth/me").header("authorization", &format!("bearer {token}")).send().await.unwrap();
    lower.expect(200).unwrap();
    for value in ["Bearer", "Bearer ", "Basic YTpi", "Bearer a.b.c", "Bearer \u{fc}", "rubbish"] {
        let answer = client.get("/api/v1/auth/me").header("authorization", value).send().await.unwrap();
        assert_eq!(answer.status, 401, "{value:?}: {answer}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let node = NODE.get();
    let client = member(&node).await;
    let (header, claims) = (token::header(client.token().unwrap()), token::claims(client.token().unwrap()));
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        changed
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // proof of teeth: with the right key the same forgery is a token
    let genuine = token::signed(&header, &claims, SECRET);
    me(&client.clone().with_token(&genuine)).await.expect(200).unwrap();

    let rs256 = json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" });
    let mut without_exp = claims.clone();
    without_exp.as_object_mut().unwrap().remove("exp");
    let forgeries = [
        ("alg none", token::unsigned(&json!({ "alg": "none", "typ": "JWT" }), &claims)),
        ("alg None", token::unsigned(&json!({ "alg": "None" }), &claims)),
        ("no signature", token::unsigned(&header, &claims)),
        ("RS256 signed with the HMAC key", token::signed(&rs256, &claims, SECRET)),
        ("HS384 in name", token::signed(&json!({ "alg": "HS384", "typ": "JWT" }), &claims, SECRET)),
        ("wrong secret", token::signed(&header, &claims, "another-secret-that-is-long-enough-too")),
        ("empty secret", token::signed(&header, &claims, "")),
        ("expired", token::signed(&header, &with("exp", json!(now - 60)), SECRET)),
        ("no expiry", token::signed(&header, &without_exp, SECRET)),
        ("foreign issuer", token::signed(&header, &with("iss", json!("someone-else")), SECRET)),
        ("no such user", token::signed(&header, &with("sub", json!("507f1f77bcf86cd799439011")), SECRET)),
        ("odd subject", token::signed(&header, &with("sub", json!("' OR 1=1")), SECRET)),
    ];
    for (what, forged) in forgeries {
        let answer = me(&client.clone().with_token(&forged)).await;
        assert!(answer.status == 401 || (what == "no such user" && answer.status == 404), "{what}: {answer}");
    }
}
