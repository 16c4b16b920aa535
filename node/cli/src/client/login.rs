//! `metastamp login`.

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use anyhow::{Context, bail};
use metastamp_protocol::Timestamp;
use metastamp_setup::out;
use metastamp_setup::progress::Progress;
use serde_json::json;

use super::api::Api;
use super::args::LoginArgs;
use super::credentials::{CredentialsFile, Login};
use super::error::CallError;
use super::settings::{choose_url, process_env};

/// A fresh token.
pub struct Session {
    pub token: String,
    pub expires_in_s: Option<u64>,
}

/// Logs in and remembers the token.
///
/// # Errors
/// When no address or password can be had, the node refuses, or the credentials can't be written.
pub async fn login(args: LoginArgs) -> anyhow::Result<()> {
    let env = &process_env;
    let file = CredentialsFile::locate(env)?;
    let known = file.load()?;
    let base = choose_url(args.url.as_deref(), env, known.current.as_deref())?;
    let email = match args.email.clone() {
        Some(email) => email,
        None => ask_email(args.password_stdin)?,
    };
    let password = password(&args)?;
    let api = Api::new(base, None, Progress::new(false))?;
    let session = match open_session(&api, &email, &password, args.register).await {
        Err(error) if args.register && error.code() == Some("EMAIL_EXISTS") => {
            return Err(error).context("the account exists already: leave out --register");
        }
        result => result?,
    };
    let expires_at = session.expires_in_s.map(|s| Timestamp::now().plus(Duration::from_secs(s)));
    file.remember(api.base(), Login { email: email.clone(), token: session.token, expires_at })?;
    out::line(&format!("logged in to {} as {email}{}", api.base(), validity(session.expires_in_s)));
    api.progress().note(&format!("the token is kept in {}", file.path().display()));
    if env("METASTAMP_TOKEN").is_some() {
        api.progress().note("METASTAMP_TOKEN is set and will be used instead of this login");
    }
    Ok(())
}

/// Gets a token for an account, creating the account first if asked to.
pub async fn open_session(api: &Api, email: &str, password: &str, register: bool) -> Result<Session, CallError> {
    let path = if register { "/api/v1/auth/register" } else { "/api/v1/auth/login/json" };
    let body = api.post_json(path, &json!({ "email": email, "password": password })).await?;
    let token = body["access_token"].as_str().or_else(|| body["token"].as_str()).filter(|token| !token.is_empty());
    match token {
        Some(token) => Ok(Session { token: token.to_owned(), expires_in_s: body["expires_in"].as_u64() }),
        None => Err(CallError::Garbled { url: format!("{}{path}", api.base()), reason: "no token in it".to_owned() }),
    }
}

fn validity(expires_in_s: Option<u64>) -> String {
    match expires_in_s {
        Some(seconds) if seconds >= 2 * 3_600 => format!(" for {} hours", seconds / 3_600),
        Some(seconds) => format!(" for {} minutes", seconds.div_ceil(60)),
        None => String::new(),
    }
}

fn ask_email(stdin_is_taken: bool) -> anyhow::Result<String> {
    if stdin_is_taken || !std::io::stdin().is_terminal() {
        bail!("whose account? `metastamp login EMAIL`");
    }
    out::ask("Email: ");
    let email = first_line()?;
    match email.trim() {
        "" => bail!("no address given"),
        email => Ok(email.to_owned()),
    }
}

/// Never a command-line argument: those are visible to every process on the machine.
fn password(args: &LoginArgs) -> anyhow::Result<String> {
    let password = if args.password_stdin {
        first_line()?
    } else if let Some(password) = process_env("METASTAMP_PASSWORD") {
        password
    } else {
        ask_password(args.register)?
    };
    if password.is_empty() {
        bail!("no password given");
    }
    Ok(password)
}

fn ask_password(twice: bool) -> anyhow::Result<String> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() || !std::io::stdin().is_terminal() {
        bail!("no terminal to ask for the password on: use --password-stdin or METASTAMP_PASSWORD");
    }
    let ask = |question: &str| {
        out::ask(question);
        terminal.read_secure_line().context("can't read the password")
    };
    let password = ask("Password: ")?;
    // A typing error in a new password would lock its owner out.
    if twice && ask("Once more: ")? != password {
        bail!("the two passwords differ");
    }
    Ok(password)
}

fn first_line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("can't read stdin")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_reads_well() {
        assert_eq!(validity(Some(86_400)), " for 24 hours");
        assert_eq!(validity(Some(3_600)), " for 60 minutes");
        assert_eq!(validity(None), "");
    }
}
