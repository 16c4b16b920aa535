//! What `--from` and `--to` name.

use std::path::{Path, PathBuf};

use metastamp_setup::config::{Config, DocumentStore, ObjectStore, Problem};
use metastamp_setup::exit::{ExitWith, USAGE};

/// A set of stores.
pub struct Place {
    pub config: Config,
    /// Tells two places apart.
    pub identity: String,
    /// The same of the documents alone.
    pub documents: String,
}

/// # Errors
/// With exit code 2 when the word or the configuration behind it makes no sense.
pub fn place(text: &str) -> anyhow::Result<Place> {
    let dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let embedded = [("MONGODB_URL", "embedded"), ("REDIS_URL", "embedded"), ("S3_ENDPOINT_URL", "embedded")];
    let config = match text {
        "env" => Config::load(&dir),
        "embedded" => Config::load_with(&dir, &embedded),
        _ => match text.strip_prefix("embedded:") {
            Some(data) => {
                let data = dir.join(data).display().to_string();
                Config::load_with(&dir, &[&embedded[..], &[("DATA_DIR", data.as_str())]].concat())
            }
            None => Config::load_file(&dir.join(text)),
        },
    };
    let config = config.map_err(|problems| refused(text, &problems))?;
    let (documents, objects) = identities(&config);
    Ok(Place { identity: format!("{documents} {objects}"), documents, config })
}

fn refused(text: &str, problems: &[Problem]) -> ExitWith {
    let problems: Vec<_> = problems.iter().map(|problem| format!("{} {}", problem.name, problem.message)).collect();
    ExitWith { code: USAGE, message: format!("{text}: {}", problems.join("; ")) }
}

/// Without passwords: it is kept in the target.
fn identities(config: &Config) -> (String, String) {
    let data = real(&config.data_dir);
    let documents = match &config.stores.documents {
        DocumentStore::Embedded => data.display().to_string(),
        DocumentStore::Mongo(mongo) => {
            let hosts = mongo.url.split("//").last().unwrap_or_default();
            let hosts = hosts.split(['/', '?']).next().unwrap_or_default();
            format!("{}/{}", hosts.rsplit('@').next().unwrap_or_default(), mongo.database)
        }
    };
    let objects = match &config.stores.objects {
        ObjectStore::Embedded => data.display().to_string(),
        ObjectStore::External { endpoint, .. } => endpoint.clone().unwrap_or_else(|| "aws".to_owned()),
    };
    (documents, format!("{objects} {}", config.stores.bucket))
}

/// The path that all names of a directory lead to, also while it is not there yet.
fn real(dir: &Path) -> PathBuf {
    std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned())
}
