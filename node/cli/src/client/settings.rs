//! Where the node is, taken from flag, environment and the last login.

use anyhow::{Context, bail};
use reqwest::Url;

const DEFAULT_URL: &str = "http://127.0.0.1:8000";

/// Looks up an environment variable. Handed in, so that tests need no process-wide state.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The real environment; an empty value counts as unset.
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `--url`, else `METASTAMP_URL`, else the node of the last login, else a node on this machine.
pub fn choose_url(flag: Option<&str>, env: Env, saved: Option<&str>) -> anyhow::Result<String> {
    let from_env = env("METASTAMP_URL");
    normalise_url(flag.or(from_env.as_deref()).or(saved).unwrap_or(DEFAULT_URL))
}

/// The form that is stored and compared: no trailing slash, and no `/api/v1`, which people copy from the web client's
/// configuration.
pub fn normalise_url(text: &str) -> anyhow::Result<String> {
    let url = Url::parse(text.trim()).with_context(|| format!("{text:?} is not a URL such as {DEFAULT_URL}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        bail!("{text:?} is not an http or https URL such as {DEFAULT_URL}");
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("the URL must not hold a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        bail!("the URL of the node must not have a query or fragment");
    }
    let trimmed = url.as_str().trim_end_matches('/');
    Ok(trimmed.strip_suffix("/api/v1").unwrap_or(trimmed).trim_end_matches('/').to_owned())
}

/// Whether the node runs on this machine: such a call never belongs through a proxy.
pub fn is_loopback(base: &str) -> bool {
    let host = Url::parse(base).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_the_environment_then_the_last_login() {
        let set = |name: &str| (name == "METASTAMP_URL").then(|| "http://env:1".to_owned());
        let unset = |_: &str| None;
        let saved = Some("http://saved:1");
        assert_eq!(choose_url(Some("http://flag:1"), &set, saved).unwrap(), "http://flag:1");
        assert_eq!(choose_url(None, &set, saved).unwrap(), "http://env:1");
        assert_eq!(choose_url(None, &unset, saved).unwrap(), "http://saved:1");
        assert_eq!(choose_url(None, &unset, None).unwrap(), "http://127.0.0.1:8000");
    }

    #[test]
    fn one_node_has_one_spelling() {
        for spelling in
            ["http://Node:8000", "http://node:8000/", " http://node:8000/api/v1/ ", "http://node:8000/api/v1"]
        {
            assert_eq!(normalise_url(spelling).unwrap(), "http://node:8000", "{spelling}");
        }
        assert_eq!(normalise_url("https://h/stamp/").unwrap(), "https://h/stamp");
    }

    #[test]
    fn what_is_not_a_node_is_refused() {
        for bad in ["", "node:8000", "ftp://node", "http://user:pw@node", "127.0.0.1:8000", "http://node?x=1"] {
            assert!(normalise_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback() {
        for (url, expected) in [
            ("http://localhost:8000", true),
            ("http://127.0.0.9", true),
            ("http://[::1]:8000", true),
            ("https://example.org", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }
}
