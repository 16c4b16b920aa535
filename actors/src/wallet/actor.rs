//! The actor of one wallet: a queue in front of the journal. While one write is in flight, orders wait; the next write
//! carries them all.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use metastamp_protocol::ledger::{LedgerAnswer, Order, Refusal};
use metastamp_protocol::{Currency, ObjectId};
use metastamp_store::ports::{COMMIT_ROWS_MAX, Ledger};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::time::Instant;

use super::teller::Teller;
use crate::ActorError;
use crate::error::Result;
use crate::registry::{Entity, Idle};

/// Longest work on one group; less than callers wait.
const GROUP_WITHIN: Duration = Duration::from_secs(8);

/// Orders of one group; the first group of a wallet may bring in a row for each currency besides.
const ORDERS_MAX: usize = COMMIT_ROWS_MAX - Currency::ALL.len();

/// How long views may be behind: what is written meanwhile is brought in together.
const PROJECT_PAUSE: Duration = Duration::from_secs(1);

type Reply = RpcReplyPort<Result<LedgerAnswer>>;

/// Behaviour shared by all wallets.
#[derive(Clone)]
pub(crate) struct Wallet {
    pub teller: Teller,
    pub ledger: Arc<dyn Ledger>,
    /// Orders carried by one write.
    pub group_max: usize,
}

pub(crate) enum Message {
    Order(Box<Order>, Reply),
    /// The group that was at work has its answers.
    Served(Vec<Result<LedgerAnswer>>),
    /// Views were brought up to date, or not.
    Projected(bool),
    /// Time to do so.
    Project,
    /// Time to look whether anybody still needs us.
    Idle,
}
impl ractor::Message for Message {}

pub(crate) struct State {
    wallet_id: ObjectId,
    waiting: Vec<(Order, Reply)>,
    /// Whom the group at work is for.
    at_work: Vec<(String, Reply)>,
    /// Keys of both, with what was asked under them.
    keys: HashMap<String, String>,
    /// Views are being brought up to date, or will be in a moment.
    projecting: bool,
    /// They are behind the journal.
    behind: bool,
    idle: Idle,
}

impl Entity for Wallet {
    const KIND: &'static str = "wallet";
    const MAILBOX_MAX: usize = 1_024;
}

impl Actor for Wallet {
    type Msg = Message;
    type State = State;
    type Arguments = ObjectId;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        wallet_id: ObjectId,
    ) -> std::result::Result<State, ActorProcessingErr> {
        Ok(State {
            wallet_id,
            waiting: Vec::new(),
            at_work: Vec::new(),
            keys: HashMap::new(),
            projecting: false,
            behind: false,
            idle: Idle::start(&myself, || Message::Idle),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> std::result::Result<(), ActorProcessingErr> {
        let idle = state.idle.is_over(matches!(message, Message::Idle));
        match message {
            Message::Order(order, reply) => state.queue(*order, reply),
            Message::Served(answers) => state.served(answers),
            Message::Projected(done) => {
                state.projecting = false;
                state.behind |= !done;
            }
            Message::Project => self.project(&myself, state),
            Message::Idle => {}
        }
        if state.at_work.is_empty() {
            self.begin(&myself, state);
        }
        if state.behind && !state.projecting {
            // A moment later, for all that is written until then.
            state.projecting = true;
            drop(myself.send_after(PROJECT_PAUSE, || Message::Project));
        }
        if idle && state.at_work.is_empty() && !state.projecting {
            // What is in the mailbox is still answered; whoever comes later brings up another one.
            myself.drain()?;
        }
        Ok(())
    }
}

impl State {
    fn queue(&mut self, order: Order, reply: Reply) {
        // Whoever asked has given up waiting: the retry will ask again.
        if reply.is_closed() {
            return;
        }
        let asked = order.request_hash();
        if let Some(before) = self.keys.get(&order.key) {
            let refusal = if *before == asked { Refusal::InFlight } else { Refusal::KeyReused };
            let _ = reply.send(Ok(LedgerAnswer::Refused(refusal)));
            return;
        }
        if self.waiting.len() >= Wallet::MAILBOX_MAX {
            let _ = reply.send(Err(ActorError::Busy));
            return;
        }
        self.keys.insert(order.key.clone(), asked);
        self.waiting.push((order, reply));
    }

    /// Whoever does not wait any more is not served: its retry may come at any time, and must not find itself at work.
    fn forget_who_left(&mut self) {
        let Self { waiting, keys, .. } = self;
        waiting.retain(|(order, reply)| {
            let waits = !reply.is_closed();
            if !waits {
                keys.remove(&order.key);
            }
            waits
        });
    }

    fn served(&mut self, answers: Vec<Result<LedgerAnswer>>) {
        for ((key, reply), answer) in self.at_work.drain(..).zip(answers) {
            self.keys.remove(&key);
            self.behind |= matches!(answer, Ok(LedgerAnswer::Committed { .. }));
            let _ = reply.send(answer);
        }
    }
}

impl Wallet {
    /// Takes what waits and serves it, off to the side.
    fn begin(&self, myself: &ActorRef<Message>, state: &mut State) {
        state.forget_who_left();
        let count = state.waiting.len().min(self.group_max.clamp(1, ORDERS_MAX));
        if count == 0 {
            return;
        }
        let taken = state.waiting.drain(..count).map(|(order, reply)| {
            let key = order.key.clone();
            (order, (key, reply))
        });
        let (orders, replies): (Vec<_>, Vec<_>) = taken.unzip();
        state.at_work = replies;
        let (teller, wallet_id, myself) = (self.teller.clone(), state.wallet_id, myself.clone());
        tokio::spawn(async move {
            let until = Instant::now() + GROUP_WITHIN;
            let serving = tokio::time::timeout_at(until, teller.serve(wallet_id, &orders, until));
            // A panic or a store that hangs must not leave the wallet waiting for ever.
            let answers = match AssertUnwindSafe(serving).catch_unwind().await {
                Ok(Ok(answers)) => answers,
                Ok(Err(_)) => vec![Err(ActorError::Timeout); orders.len()],
                Err(_) => vec![Err(ActorError::Stopped); orders.len()],
            };
            let _ = myself.cast(Message::Served(answers));
        });
    }

    /// Brings the views up to date. Whoever reads them while they are behind does it too, so failing costs nothing.
    fn project(&self, myself: &ActorRef<Message>, state: &mut State) {
        state.behind = false;
        let (ledger, wallet_id, myself) = (self.ledger.clone(), state.wallet_id, myself.clone());
        tokio::spawn(async move {
            let projected = AssertUnwindSafe(ledger.project(wallet_id)).catch_unwind().await;
            if let Ok(Err(error)) = &projected {
                tracing::debug!(%wallet_id, %error, "views of a wallet stay behind its journal");
            }
            let _ = myself.cast(Message::Projected(matches!(projected, Ok(Ok(())))));
        });
    }
}
