//! Who is let in. Members work on the same stores, and a name belongs to one of them.
//!
//! Every node looks at what gossip says of the others and judges by itself; the rules are such that all come to the same
//! result:
//!
//! - A node whose documents, objects or cache are not ours is no member here, and we are none there. What is not known
//!   fits: older versions say nothing. A cache may lose its identity at any time; members that agreed on it once have
//!   [`CACHE_WITHIN`] to agree again.
//! - Of two groups one stands back: its nodes are not ready and take no work. It is the one that stands back already;
//!   else the smaller one; else the one whose eldest member started later. Who stood back goes on doing so for as long
//!   as the others are remembered, so that a restart of theirs changes nothing.
//! - Of two nodes with one name, at two addresses, the one that started first has it while it lives. The other ends when
//!   it has seen for [`NAME_WITHIN`] that the first one lives. At one address the later start counts: there can be only
//!   one, so the former is dead.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use metastamp_protocol::{NodeRef, Store, StoreTags};
use serde::Serialize;

use crate::gossip::{Peer, key};

/// Members find out this soon that a cache has another identity now, and which.
const CACHE_WITHIN: Duration = Duration::from_secs(10);
/// Gossip may bring heartbeats of a former life for a second or two after its end.
const NAME_WITHIN: Duration = Duration::from_secs(5);
/// A member that lives is heard of at least so often.
const LIVES_WITHIN: Duration = Duration::from_millis(1_500);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    Documents,
    Objects,
    Cache,
    Name,
}

impl Reason {
    pub const ALL: [Reason; 4] = [Reason::Documents, Reason::Objects, Reason::Cache, Reason::Name];

    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Documents => "documents",
            Reason::Objects => "objects",
            Reason::Cache => "cache",
            Reason::Name => "name",
        }
    }
}

impl From<Store> for Reason {
    fn from(store: Store) -> Self {
        match store {
            Store::Documents => Reason::Documents,
            Store::Objects => Reason::Objects,
            Store::Cache => Reason::Cache,
        }
    }
}

/// A node that is not let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    #[serde(flatten)]
    pub node: NodeRef,
    pub address: SocketAddr,
    /// Where it serves HTTP, for people to look at.
    pub http: String,
    pub reason: Reason,
    /// What it says it works on.
    pub stores: String,
}

/// Why this node stands back, and from whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub reason: Reason,
    pub by: NodeRef,
    pub address: SocketAddr,
}

impl Refusal {
    /// For people.
    pub fn message(&self) -> String {
        let Self { by, address, .. } = self;
        match self.reason {
            Reason::Name => format!("{} at {address} lives and has this node's name", by.node_id),
            Reason::Cache => format!("this node's cache is not that of {} at {address}", by.node_id),
            reason => format!("this node's {} are not those of {} at {address}", reason.as_str(), by.node_id),
        }
    }
}

/// What a look at the peers came to.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict<'a> {
    /// One start of each name, without our own.
    pub members: Vec<&'a Peer>,
    pub refused: Vec<Refused>,
    pub refusal: Option<Refusal>,
    /// This node must end: its name is in use.
    pub must_end: bool,
}

/// This node, as it compares to others.
pub struct Own<'a> {
    pub node: &'a NodeRef,
    pub address: Option<SocketAddr>,
    pub stores: &'a StoreTags,
}

/// Judges, and remembers what it needs for it.
#[derive(Default)]
pub struct Judge {
    /// Members whose cache was ours, and since when it is not.
    cache: HashMap<NodeRef, Option<Instant>>,
    /// Nodes with our name, and when they were first seen.
    namesakes: HashMap<NodeRef, Instant>,
    stands_back: bool,
}

impl Judge {
    pub fn look<'a>(&mut self, own: &Own<'_>, peers: &'a [Peer], now: Instant) -> Verdict<'a> {
        let mut verdict = Verdict::default();
        let mut others = Vec::new();
        for peer in one_of_each_name(peers, own.node, &mut verdict.refused) {
            match self.conflict(own.stores, peer, now) {
                Some(reason) => others.push((peer, reason)),
                None => verdict.members.push(peer),
            }
        }
        verdict.refused.extend(others.iter().filter(|(peer, _)| peer.alive).map(|(peer, why)| refused(peer, *why)));
        verdict.refused.sort_by(|a, b| a.node.cmp(&b.node));
        let refusal = self.stand_back(own, &verdict.members, &others);
        self.stands_back = refusal.is_some();
        verdict.refusal = refusal;
        self.heed_namesakes(own, peers, now, &mut verdict);
        let known: HashSet<_> = peers.iter().map(|peer| &peer.node).collect();
        self.cache.retain(|node, _| known.contains(node));
        self.namesakes.retain(|node, _| known.contains(node));
        verdict
    }

    fn conflict(&mut self, ours: &StoreTags, peer: &Peer, now: Instant) -> Option<Reason> {
        let theirs = stores(peer);
        match ours.conflict(&theirs) {
            Some(Store::Cache) => {
                let agreed = self.cache.get_mut(&peer.node);
                // A member may have become one before its cache was known; whoever is dead can't say anything new.
                let lasts = agreed.is_none_or(|since| now - *since.get_or_insert(now) >= CACHE_WITHIN);
                (lasts && peer.alive).then_some(Reason::Cache)
            }
            Some(store) => Some(store.into()),
            None => {
                self.cache.insert(peer.node.clone(), None);
                None
            }
        }
    }

    /// Whom this node stands back from, if anybody.
    fn stand_back(&self, own: &Own<'_>, members: &[&Peer], others: &[(&Peer, Reason)]) -> Option<Refusal> {
        let mut groups: BTreeMap<StoreTags, Vec<(&Peer, Reason)>> = BTreeMap::new();
        for (peer, reason) in others {
            groups.entry(stores(peer)).or_default().push((peer, *reason));
        }
        let ours = Group::ours(own, members, self.stands_back);
        groups.values().find_map(|group| {
            let theirs = Group::of(group.iter().map(|(peer, _)| *peer));
            let (peer, reason) = group.iter().min_by_key(|(peer, _)| (!peer.alive, peer.node.generation))?;
            let refusal = || Refusal { reason: *reason, by: peer.node.clone(), address: peer.address };
            ours.stands_back_from(&theirs).then(refusal)
        })
    }

    fn heed_namesakes(&mut self, own: &Own<'_>, peers: &[Peer], now: Instant, verdict: &mut Verdict<'_>) {
        let namesakes = peers.iter().filter(|peer| peer.node.node_id == own.node.node_id && peer.alive);
        for peer in namesakes {
            let seen = *self.namesakes.entry(peer.node.clone()).or_insert(now);
            let same_place = own.address == Some(peer.address);
            let later = peer.node.generation > own.node.generation;
            match (same_place, later) {
                // Others take it for this node.
                (true, true) => verdict.must_end = true,
                // A former life.
                (true, false) => {}
                (false, true) => verdict.refused.push(refused(peer, Reason::Name)),
                // A former life of ours at another address is soon not heard of any more.
                (false, false) if stands_back(peer) || peer.heard >= LIVES_WITHIN => {}
                (false, false) => {
                    verdict.refused.push(refused(peer, Reason::Name));
                    let by = peer.node.clone();
                    verdict.refusal = Some(Refusal { reason: Reason::Name, by, address: peer.address });
                    verdict.must_end |= now - seen >= NAME_WITHIN;
                }
            }
        }
    }
}

fn stores(peer: &Peer) -> StoreTags {
    peer.published.get(key::STORES).map(|text| StoreTags::parse(text)).unwrap_or_default()
}

fn stands_back(peer: &Peer) -> bool {
    peer.published.get(key::REFUSED).is_some_and(|reason| !reason.is_empty())
}

fn refused(peer: &Peer, reason: Reason) -> Refused {
    let http = peer.published.get(key::HTTP).cloned().unwrap_or_default();
    let stores = peer.published.get(key::STORES).cloned().unwrap_or_default();
    Refused { node: peer.node.clone(), address: peer.address, http, reason, stores }
}

/// Who stands for each name but our own; others that live under it are refused.
fn one_of_each_name<'a>(peers: &'a [Peer], own: &NodeRef, out: &mut Vec<Refused>) -> Vec<&'a Peer> {
    let mut names: BTreeMap<&str, Vec<&Peer>> = BTreeMap::new();
    for peer in peers.iter().filter(|peer| peer.node.node_id != own.node_id) {
        names.entry(&peer.node.node_id).or_default().push(peer);
    }
    let chosen = names.into_values().filter_map(|mut starts| {
        starts.sort_by_key(|peer| peer.node.generation);
        let holder = starts.iter().copied().reduce(|holder, later| {
            let keeps = holder.alive && holder.address != later.address && stands_back(holder) <= stands_back(later);
            if keeps { holder } else { later }
        })?;
        let others = starts.iter().filter(|peer| peer.alive && peer.address != holder.address);
        out.extend(others.map(|peer| refused(peer, Reason::Name)));
        Some(holder)
    });
    chosen.collect()
}

fn start(node: &NodeRef) -> (i64, String) {
    (node.generation, node.node_id.clone())
}

/// Nodes that work on the same stores.
#[derive(Debug)]
struct Group {
    /// Names, those of the dead that are remembered among them: a restart must not make a group small.
    size: usize,
    /// Start of the member that lives longest. It speaks for all: whoever has just started does not know enough.
    since: Option<(i64, String)>,
    stands_back: bool,
    alive: bool,
}

impl Group {
    fn of<'a>(peers: impl Iterator<Item = &'a Peer> + Clone) -> Self {
        let eldest = peers.clone().min_by_key(|peer| (!peer.alive, peer.node.generation));
        Self {
            size: peers.count(),
            since: eldest.map(|peer| start(&peer.node)),
            stands_back: eldest.is_some_and(stands_back),
            alive: eldest.is_some_and(|peer| peer.alive),
        }
    }

    fn ours(own: &Own<'_>, members: &[&Peer], stands_back: bool) -> Self {
        let others = Self::of(members.iter().copied());
        let (size, since) = (others.size + 1, Some(start(own.node)));
        if others.alive && others.since < since {
            return Self { size, ..others };
        }
        Self { size, since, stands_back, alive: true }
    }

    fn stands_back_from(&self, other: &Self) -> bool {
        match (self.stands_back, other.stands_back) {
            (true, false) => true,
            (false, true) => false,
            // Nobody gives way to the dead who did not before.
            _ if !other.alive => false,
            _ => (other.size, &self.since) > (self.size, &other.since),
        }
    }
}

#[cfg(test)]
mod tests;
