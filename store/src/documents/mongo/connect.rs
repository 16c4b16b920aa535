//! From settings to a client. Nothing here needs the server to be up.

use std::time::Duration;

use mongodb::Client;
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};

use super::{fault, pool};
use crate::{MongoSettings, Result, StoreError};

/// Longest wait for a server that takes writes, and for a connection to it.
const SELECT_WITHIN: Duration = Duration::from_secs(5);

/// A client that speaks as `settings` say: majority writes with journal, majority reads, retries of the driver on.
///
/// # Errors
/// `Internal` that names `MONGODB_URL` when it makes no sense; `Unavailable` when the names of a `mongodb+srv://` URL
/// can't be looked up.
pub(super) async fn client(settings: &MongoSettings) -> Result<Client> {
    let url = match &settings.password {
        Some(password) => with_password(&settings.url, password)?,
        None => settings.url.clone(),
    };
    let mut options = ClientOptions::parse(&url).await.map_err(|error| refused(&url, &error))?;
    let at_most = |time: Option<Duration>| Some(time.map_or(SELECT_WITHIN, |time| time.min(SELECT_WITHIN)));
    options.server_selection_timeout = at_most(options.server_selection_timeout);
    options.connect_timeout = at_most(options.connect_timeout);
    options.app_name.get_or_insert_with(|| "metastamp".to_owned());
    options.min_pool_size = Some(settings.pool_min.min(settings.pool_max));
    options.max_pool_size = Some(settings.pool_max.max(1));
    if let Some(name) = &settings.replica_set {
        options.repl_set_name = Some(name.clone());
    }
    options.retry_reads = Some(true);
    options.retry_writes = Some(true);
    // Members that lag behind would show a logout, or an upload, too late; transactions read here only anyway.
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.read_concern = Some(ReadConcern::majority());
    options.write_concern = Some(write_concern(settings.call_within));
    options.cmap_event_handler = Some(pool::observer());
    Client::with_options(options).map_err(|error| refused(&url, &error))
}

/// What an acknowledged write has to survive: the loss of the primary, and of the power of all members.
pub(super) fn write_concern(within: Duration) -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).w_timeout(within).build()
}

fn refused(url: &str, error: &mongodb::error::Error) -> StoreError {
    if matches!(*error.kind, mongodb::error::ErrorKind::DnsResolve { .. }) {
        return StoreError::Unavailable("the servers named in MONGODB_URL can't be looked up".to_owned());
    }
    // What the driver says may quote any part of the URL.
    let why =
        if url.contains('@') { "user and password must be percent-encoded".to_owned() } else { fault::text(error) };
    StoreError::Internal(format!("MONGODB_URL is no connection string that can be used: {why}"))
}

/// Puts `password` in the place of the one in `url`.
fn with_password(url: &str, password: &str) -> Result<String> {
    let no_place =
        || StoreError::Internal("MONGODB_URL names no user that MONGODB_PASSWORD could belong to".to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(no_place)?;
    let (authority, options) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (credentials, hosts) = authority.rsplit_once('@').ok_or_else(no_place)?;
    let user = credentials.split(':').next().filter(|user| !user.is_empty()).ok_or_else(no_place)?;
    Ok(format!("{scheme}://{user}:{}@{hosts}{options}", urlencoding::encode(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, password: Option<&str>) -> MongoSettings {
        MongoSettings {
            url: url.to_owned(),
            database: "metastamp".to_owned(),
            password: password.map(str::to_owned),
            replica_set: None,
            pool_min: 0,
            pool_max: 10,
            call_within: Duration::from_secs(8),
        }
    }

    #[test]
    fn a_password_takes_its_place() {
        let with = |url| with_password(url, "p:/@%x").unwrap();
        assert_eq!(with("mongodb://u@h:1/db?a=b"), "mongodb://u:p%3A%2F%40%25x@h:1/db?a=b");
        assert_eq!(with("mongodb+srv://u:old@h"), "mongodb+srv://u:p%3A%2F%40%25x@h");
        assert_eq!(with("mongodb://u:old@h,g:2?tls=true"), "mongodb://u:p%3A%2F%40%25x@h,g:2?tls=true");
        for url in ["mongodb://h:1", "h", "mongodb://:p@h"] {
            assert!(with_password(url, "secret").unwrap_err().to_string().contains("MONGODB_URL"), "{url}");
        }
    }

    #[tokio::test]
    async fn a_bad_url_is_named_and_not_printed() {
        for url in ["", "http://x", "mongodb://u:hush@h:port", "mongodb://u:hu/sh@h", "mongodb://h/?tls=hush"] {
            let error = client(&settings(url, None)).await.unwrap_err().to_string();
            assert!(error.contains("MONGODB_URL"), "{error}");
            assert!(!url.contains('@') || !error.contains("hu"), "{error}");
        }
    }

    #[tokio::test]
    async fn no_server_is_needed_and_tls_finds_its_provider() {
        for url in ["mongodb://127.0.0.1:1", "mongodb://u@127.0.0.1:1/?tls=true"] {
            client(&settings(url, url.contains('@').then_some("p"))).await.unwrap();
        }
    }
}
