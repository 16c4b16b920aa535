//! Proof of teeth: an answer that breaks the contract is found, whichever way it breaks it.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const DOCUMENT: &str = r##"
openapi: 3.1.0
paths:
  /items/{id}:
    get:
      responses:
        '200':
          content: {application/json: {schema: {$ref: '#/components/schemas/Item'}}}
        '401': {$ref: '#/components/responses/Unauthorized'}
        default:
          content: {application/json: {schema: {$ref: '#/components/schemas/Error'}}}
components:
  responses:
    Unauthorized:
      headers: {WWW-Authenticate: {schema: {type: string, const: Bearer}}}
      content: {application/json: {schema: {$ref: '#/components/schemas/Error'}}}
  schemas:
    Id: {type: string, pattern: '^[0-9a-f]{4}$'}
    Item:
      type: object
      required: [id, at]
      properties: {id: {$ref: '#/components/schemas/Id'}, at: {type: string, format: date-time}}
    Error: {type: object, required: [error, message, detail, code, status_code]}
"##;

const ITEM: &str = r#"{"id":"00ff","at":"2026-01-01T00:00:00.000Z"}"#;
const ERROR: &str =
    r#"{"error":{"code":"C","message":"m"},"message":"m","detail":"m","code":"C","status_code":404,"request_id":"r1"}"#;

fn answer(status: u16, body: &str, headers: &[(&str, &str)]) -> Answer {
    let all = [("x-request-id", "r1"), ("x-process-time", "1.5ms"), ("content-type", "application/json")];
    let headers = all
        .iter()
        .chain(headers)
        .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap()));
    // a later header of the same name replaces an earlier one
    let headers = headers.fold(HeaderMap::new(), |mut map, (name, value)| {
        map.insert(name, value);
        map
    });
    let (method, path) = ("GET".to_owned(), "/items/00ff".to_owned());
    Answer { method, path, status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn complaints(answer: &Answer) -> Vec<String> {
    Contract::parse(DOCUMENT).unwrap().complaints(answer)
}

#[test]
fn sound_answers_pass() {
    assert_eq!(complaints(&answer(200, ITEM, &[])), Vec::<String>::new());
    assert_eq!(complaints(&answer(404, ERROR, &[])), Vec::<String>::new());
    let refused = ERROR.replace("404", "401");
    assert_eq!(complaints(&answer(401, &refused, &[("www-authenticate", "Bearer")])), Vec::<String>::new());
}

#[test]
fn broken_answers_are_found() {
    let broken = [
        answer(200, ITEM, &[("x-request-id", "two words")]),
        answer(200, ITEM, &[("x-process-time", "fast")]),
        answer(200, ITEM, &[("content-type", "text/html")]),
        answer(200, r#"{"id":"00ff"}"#, &[]),
        answer(200, r#"{"id":"zz","at":"2026-01-01T00:00:00.000Z"}"#, &[]),
        answer(200, r#"{"id":"00ff","at":"yesterday"}"#, &[]),
        answer(200, &ITEM.replace('}', r#","error":null}"#), &[]),
        answer(201, ITEM, &[]),
        answer(302, ITEM, &[]),
        answer(404, "Not Found", &[]),
        answer(404, &ERROR.replace(r#""detail":"m""#, r#""detail":"n""#), &[]),
        answer(404, &ERROR.replace("404", "400"), &[]),
        answer(404, &ERROR.replace("r1", "r2"), &[]),
        answer(401, &ERROR.replace("404", "401"), &[]),
    ];
    for answer in broken {
        assert!(!complaints(&answer).is_empty(), "not found: {answer} {:?}", answer.headers);
    }
}

#[test]
fn the_recorder_knows_what_was_exercised() {
    let contract: &'static Contract = Box::leak(Box::new(Contract::parse(DOCUMENT).unwrap()));
    let recorder = Recorder::default();
    let observe = recorder.observer(contract);
    observe(&answer(200, ITEM, &[]));
    observe(&answer(404, ERROR, &[]));
    assert_eq!(recorder.statuses("/items/{id}", "GET"), BTreeSet::from([200, 404]));
    assert_eq!(recorder.statuses("/items/{id}", "POST"), BTreeSet::new());
}
