//! The step that keeps this node's picture of the cluster true, and acts on it: every quarter of a second and whenever
//! something changes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metastamp_protocol::NodeRef;
use metrics::{counter, gauge};
use tokio::time::MissedTickBehavior;

use crate::cluster::Inner;
use crate::gossip::{Membership, Peer, key};
use crate::links::{Links, Target};
use crate::members::{LinkState, Load, Member, MemberState, View};
use crate::metrics::{
    CLUSTER_LAST_HEARD_SECONDS, CLUSTER_LINK_STATE, CLUSTER_MEMBERS, CLUSTER_OWNERSHIP_CHANGES_TOTAL, CLUSTER_REFUSED,
    CLUSTER_REFUSED_MEMBERS,
};
use crate::refusal::{Judge, Own, Reason, Refused, Verdict};

const STEP_EVERY: Duration = Duration::from_millis(250);
/// A member that told us itself that it leaves is believed this long before gossip says so too.
const DEPARTURES_KEPT: Duration = Duration::from_secs(1);

/// Goes on until gossip ends.
pub async fn run(inner: Arc<Inner>, membership: Arc<dyn Membership>, links: Links) {
    // However this ends: a node that does not look at its members any more must not go on.
    let _guard = inner.ended.clone().drop_guard();
    let mut tick = tokio::time::interval(STEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = membership.ended();
    tokio::pin!(ended);
    let (mut published, mut judge) = (Published::default(), Judge::default());
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = inner.change.notified() => {}
            () = membership.changed() => {}
            reason = &mut ended => {
                if !inner.ended.is_cancelled() {
                    tracing::error!(reason, "gossip ended: this node can't know its peers any more");
                    inner.ended.cancel();
                }
                return;
            }
        }
        inner.distrust_after_sleep();
        inner.sleep.heartbeat();
        step(&inner, &*membership, &links, &mut judge, &mut published).await;
    }
}

/// What others were last told of this node.
#[derive(Default)]
struct Published {
    state: Option<MemberState>,
    load: Option<Load>,
    sees: Option<Vec<String>>,
    stores: Option<String>,
    refused: Option<&'static str>,
    /// Peers that metrics were told of.
    measured: HashSet<String>,
    outdated: bool,
}

async fn step(inner: &Inner, membership: &dyn Membership, links: &Links, judge: &mut Judge, published: &mut Published) {
    let peers = membership.peers().await;
    heed_clock(inner, &peers, published);
    let stores = inner.stores.read().clone();
    let own = Own { node: &inner.local, address: inner.address, stores: &stores };
    let verdict = judge.look(&own, &peers, Instant::now());
    heed_namesake(inner, &verdict);
    let told = inner.announced_leaving(&peers);
    let before = inner.view();
    let mut view = assemble(inner.local_member(), verdict, &told, |node| links.state(node));
    let live = |view: &View| -> HashSet<NodeRef> {
        view.members.iter().filter(|m| m.state != MemberState::Dead).map(|m| m.node.clone()).collect()
    };
    let died: Vec<NodeRef> = live(&before).difference(&live(&view)).cloned().collect();
    let targets = view.members.iter().filter(|m| m.state != MemberState::Dead && m.link != LinkState::Local);
    let targets: Vec<_> = targets.filter_map(|m| Some(Target { node: m.node.clone(), address: m.address? })).collect();
    let refused: Vec<NodeRef> = view.refused.iter().map(|refused| refused.node.clone()).collect();
    links.reconcile(&targets, &died, &refused);
    for member in view.members.iter_mut().filter(|member| member.link != LinkState::Local) {
        member.link = links.state(&member.node);
    }
    publish(inner, membership, &mut view, published).await;
    publish_stores(membership, &view, stores.to_string(), published).await;
    measure(&view, &peers, &mut published.measured);
    measure_refusals(&view);
    changed(&before, &view);
    refusals_changed(&before, &view);
    inner.view.send_if_modified(|current| {
        // Told meanwhile: what this node says of itself now counts.
        let local = inner.local_member();
        for member in view.members.iter_mut().filter(|member| member.node == local.node) {
            (member.state, member.load) = (local.state, local.load);
        }
        let differs = **current != view;
        if differs {
            *current = Arc::new(view);
        }
        differs
    });
}

/// A name that is in use elsewhere can't be this node's.
fn heed_namesake(inner: &Inner, verdict: &Verdict<'_>) {
    if !verdict.must_end || inner.ended.is_cancelled() {
        return;
    }
    let other = verdict.refusal.as_ref().map(|refusal| refusal.address.to_string());
    let node_id = &inner.local.node_id;
    tracing::error!(node_id, other, "another node has our name: give each its own CLUSTER_NODE_ID");
    inner.ended.cancel();
}

/// Of the starts of a node at one address the latest counts, even if the clock says otherwise.
fn heed_clock(inner: &Inner, peers: &[Peer], published: &mut Published) {
    let former = |peer: &&Peer| {
        let ours = peer.node.node_id == inner.local.node_id && Some(peer.address) == inner.address;
        ours && peer.node.generation > inner.local.generation && !peer.alive
    };
    if let Some(other) = peers.iter().find(former)
        && !std::mem::replace(&mut published.outdated, true)
    {
        tracing::error!(other = %other.node, "a former start of this node was later than this one: did the clock go back? Others see it again when they have forgotten the former");
    }
}

/// Tells others what changed about this node.
async fn publish(inner: &Inner, membership: &dyn Membership, view: &mut View, published: &mut Published) {
    let up = view.members.iter().filter(|member| member.link == LinkState::Up);
    let sees: Vec<String> = up.map(|member| member.node.node_id.clone()).collect();
    let local = inner.local.node_id.clone();
    let Some(member) = view.members.iter_mut().find(|member| member.node.node_id == local) else { return };
    member.sees = sees.clone();
    if published.sees.as_ref() != Some(&sees) {
        membership.publish(key::SEES, sees.join(",")).await;
        published.sees = Some(sees);
    }
    if published.state != Some(member.state) {
        membership.publish(key::STATE, member.state.as_str().to_owned()).await;
        published.state = Some(member.state);
    }
    if published.load != Some(member.load) {
        let Load { workers, busy, entities } = member.load;
        membership.publish(key::LOAD, format!("{workers},{busy},{entities}")).await;
        published.load = Some(member.load);
    }
}

/// What this node works on, and whether it stands back.
async fn publish_stores(membership: &dyn Membership, view: &View, stores: String, published: &mut Published) {
    if published.stores.as_ref() != Some(&stores) {
        membership.publish(key::STORES, stores.clone()).await;
        published.stores = Some(stores);
    }
    let refused = view.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str());
    if published.refused.unwrap_or_default() != refused {
        membership.publish(key::REFUSED, refused.to_owned()).await;
        published.refused = Some(refused);
    }
}

/// The view that follows from what gossip knows.
fn assemble(
    local: Member,
    verdict: Verdict<'_>,
    told: &HashSet<NodeRef>,
    link: impl Fn(&NodeRef) -> LinkState,
) -> View {
    let Verdict { members, refused, refusal, .. } = verdict;
    let others = members.into_iter().map(|peer| member(peer, told.contains(&peer.node), link(&peer.node)));
    let node = local.node.clone();
    let mut members: Vec<_> = std::iter::once(local).chain(others).collect();
    members.sort_by(|a, b| a.node.cmp(&b.node));
    View { local: node, members, refused, refusal }
}

fn member(peer: &Peer, told: bool, link: LinkState) -> Member {
    let text = |key: &str| peer.published.get(key).map(String::as_str).unwrap_or_default();
    let state = match text(key::STATE) {
        _ if !peer.alive => MemberState::Dead,
        "leaving" => MemberState::Leaving,
        _ if told => MemberState::Leaving,
        _ => MemberState::Up,
    };
    let (protocol_min, protocol_max) = text(key::PROTOCOL)
        .split_once('-')
        .and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)))
        .unwrap_or_default();
    let mut load = text(key::LOAD).split(',').map(|number| number.parse().unwrap_or_default());
    let mut next = || load.next().unwrap_or_default();
    let load = Load { workers: next(), busy: next(), entities: next() };
    Member {
        node: peer.node.clone(),
        state,
        link,
        address: Some(peer.address),
        http: text(key::HTTP).to_owned(),
        version: text(key::VERSION).to_owned(),
        protocol_min,
        protocol_max,
        load,
        sees: text(key::SEES).split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
    }
}

fn measure(view: &View, peers: &[Peer], measured: &mut HashSet<String>) {
    for state in MemberState::ALL {
        let count = view.members.iter().filter(|member| member.state == state).count();
        gauge!(CLUSTER_MEMBERS, "state" => state.as_str()).set(count as f64);
    }
    // A series can't be taken back; one of a member that is forgotten must not go on raising alarms.
    for id in measured.iter().filter(|id| view.member(id).is_none()) {
        for state in LinkState::REMOTE {
            gauge!(CLUSTER_LINK_STATE, "peer" => id.clone(), "state" => state.as_str()).set(0.0);
        }
        gauge!(CLUSTER_LAST_HEARD_SECONDS, "peer" => id.clone()).set(f64::NAN);
    }
    measured.clear();
    for member in view.members.iter().filter(|member| member.link != LinkState::Local) {
        let id = &member.node.node_id;
        measured.insert(id.clone());
        for state in LinkState::REMOTE {
            let on = f64::from(u8::from(member.link == state));
            gauge!(CLUSTER_LINK_STATE, "peer" => id.clone(), "state" => state.as_str()).set(on);
        }
        if let Some(peer) = peers.iter().find(|peer| peer.node == member.node) {
            gauge!(CLUSTER_LAST_HEARD_SECONDS, "peer" => id.clone()).set(peer.heard.as_secs_f64());
        }
    }
}

fn measure_refusals(view: &View) {
    for reason in Reason::ALL {
        let count = view.refused.iter().filter(|refused| refused.reason == reason).count();
        gauge!(CLUSTER_REFUSED_MEMBERS, "reason" => reason.as_str()).set(count as f64);
        let ours = view.refusal.as_ref().is_some_and(|refusal| refusal.reason == reason);
        gauge!(CLUSTER_REFUSED, "reason" => reason.as_str()).set(f64::from(u8::from(ours)));
    }
}

/// One line for each node that is not let in, one when this node is the one.
fn refusals_changed(before: &View, view: &View) {
    let known = |refused: &Refused| {
        before.refused.iter().any(|former| (&former.node, former.reason) == (&refused.node, refused.reason))
    };
    for Refused { node, address, reason, stores, .. } in view.refused.iter().filter(|refused| !known(refused)) {
        let reason = reason.as_str();
        tracing::warn!(peer = %node, %address, reason, stores, "a node is not let in: it has other stores than we, or a name that is in use");
    }
    match (&before.refusal, &view.refusal) {
        (former, Some(refusal)) if former.as_ref() != Some(refusal) => {
            let reason = refusal.reason.as_str();
            tracing::error!(reason, "this node stands back and takes no work: {}", refusal.message());
        }
        (Some(_), None) => tracing::info!("this node stands back no longer"),
        _ => {}
    }
}

/// Says what operators want to know.
fn changed(before: &View, view: &View) {
    for member in &view.members {
        let was = before.members.iter().find(|former| former.node == member.node).map(|former| former.state);
        if was != Some(member.state) {
            let (peer, state) = (&member.node, member.state.as_str());
            match member.state {
                MemberState::Dead => tracing::warn!(%peer, state, "member"),
                _ => {
                    let address = member.address.map(|address| address.to_string());
                    tracing::info!(%peer, state, address, version = member.version, "member");
                }
            }
        }
    }
    let placed = |view: &View| view.placeable().iter().map(|member| member.node.clone()).collect::<Vec<_>>();
    if placed(before) != placed(view) {
        counter!(CLUSTER_OWNERSHIP_CHANGES_TOTAL).increment(1);
    }
}

/// Members that said themselves that they leave, until gossip has caught up.
#[derive(Default)]
pub struct Departures(Vec<(NodeRef, Instant)>);

impl Departures {
    pub fn add(&mut self, node: NodeRef) {
        self.0.retain(|(known, _)| *known != node);
        self.0.push((node, Instant::now()));
    }

    pub fn still(&mut self, peers: &[Peer]) -> HashSet<NodeRef> {
        let caught_up = |node: &NodeRef| {
            let state = peers.iter().find(|peer| peer.node == *node).and_then(|peer| peer.published.get(key::STATE));
            state.is_some_and(|state| state == MemberState::Leaving.as_str())
        };
        self.0.retain(|(node, since)| since.elapsed() < DEPARTURES_KEPT && !caught_up(node));
        self.0.iter().map(|(node, _)| node.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::StoreTags;

    use super::*;

    fn node(id: &str, generation: i64) -> NodeRef {
        NodeRef { node_id: id.into(), generation }
    }

    fn peer(node: NodeRef, alive: bool, published: &[(&str, &str)]) -> Peer {
        let published = published.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Peer { node, address: ([127, 0, 0, 1], 1).into(), alive, heard: Duration::ZERO, published }
    }

    fn view(peers: &[Peer], told: &[NodeRef]) -> View {
        let told = told.iter().cloned().collect();
        let local = node("b", 5);
        let own = Own { node: &local, address: None, stores: &StoreTags::default() };
        let verdict = Judge::default().look(&own, peers, Instant::now());
        assemble(Member::local(local.clone()), verdict, &told, |_| LinkState::Up)
    }

    #[test]
    fn a_member_is_what_it_says_of_itself() {
        let said = [("state", "leaving"), ("protocol", "1-2"), ("load", "4,3,70"), ("sees", "b,c"), ("version", "9")];
        let view = view(&[peer(node("a", 1), true, &said), peer(node("c", 1), true, &[])], &[]);
        let a = view.member("a").unwrap();
        assert_eq!((a.state, a.protocol_min, a.protocol_max), (MemberState::Leaving, 1, 2));
        assert_eq!(a.load, Load { workers: 4, busy: 3, entities: 70 });
        assert_eq!((a.sees.as_slice(), a.version.as_str()), (["b".to_owned(), "c".to_owned()].as_slice(), "9"));
        let ids: Vec<_> = view.members.iter().map(|member| member.node.node_id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn of_a_restarted_member_only_the_latest_start_counts() {
        for peers in [
            [peer(node("a", 1), true, &[]), peer(node("a", 2), false, &[])],
            [peer(node("a", 2), false, &[]), peer(node("a", 1), true, &[])],
        ] {
            let view = view(&peers, &[]);
            assert_eq!(view.members.len(), 2);
            assert_eq!(view.member("a").map(|a| (a.node.generation, a.state)), Some((2, MemberState::Dead)));
        }
    }

    #[test]
    fn a_former_life_of_this_node_is_no_member() {
        let view = view(&[peer(node("b", 4), true, &[])], &[]);
        assert_eq!(view.members.len(), 1);
        assert_eq!(view.members[0].node, node("b", 5));
    }

    #[test]
    fn a_member_that_said_goodbye_is_leaving_before_gossip_knows() {
        let view = view(&[peer(node("a", 1), true, &[("state", "up")])], &[node("a", 1)]);
        assert_eq!(view.member("a").map(|a| a.state), Some(MemberState::Leaving));
        assert_eq!(view.placeable().len(), 1);
    }
}
