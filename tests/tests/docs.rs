//! What the documents say, the code does: names are held against each other in both directions.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use metastamp_chaos::node::run_to_end;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_example_file_names_every_variable_and_no_other() {
    let home = tempfile::tempdir().unwrap();
    let output = run_to_end(home.path(), &["config", "--dump"], &[], Duration::from_secs(20)).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let known: BTreeSet<_> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name.to_owned()).collect();
    assert!(known.len() > 40, "{text}");
    let example = read(".env.example");
    let documented: BTreeSet<_> = example
        .lines()
        .map(|line| line.trim_start_matches("# ").trim())
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.to_owned())
        .filter(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
        .filter(|name| !name.starts_with("METASTAMP_"))
        .collect();
    assert_eq!(known, documented);
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let sources = [
        "actors/src/metrics.rs",
        "cluster/src/metrics.rs",
        "store/src/metrics.rs",
        "service/src/metrics.rs",
        "node/src/metrics.rs",
    ];
    let constant = |line: &str| {
        let value = line.split_once("const ")?.1.split_once(": &str = \"")?.1;
        Some(value.split_once('"')?.0.to_owned())
    };
    let exported: BTreeSet<_> =
        sources.iter().flat_map(|s| read(s).lines().filter_map(constant).collect::<Vec<_>>()).collect();
    assert!(exported.len() > 15, "{exported:?}");
    let operations = read("docs/OPERATIONS.md");
    let documented: BTreeSet<_> = operations
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .filter(|(_, rest)| ["counter", "gauge", "histogram"].iter().any(|kind| rest.trim_start().starts_with(kind)))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(exported, documented);
}

/// The direction of imports: what each crate may use of ours (docs/ARCHITECTURE.md).
#[test]
fn imports_go_only_in_the_direction_given() {
    let allowed: [(&str, &[&str]); 12] = [
        ("protocol", &[]),
        ("fingerprint", &["protocol"]),
        ("store", &["protocol"]),
        ("cluster", &["protocol"]),
        ("actors", &["protocol", "fingerprint", "store", "cluster"]),
        ("service", &["protocol", "fingerprint", "store", "cluster", "actors"]),
        ("node/setup", &["protocol", "fingerprint", "store", "cluster"]),
        ("node/ops", &["protocol", "store", "actors", "service", "setup"]),
        ("node/cli", &["protocol", "fingerprint", "service", "setup", "ops"]),
        ("node", &["protocol", "fingerprint", "store", "cluster", "actors", "service", "setup", "ops", "cli"]),
        ("chaos", &["protocol"]),
        ("tests", &["protocol", "fingerprint", "store", "cluster", "actors", "chaos"]),
    ];
    for (krate, may) in allowed {
        // what only its tests use may look at all of it from outside, and start real servers by the harness
        let manifest = read(&format!("{krate}/Cargo.toml"));
        let manifest = manifest.split("[dev-dependencies]").next().unwrap();
        let ours = |line: &str| {
            let name = line.split(['.', ' ', '=']).next()?.strip_prefix("metastamp-")?.to_owned();
            Some(name)
        };
        for used in manifest.lines().filter_map(ours) {
            assert!(may.contains(&used.as_str()), "{krate} must not import {used}");
        }
    }
}

/// The graph of docs/ARCHITECTURE.md has the arrows of the manifests, and no other.
#[test]
fn the_graph_of_crates_is_that_of_the_manifests() {
    let architecture = read("docs/ARCHITECTURE.md");
    let graph = architecture.split("graph TD\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let drawn: BTreeSet<_> = graph.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    let workspace = read("Cargo.toml");
    let members = workspace.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    let mut real = BTreeSet::new();
    for member in members.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.ends_with("/fuzz")) {
        let manifest = read(&format!("{member}/Cargo.toml"));
        let manifest = manifest.split("[dev-dependencies]").next().unwrap();
        let ours = |line: &str| Some(line.strip_prefix("metastamp-")?.split(['.', ' ', '=']).next()?.to_owned());
        let name = member.rsplit('/').next().unwrap();
        real.extend(manifest.lines().filter_map(ours).map(|used| format!("{name} --> {used}")));
    }
    assert!(real.len() > 20, "{real:?}");
    assert_eq!(drawn, real);
}

/// Each limit of docs/ARCHITECTURE.md is a variable of the configuration, or a constant in the file that is named.
#[test]
fn limits_are_where_the_table_says() {
    let architecture = read("docs/ARCHITECTURE.md");
    let section = architecture.split("\n## Limits\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let variables = read(".env.example");
    let (mut file, mut count, mut wrong) = (String::new(), 0, Vec::new());
    for row in section.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        for part in cells[2].split(';') {
            let words: Vec<_> = part.split('`').skip(1).step_by(2).collect();
            let (files, names): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.contains('/'));
            if files.is_empty() && names.iter().all(|name| variables.contains(&format!("{name}="))) {
                count += names.len();
                continue;
            }
            // "same file" is the one named before
            file = files.first().map_or(file, |path| (*path).to_owned());
            let code = source(&file);
            let holds = |name: &&str| {
                let forms = [format!("const {name}:"), format!("static {name}:"), format!("{name}:")];
                forms.iter().any(|form| code.contains(form))
            };
            wrong
                .extend(names.iter().filter(|name| !holds(name)).map(|name| format!("{}: {name} in {file}", cells[0])));
            count += names.len();
        }
    }
    assert!(count > 60, "{count}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The text of a file, or of all in a folder; empty for what is not there.
fn source(path: &str) -> String {
    let path = root().join(path);
    if path.is_dir() {
        let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        return entries.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect();
    }
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = root();
    let documents = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let documents = documents.chain([root.join("README.md"), root.join("compose/README.md")]);
    for document in documents.filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !link.contains("://") {
                assert!(document.parent().unwrap().join(file).exists(), "{}: {link}", document.display());
            }
        }
    }
}

/// The check of docs/LEDGER.md, as it stands there, over the vectors of the journal.
#[test]
fn the_hash_of_a_row_is_what_the_document_says() {
    let ledger = read("docs/LEDGER.md");
    let script = ledger.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = fs::read_dir(root().join("protocol/golden/journal/2")).unwrap();
    let rows: Vec<Value> = folder
        .map(|file| serde_json::from_str::<Value>(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap())
        .map(|vector| vector["row"].clone())
        .collect();
    assert!(rows.len() > 8);
    let mut changed = rows[0].clone();
    changed["amount"] = (changed["amount"].as_i64().unwrap() + 1).into();
    let lines: String = rows.iter().chain([&changed]).map(|row| format!("{row}\n")).collect();

    let home = tempfile::tempdir().unwrap();
    let (code, input) = (home.path().join("check.py"), home.path().join("rows"));
    fs::write(&code, script).unwrap();
    fs::write(&input, lines).unwrap();
    let mut python = std::process::Command::new("python3");
    let output = python.env("PYTHONUTF8", "1").arg(code).stdin(fs::File::open(input).unwrap()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = said.lines().filter_map(|line| line.split_once(' ')).map(|(_, verdict)| verdict).collect();
    let mut expected = vec!["holds"; rows.len()];
    expected.push("DOES NOT HOLD");
    assert_eq!(verdicts, expected, "{}", String::from_utf8_lossy(&output.stderr));
}
