//! Proof of teeth: each way to break a promise is found, under its name.

use metastamp_protocol::invariants::{CLUSTER_FORMS_AGAIN, FAILOVER_WITHIN_BOUNDS, ONE_RETRY_SUFFICES};

use super::*;
use crate::history::{FaultKind, Parameters};

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
        pictures: Vec::new(),
    }
}

fn invoke(op: u64, upload: &Upload) -> What {
    invoke_at("node-2", op, upload)
}

fn invoke_at(node: &str, op: u64, upload: &Upload) -> What {
    What::Invoke { op, upload: upload.clone(), node: node.into() }
}

fn ok(op: u64, asset_id: &str) -> What {
    What::Ok { op, asset_id: asset_id.into(), node: "node-2/7".into(), owner: "node-1/7".into() }
}

fn kill() -> What {
    What::Fault { action: "kill".into(), kind: FaultKind::Kill, victim: "node-1".into() }
}

/// Two uploads: one acknowledged after an unknown attempt, one unknown for good that did arrive.
fn sound() -> (Vec<What>, Vec<AssetInfo>) {
    let (first, second) = (upload("first.txt"), upload("second.txt"));
    let state = vec![asset("1", &first), asset("2", &second)];
    let events = vec![
        invoke(0, &first),
        What::Unknown { op: 0, why: "connection closed".into() },
        kill(),
        invoke(3, &first),
        ok(3, "1"),
        invoke(5, &second),
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
    events.push(invoke(9, &upload("first.txt")));
    events.push(ok(9, "2"));
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

#[test]
fn a_job_committed_twice_is_found() {
    let (mut events, state) = sound();
    events.push(What::Committed { job: "j1".into(), node: "node-1".into() });
    events.push(What::Committed { job: "j2".into(), node: "node-2".into() });
    let once = verdict(events.clone(), state.clone());
    assert!(once.holds() && once.jobs == 2, "{once}");
    events.push(What::Committed { job: "j1".into(), node: "node-3".into() });
    assert_eq!(names(&verdict(events, state)), [ONE_RESULT_PER_CLAIM]);
}

#[test]
fn a_cluster_that_stays_torn_is_found() {
    let (mut events, state) = sound();
    events.push(What::Reformed { after_ms: 900 });
    assert!(verdict(events.clone(), state.clone()).holds());
    events.push(What::Torn { within_ms: 20_000, why: "node-2 does not see node-1".into() });
    assert_eq!(names(&verdict(events, state)), [CLUSTER_FORMS_AGAIN]);
}

#[test]
fn a_second_failure_is_found_where_attempts_are_limited() {
    let run = |attempts_max| What::Run {
        scenario: "rolling".into(),
        seed: 1,
        parameters: Parameters { attempts_max, ..Parameters::default() },
    };
    let lost = |attempts_max| {
        let (mut events, state) = sound();
        events.push(invoke(7, &upload("second.txt")));
        events.push(What::Unknown { op: 7, why: "503".into() });
        events.insert(0, run(attempts_max));
        names(&verdict(events, state)).join(" ")
    };
    // the first upload needed one retry, the second failed twice
    assert_eq!(lost(2), ONE_RETRY_SUFFICES);
    assert_eq!(lost(0), "");
}

/// A kill at one second, and an upload under way then that is answered so late.
fn failover(answered_ms: u64) -> Verdict {
    let (first, second) = (upload("first.txt"), upload("second.txt"));
    let state = vec![asset("1", &first), asset("2", &second)];
    let events = [
        (900, invoke(0, &first)),
        (1_000, kill()),
        (1_100, What::Unknown { op: 0, why: "connection closed".into() }),
        (1_110, invoke(3, &first)),
        (answered_ms, ok(3, "1")),
        (answered_ms, invoke(5, &second)),
        (answered_ms + 20, ok(5, "2")),
        (9_999, What::State { user: "ann".into(), assets: state }),
    ];
    judge(&events.map(|(at_ms, what)| Event { at_ms, what }))
}

#[test]
fn the_gap_after_a_kill_is_measured_and_bounded() {
    let quick = failover(2_500);
    assert!(quick.holds(), "{quick}");
    assert_eq!((quick.gap.samples, quick.gap.first_worst, quick.gap.wait_worst), (1, 1_500, 1_500));
    let late = failover(3_100);
    // of one sample the median is the worst
    assert_eq!(names(&late), [FAILOVER_WITHIN_BOUNDS; 2], "{late}");
    assert_eq!(names(&failover(5_100)).len(), 4);
}

#[test]
fn an_upload_never_answered_counts_until_the_end() {
    let (first, second) = (upload("first.txt"), upload("second.txt"));
    let state = vec![asset("2", &second)];
    let events = [
        (900, invoke(0, &first)),
        (950, invoke(1, &second)),
        (1_000, kill()),
        (1_200, ok(1, "2")),
        (9_000, What::State { user: "ann".into(), assets: state }),
    ];
    let verdict = judge(&events.map(|(at_ms, what)| Event { at_ms, what }));
    assert_eq!((verdict.gap.first_worst, verdict.gap.wait_worst), (200, 8_000), "{verdict}");
}

#[test]
fn patience_with_a_sleeping_node_is_the_clients_own() {
    let (first, second) = (upload("first.txt"), upload("second.txt"));
    let state = vec![asset("1", &first), asset("2", &second)];
    let events = [
        (950, invoke(1, &second)),
        (990, invoke_at("node-1", 0, &first)),
        (1_000, kill()),
        (1_200, ok(1, "2")),
        (6_000, What::Unknown { op: 0, why: "timeout".into() }),
        (6_010, invoke(5, &first)),
        (6_050, ok(5, "1")),
        (9_000, What::State { user: "ann".into(), assets: state }),
    ];
    let verdict = judge(&events.map(|(at_ms, what)| Event { at_ms, what }));
    assert_eq!((verdict.gap.first_worst, verdict.gap.wait_worst), (200, 200), "{verdict}");
}
