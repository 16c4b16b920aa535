//! One wallet, all nodes, full speed, while its owner is killed or stopped every few seconds: `chaos run --scenario
//! wallet` does the same for as long as one likes.

use std::time::Duration;

use metastamp_chaos::FleetOptions;
use metastamp_chaos::wallet::{Plan, run};
use metastamp_tests::cluster::turn;

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_loses_and_doubles_nothing_while_its_owners_die_and_wake_up() {
    let _turn = turn().await;
    let seed = 20_261_123;
    let plan = Plan::of(seed, Duration::from_secs(32));
    let verdict = run(&plan, FleetOptions::default(), |line| eprintln!("wallet, seed {seed}: {line}")).await.unwrap();
    eprintln!("wallet, seed {seed}: {verdict}");
    assert!(verdict.holds(), "seed {seed}: {verdict}");
    assert!(verdict.faults >= 4 && verdict.acknowledged > 100, "nothing was tried: {verdict}");
}
