//! Who may hold a connection: a bound for each network address and one for the node, and a few places beyond both for
//! whoever asks how the node is.
//!
//! - At a bound, the oldest idle connection is closed for the new one: of the same address at its own bound, of all at
//!   the node's. Idle is what has no request under way, whether it never had one, or holds half a head.
//! - When all are busy, the new connection gets one of the places for probes: `/health` and `/ready` are answered there,
//!   everything else is told to come back. The newest of them stay.
//! - Proxies that are trusted bring many clients: for them, only the node's bound holds here, and each client's requests
//!   are counted instead ([`super::clients`]).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use metastamp_service::fair::{Counts, Origin};
use metrics::{counter, gauge};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::metrics::{HTTP_CONNECTIONS, HTTP_CONNECTIONS_CLOSED_TOTAL, HTTP_CONNECTIONS_REJECTED_TOTAL};

/// Connections at once, where so many files may be open.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Beyond them, for probes.
const PROBES_MAX: usize = 64;

#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections of everybody.
    pub all: usize,
    /// Connections of one network address that is no trusted proxy.
    pub per_address: usize,
}

/// What a connection is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Everything,
    /// There is no room: only probes are answered, and then it ends.
    Probes,
}

/// All connections. Cheap to clone.
#[derive(Clone)]
pub struct Connections(Arc<Mutex<Table>>);

/// A connection's place, given back when dropped.
pub struct Place {
    connections: Connections,
    id: u64,
    pub room: Room,
}

/// Ends when the connection must make room.
pub type Evicted = oneshot::Receiver<()>;

/// A request under way; dropped with the last byte of its answer.
pub struct Busy {
    connections: Connections,
    id: u64,
}

impl Connections {
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Table::new(bounds))))
    }

    /// A place for a connection from this address; `is_proxy`: one that is trusted.
    pub fn admit(&self, address: IpAddr, is_proxy: bool) -> (Place, Evicted) {
        let mut table = self.0.lock();
        let (id, room, evicted) = table.admit((!is_proxy).then(|| address.into()));
        gauge!(HTTP_CONNECTIONS).set(table.open.len() as f64);
        (Place { connections: self.clone(), id, room }, evicted)
    }

    /// Closes the connection that has been idle for longest, if there is one.
    pub fn close_idle(&self) {
        self.0.lock().close_idle();
    }
}

impl Place {
    pub fn busy(&self) -> Busy {
        self.connections.0.lock().begin(self.id);
        Busy { connections: self.connections.clone(), id: self.id }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.connections.0.lock().end(self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.connections.0.lock();
        table.remove(self.id);
        gauge!(HTTP_CONNECTIONS).set(table.open.len() as f64);
    }
}

struct Table {
    bounds: Bounds,
    open: HashMap<u64, Open>,
    by_origin: Counts<Origin>,
    /// By the moment since when, the oldest first; and the same for each origin.
    idle: BTreeSet<(u64, u64)>,
    idle_of: BTreeSet<(Origin, u64, u64)>,
    /// In places for probes, the oldest first.
    probes: VecDeque<u64>,
    /// Counts up: identities, and moments.
    clock: u64,
}

struct Open {
    /// `None` for proxies and probes: they count for nobody.
    origin: Option<Origin>,
    room: Room,
    /// Requests under way.
    busy: usize,
    idle_since: u64,
    /// Dropped, it tells the connection to end.
    _stays: oneshot::Sender<()>,
}

impl Table {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            open: HashMap::new(),
            by_origin: Counts::default(),
            idle: BTreeSet::new(),
            idle_of: BTreeSet::new(),
            probes: VecDeque::new(),
            clock: 0,
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn admit(&mut self, origin: Option<Origin>) -> (u64, Room, Evicted) {
        let room = if self.make_room(origin) { Room::Everything } else { Room::Probes };
        let (stays, evicted) = oneshot::channel();
        let id = self.tick();
        let origin = origin.filter(|_| room == Room::Everything);
        self.open.insert(id, Open { origin, room, busy: 0, idle_since: id, _stays: stays });
        if let Some(origin) = origin {
            self.by_origin.add(origin);
        }
        match room {
            Room::Everything => self.note_idle(id),
            Room::Probes => self.add_probe(id),
        }
        (id, room, evicted)
    }

    /// False when every connection that might give way is busy.
    fn make_room(&mut self, origin: Option<Origin>) -> bool {
        if let Some(origin) = origin
            && self.by_origin.of(&origin) >= self.bounds.per_address
        {
            let oldest = self.idle_of.range((origin, 0, 0)..=(origin, u64::MAX, u64::MAX)).next().map(|idle| idle.2);
            return self.give_way(oldest, "address");
        }
        if self.open.len() - self.probes.len() >= self.bounds.all {
            let oldest = self.idle.first().map(|idle| idle.1);
            return self.give_way(oldest, "node");
        }
        true
    }

    fn give_way(&mut self, oldest: Option<u64>, limit: &'static str) -> bool {
        let Some(id) = oldest else {
            counter!(HTTP_CONNECTIONS_REJECTED_TOTAL, "limit" => limit).increment(1);
            return false;
        };
        counter!(HTTP_CONNECTIONS_CLOSED_TOTAL, "limit" => limit).increment(1);
        self.remove(id);
        true
    }

    fn close_idle(&mut self) {
        let oldest = self.idle.first().map(|idle| idle.1);
        self.give_way(oldest, "node");
    }

    fn add_probe(&mut self, id: u64) {
        self.probes.push_back(id);
        if self.probes.len() > PROBES_MAX
            && let Some(oldest) = self.probes.pop_front()
        {
            self.open.remove(&oldest);
        }
    }

    fn begin(&mut self, id: u64) {
        let Some(open) = self.open.get_mut(&id) else { return };
        open.busy += 1;
        if open.busy == 1 {
            let (origin, since) = (open.origin, open.idle_since);
            self.forget_idle(id, origin, since);
        }
    }

    fn end(&mut self, id: u64) {
        let now = self.tick();
        let Some(open) = self.open.get_mut(&id) else { return };
        open.busy -= 1;
        if open.busy == 0 {
            open.idle_since = now;
            self.note_idle(id);
        }
    }

    fn note_idle(&mut self, id: u64) {
        let Some(Open { origin, room: Room::Everything, idle_since, .. }) = self.open.get(&id) else { return };
        self.idle.insert((*idle_since, id));
        self.idle_of.extend(origin.map(|origin| (origin, *idle_since, id)));
    }

    fn forget_idle(&mut self, id: u64, origin: Option<Origin>, since: u64) {
        self.idle.remove(&(since, id));
        if let Some(origin) = origin {
            self.idle_of.remove(&(origin, since, id));
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(open) = self.open.remove(&id) else { return };
        self.forget_idle(id, open.origin, open.idle_since);
        if let Some(origin) = open.origin {
            self.by_origin.remove(&origin);
        }
        if open.room == Room::Probes {
            self.probes.retain(|probe| *probe != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(all: usize, per_address: usize) -> Connections {
        Connections::new(Bounds { all, per_address })
    }

    struct Held {
        place: Place,
        evicted: Evicted,
    }

    impl Held {
        fn is_open(&mut self) -> bool {
            self.evicted.try_recv() == Err(oneshot::error::TryRecvError::Empty)
        }
    }

    fn open(connections: &Connections, last: u8) -> Held {
        let (place, evicted) = connections.admit([192, 0, 2, last].into(), false);
        Held { place, evicted }
    }

    fn is_empty(connections: &Connections) -> bool {
        let table = connections.0.lock();
        let idle = table.idle.len() + table.idle_of.len();
        (table.open.len(), table.by_origin.callers(), idle, table.probes.len()) == (0, 0, 0, 0)
    }

    #[test]
    fn an_address_at_its_bound_gives_its_own_oldest_idle_one() {
        let connections = connections(10, 3);
        let mut other = open(&connections, 2);
        let mut own: Vec<_> = (0..3).map(|_| open(&connections, 1)).collect();
        let busy = own[0].place.busy();
        let mut fourth = open(&connections, 1);
        assert_eq!(fourth.place.room, Room::Everything);
        let open_now: Vec<_> = own.iter_mut().map(Held::is_open).collect();
        assert_eq!(open_now, [true, false, true]);
        // its answer is over: now it is the one that was busy last
        drop(busy);
        let mut fifth = open(&connections, 1);
        assert_eq!((own[0].is_open(), own[2].is_open(), fourth.is_open()), (true, false, true));
        assert!(other.is_open() && fifth.is_open());
        drop((other, own, fourth, fifth));
        assert!(is_empty(&connections));
    }

    #[test]
    fn when_all_of_an_address_are_busy_only_probes_are_answered() {
        let connections = connections(10, 2);
        let own = [open(&connections, 1), open(&connections, 1)];
        let busy = own.each_ref().map(|held| held.place.busy());
        assert_eq!(open(&connections, 1).place.room, Room::Probes);
        assert_eq!(open(&connections, 2).place.room, Room::Everything);
        drop(busy);
        assert_eq!(open(&connections, 1).place.room, Room::Everything);
        drop(own);
        assert!(is_empty(&connections));
    }

    #[test]
    fn a_full_node_closes_what_has_been_idle_for_longest() {
        let connections = connections(3, 3);
        let mut held: Vec<_> = (1..=3).map(|last| open(&connections, last)).collect();
        drop(held[0].place.busy());
        let stranger = open(&connections, 4);
        assert_eq!(stranger.place.room, Room::Everything);
        assert_eq!(held.iter_mut().map(Held::is_open).collect::<Vec<_>>(), [true, false, true]);
        let _busy: Vec<_> = [&held[0], &held[2], &stranger].map(|held| held.place.busy()).into();
        assert_eq!(open(&connections, 5).place.room, Room::Probes);
    }

    #[test]
    fn of_those_without_room_the_newest_stay() {
        let connections = connections(1, 1);
        let held = open(&connections, 1);
        let busy = held.place.busy();
        let mut probes: Vec<_> = (0..=PROBES_MAX).map(|_| open(&connections, 2)).collect();
        let open_now = probes.iter_mut().map(Held::is_open).filter(|open| *open).count();
        assert_eq!((open_now, probes[0].is_open()), (PROBES_MAX, false));
        // a request on such a one makes it no candidate for anything else
        drop(probes[5].place.busy());
        drop((busy, held, probes));
        assert!(is_empty(&connections));
    }

    #[test]
    fn trusted_proxies_are_bound_by_the_node_alone() {
        let connections = connections(5, 1);
        let held: Vec<_> = (0..5).map(|_| connections.admit([10, 0, 0, 1].into(), true)).collect();
        assert!(held.iter().all(|(place, _)| place.room == Room::Everything));
        let busy: Vec<_> = held.iter().map(|(place, _)| place.busy()).collect();
        assert_eq!(connections.admit([10, 0, 0, 1].into(), true).0.room, Room::Probes);
        drop((busy, held));
        assert!(is_empty(&connections));
    }

    #[test]
    fn a_connection_that_had_to_go_may_still_end_its_request() {
        let connections = connections(1, 1);
        let first = open(&connections, 1);
        let mut second = open(&connections, 1);
        // it asked in the moment in which it was closed
        drop(first.place.busy());
        assert!(second.is_open());
        connections.close_idle();
        assert!(!second.is_open());
        drop((first, second));
        assert!(is_empty(&connections));
    }
}
