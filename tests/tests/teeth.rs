//! Proof that the chaos runs can fail: on nodes whose conditional writes are switched off they must.

use std::time::Duration;

use metastamp_chaos::FleetOptions;
use metastamp_chaos::check;
use metastamp_chaos::fleet::unfenced_binary;
use metastamp_chaos::scenario::cluster::{Plan, Scenario, run};
use metastamp_protocol::invariants::{ONE_RESULT_PER_CLAIM, RETRY_IS_ONE_ASSET};
use metastamp_tests::cluster::turn;

/// Faults under which writes of two owners meet; on a busy machine not each time, so there are several. The first
/// finding ends it.
const SUITE: [Scenario; 8] = [
    Scenario::Pause,
    Scenario::KillOwner,
    Scenario::Pause,
    Scenario::KillOwner,
    Scenario::Pause,
    Scenario::KillOwner,
    Scenario::Pause,
    Scenario::KillOwner,
];

#[tokio::test(flavor = "multi_thread")]
async fn without_conditional_writes_the_suite_fails() {
    let _turn = turn().await;
    if metastamp_chaos::servers::wanted() {
        eprintln!("left out on servers: conditional writes are switched off in the embedded store only");
        return;
    }
    // the message says how to build it
    let binary = unfenced_binary().unwrap();
    let mut told = Vec::new();
    for (seed, scenario) in (20_260_301..).zip(SUITE) {
        let plan = Plan { pause: Duration::from_secs(3), ..Plan::of(scenario, seed).rounds(3) };
        let options = FleetOptions::default().binary(binary.clone());
        let events = run(&plan, options, |line| eprintln!("unfenced {}: {line}", scenario.name())).await.unwrap();
        let verdict = check::judge(&events);
        eprintln!("unfenced {}, seed {seed}: {verdict}", scenario.name());
        let names: Vec<_> = verdict.violations.iter().map(|violation| violation.invariant).collect();
        if names.contains(&RETRY_IS_ONE_ASSET) || names.contains(&ONE_RESULT_PER_CLAIM) {
            assert!(!verdict.holds());
            return;
        }
        told.extend(names);
    }
    panic!("conditional writes are off, and nothing but {told:?} was found");
}
