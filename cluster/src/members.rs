//! The members as this node sees them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metastamp_protocol::cluster::wire;
use metastamp_protocol::{NodeRef, ObjectId, VERSION};
use serde::Serialize;

use crate::placement;
use crate::refusal::{Refusal, Refused};

/// What a member says of itself, or what the failure detector says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    Up,
    /// Finishes what it has, takes nothing new.
    Leaving,
    /// Not heard of for longer than the failure detector allows.
    Dead,
}

impl MemberState {
    pub const ALL: [MemberState; 3] = [MemberState::Up, MemberState::Leaving, MemberState::Dead];

    pub fn as_str(self) -> &'static str {
        match self {
            MemberState::Up => "up",
            MemberState::Leaving => "leaving",
            MemberState::Dead => "dead",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// The member is this node.
    Local,
    Up,
    /// Being dialled, or waited for.
    Connecting,
    Down,
}

impl LinkState {
    /// Those a link to another member can be in.
    pub const REMOTE: [LinkState; 3] = [LinkState::Up, LinkState::Connecting, LinkState::Down];

    pub fn as_str(self) -> &'static str {
        match self {
            LinkState::Local => "local",
            LinkState::Up => "up",
            LinkState::Connecting => "connecting",
            LinkState::Down => "down",
        }
    }
}

/// How busy a member is with fingerprint jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    pub workers: u32,
    pub busy: u32,
    /// Entities in memory.
    pub entities: u32,
}

impl Load {
    pub fn is_idle(&self) -> bool {
        self.busy < self.workers
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    #[serde(flatten)]
    pub node: NodeRef,
    pub state: MemberState,
    pub link: LinkState,
    /// Where it takes links and gossip.
    pub address: Option<SocketAddr>,
    /// Where it serves HTTP, for people to look at.
    pub http: String,
    /// Of the software.
    pub version: String,
    pub protocol_min: u32,
    pub protocol_max: u32,
    pub load: Load,
    /// Ids of the members it has a link to.
    pub sees: Vec<String>,
}

impl Member {
    /// This node as a member.
    pub fn local(node: NodeRef) -> Self {
        Self {
            node,
            state: MemberState::Up,
            link: LinkState::Local,
            address: None,
            http: String::new(),
            version: VERSION.to_owned(),
            protocol_min: wire::VERSION_MIN,
            protocol_max: wire::VERSION_MAX,
            load: Load::default(),
            sees: Vec::new(),
        }
    }

    /// Can be asked now.
    pub fn is_reachable(&self) -> bool {
        matches!(self.link, LinkState::Local | LinkState::Up)
    }
}

/// All members at one instant, this node among them, by id.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub local: NodeRef,
    pub members: Vec<Member>,
    /// Nodes that are heard of and not let in. They are no members: nothing is placed on them, and no link made.
    pub refused: Vec<Refused>,
    /// Why this node stands back: it is the one that does not fit.
    pub refusal: Option<Refusal>,
}

impl View {
    /// A node by itself.
    pub fn alone(local: NodeRef) -> Self {
        Self { members: vec![Member::local(local.clone())], local, refused: Vec::new(), refusal: None }
    }

    pub fn member(&self, node_id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.node.node_id == node_id)
    }

    /// The member with exactly this generation, unless it is dead.
    pub fn live(&self, node: &NodeRef) -> Option<&Member> {
        self.member(&node.node_id).filter(|member| member.node == *node && member.state != MemberState::Dead)
    }

    /// Those that ids are placed on: all that are up; when every live member is leaving, all of them, because the last
    /// one standing serves everything.
    pub fn placeable(&self) -> Vec<&Member> {
        let in_state = |state| self.members.iter().filter(move |member| member.state == state);
        let up: Vec<_> = in_state(MemberState::Up).collect();
        if up.is_empty() { in_state(MemberState::Leaving).collect() } else { up }
    }

    /// The members an id may be placed on, best first.
    pub fn ranking(&self, id: ObjectId) -> Vec<&Member> {
        placement::ranking(id, self.placeable(), |member| &member.node)
    }

    /// The member that owns `id`. There is always one: this node itself, if nobody else.
    pub fn owner(&self, id: ObjectId) -> NodeRef {
        let placeable = self.placeable();
        let owner = placement::owner(id, &placeable, |member| &member.node);
        owner.map_or_else(|| self.local.clone(), |member| member.node.clone())
    }

    /// The newest version of the encoding that every live member knows: what all of them will understand.
    pub fn protocol(&self) -> u32 {
        let live = self.members.iter().filter(|member| member.state != MemberState::Dead);
        live.map(|member| member.protocol_max).min().unwrap_or(wire::VERSION_MAX)
    }

    /// Whether another member takes new work.
    pub fn others_up(&self) -> bool {
        self.members.iter().any(|member| !self.is_local(&member.node) && member.state == MemberState::Up)
    }

    pub fn is_local(&self, node: &NodeRef) -> bool {
        node.node_id == self.local.node_id
    }
}

/// A member with what changes too often for a [`View`].
#[derive(Debug, Clone, Serialize)]
pub struct MemberStatus {
    #[serde(flatten)]
    pub member: Member,
    /// Since it was last heard of; `None` for this node.
    pub heard: Option<Duration>,
    /// Of the last answered ping.
    pub round_trip: Option<Duration>,
    /// Requests to it that wait for an answer.
    pub in_flight: usize,
}

/// Shared, immutable view.
pub type SharedView = Arc<View>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_understand_follows_the_oldest_member_that_lives() {
        let node = |id: &str| NodeRef { node_id: id.to_owned(), generation: 1 };
        let mut view = View::alone(node("a"));
        assert_eq!(view.protocol(), wire::VERSION_MAX);
        let older = Member { protocol_max: 3, link: LinkState::Down, ..Member::local(node("b")) };
        view.members.push(older);
        for (state, protocol) in
            [(MemberState::Up, 3), (MemberState::Leaving, 3), (MemberState::Dead, wire::VERSION_MAX)]
        {
            view.members[1].state = state;
            assert_eq!(view.protocol(), protocol, "{state:?}");
        }
    }
}
