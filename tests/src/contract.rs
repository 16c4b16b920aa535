//! The project's own `docs/openapi.yaml`, as a judge of real answers.

mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use jsonschema::{Draft, Validator};
use metastamp_chaos::client::{Answer, Observer};
use parking_lot::Mutex;
use serde_json::{Value, json};

pub use self::rules::canonical_path;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One method on one path template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    pub path: String,
    /// In capitals.
    pub method: String,
}

/// The contract, parsed once.
pub struct Contract {
    document: Value,
    /// Operation to its `responses`, with references resolved.
    operations: BTreeMap<Operation, BTreeMap<String, Value>>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    /// Reads `docs/openapi.yaml`, or the file that `METASTAMP_OPENAPI` names.
    pub fn load() -> Result<Self, String> {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.yaml");
        let path = std::env::var_os("METASTAMP_OPENAPI").map_or_else(|| PathBuf::from(own), PathBuf::from);
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::parse(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, serde_yaml_ng::Error> {
        let document: Value = serde_yaml_ng::from_str(text)?;
        Ok(Self { operations: operations(&document), document, validators: Mutex::default() })
    }

    /// The one of this run.
    pub fn get() -> Result<&'static Self, &'static str> {
        static CONTRACT: OnceLock<Result<Contract, String>> = OnceLock::new();
        CONTRACT.get_or_init(Self::load).as_ref().map_err(String::as_str)
    }

    pub fn document(&self) -> &Value {
        &self.document
    }

    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.keys()
    }

    /// The statuses an operation documents, `default` among them.
    pub fn statuses(&self, operation: &Operation) -> BTreeSet<&str> {
        self.operations[operation].keys().map(String::as_str).collect()
    }

    /// The operation an answer belongs to, unless it is of an undocumented path or method.
    pub fn operation_of(&self, answer: &Answer) -> Option<&Operation> {
        let path = canonical_path(&answer.path);
        self.operations.keys().find(|o| o.method == answer.method && rules::matches(&o.path, &path))
    }

    /// Whether the path is documented, whatever the method.
    pub fn path_of(&self, answer: &Answer) -> Option<&str> {
        let path = canonical_path(&answer.path);
        self.operations.keys().find(|o| rules::matches(&o.path, &path)).map(|o| o.path.as_str())
    }

    /// Everything that is wrong with an answer.
    pub fn complaints(&self, answer: &Answer) -> Vec<String> {
        let mut complaints = rules::general(answer);
        if matches!(answer.method.as_str(), "HEAD" | "OPTIONS") {
            return complaints;
        }
        let Some(operation) = self.operation_of(answer) else {
            if answer.status >= 400 {
                complaints.extend(self.against(&json!({ "$ref": "#/components/schemas/Error" }), answer));
            }
            return complaints;
        };
        let responses = &self.operations[operation];
        let status = answer.status.to_string();
        let response = match responses.get(&status).or_else(|| responses.get("default")) {
            Some(_) if answer.status < 400 && !responses.contains_key(&status) => None,
            other => other,
        };
        let Some(response) = response else {
            complaints.push(format!("status {status} is not documented"));
            return complaints;
        };
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let schema = &rules::resolved(&self.document, header)["schema"];
            match answer.header(name) {
                None => complaints.push(format!("no header {name}")),
                Some(value) if schema["const"].as_str().is_some_and(|wanted| wanted != value) => {
                    complaints.push(format!("header {name} is {value}, not {}", schema["const"]));
                }
                Some(_) => {}
            }
        }
        if let Some(contents) = response["content"].as_object() {
            let sent = answer.header("content-type").unwrap_or_default();
            match contents.iter().find(|(media_type, _)| sent.starts_with(media_type.as_str())) {
                Some((_, content)) => complaints.extend(self.against(&content["schema"], answer)),
                None => complaints.push(format!("content type {sent:?}, not one of {:?}", contents.keys())),
            }
        }
        complaints
    }

    /// Panics with everything that is wrong with an answer.
    pub fn assert(&self, answer: &Answer) {
        let complaints = self.complaints(answer);
        assert!(complaints.is_empty(), "against the contract: {}\n{answer}", complaints.join("; "));
    }

    fn against(&self, schema: &Value, answer: &Answer) -> Vec<String> {
        let is_json = answer.header("content-type").is_some_and(|t| t.starts_with("application/json"));
        let body = if is_json {
            match answer.json() {
                Ok(body) => body,
                Err(error) => return vec![error.to_string()],
            }
        } else {
            Value::String(String::from_utf8_lossy(&answer.body).into_owned())
        };
        let validator = self.validator(schema);
        validator.iter_errors(&body).map(|e| format!("{} at {:?}", e, e.instance_path().to_string())).collect()
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock();
        let compile = || {
            // a document of its own, so that references into the components resolve
            let schemas = &self.document["components"]["schemas"];
            let document = json!({ "allOf": [schema], "components": { "schemas": schemas } });
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            Arc::new(options.build(&document).unwrap())
        };
        Arc::clone(validators.entry(schema.to_string()).or_insert_with(compile))
    }
}

fn operations(document: &Value) -> BTreeMap<Operation, BTreeMap<String, Value>> {
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(responses) = item[method]["responses"].as_object() else { continue };
            let resolve = |(status, response): (&String, &Value)| {
                (status.trim_matches('\'').to_owned(), rules::resolved(document, response).clone())
            };
            let operation = Operation { path: path.clone(), method: method.to_uppercase() };
            operations.insert(operation, responses.iter().map(resolve).collect());
        }
    }
    operations
}

/// Holds every answer against the contract. Without a contract file only the module `openapi` fails.
pub fn observer() -> Observer {
    Arc::new(|answer| {
        if let Ok(contract) = Contract::get() {
            contract.assert(answer);
        }
    })
}

/// Which operations were exercised, and with which statuses.
#[derive(Default, Clone)]
pub struct Recorder(Arc<Mutex<BTreeMap<Operation, BTreeSet<u16>>>>);

impl Recorder {
    /// An observer that checks and records. An error on a documented path by an undocumented method counts for the path.
    pub fn observer(&self, contract: &'static Contract) -> Observer {
        let seen = Arc::clone(&self.0);
        Arc::new(move |answer| {
            contract.assert(answer);
            let operation = contract.operation_of(answer).cloned().or_else(|| {
                let path = contract.path_of(answer)?.to_owned();
                Some(Operation { path, method: String::new() })
            });
            if let Some(operation) = operation {
                seen.lock().entry(operation).or_default().insert(answer.status);
            }
        })
    }

    pub fn statuses(&self, path: &str, method: &str) -> BTreeSet<u16> {
        let operation = Operation { path: path.to_owned(), method: method.to_owned() };
        self.0.lock().get(&operation).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
