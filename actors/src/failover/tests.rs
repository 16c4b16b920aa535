//! Deaths as a survivor sees them, and what it does about them.

use std::sync::atomic::{AtomicU32, Ordering};

use metastamp_cluster::Member;
use metastamp_protocol::{FileKind, JobLane, JobState, NewUpload, ObjectId, Received};
use metastamp_store::Stores;
use metastamp_store::documents::embedded::EmbeddedDocuments;

use super::*;

fn node(node_id: &str, generation: i64) -> NodeRef {
    NodeRef { node_id: node_id.to_owned(), generation }
}

fn view(members: &[(&str, i64, MemberState)]) -> View {
    let member = |(id, generation, state): &(&str, i64, MemberState)| Member {
        state: *state,
        ..Member::local(node(id, *generation))
    };
    View { members: members.iter().map(member).collect(), ..View::alone(node("me", 1)) }
}

use MemberState::{Dead, Leaving, Up};

#[test]
fn deaths_are_seen_whatever_views_were_missed() {
    let mut living = Living::new();
    let all = view(&[("me", 1, Up), ("a", 1, Up), ("b", 1, Up), ("c", 1, Leaving), ("d", 1, Up)]);
    assert_eq!(note_deaths(&mut living, &all), []);
    assert_eq!(note_deaths(&mut living, &all), []);
    // Dead, gone, replaced, leaving.
    let later = view(&[("me", 1, Up), ("a", 1, Dead), ("c", 2, Up), ("d", 1, Leaving)]);
    assert_eq!(note_deaths(&mut living, &later), [node("a", 1), node("b", 1), node("c", 1)]);
    assert_eq!(note_deaths(&mut living, &later), [], "told once");
    let back = view(&[("me", 1, Up), ("a", 2, Up), ("c", 2, Up), ("d", 1, Dead)]);
    assert_eq!(note_deaths(&mut living, &back), [node("d", 1)]);
    // A flap: the same life is dead, alive and dead again.
    let flapped = view(&[("me", 1, Up), ("a", 2, Dead), ("c", 2, Up)]);
    assert_eq!(note_deaths(&mut living, &flapped), [node("a", 2)]);
    assert_eq!(note_deaths(&mut living, &back), []);
    assert_eq!(note_deaths(&mut living, &flapped), [node("a", 2)]);
}

/// A store with one job that runs under a claim of `by`.
async fn running_job(dir: &std::path::Path, by: &NodeRef) -> Stores {
    use crate::upload::state::{Command, Phase, Rules, Step};
    let stores = Stores::of(EmbeddedDocuments::open(dir).unwrap());
    let rules = Rules {
        bucket: "b".to_owned(),
        lease: Duration::from_secs(60),
        repeat_window: Duration::from_secs(120),
        fingerprinting: true,
    };
    let new = NewUpload {
        id: ObjectId::generate(),
        user_id: ObjectId::generate(),
        file_name: "a.txt".to_owned(),
        original_file_name: None,
        kind: FileKind::Text,
        receiver: by.clone(),
    };
    let sha256 = "ab".to_owned();
    let received =
        Received { size: 3, sha256, digests: None, mime_type: "text/plain".to_owned(), title: None, description: None };
    let now = Timestamp::now();
    let Ok(Step::Open(session)) = Phase::Unknown.decide(&Command::Begin(new), &rules, now) else { panic!("opens") };
    stores.uploads.open_upload(&session).await.unwrap();
    let commit = Phase::Receiving(session).decide(&Command::Complete(received), &rules, now);
    let Ok(Step::Commit(commit)) = commit else { panic!("commits") };
    stores.works.commit_upload(*commit).await.unwrap();
    let lease = Duration::from_secs(600);
    assert_eq!(stores.jobs.claim_jobs(by, Timestamp::now(), lease, JobLane::Any, 1).await.unwrap().len(), 1);
    stores
}

async fn queued(stores: &Stores) -> u64 {
    let counts = stores.jobs.job_counts().await.unwrap();
    counts.into_iter().filter(|(state, _)| *state == JobState::Queued).map(|(_, count)| count).sum()
}

async fn follow(stores: Stores, view: watch::Receiver<SharedView>) -> (ActorRef<Message>, Arc<AtomicU32>) {
    let looks = Arc::new(AtomicU32::new(0));
    let count = looks.clone();
    let look = Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let failover =
        Failover { stores, view, living: Arc::default(), caution: Caution::default(), look, beat: Arc::new(|| {}) };
    (Actor::spawn(None, failover, ()).await.unwrap().0, looks)
}

#[tokio::test]
async fn the_jobs_of_a_dead_member_are_queued_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let stores = running_job(dir.path(), &node("z", 1)).await;
    let (members, watch) = watch::channel(Arc::new(view(&[("me", 1, Up), ("z", 1, Up)])));
    let (actor, looks) = follow(stores.clone(), watch).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(queued(&stores).await, 0);
    let (seen, died) = (looks.load(Ordering::SeqCst), Instant::now());
    members.send_replace(Arc::new(view(&[("me", 1, Up), ("z", 1, Dead)])));
    while queued(&stores).await == 0 || looks.load(Ordering::SeqCst) == seen {
        assert!(died.elapsed() < Duration::from_secs(5), "the jobs of the dead come back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    actor.stop(None);
}

/// The last in line waits 200 ms; the member is heard of again before.
#[tokio::test]
async fn a_member_that_comes_back_keeps_its_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let stores = running_job(dir.path(), &node("z", 1)).await;
    let others: Vec<_> = (0..20).map(|i| format!("a{i}")).collect();
    let mut all: Vec<_> = others.iter().map(|id| (id.as_str(), 1, Up)).collect();
    all.push(("me", 1, Up));
    let without = Arc::new(view(&all));
    all.push(("z", 1, Up));
    let with = Arc::new(view(&all));
    let (members, watch) = watch::channel(with.clone());
    let (actor, _) = follow(stores.clone(), watch).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    members.send_replace(without);
    tokio::task::yield_now().await;
    members.send_replace(with);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(queued(&stores).await, 0);
    actor.stop(None);
}

#[test]
fn this_node_never_mourns_itself() {
    let mut living = Living::new();
    note_deaths(&mut living, &view(&[("me", 1, Up), ("a", 1, Up)]));
    assert_eq!(note_deaths(&mut living, &view(&[("me", 1, Dead), ("a", 1, Up)])), []);
    assert_eq!(note_deaths(&mut living, &view(&[])), [node("a", 1)]);
}

#[test]
fn survivors_take_turns() {
    let turn_of = |members: &[(&str, i64, MemberState)]| turn(&view(members));
    assert_eq!(turn_of(&[("me", 1, Up), ("z", 1, Up)]), 0);
    assert_eq!(turn_of(&[("a", 1, Dead), ("b", 1, Up), ("me", 1, Up)]), 1);
    let many: Vec<_> = (0..40).map(|i| (format!("a{i}"), 1, Up)).collect();
    let many: Vec<_> = many.iter().map(|(id, generation, state)| (id.as_str(), *generation, *state)).collect();
    assert_eq!(turn_of(&many), STEPS_MAX);
}
