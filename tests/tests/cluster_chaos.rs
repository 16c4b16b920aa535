//! Faults of every kind on real clusters under load, judged by what was acknowledged. `chaos run` does the same for
//! as long as one likes.

use metastamp_chaos::check::{self, Verdict};
use metastamp_chaos::scenario::cluster::{Plan, Scenario, run};
use metastamp_chaos::{FleetOptions, history};
use metastamp_tests::cluster::turn;

/// Runs some rounds and prints what they came to. On failure the history stays, to be judged and looked at again.
async fn no_promise_is_broken(scenario: Scenario, seed: u64, rounds: usize) -> Verdict {
    let _turn = turn().await;
    let plan = Plan::of(scenario, seed).rounds(rounds);
    let events = run(&plan, FleetOptions::default(), |line| eprintln!("{}: {line}", scenario.name())).await.unwrap();
    let verdict = check::judge(&events);
    eprintln!("{}, seed {seed}: {verdict}", scenario.name());
    if !verdict.holds() {
        let path = std::env::temp_dir().join(format!("metastamp-{}-{seed}.jsonl", scenario.name()));
        history::write(&events, std::fs::File::create(&path).unwrap()).unwrap();
        panic!("{}, seed {seed}, history {}: {verdict}", scenario.name(), path.display());
    }
    assert!(verdict.acknowledged > 0 && verdict.faults >= rounds, "nothing was tried: {verdict}");
    assert!(verdict.jobs > 0, "no job's end was seen: {verdict}");
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_owner() {
    let verdict = no_promise_is_broken(Scenario::KillOwner, 20_260_201, 4).await;
    // the judge holds these against the bounds: here only that they were measured
    assert!(verdict.gap.samples >= 12 && verdict.gap.first_worst > 0, "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_sleeps_three_seconds() {
    no_promise_is_broken(Scenario::Pause, 20_260_202, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_starts_again_at_once() {
    no_promise_is_broken(Scenario::Restart, 20_260_203, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_start_again_at_once() {
    no_promise_is_broken(Scenario::RestartAll, 20_260_204, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_costs_no_request_more_than_one_retry() {
    // one round replaces every node
    let verdict = no_promise_is_broken(Scenario::Rolling, 20_260_205, 1).await;
    assert!(verdict.faults >= 3, "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_the_owner() {
    no_promise_is_broken(Scenario::Drain, 20_260_206, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_owner() {
    no_promise_is_broken(Scenario::Isolate, 20_260_207, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_between_two_nodes_only() {
    no_promise_is_broken(Scenario::Cut, 20_260_208, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_way_loss() {
    no_promise_is_broken(Scenario::OneWay, 20_260_209, 2).await;
}
