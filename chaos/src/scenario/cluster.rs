//! Faults of a cluster under load: what is done, what is waited for, and how it is taken back.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

use super::stage::Stage;
use crate::History;
use crate::fleet::{FleetOptions, Network};
use crate::history::{Event, Parameters, What};

/// Which fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// kill -9 of the node that decided last; it comes back at the same address once the others serve everyone.
    KillOwner,
    /// SIGSTOP of the node that decided last, and SIGCONT after a while.
    Pause,
    /// One node and the others lose sight of each other; clients and stores reach all of them.
    Isolate,
    /// Two nodes lose sight of each other, and of nobody else.
    Cut,
    /// What one node sends to another is lost, and nothing else.
    OneWay,
    /// kill -9, and a start at the same address at once.
    Restart,
    /// kill -9 of all nodes, and a start of all at the same addresses at once.
    RestartAll,
    /// SIGTERM and a start, node after node, while no upload is sent more than twice.
    Rolling,
    /// A node hands over what it owns, and takes part again.
    Drain,
}

/// How hard to try.
#[derive(Debug, Clone)]
pub struct Plan {
    pub scenario: Scenario,
    pub seed: u64,
    pub nodes: usize,
    pub uploaders: usize,
    /// Each round is one fault with its recovery.
    pub rounds: usize,
    /// No round begins after this.
    pub time_max: Duration,
    /// How long SIGSTOP lasts.
    pub pause: Duration,
}

impl Scenario {
    /// As it is written on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn network(self) -> Network {
        match self {
            Self::Isolate | Self::Cut | Self::OneWay => Network::Namespaces,
            _ => Network::Loopback,
        }
    }

    fn attempts_max(self) -> usize {
        if self == Self::Rolling { 2 } else { 0 }
    }

    async fn round(self, stage: &mut Stage, pause: Duration) -> Result<()> {
        match self {
            Self::KillOwner => {
                let victim = stage.owner();
                stage.kill(victim);
                stage.served().await?;
                stage.gone(victim).await?;
                stage.restart(victim)?;
            }
            Self::Pause => {
                let victim = stage.owner();
                stage.pause(victim, pause).await?;
                stage.served().await?;
            }
            Self::Isolate => {
                let victim = stage.owner();
                stage.isolate(victim)?;
                stage.gone(victim).await?;
                stage.served().await?;
                stage.heal()?;
            }
            Self::Cut => {
                let (a, b) = stage.two();
                stage.cut(a, b)?;
                stage.apart(a, b).await?;
                stage.served().await?;
                stage.heal()?;
            }
            Self::OneWay => {
                let (a, b) = stage.two();
                stage.one_way(a, b)?;
                stage.apart(a, b).await?;
                stage.served().await?;
                stage.heal()?;
            }
            Self::Restart => {
                let victim = stage.owner();
                stage.kill(victim);
                stage.restart(victim)?;
                stage.served().await?;
            }
            Self::RestartAll => {
                stage.kill_all();
                stage.restart_all()?;
                stage.served().await?;
            }
            Self::Rolling => {
                for node in stage.in_turn() {
                    stage.replace(node).await?;
                    stage.reformed().await?;
                }
            }
            Self::Drain => {
                let victim = stage.owner();
                stage.drain(victim, true).await?;
                stage.spared(victim).await?;
                stage.drain(victim, false).await?;
            }
        }
        stage.reformed().await
    }
}

impl Plan {
    /// Three nodes, three uploaders, as many rounds as fit into a minute.
    pub fn of(scenario: Scenario, seed: u64) -> Self {
        let (time_max, pause) = (Duration::from_secs(60), Duration::from_secs(3));
        Self { scenario, seed, nodes: 3, uploaders: 3, rounds: usize::MAX, time_max, pause }
    }

    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    fn parameters(&self) -> Result<Parameters> {
        Ok(Parameters {
            nodes: self.nodes,
            uploaders: self.uploaders,
            rounds: self.rounds,
            time_max_ms: u64::try_from(self.time_max.as_millis())?,
            pause_ms: u64::try_from(self.pause.as_millis())?,
            attempts_max: self.scenario.attempts_max(),
        })
    }
}

/// Runs the plan on fresh nodes and gives the history with the end state, to be judged by [`crate::check::judge`].
/// What `options` say of number and network of the nodes is the plan's to say. Needs a multi-threaded runtime.
pub async fn run(plan: &Plan, options: FleetOptions, mut progress: impl FnMut(String)) -> Result<Vec<Event>> {
    let (history, parameters) = (History::default(), plan.parameters()?);
    let attempts_max = parameters.attempts_max;
    history.record(What::Run { scenario: plan.scenario.name(), seed: plan.seed, parameters });
    let options = FleetOptions { nodes: plan.nodes, network: plan.scenario.network(), ..options };
    let mut stage = Stage::set(options, plan.uploaders, attempts_max, plan.seed, &history).await?;
    let began = Instant::now();
    for round in 1..=plan.rounds {
        if began.elapsed() > plan.time_max {
            break;
        }
        let outcome = async {
            stage.warm_up().await?;
            plan.scenario.round(&mut stage, plan.pause).await?;
            stage.knock().await;
            Ok::<_, anyhow::Error>(())
        };
        if let Err(error) = outcome.await {
            let (within_ms, why) = (millis_since(began), format!("round {round}: {error:#}"));
            progress(why.clone());
            history.record(What::Torn { within_ms, why });
            break;
        }
        progress(format!("{:.0?}: {round} rounds, {} events", began.elapsed(), history.len()));
    }
    stage.close().await?;
    Ok(history.events())
}

fn millis_since(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
