//! The compose files, read as Docker would: no engine runs here, so names are held against the guide and the node.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use metastamp_chaos::node::run_to_end;
use serde_yaml_ng::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    let mut file: Value = serde_yaml_ng::from_str(&read("compose/docker-compose.yml")).unwrap();
    file.apply_merge().unwrap();
    file
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| serde_yaml_ng::to_string(value).unwrap().trim().to_owned(), str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_sequence().unwrap().iter().map(text).collect()
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_mapping().unwrap().keys().map(text).collect()
}

/// `NAME=...` lines, commented out or not.
fn variables(file: &str) -> BTreeSet<String> {
    let lines = file.lines().map(|line| line.trim_start_matches('#').trim_start());
    let names = lines.filter_map(|line| Some(line.split_once('=')?.0.to_owned()));
    let variable = |name: &String| {
        name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') && name.len() > 2
    };
    names.filter(variable).collect()
}

/// Fills in `${NAME}`, `${NAME-default}`, `${NAME:-default}` and `${NAME:?message}` as compose does.
fn interpolate(text: &str, env: &BTreeMap<&str, &str>, seen: &mut BTreeSet<String>) -> String {
    let Some(start) = text.find("${") else { return text.to_owned() };
    let mut depth = 0;
    let end = text[start..].char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (c == '}' && depth == 0).then_some(start + at)
    });
    let end = end.unwrap_or_else(|| panic!("no end of the braces in {text}"));
    let inside = &text[start + 2..end];
    let name_ends = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inside.len());
    let (name, rest) = inside.split_at(name_ends);
    seen.insert(name.to_owned());
    let set = env.get(name).copied();
    let or_default = |default: &str, set: Option<&str>, seen: &mut BTreeSet<String>| match set {
        Some(value) => value.to_owned(),
        None => interpolate(default, env, seen),
    };
    let value = if let Some(default) = rest.strip_prefix(":-") {
        // the names in defaults count, whether used or not
        interpolate(default, env, seen);
        or_default(default, set.filter(|value| !value.is_empty()), seen)
    } else if let Some(default) = rest.strip_prefix('-') {
        interpolate(default, env, seen);
        or_default(default, set, seen)
    } else if rest.is_empty() || rest.starts_with(":?") {
        set.unwrap_or_default().to_owned()
    } else {
        panic!("unknown form: {inside}")
    };
    format!("{}{value}{}", &text[..start], interpolate(&text[end + 1..], env, seen))
}

const FILLED_IN: [(&str, &str); 5] = [
    ("MONGO_INITDB_ROOT_PASSWORD", "p@ss/word: with everything"),
    ("MINIO_ROOT_USER", "minio-user"),
    ("MINIO_ROOT_PASSWORD", "minio-password"),
    ("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef0123456789abcdef"),
    ("CLUSTER_SECRET", "0123456789abcdef0123456789abcdef"),
];

#[test]
fn the_services_bear_the_names_of_the_guide() {
    let file = compose();
    let service = |name: &str| file["services"][name].clone();
    for (name, image, container, ports, volume) in [
        ("mongodb", "mongo:8.0", "metastamp-mongodb", vec!["27017"], "mongodb_data"),
        ("redis", "redis:7.4-alpine", "metastamp-redis", vec!["6379"], "redis_data"),
        ("minio", "minio/minio:latest", "metastamp-minio", vec!["9000", "9001"], "minio_data"),
    ] {
        let it = service(name);
        assert_eq!((text(&it["image"]).as_str(), text(&it["container_name"]).as_str()), (image, container));
        let inside: Vec<_> = texts(&it["ports"]).iter().map(|p| p.rsplit(':').next().unwrap().to_owned()).collect();
        assert_eq!(inside, ports, "{name}");
        assert!(texts(&it["volumes"]).iter().any(|v| v.starts_with(&format!("{volume}:"))), "{name}");
        let check = &it["healthcheck"];
        assert_eq!(
            (text(&check["interval"]), text(&check["timeout"]), text(&check["retries"])),
            ("10s".into(), "5s".into(), "5".into())
        );
        assert_eq!(text(&it["restart"]), "unless-stopped");
    }
    let check = |name: &str| texts(&service(name)["healthcheck"]["test"]).join(" ");
    assert!(check("mongodb").contains("mongosh") && check("mongodb").contains("db.adminCommand('ping')"));
    assert!(check("redis").contains("redis-cli ping"));
    assert!(check("minio").contains("curl -f http://localhost:9000/minio/health/live"));
    assert!(check("backend").contains("curl -f http://localhost:8000/health"));
    assert_eq!(text(&service("backend")["deploy"]["replicas"]), "3");
    assert!(service("backend").get("container_name").is_none(), "a name of its own forbids --scale");

    let network = &file["networks"]["metastamp-network"];
    assert_eq!((text(&network["name"]), text(&network["driver"])), ("metastamp-network".into(), "bridge".into()));
    assert_eq!(text(&network["ipam"]["config"][0]["subnet"]), "172.28.0.0/16");
    for (name, called) in [
        ("mongodb_data", "metastamp-mongodb-data"),
        ("redis_data", "metastamp-redis-data"),
        ("minio_data", "metastamp-minio-data"),
    ] {
        assert_eq!(text(&file["volumes"][name]["name"]), called);
    }
}

#[test]
fn what_services_refer_to_is_there() {
    let file = compose();
    let services = names(&file["services"]);
    for name in &services {
        let service = &file["services"][name.as_str()];
        assert_eq!(texts(&service["networks"]), ["metastamp-network"], "{name}");
        if let Some(needed) = service.get("depends_on") {
            assert!(names(needed).is_subset(&services), "{name}");
        }
        for mount in service.get("volumes").map(texts).unwrap_or_default() {
            let source = mount.split(':').next().unwrap();
            match source.strip_prefix("./") {
                Some(path) => assert!(root().join(path).is_file(), "{name}: {source}"),
                None => assert!(names(&file["volumes"]).contains(source), "{name}: {source}"),
            }
        }
    }
    assert!(root().join(text(&file["services"]["backend"]["build"]["dockerfile"])).is_file());
    let whole: Value = serde_yaml_ng::from_str(&read("docker-compose.yml")).unwrap();
    assert_eq!(text(&whole["include"][0]["path"]), "compose/docker-compose.yml");
    let nginx = read("compose/nginx/metastamp.conf");
    assert!(nginx.contains("server backend:8000 resolve") && nginx.contains("least_conn;"));
}

#[test]
fn every_variable_of_the_nodes_is_one_they_know_and_the_values_pass() {
    let file = compose();
    let env = BTreeMap::from(FILLED_IN);
    for service in ["backend", "init"] {
        let set = file["services"][service]["environment"].as_mapping().unwrap();
        let pairs: Vec<(String, String)> = set
            .iter()
            .map(|(name, value)| (text(name), interpolate(&text(value), &env, &mut BTreeSet::new())))
            .collect();
        let home = tempfile::tempdir().unwrap();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let output = run_to_end(home.path(), &["config", "--dump"], &pairs, Duration::from_secs(20)).unwrap();
        let dump = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{dump}{}", String::from_utf8_lossy(&output.stderr));
        for (name, value) in pairs {
            let line = dump.lines().find(|line| line.split('=').next() == Some(name));
            let line = line.unwrap_or_else(|| panic!("the node does not know {name}"));
            assert!(value.is_empty() || line.ends_with("# environment"), "{line}");
        }
        assert!(!dump.contains("p@ss"), "{dump}");
    }
}

#[test]
fn every_variable_of_the_file_is_in_one_of_the_example_files() {
    let mut used = BTreeSet::new();
    interpolate(&read("compose/docker-compose.yml"), &BTreeMap::new(), &mut used);
    let ours = variables(&read("compose/.env.example"));
    let known = &ours | &variables(&read(".env.example"));
    assert!(used.is_subset(&known), "{:?}", used.difference(&known).collect::<Vec<_>>());
    assert!(ours.is_subset(&used), "{:?}", ours.difference(&used).collect::<Vec<_>>());
}

#[test]
fn the_image_runs_without_root_and_looks_after_its_health() {
    let dockerfile = read("compose/Dockerfile");
    let has = |line: &str| dockerfile.lines().any(|l| l.starts_with(line));
    assert!(has("USER 1000") && has("HEALTHCHECK --interval=15s --timeout=10s"), "{dockerfile}");
    assert!(dockerfile.lines().filter(|line| line.starts_with("FROM ")).count() >= 2, "several stages");
    let known = variables(&read(".env.example"));
    let env = dockerfile.split("ENV ").nth(1).unwrap().split("\n\n").next().unwrap();
    for pair in env.split_whitespace().filter(|word| word.contains('=')) {
        let name = pair.split('=').next().unwrap();
        assert!(known.contains(name), "{name}");
    }
}
