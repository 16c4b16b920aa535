//! Uploaders work while nodes on one data directory, of no cluster, are killed at random moments and started again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::history::{Event, FaultKind, Parameters, What};
use crate::workload::{Crew, Leaver, Target, record_jobs};
use crate::{History, NodeOptions, NodeProcess};

/// How hard to try.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub uploaders: usize,
    /// Node processes that share one data directory.
    pub nodes: usize,
    /// How often the node is killed; the run ends after the last restart.
    pub kills: usize,
    /// Kills end early when this has passed.
    pub time_max: Duration,
    /// Longest life of a node between ready and the kill.
    pub life_max: Duration,
}

/// Runs the plan on fresh nodes and gives the history with the end state, to be judged by [`crate::check::judge`].
pub async fn run(plan: &Plan, options: NodeOptions, mut progress: impl FnMut(String)) -> Result<Vec<Event>> {
    let history = History::default();
    let parameters = Parameters {
        nodes: plan.nodes,
        uploaders: plan.uploaders,
        rounds: plan.kills,
        time_max_ms: u64::try_from(plan.time_max.as_millis())?,
        ..Parameters::default()
    };
    history.record(What::Run { scenario: "kill".to_owned(), seed: plan.seed, parameters });
    let dir = tempfile::Builder::new().prefix("metastamp-chaos-").tempdir()?;
    let mut nodes = VecDeque::new();
    for _ in 0..plan.nodes.max(1) {
        let options = options.clone().data_dir(dir.path());
        nodes.push_back(tokio::task::spawn_blocking(|| NodeProcess::start(options)).await??);
    }
    let target = |node: &NodeProcess| Target { name: node.address().get(), address: node.address() };
    let targets: Vec<Target> = nodes.iter().map(target).collect();
    let mut crew = Crew::start(&targets, plan.uploaders, 0, plan.seed, &history).await?;

    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut leaver = Leaver::new(&targets, &history).await?;
    let began = Instant::now();
    for round in 1..=plan.kills {
        if began.elapsed() > plan.time_max {
            break;
        }
        let life = random.random_range(Duration::ZERO..plan.life_max);
        tokio::time::sleep(life).await;
        leaver.log_in_and_out().await;
        nodes.rotate_left(random.random_range(0..nodes.len()));
        let mut node = nodes.pop_front().context("no node")?;
        let action = format!("kill -9 after {life:?}: {}", node.address().get());
        // a node alone takes as long as its restart, so the gap is not judged
        history.record(What::Fault { action, kind: FaultKind::Other, victim: String::new() });
        let restarted = tokio::task::spawn_blocking(move || {
            node.kill();
            node.restart().map(|()| node)
        });
        nodes.push_back(restarted.await?.context("restart after a kill")?);
        leaver.knock().await;
        progress(format!("{:.0?}: {round} kills, {} events", began.elapsed(), history.len()));
    }

    crew.stop().await?;
    leaver.knock().await;
    crew.record_end_state().await?;
    for node in &nodes {
        record_jobs(&history, &node.address().get(), node.log());
    }
    Ok(history.events())
}
