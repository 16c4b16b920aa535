use std::collections::BTreeSet;

use super::*;

/// What the table has and the file has not, and why.
const UNDOCUMENTED: [(&str, &str, &str); 4] = [
    ("GET", "/docs", "the page that shows the file"),
    ("GET", "/docs/{file}", "what that page loads"),
    ("GET", "/redoc", "the same page"),
    ("GET", "/openapi.json", "the file itself"),
];

/// A path that a template stands for.
fn example(template: &str) -> String {
    let place =
        |part: &str| if part.starts_with('{') { "507f1f77bcf86cd799439011".to_owned() } else { part.to_owned() };
    template.split('/').map(place).collect::<Vec<_>>().join("/")
}

#[test]
fn every_row_is_found_by_its_path_and_method() {
    let mut seen = BTreeSet::new();
    for row in rows() {
        let (method, template) = (&row.method, row.template);
        assert!(seen.insert((method.to_string(), template)), "{method} {template} is there twice");
        let found = find(&example(template)).unwrap_or_else(|| panic!("{template} is not found"));
        assert_eq!(found.path.template, template);
        assert!(found.path.row(method).is_some_and(|found| found.answers(method)), "{method} {template}");
        for (name, value) in &found.params.0 {
            assert!(template.contains(&format!("{{{name}}}")), "{template}: {name}");
            assert_eq!(value, "507f1f77bcf86cd799439011");
        }
    }
}

#[test]
fn allow_says_what_a_path_answers() {
    let allow = |path: &str| find(path).map(|found| found.path.allow);
    assert_eq!(allow("/health"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(allow("/api/v1/auth/login"), Some("POST, OPTIONS"));
    assert_eq!(allow("/api/v1/assets/x"), Some("GET, HEAD, DELETE, OPTIONS"));
    assert_eq!(allow("/api/v1/partners/x"), Some("GET, HEAD, PATCH, OPTIONS"));
    assert_eq!(allow("/api/v1/nothing"), None);
    for path in Table::new(rows()).paths {
        for method in path.allow.split(", ").filter(|method| *method != "OPTIONS") {
            let method = method.parse().unwrap();
            assert!(path.row(&method).is_some(), "{}: {method}", path.template);
        }
        let unanswered = [Method::PUT, Method::TRACE, Method::CONNECT];
        for method in unanswered.iter().filter(|method| !path.allow.contains(method.as_str())) {
            assert!(path.row(method).is_none(), "{}: {method}", path.template);
        }
    }
}

#[test]
fn head_and_options_may_have_rows_of_their_own() {
    let row = |method: Method| public(method, "/x", async |_, _| Ok(system::root()));
    let own = |methods: &[Method], asked: Method| {
        let table = Table::new(methods.iter().cloned().map(row).collect());
        table.paths[0].row(&asked).map(|row| row.answers(&asked))
    };
    assert_eq!(own(&[Method::GET], Method::HEAD), Some(false));
    assert_eq!(own(&[Method::GET, Method::HEAD], Method::HEAD), Some(true));
    assert_eq!(own(&[Method::GET], Method::OPTIONS), None);
    assert_eq!(own(&[Method::GET, Method::OPTIONS], Method::OPTIONS), Some(true));
}

#[test]
fn the_table_and_the_openapi_file_have_the_same_operations() {
    let document: serde_json::Value = serde_yaml_ng::from_str(include_str!("../../../../docs/openapi.yaml")).unwrap();
    let verbs = ["get", "head", "post", "put", "patch", "delete", "options"];
    let documented: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |verb| (verb, path)))
        .filter(|(verb, _)| verbs.contains(&verb.as_str()))
        .map(|(verb, path)| (verb.to_uppercase(), path.clone()))
        .collect();
    let ours: BTreeSet<_> = rows().iter().map(|row| (row.method.to_string(), row.template.to_owned())).collect();
    let exceptions: BTreeSet<_> =
        UNDOCUMENTED.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let lacking: Vec<_> = documented.difference(&ours).collect();
    assert!(lacking.is_empty(), "documented, and no route: {lacking:?}");
    let undocumented: BTreeSet<_> = ours.difference(&documented).cloned().collect();
    assert_eq!(undocumented, exceptions, "routes that the file does not have");
}
