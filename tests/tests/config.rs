//! Settings: read once, judged at start, shown without secrets.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use metastamp_chaos::node::run_to_end;
use metastamp_tests::{NodeOptions, anonymous, start, unique_email};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(20);
const LONG_SECRET: &str = "a-production-secret-of-more-than-32-characters";
/// What production wants to be told by name, beside the signing secret.
const PRODUCTION: [(&str, &str); 6] = [
    ("APP_ENV", "production"),
    ("MONGODB_URL", "embedded"),
    ("REDIS_URL", "embedded"),
    ("S3_ENDPOINT_URL", "embedded"),
    ("MONGODB_DATABASE", "metastamp"),
    ("S3_BUCKET_NAME", "metastamp-assets"),
];

struct Run {
    code: Option<i32>,
    /// Both streams.
    text: String,
}

fn run_in(home: &Path, args: &[&str], env: &[(&str, &str)]) -> Run {
    let Output { status, stdout, stderr } = run_to_end(home, args, env, WITHIN).unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    Run { code: status.code(), text }
}

fn run(args: &[&str], env: &[(&str, &str)]) -> Run {
    run_in(tempfile::tempdir().unwrap().path(), args, env)
}

/// A start that must be refused, naming the variable.
fn is_refused(env: &[(&str, &str)], variable: &str) -> String {
    let mut env = env.to_vec();
    env.extend([("HOST", "127.0.0.1"), ("PORT", "0")].iter().filter(|(name, _)| *name != variable));
    let run = run(&["serve"], &env);
    assert!(run.code.is_some_and(|code| code != 0), "{variable}: exit {:?}\n{}", run.code, run.text);
    assert!(run.text.contains(variable), "{variable} is not named:\n{}", run.text);
    run.text
}

#[test]
fn wrong_values_are_refused_with_what_is_accepted() {
    let cases = [
        ("PORT", "port", "65535"),
        ("PORT", "70000", "65535"),
        ("APP_ENV", "prod", "production"),
        ("DEBUG", "maybe", "true"),
        ("LOG_LEVEL", "loud", "info"),
        ("MAX_UPLOAD_SIZE_MB", "501", "500"),
        ("MAX_UPLOAD_SIZE_MB", "0", "1"),
        ("DIRECT_UPLOAD_THRESHOLD_MB", "101", "100"),
        ("DIRECT_UPLOAD_THRESHOLD_MB", "ten", "100"),
        ("JWT_EXPIRATION_HOURS", "169", "168"),
        ("JWT_EXPIRATION_HOURS", "0", "1"),
        ("PRESIGNED_URL_EXPIRATION_SECONDS", "59", "60"),
        ("ENABLE_FINGERPRINTING", "perhaps", "true"),
        ("ALLOW_REGISTRATION", "2", "true"),
        ("EQUITY_FACTOR", "0.5", "0.25"),
        ("ALLOWED_FILE_EXTENSIONS", "txt,exe", "exe"),
    ];
    for (variable, value, accepted) in cases {
        let text = is_refused(&[(variable, value)], variable);
        assert!(text.contains(accepted), "{variable}={value} does not say {accepted}:\n{text}");
    }
}

#[test]
fn empty_means_unset() {
    let node = start(NodeOptions::new().env("MAX_UPLOAD_SIZE_MB", "").env("DEBUG", "").env("APP_ENV", ""));
    assert!(node.socket().is_ok());
}

#[test]
fn production_refuses_what_is_only_good_for_development() {
    let with_secret = |secret: &'static str| [&PRODUCTION[..], &[("JWT_SECRET_KEY", secret)]].concat();
    is_refused(&PRODUCTION, "JWT_SECRET_KEY");
    is_refused(&with_secret("only-31-characters-are-too-few!"), "JWT_SECRET_KEY");
    for missing in ["MONGODB_URL", "REDIS_URL", "S3_ENDPOINT_URL"] {
        let mut env = with_secret(LONG_SECRET);
        env.retain(|(name, _)| *name != missing);
        is_refused(&env, missing);
    }
    let options = with_secret(LONG_SECRET).into_iter().fold(NodeOptions::new(), |o, (name, value)| o.env(name, value));
    assert!(start(options).socket().is_ok());
}

#[test]
fn secrets_may_come_from_files() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("jwt");
    std::fs::write(&file, format!("{LONG_SECRET}\n")).unwrap();
    let env = [&PRODUCTION[..], &[("JWT_SECRET_KEY_FILE", file.to_str().unwrap())]].concat();
    let run = run(&["config", "--dump"], &env);
    assert_eq!(run.code, Some(0), "{}", run.text);
    is_refused(&[("JWT_SECRET_KEY_FILE", "/nowhere/at/all")], "JWT_SECRET_KEY_FILE");
}

#[test]
fn the_environment_wins_over_the_file_in_the_directory() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".env"), "MAX_UPLOAD_SIZE_MB=123\nDIRECT_UPLOAD_THRESHOLD_MB=7\n").unwrap();
    let dump = run_in(home.path(), &["config", "--dump"], &[("DIRECT_UPLOAD_THRESHOLD_MB", "9")]);
    assert_eq!(dump.code, Some(0), "{}", dump.text);
    let line = |name: &str| dump.text.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(line("MAX_UPLOAD_SIZE_MB").contains("123"), "{}", dump.text);
    let threshold = line("DIRECT_UPLOAD_THRESHOLD_MB");
    assert!(threshold.contains('9') && !threshold.contains('7'), "{threshold}");
    std::fs::write(home.path().join(".env"), "MAX_UPLOAD_SIZE_MB=lots\n").unwrap();
    let refused = run_in(home.path(), &["serve"], &[("HOST", "127.0.0.1"), ("PORT", "0")]);
    assert!(refused.code != Some(0) && refused.text.contains("MAX_UPLOAD_SIZE_MB"), "{}", refused.text);
}

#[test]
fn the_dump_masks_secrets() {
    let secrets = [
        ("JWT_SECRET_KEY", "jwt-secret-value-that-nobody-may-read"),
        ("S3_SECRET_KEY", "s3-secret-value"),
        ("OPENAI_API_KEY", "openai-secret-value"),
        ("ANTHROPIC_API_KEY", "anthropic-secret-value"),
        ("GOOGLE_API_KEY", "google-secret-value"),
        ("AUTH0_CLIENT_SECRET", "auth0-secret-value"),
        ("MONGODB_PASSWORD", "mongodb-secret-value"),
        ("ADMIN_PASSWORD", "admin-secret-value-1"),
    ];
    let dump = run(&["config", "--dump"], &secrets);
    assert_eq!(dump.code, Some(0), "{}", dump.text);
    for (name, value) in secrets {
        assert!(!dump.text.contains(value), "{name} is shown:\n{}", dump.text);
    }
    assert!(dump.text.contains("JWT_SECRET_KEY"), "{}", dump.text);
    assert!(dump.text.contains("MAX_UPLOAD_SIZE_MB"), "{}", dump.text);
}

#[test]
fn older_names_are_understood() {
    let env = [("PRESIGNED_URL_EXPIRY_SECONDS", "1234"), ("SECRET_KEY", LONG_SECRET), ("MONGODB_DB_NAME", "other")];
    let dump = run(&["config", "--dump"], &env);
    assert_eq!(dump.code, Some(0), "{}", dump.text);
    assert!(dump.text.contains("1234") && dump.text.contains("other"), "{}", dump.text);
}

#[test]
fn help_and_version_are_told() {
    let help = run(&["--help"], &[]);
    assert_eq!(help.code, Some(0));
    for word in ["serve", "config", "login", "upload", "assets", "demo"] {
        assert!(help.text.contains(word), "no {word}:\n{}", help.text);
    }
    let version = run(&["--version"], &[]);
    assert_eq!(version.code, Some(0));
    assert!(version.text.contains(metastamp_protocol::VERSION), "{}", version.text);
    assert_ne!(run(&["no-such-command"], &[]).code, Some(0));
}

#[tokio::test]
async fn extensions_can_be_narrowed() {
    let node = start(NodeOptions::new().env("ALLOWED_FILE_EXTENSIONS", ".txt, png"));
    let client = anonymous(&node).register(&unique_email(), metastamp_tests::PASSWORD).await.unwrap();
    metastamp_tests::accepted(&client, &metastamp_tests::media::text("a.txt", "a")).await;
    metastamp_tests::refused(&client, &metastamp_tests::media::text("a.md", "a"), 415, "INVALID_FILE_TYPE").await;
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = run(&["serve"], &[("HOST", "127.0.0.1"), ("PORT", &port)]);
    assert!(run.code.is_some_and(|code| code != 0) && run.text.contains(&port), "{}", run.text);
}

#[tokio::test]
async fn tokens_live_as_long_as_configured() {
    let node = start(NodeOptions::new().env("JWT_EXPIRATION_HOURS", 2));
    let body = json!({ "email": unique_email(), "password": metastamp_tests::PASSWORD });
    let answer = anonymous(&node).post("/api/v1/auth/register").json(&body).send().await.unwrap();
    assert_eq!(answer.json().unwrap()["expires_in"], 7200);
}

#[test]
fn the_env_file_of_the_guide_starts_and_tells_what_was_put_in() {
    let home = tempfile::tempdir().unwrap();
    let file = "\u{feff}# of the guide\r\nAPP_NAME=META-STAMP V3 # the name\r\nHOST=127.0.0.1\r\nPORT=0\r\nLOG_FORMAT=json\r\n\
        CORS_ORIGINS=[\"http://localhost:3000\", \"http://localhost:5173\"]\r\nALLOWED_FILE_EXTENSIONS=.txt, .png\r\n\
        HALF=a-production-secret-of\r\nJWT_SECRET_KEY=\"${HALF}-more-than-32-characters\"\r\nADMIN_PASSWORD=pa$word-of-the-admin\r\n\
        S3_SECRET_KEY='as$it$is'\r\nexport APP_ENV=development\r\nAUTH0_DOMAIN\r\n";
    std::fs::write(home.path().join(".env"), file).unwrap();
    let dump = run_in(home.path(), &["config", "--dump"], &[]);
    assert_eq!(dump.code, Some(0), "{}", dump.text);
    for line in
        ["APP_NAME=META-STAMP V3  #", "APP_ENV=development  #", "JWT_SECRET_KEY=a-***(46 characters)  # .env, with"]
    {
        assert!(dump.text.contains(line), "{line}:\n{}", dump.text);
    }
    let node = start(NodeOptions::new().env_file(file));
    let log = node.log().lines().join("\n");
    let said = |name: &str, what: &str| log.lines().any(|line| line.contains(name) && line.contains(what));
    assert!(said("JWT_SECRET_KEY", "was made with other variables"), "{log}");
    assert!(said("ADMIN_PASSWORD", "counts as empty"), "{log}");
    assert!(!said("S3_SECRET_KEY", ".env"), "{log}");
    for secret in ["of-the-admin", "production-secret", "as$it", "pa$", "\"word"] {
        assert!(!log.contains(secret), "{secret}:\n{log}");
    }
}

#[test]
fn lines_that_can_not_be_read_are_told_by_their_numbers() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".env"), "PORT=0\n\nJWT SECRET=hunter2\nADMIN_PASSWORD=hunter2$\n").unwrap();
    let refused = run_in(home.path(), &["serve"], &[("HOST", "127.0.0.1")]);
    assert_eq!(refused.code, Some(2), "{}", refused.text);
    assert!(refused.text.contains("line 3: ") && refused.text.contains("line 4: "), "{}", refused.text);
    assert!(!refused.text.contains("hunter2"), "{}", refused.text);
}
