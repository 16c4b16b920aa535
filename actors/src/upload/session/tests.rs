//! Two nodes that both believe to own the same sessions, over one store, in random order: whatever was acknowledged
//! must fit together.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use metastamp_protocol::{FileKind, NodeRef};
use metastamp_store::Stores;
use metastamp_store::documents::embedded::EmbeddedDocuments;

use super::*;

const ROUNDS: u64 = 60;
const COMMANDS: usize = 40;

/// Splitmix64: a failure names its seed, and the seed gives the same run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// One node's view of all sessions.
struct Owner {
    session: Session,
    memories: Vec<Memory>,
}

#[derive(Debug, Clone, PartialEq)]
enum Acknowledged {
    Ticket(String),
    Renewed,
    Completed { asset: ObjectId, repeat: bool },
    Aborted,
}

impl Owner {
    fn open(dir: &Path, ids: &[ObjectId]) -> Self {
        let stores = Stores::of(EmbeddedDocuments::open(dir).unwrap());
        let rules = Rules {
            bucket: "b".to_owned(),
            lease: Duration::from_secs(60),
            repeat_window: Duration::from_secs(120),
            fingerprinting: true,
        };
        Self { session: Session::new(stores, rules), memories: ids.iter().map(|id| Memory::new(*id)).collect() }
    }

    async fn perform(&mut self, which: usize, command: Command) -> Result<Acknowledged> {
        let memory = &mut self.memories[which];
        self.session.run(memory, command.clone()).await?;
        Ok(match command {
            Command::Begin(_) => Acknowledged::Ticket(ticket(&memory.phase)?.s3_key),
            Command::Renew => Acknowledged::Renewed,
            Command::Complete(_) => match outcome(&memory.phase)? {
                UploadOutcome::Stored(asset) => Acknowledged::Completed { asset: asset.id, repeat: false },
                UploadOutcome::Repeat(asset) => Acknowledged::Completed { asset: asset.id, repeat: true },
            },
            Command::Abort => Acknowledged::Aborted,
        })
    }
}

/// What callers were told of one session.
#[derive(Debug, Default)]
struct Told {
    ticket: Option<String>,
    completed: Option<(ObjectId, bool)>,
    aborted: bool,
}

impl Told {
    /// `before`: what was true when the command was given; `alone`: no other command ran meanwhile.
    fn check(&mut self, answer: &Acknowledged, begun: bool, alone: bool) {
        match answer {
            Acknowledged::Ticket(key) => {
                assert_eq!(self.ticket.get_or_insert(key.clone()), key, "two tickets for one session");
            }
            Acknowledged::Renewed if alone => {
                assert!(self.completed.is_none() && !self.aborted, "an ended session was renewed");
            }
            Acknowledged::Renewed => {}
            Acknowledged::Completed { asset, repeat } => {
                let first = *self.completed.get_or_insert((*asset, *repeat));
                assert_eq!(first, (*asset, *repeat), "two outcomes of one session");
                assert!(*repeat || !self.aborted, "stored after it was given up");
            }
            Acknowledged::Aborted => {
                assert!(!matches!(self.completed, Some((_, false))), "given up after it was stored");
                // Before it began there was nothing to give up.
                self.aborted |= begun;
            }
        }
    }
}

struct World {
    dice: Dice,
    ids: Vec<ObjectId>,
    user: ObjectId,
    told: Vec<Told>,
}

impl World {
    fn command(&mut self, which: usize) -> Command {
        match self.dice.roll(8) {
            0..=2 => Command::Begin(NewUpload {
                id: self.ids[which],
                user_id: self.user,
                file_name: "a.txt".to_owned(),
                original_file_name: None,
                kind: FileKind::Text,
                receiver: NodeRef { node_id: "edge".to_owned(), generation: 1 },
            }),
            3 => Command::Renew,
            4..=6 => Command::Complete(Received {
                size: 3,
                // The first two sessions carry the same bytes: one is a repeat of the other.
                sha256: format!("digest {}", which / 2),
                digests: None,
                mime_type: "text/plain".to_owned(),
                title: None,
                description: None,
            }),
            _ => Command::Abort,
        }
    }

    /// One command by one owner, or by both at once; now and then its answer is lost on the way.
    async fn commands(&mut self, owners: &mut [Owner; 2]) {
        let which = self.dice.roll(self.ids.len() as u64) as usize;
        let begun = self.told[which].ticket.is_some();
        let [a, b] = owners;
        let mut answers = Vec::new();
        let alone = self.dice.roll(3) > 0;
        if alone {
            let owner = if self.dice.roll(2) == 0 { a } else { b };
            answers.push(owner.perform(which, self.command(which)).await);
        } else {
            let (first, second) = (self.command(which), self.command(which));
            let (first, second) = tokio::join!(a.perform(which, first), b.perform(which, second));
            answers.extend([first, second]);
        }
        for answer in answers {
            assert!(!matches!(answer, Err(ActorError::Store(StoreError::Internal(_)))), "{answer:?}");
            if let Ok(answer) = answer
                && self.dice.roll(5) > 0
            {
                self.told[which].check(&answer, begun, alone);
            }
        }
    }

    /// What happens to an owner between commands.
    async fn accident(&mut self, owners: &mut [Owner; 2]) {
        let which = self.dice.roll(self.ids.len() as u64) as usize;
        let owner = &mut owners[self.dice.roll(2) as usize];
        match self.dice.roll(12) {
            0 => owner.session.distrust(),
            // It leaves memory, or its node is killed and comes back.
            1 => owner.memories[which] = Memory::new(self.ids[which]),
            2 => {
                // The sweeper takes it for abandoned.
                let stores = &owner.session.stores;
                let Some(seen) = stores.uploads.upload(self.ids[which]).await.unwrap() else { return };
                if stores.uploads.discard_abandoned(&seen, Timestamp::now()).await.unwrap() {
                    self.told[which].aborted = true;
                }
            }
            _ => {}
        }
    }

    async fn check_store(&self, stores: &Stores) {
        let garbage: HashSet<_> =
            stores.uploads.garbage(100_000).await.unwrap().into_iter().map(|g| g.s3_key).collect();
        let mut digests = HashSet::new();
        for (id, told) in self.ids.iter().zip(&self.told) {
            let session = stores.uploads.upload(*id).await.unwrap();
            let state = session.as_ref().map(|session| session.state);
            let asset = stores.works.asset(*id).await.unwrap();
            assert_eq!(asset.is_some(), state == Some(UploadState::Stored), "an asset for each stored session");
            if let Some(session) = &session {
                assert_eq!(garbage.contains(&session.s3_key), state == Some(UploadState::Discarded));
                assert!(told.ticket.as_ref().is_none_or(|key| *key == session.s3_key));
            }
            if let Some(asset) = asset {
                assert!(digests.insert(asset.sha256), "the same upload is two assets");
                assert!(stores.works.fingerprint_of(*id).await.unwrap().is_some());
            }
            if let Some((asset, repeat)) = told.completed {
                assert!(stores.works.asset(asset).await.unwrap().is_some(), "acknowledged and not there");
                assert_eq!(asset != *id, repeat);
            }
        }
    }
}

#[tokio::test]
async fn two_owners_of_the_same_sessions_agree_through_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let (mut stored, mut repeated) = (0, 0);
    for seed in 0..ROUNDS {
        let ids: Vec<_> = (0..3).map(|_| ObjectId::generate()).collect();
        let mut owners = [Owner::open(dir.path(), &ids), Owner::open(dir.path(), &ids)];
        let told = ids.iter().map(|_| Told::default()).collect();
        let mut world = World { dice: Dice(seed), user: ObjectId::generate(), told, ids };
        eprintln!("seed {seed}");
        for _ in 0..COMMANDS {
            world.commands(&mut owners).await;
            world.accident(&mut owners).await;
        }
        world.check_store(&owners[0].session.stores).await;
        stored += world.told.iter().filter(|told| matches!(told.completed, Some((_, false)))).count();
        repeated += world.told.iter().filter(|told| matches!(told.completed, Some((_, true)))).count();
    }
    assert!(stored > 20 && repeated > 5, "the runs are worth something: {stored} stored, {repeated} repeated");
}

#[tokio::test]
async fn a_stale_owner_learns_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let ids = [ObjectId::generate()];
    let (mut a, mut b) = (Owner::open(dir.path(), &ids), Owner::open(dir.path(), &ids));
    let mut world = World { dice: Dice(0), user: ObjectId::generate(), told: Vec::new(), ids: ids.to_vec() };
    let mut some = |wanted: fn(&Command) -> bool| {
        loop {
            let command = world.command(0);
            if wanted(&command) {
                break command;
            }
        }
    };
    let begin = some(|command| matches!(command, Command::Begin(_)));
    let complete = some(|command| matches!(command, Command::Complete(_)));
    let opened = a.perform(0, begin.clone()).await.unwrap();
    assert_eq!(b.perform(0, begin).await.unwrap(), opened);
    let done = b.perform(0, complete.clone()).await.unwrap();
    // `a` still believes that it receives.
    let fenced = |result: &Result<Acknowledged>| matches!(result, Err(ActorError::Store(StoreError::Fenced { .. })));
    assert!(fenced(&a.perform(0, Command::Abort).await));
    let refused = a.perform(0, Command::Renew).await;
    assert!(matches!(refused, Err(ActorError::Refused(_))), "it asked the store again: {refused:?}");
    assert_eq!(a.perform(0, complete.clone()).await.unwrap(), done);
    a.session.distrust();
    assert_eq!(a.perform(0, complete).await.unwrap(), done);
}
