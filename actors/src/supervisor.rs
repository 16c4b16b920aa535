//! Keeps the long-lived actors of a node running: one that ends is started again, with growing pauses.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use metrics::counter;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};

use crate::metrics::ACTOR_RESTARTS_TOTAL;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

type Starting = Pin<Box<dyn Future<Output = Result<ActorCell, SpawnErr>> + Send>>;

/// How to start one child, as often as needed.
pub struct Child {
    name: &'static str,
    start: Box<dyn Fn(ActorCell) -> Starting + Send + Sync>,
}

impl Child {
    /// `start` spawns the actor linked to the supervisor it is given.
    pub fn new<F, Fut>(name: &'static str, start: F) -> Self
    where
        F: Fn(ActorCell) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ActorCell, SpawnErr>> + Send + 'static,
    {
        Self { name, start: Box::new(move |supervisor| Box::pin(start(supervisor))) }
    }
}

pub struct Supervisor;

pub enum Message {
    Restart(usize),
}
impl ractor::Message for Message {}

pub struct State {
    children: Vec<Supervised>,
}

struct Supervised {
    child: Child,
    cell: Option<ActorCell>,
    failures: u32,
}

impl Actor for Supervisor {
    type Msg = Message;
    type State = State;
    type Arguments = Vec<Child>;

    async fn pre_start(&self, myself: ActorRef<Message>, children: Vec<Child>) -> Result<State, ActorProcessingErr> {
        let mut supervised = Vec::new();
        for child in children {
            let cell = (child.start)(myself.get_cell()).await?;
            supervised.push(Supervised { child, cell: Some(cell), failures: 0 });
        }
        Ok(State { children: supervised })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        Message::Restart(index): Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some(supervised) = state.children.get_mut(index) else { return Ok(()) };
        match (supervised.child.start)(myself.get_cell()).await {
            Ok(cell) => {
                tracing::info!(actor = supervised.child.name, "actor restarted");
                supervised.cell = Some(cell);
            }
            Err(error) => {
                tracing::error!(actor = supervised.child.name, %error, "actor failed to restart");
                schedule(&myself, index, supervised);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, reason) = match &event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => (cell, reason.clone().unwrap_or_default()),
            _ => return Ok(()),
        };
        let ended = |s: &Supervised| s.cell.as_ref().is_some_and(|c| c.get_id() == cell.get_id());
        if let Some(index) = state.children.iter().position(ended) {
            let supervised = &mut state.children[index];
            tracing::error!(actor = supervised.child.name, reason, "actor ended, restarting");
            supervised.cell = None;
            schedule(&myself, index, supervised);
        }
        Ok(())
    }
}

fn schedule(myself: &ActorRef<Message>, index: usize, supervised: &mut Supervised) {
    counter!(ACTOR_RESTARTS_TOTAL, "actor" => supervised.child.name).increment(1);
    let pause = PAUSE_MIN.saturating_mul(1 << supervised.failures.min(10)).min(PAUSE_MAX);
    supervised.failures += 1;
    drop(myself.send_after(pause, move || Message::Restart(index)));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Fragile(Arc<AtomicU32>);
    enum Blow {
        Up,
    }
    impl ractor::Message for Blow {}

    impl Actor for Fragile {
        type Msg = Blow;
        type State = ();
        type Arguments = ();
        async fn pre_start(&self, myself: ActorRef<Blow>, (): ()) -> Result<(), ActorProcessingErr> {
            if self.0.fetch_add(1, Ordering::SeqCst) < 2 {
                myself.cast(Blow::Up)?;
            }
            Ok(())
        }
        async fn handle(&self, _: ActorRef<Blow>, _: Blow, (): &mut ()) -> Result<(), ActorProcessingErr> {
            panic!("as planned")
        }
    }

    #[tokio::test]
    async fn an_actor_that_panics_is_started_again() {
        let starts = Arc::new(AtomicU32::new(0));
        let count = starts.clone();
        let child = Child::new("fragile", move |supervisor| {
            let fragile = Fragile(count.clone());
            async move { Ok(Actor::spawn_linked(None, fragile, (), supervisor).await?.0.get_cell()) }
        });
        let (supervisor, ended) = Actor::spawn(None, Supervisor, vec![child]).await.unwrap();
        let three = async {
            while starts.load(Ordering::SeqCst) < 3 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), three).await.unwrap();
        supervisor.stop(None);
        ended.await.unwrap();
    }
}
