//! The nodes, the clients and the record of one run: each step of a scenario is one call.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::History;
use crate::client::eventually;
use crate::fleet::{Fleet, FleetOptions, View, index, name};
use crate::history::{FaultKind, What};
use crate::node::Signal;
use crate::workload::{Crew, Leaver, Target, record_jobs};

/// Every uploader is served again within this, whatever happened. Bounds on failover are the judge's.
const SERVED_WITHIN: Duration = Duration::from_secs(30);
/// Once a fault is taken back, all see all within this.
const REFORMED_WITHIN: Duration = Duration::from_secs(20);
/// A silent member is seen as such within this; the slowest detector is given the most.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);
/// Faults come at a random moment of so long a time after everyone was served.
const CALM_MAX: Duration = Duration::from_millis(700);
/// A pause of at least this must not keep anyone from being served while it lasts.
const LONG_PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Stage {
    fleet: Fleet,
    history: History,
    crew: Crew,
    leaver: Leaver,
    random: StdRng,
    /// Number of the event at which the latest fault was recorded.
    fault_at: usize,
}

impl Stage {
    pub async fn set(
        options: FleetOptions,
        uploaders: usize,
        attempts_max: usize,
        seed: u64,
        history: &History,
    ) -> Result<Self> {
        let fleet = Fleet::start(options).await?;
        let target = |(i, address)| Target { name: name(i), address };
        let targets: Vec<Target> = fleet.addresses().into_iter().enumerate().map(target).collect();
        let leaver = Leaver::new(&targets, history).await?;
        let crew = Crew::start(&targets, uploaders, attempts_max, seed, history).await?;
        let random = StdRng::seed_from_u64(seed);
        Ok(Self { fleet, history: history.clone(), crew, leaver, random, fault_at: 0 })
    }

    /// Before each fault: everyone is served, a session is ended, and a random while passes.
    pub async fn warm_up(&mut self) -> Result<()> {
        self.crew.all_served(self.history.len(), SERVED_WITHIN).await?;
        self.leaver.log_in_and_out().await;
        tokio::time::sleep(self.random.random_range(Duration::ZERO..CALM_MAX)).await;
        Ok(())
    }

    /// Ends the load, takes back what is left of faults, and records the end state.
    pub async fn close(&mut self) -> Result<()> {
        if let Ok(net) = self.fleet.net() {
            net.heal()?;
        }
        for i in 0..self.fleet.len() {
            // fails when it does not run
            _ = self.fleet.signal(i, Signal::CONT);
        }
        self.fleet.restart_all()?;
        self.crew.stop().await?;
        self.leaver.knock().await;
        self.crew.record_end_state().await?;
        for i in 0..self.fleet.len() {
            record_jobs(&self.history, &name(i), self.fleet.node(i).log());
        }
        Ok(())
    }

    // ---- whom

    /// The node that owned the latest acknowledged upload.
    pub fn owner(&mut self) -> usize {
        let owner = self.history.look_from(0, |events| {
            events.iter().rev().find_map(|event| match &event.what {
                What::Ok { owner, node, .. } => index(owner).or_else(|| index(node)),
                _ => None,
            })
        });
        owner.unwrap_or_else(|| self.any())
    }

    fn any(&mut self) -> usize {
        self.random.random_range(0..self.fleet.len())
    }

    pub fn two(&mut self) -> (usize, usize) {
        let (a, step) = (self.any(), self.random.random_range(1..self.fleet.len()));
        (a, (a + step) % self.fleet.len())
    }

    pub fn in_turn(&self) -> std::ops::Range<usize> {
        0..self.fleet.len()
    }

    // ---- what is done

    fn fault(&mut self, action: String, kind: FaultKind, victim: Option<usize>) {
        self.fault_at = self.history.len();
        self.history.record(What::Fault { action, kind, victim: victim.map(name).unwrap_or_default() });
    }

    pub fn kill(&mut self, node: usize) {
        self.fault(format!("kill -9 {}", name(node)), FaultKind::Kill, Some(node));
        self.fleet.kill(node);
    }

    pub fn restart(&mut self, node: usize) -> Result<()> {
        self.fleet.restart(node)?;
        self.history.record(What::Healed { action: format!("{} runs again", name(node)) });
        Ok(())
    }

    pub fn kill_all(&mut self) {
        self.fault("kill -9 of all".to_owned(), FaultKind::Other, None);
        self.fleet.kill_all();
    }

    pub fn restart_all(&mut self) -> Result<()> {
        self.fleet.restart_all()?;
        self.history.record(What::Healed { action: "all run again".to_owned() });
        Ok(())
    }

    /// Lets a node sleep for so long.
    pub async fn pause(&mut self, node: usize, pause: Duration) -> Result<()> {
        self.fleet.stop(node)?;
        self.fault(format!("SIGSTOP of {} for {pause:?}", name(node)), FaultKind::Other, Some(node));
        let began = Instant::now();
        if pause >= LONG_PAUSE {
            self.served().await?;
        }
        // the length of the pause is the fault itself
        tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
        self.fleet.signal(node, Signal::CONT)?;
        self.history.record(What::Healed { action: format!("SIGCONT of {}", name(node)) });
        self.fault_at = self.history.len();
        Ok(())
    }

    pub fn isolate(&mut self, node: usize) -> Result<()> {
        self.fault(format!("{} is cut from all others", name(node)), FaultKind::Other, Some(node));
        self.fleet.net()?.isolate(node)
    }

    pub fn cut(&mut self, a: usize, b: usize) -> Result<()> {
        self.fault(format!("{} and {} are cut", name(a), name(b)), FaultKind::Other, Some(a));
        self.fleet.net()?.cut(a, b)
    }

    pub fn one_way(&mut self, from: usize, to: usize) -> Result<()> {
        self.fault(format!("{} no longer reaches {}", name(from), name(to)), FaultKind::Other, Some(from));
        self.fleet.net()?.one_way(from, to)
    }

    pub fn heal(&mut self) -> Result<()> {
        self.fleet.net()?.heal()?;
        self.history.record(What::Healed { action: "all links work".to_owned() });
        Ok(())
    }

    /// Ends a node with SIGTERM and starts it again once it has ended.
    pub async fn replace(&mut self, node: usize) -> Result<()> {
        self.fault(format!("SIGTERM of {}", name(node)), FaultKind::Other, Some(node));
        self.fleet.terminate(node)?;
        self.served().await?;
        self.restart(node)
    }

    pub async fn drain(&mut self, node: usize, drain: bool) -> Result<()> {
        let at = (node + 1) % self.fleet.len();
        if drain {
            self.fault(format!("drain of {}", name(node)), FaultKind::Other, Some(node));
        } else {
            self.history.record(What::Healed { action: format!("{} takes part again", name(node)) });
        }
        let answer = self.fleet.drain(at, node, drain).await?;
        ensure!(answer.status < 300, "{answer}");
        Ok(())
    }

    // ---- what is waited for

    /// Each uploader got a new upload through since the latest fault.
    pub async fn served(&self) -> Result<()> {
        self.crew.all_served(self.fault_at, SERVED_WITHIN).await
    }

    /// All see all again.
    pub async fn reformed(&self) -> Result<()> {
        let after = self.fleet.formed(REFORMED_WITHIN).await?;
        self.history.record(What::Reformed { after_ms: u64::try_from(after.as_millis())? });
        Ok(())
    }

    /// No other node takes this one to be up.
    pub async fn gone(&self, node: usize) -> Result<()> {
        let id = name(node);
        let missing = |views: &[View]| {
            let others = views.iter().filter(|view| view.me().is_some_and(|me| me.node_id != id));
            let mut still = others.filter(|view| view.up().contains(&id.as_str()));
            still.next().map(|view| format!("{id} is still up: {view:?}"))
        };
        self.fleet.wait(NOTICED_WITHIN, missing).await
    }

    /// Two nodes know that there is no link between them.
    pub async fn apart(&self, a: usize, b: usize) -> Result<()> {
        let pair = [name(a), name(b)];
        let missing = |views: &[View]| {
            let of_pair = views.iter().filter(|view| view.me().is_some_and(|me| pair.contains(&me.node_id)));
            let mut linked = of_pair.filter(|view| {
                pair.iter().any(|id| view.me().is_some_and(|me| me.node_id != *id) && view.links_to(id))
            });
            linked.next().map(|view| format!("there is a link between {pair:?}: {view:?}"))
        };
        self.fleet.wait(NOTICED_WITHIN, missing).await
    }

    /// A node owns no new upload, and everyone is served.
    pub async fn spared(&self, node: usize) -> Result<()> {
        let calm = || async {
            let start = self.history.len();
            self.crew.all_served(start, SERVED_WITHIN).await?;
            let owns = self.history.look_from(start, |events| {
                events.iter().any(|event| matches!(&event.what, What::Ok { owner, .. } if index(owner) == Some(node)))
            });
            Ok((!owns).then_some(()))
        };
        eventually("a drained node owns no new upload", NOTICED_WITHIN, calm).await
    }

    pub async fn knock(&self) {
        self.leaver.knock().await;
    }
}
