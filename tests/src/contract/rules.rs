//! The rules that hold for every answer, whatever the operation.

use metastamp_chaos::client::Answer;
use serde_json::Value;

/// A path without query, trailing slash and doubled prefix.
pub fn canonical_path(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let path = path.strip_prefix("/api/v1").filter(|rest| rest.starts_with("/api/v1/")).unwrap_or(path);
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}

/// Whether a path is of a template such as `/assets/{asset_id}`.
pub(super) fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let fits = |(t, p): (&&str, &&str)| t == p || (t.starts_with('{') && !p.is_empty());
    template.len() == path.len() && template.iter().zip(&path).all(fits)
}

/// Follows a `$ref` inside the document.
pub(super) fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// What is wrong with an answer by the rules for all endpoints.
pub(super) fn general(answer: &Answer) -> Vec<String> {
    let mut complaints = Vec::new();
    let id = answer.header("x-request-id").unwrap_or_default();
    let id_is_well_formed = (1..=128).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if !id_is_well_formed {
        complaints.push(format!("X-Request-ID is {id:?}"));
    }
    let time = answer.header("x-process-time").unwrap_or_default();
    if time.strip_suffix("ms").and_then(|ms| ms.parse::<f64>().ok()).is_none_or(|ms| ms < 0.0) {
        complaints.push(format!("X-Process-Time is {time:?}"));
    }
    if (300..400).contains(&answer.status) {
        complaints.push("a redirect".to_owned());
    }
    if answer.status == 401 && answer.header("www-authenticate") != Some("Bearer") {
        complaints.push("401 without WWW-Authenticate: Bearer".to_owned());
    }
    match answer.method.as_str() {
        "HEAD" if !answer.body.is_empty() => complaints.push("HEAD with a body".to_owned()),
        "HEAD" | "OPTIONS" => {}
        // A probe that says no says so in the shape it says yes in; the document has it.
        _ if canonical_path(&answer.path) == "/ready" => {}
        _ if answer.status >= 400 => error_body(answer, &mut complaints),
        _ => {
            if answer.json().is_ok_and(|body| body.get("error").is_some()) {
                complaints.push("a top-level error on success".to_owned());
            }
        }
    }
    complaints
}

/// The members of an error body that must repeat each other.
fn error_body(answer: &Answer, complaints: &mut Vec<String>) {
    let Ok(body) = answer.json() else {
        complaints.push("the error body is not JSON".to_owned());
        return;
    };
    let inner = &body["error"];
    if body["message"] != inner["message"] || body["detail"] != inner["message"] {
        complaints.push("message, detail and error.message differ".to_owned());
    }
    if body["code"] != inner["code"] {
        complaints.push("code and error.code differ".to_owned());
    }
    if body["status_code"] != answer.status {
        complaints.push(format!("status_code is {}", body["status_code"]));
    }
    if body["request_id"].as_str() != answer.header("x-request-id") {
        complaints.push("request_id is not the header's".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_recognised_in_every_spelling() {
        assert_eq!(canonical_path("/api/v1/api/v1/assets/?page=1"), "/api/v1/assets");
        assert_eq!(canonical_path("/"), "/");
        assert!(matches("/api/v1/assets/{asset_id}", "/api/v1/assets/00ff"));
        assert!(!matches("/api/v1/assets/{asset_id}", "/api/v1/assets"));
    }
}
