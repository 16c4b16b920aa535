//! How tests are run: what is kept apart in one process is kept apart in many, and no test waits for a time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All Rust files below a directory, with their text.
fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let mut directories = vec![root().join(below)];
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{below}");
    found
}

/// `module::name` of every test that takes its turn.
fn in_turn() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (path, text) in sources("tests/tests") {
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // helpers may take it for their callers: then it counts for the module
        for function in text.split("\nasync fn ").skip(1).filter(|function| function.contains("= turn().await")) {
            let name = function.split(['(', '<']).next().unwrap();
            let is_test = text.contains(&format!("]\nasync fn {name}("));
            tests.insert(if is_test { format!("{module}::{name}") } else { format!("{module}::") });
        }
    }
    tests
}

#[test]
fn what_takes_its_turn_does_so_under_nextest_too() {
    let config = fs::read_to_string(root().join(".config/nextest.toml")).unwrap();
    let modules = config.split_once("test(/^(").unwrap().1.split_once(')').unwrap().0;
    let modules: BTreeSet<&str> = modules.split('|').collect();
    let tests: BTreeSet<&str> =
        config.split("test(=").skip(1).map(|rest| rest.split_once(')').unwrap().0.trim()).collect();
    let in_turn = in_turn();
    assert!(in_turn.len() > 10, "{in_turn:?}");
    for test in &in_turn {
        let module = test.split("::").next().unwrap();
        assert!(
            modules.contains(module) || tests.contains(test.as_str()),
            "{test} is not in the group of nextest.toml"
        );
    }
    // and nothing is there that does not exist any more
    let named = modules.iter().copied().chain(tests.iter().map(|test| test.split("::").next().unwrap()));
    for module in named {
        assert!(in_turn.iter().any(|test| test.starts_with(&format!("{module}::"))), "{module} takes no turn");
    }
    assert!(tests.iter().all(|test| in_turn.contains(*test)), "{tests:?}");
}

/// A condition within a bound is as quick as the machine and as patient as it must be: `eventually`.
#[test]
fn no_test_waits_for_a_time() {
    for (path, text) in ["tests/tests", "tests/src", "store/tests/objects"].into_iter().flat_map(sources) {
        for (number, line) in text.lines().enumerate() {
            let fixed = line.split_once("sleep(Duration::from_").and_then(|(_, rest)| rest.split_once('('));
            let is_fixed = fixed.is_some_and(|(_, value)| value.starts_with(|first: char| first.is_ascii_digit()));
            assert!(!is_fixed, "{}:{}: {}", path.display(), number + 1, line.trim());
        }
    }
}
