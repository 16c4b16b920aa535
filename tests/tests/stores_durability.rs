//! What was acknowledged is there, whatever is killed: the document server and the node at once, and nodes of a cluster
//! whose only common ground are the servers.

use std::time::Duration;

use metastamp_chaos::check;
use metastamp_chaos::history::{Event, FaultKind, What};
use metastamp_chaos::scenario::cluster::{Plan, Scenario, run};
use metastamp_chaos::workload::{Crew, Target, record_jobs};
use metastamp_chaos::{FleetOptions, History, Servers};
use metastamp_tests::cluster::turn;
use metastamp_tests::{NodeOptions, eventually, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_of_node_and_database_loses_nothing() {
    let _turn = turn().await;
    let mut servers = Servers::start().unwrap();
    let mut node = start(NodeOptions::new().defaults(servers.env()));
    let history = History::default();
    let target = Target { name: "node".to_owned(), address: node.address() };
    let mut crew = Crew::start(&[target], 3, 0, 20_261_102, &history).await.unwrap();
    for round in 0..10u64 {
        // a moment under load, another one each time
        let (start, wanted) = (history.len(), 3 + round as usize % 4);
        let acknowledged = || async {
            let oks = |events: &[Event]| events.iter().filter(|event| matches!(event.what, What::Ok { .. })).count();
            Ok((history.look_from(start, oks) >= wanted).then_some(()))
        };
        eventually("uploads are acknowledged", Duration::from_secs(30), acknowledged).await.unwrap();
        let action = format!("kill -9 of document server and node, round {round}");
        history.record(What::Fault { action, kind: FaultKind::Other, victim: String::new() });
        // at the same moment, in either order
        if round % 2 == 0 {
            servers.documents.kill();
            node.kill();
        } else {
            node.kill();
            servers.documents.kill();
        }
        node.relaunch().unwrap();
        servers.documents.restart().unwrap();
        node.wait_until_ready(Duration::from_secs(30)).unwrap();
    }
    crew.stop().await.unwrap();
    crew.record_end_state().await.unwrap();
    record_jobs(&history, "node", node.log());
    let verdict = check::judge(&history.events());
    eprintln!("{verdict}");
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.acknowledged > 20 && verdict.faults == 10, "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_on_servers_take_over_from_each_other() {
    let _turn = turn().await;
    let plan = Plan::of(Scenario::KillOwner, 20_261_103).rounds(2);
    let options = FleetOptions::default().on(Servers::shared().unwrap().env());
    let events = run(&plan, options, |line| eprintln!("on servers: {line}")).await.unwrap();
    let verdict = check::judge(&events);
    eprintln!("{verdict}");
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.acknowledged > 0 && verdict.jobs > 0, "{verdict}");
}
