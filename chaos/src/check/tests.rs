//! Proof of teeth: each way to break a promise is found, under its name.

use super::*;

fn upload(name: &str) -> Upload {
    Upload { user: "ann".into(), name: name.into(), size: 10, sha256: format!("digest of {name}") }
}

fn asset(id: &str, upload: &Upload) -> AssetInfo {
    AssetInfo {
        id: id.into(),
        file_name: upload.name.clone(),
        file_size: upload.size,
        sha256: upload.sha256.clone(),
        s3_key: format!("uploads/ann/{id}"),
        s3_bucket: "metastamp-assets".into(),
        mime_type: "text/plain".into(),
        upload_status: UploadStatus::Ready,
        fingerprint_status: ProcessingStatus::Completed,
        fingerprint_id: Some(format!("f{id}")),
        error_message: None,
    }
}

/// Two uploads: one acknowledged after an unknown attempt, one unknown for good that did arrive.
fn sound() -> (Vec<What>, Vec<AssetInfo>) {
    let (first, second) = (upload("first.txt"), upload("second.txt"));
    let state = vec![asset("1", &first), asset("2", &second)];
    let events = vec![
        What::Invoke { op: 0, upload: first.clone() },
        What::Unknown { op: 0, why: "connection closed".into() },
        What::Fault { action: "kill".into() },
        What::Invoke { op: 3, upload: first },
        What::Ok { op: 3, asset_id: "1".into() },
        What::Invoke { op: 5, upload: second },
        What::Unknown { op: 5, why: "timeout".into() },
    ];
    (events, state)
}

fn verdict(mut events: Vec<What>, assets: Vec<AssetInfo>) -> Verdict {
    events.push(What::State { user: "ann".into(), assets });
    judge(&events.into_iter().map(|what| Event { at_ms: 0, what }).collect::<Vec<_>>())
}

fn names(verdict: &Verdict) -> Vec<&str> {
    verdict.violations.iter().map(|violation| violation.invariant).collect()
}

#[test]
fn a_sound_run_holds_whether_an_unknown_outcome_happened_or_not() {
    let (events, mut state) = sound();
    assert!(verdict(events.clone(), state.clone()).holds());
    state.pop();
    assert!(verdict(events, state).holds());
}

#[test]
fn a_lost_asset_is_found() {
    let (events, mut state) = sound();
    state.remove(0);
    assert_eq!(names(&verdict(events, state)), [ACKNOWLEDGED_UPLOAD_EXISTS]);
}

#[test]
fn an_asset_listed_twice_is_found() {
    let (events, mut state) = sound();
    state.push(state[0].clone());
    assert_eq!(names(&verdict(events, state)), [ACKNOWLEDGED_UPLOAD_EXISTS]);
}

#[test]
fn a_duplicated_asset_is_found() {
    let (events, mut state) = sound();
    state.push(asset("3", &upload("first.txt")));
    assert_eq!(names(&verdict(events, state)), [RETRY_IS_ONE_ASSET]);
}

#[test]
fn two_ids_for_one_upload_are_found_even_when_one_is_gone() {
    let (mut events, state) = sound();
    events.push(What::Invoke { op: 9, upload: upload("first.txt") });
    events.push(What::Ok { op: 9, asset_id: "2".into() });
    let verdict = verdict(events, state);
    assert!(names(&verdict).contains(&RETRY_IS_ONE_ASSET));
}

#[test]
fn a_wrong_digest_and_a_wrong_size_are_found() {
    let (events, mut state) = sound();
    state[0].sha256 = "digest of half a file".into();
    assert_eq!(names(&verdict(events, state)), [ACKNOWLEDGED_UPLOAD_EXISTS, ROWS_AND_OBJECTS_AGREE]);
    let (events, mut state) = sound();
    state[0].file_size = 9;
    assert_eq!(names(&verdict(events, state)), [ACKNOWLEDGED_UPLOAD_EXISTS, ROWS_AND_OBJECTS_AGREE]);
}

#[test]
fn a_job_that_never_ends_is_found() {
    let (events, mut state) = sound();
    state[1].upload_status = UploadStatus::Processing;
    assert_eq!(names(&verdict(events, state)), [EVERY_JOB_ENDS]);
}

#[test]
fn a_result_that_contradicts_itself_is_found() {
    let (events, mut state) = sound();
    state[1].fingerprint_status = ProcessingStatus::Failed;
    assert_eq!(names(&verdict(events, state)), [ONE_RESULT_PER_CLAIM]);
}

#[test]
fn an_asset_of_another_user_is_found() {
    let (mut events, mut state) = sound();
    let strayed = state.remove(0);
    events.push(What::State { user: "bob".into(), assets: vec![strayed] });
    let verdict = verdict(events, state);
    assert_eq!(names(&verdict), [ACKNOWLEDGED_UPLOAD_EXISTS, ROWS_AND_OBJECTS_AGREE]);
}

#[test]
fn a_revived_session_is_found() {
    let (mut events, state) = sound();
    events.push(What::Accepted { session: "s".into() });
    events.push(What::Revoked { session: "s".into() });
    assert!(verdict(events.clone(), state.clone()).holds());
    events.push(What::Accepted { session: "s".into() });
    assert_eq!(names(&verdict(events, state)), [REVOKED_STAYS_REVOKED]);
}

#[test]
fn a_refusal_and_a_missing_end_state_do_not_pass() {
    let (mut events, state) = sound();
    events.push(What::Fail { op: 5, status: 401, code: "INVALID_TOKEN".into() });
    assert!(!verdict(events.clone(), state).holds());
    let unjudged = judge(&events.into_iter().map(|what| Event { at_ms: 0, what }).collect::<Vec<_>>());
    assert!(unjudged.unjudged && !unjudged.holds());
}
