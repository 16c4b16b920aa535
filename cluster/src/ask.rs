//! Finds the owner of an id and gets its answer: where to ask, when to ask again, when to go on without the owner.
//!
//! ```text
//! owner by placement --NotOwner(hint)--> the hint --NotOwner--> hold
//!      | no link, link ended, entity ended                       |
//!      +--------------------> hold <-----------------------------+
//!                              | the view changed, or a moment passed: ask again
//!                              | held too long: the next member that can be reached serves it (`fallback`)
//! ```
//! A fallback is safe because the store decides: if the owner is alive after all, one of the two is fenced.

use std::time::{Duration, Instant};

use metastamp_protocol::NodeRef;
use metastamp_protocol::cluster::wire::{Ask, Request};
use metastamp_protocol::cluster::{Answer, Command, Failure};
use metrics::{counter, histogram};

use crate::cluster::{Inner, Owned};
use crate::members::View;
use crate::metrics::{
    CLUSTER_FALLBACKS_TOTAL, CLUSTER_RETRIES_TOTAL, CLUSTER_RPC_DURATION_SECONDS, CLUSTER_RPC_FAILURES_TOTAL,
};

/// Ownership usually moves within this time after a link ended; after it, the owner is done without.
const FALLBACK_AFTER: Duration = Duration::from_millis(400);
/// How often a held command looks whether anything changed.
const HOLD: Duration = Duration::from_millis(50);
/// Members a command is sent to before it is held.
const HOPS_MAX: u32 = 2;

/// One attempt's address.
#[derive(Debug, Clone, PartialEq)]
struct To {
    node: NodeRef,
    hop: u32,
    fallback: bool,
}

/// A command on its way, over all attempts.
struct Journey {
    command: Command,
    /// The same for every attempt.
    key: u128,
    /// Who should have served it at first.
    first: NodeRef,
    held_since: Option<Instant>,
    /// Members that do not know the command.
    incapable: Vec<NodeRef>,
}

impl Inner {
    pub(crate) async fn ask(&self, command: Command, within: Duration) -> Result<Owned, Failure> {
        let started = Instant::now();
        let left = || within.saturating_sub(started.elapsed());
        let mut watch = self.view.subscribe();
        let first = self.view().owner(command.entity());
        let mut journey = Journey { command, key: rand::random(), first, held_since: None, incapable: Vec::new() };
        let mut hint: Option<(NodeRef, u32)> = None;
        let mut last = Failure::Timeout;
        loop {
            if left().is_zero() {
                return Err(last);
            }
            let view = watch.borrow_and_update().clone();
            let missing = |node: &NodeRef| self.links.as_ref().map_or(Duration::ZERO, |links| links.missing_for(node));
            let to = journey.next(&view, hint.take(), missing);
            match self.attempt(&view, &journey, &to, left()).await {
                Ok(answer) => {
                    self.gaps.acknowledged(&to.node);
                    if to.node != journey.first {
                        self.gaps.taken_over(&journey.first);
                    }
                    return Ok(Owned { answer, owner: to.node });
                }
                Err(failure) => {
                    counter!(CLUSTER_RPC_FAILURES_TOTAL, "command" => journey.command.name(), "kind" => failure.name())
                        .increment(1);
                    match &failure {
                        // A hint at somebody this node does not know (yet) is no better than none.
                        Failure::NotOwner(Some(other))
                            if to.hop + 1 < HOPS_MAX && !to.fallback && view.live(other).is_some() =>
                        {
                            hint = Some((other.clone(), to.hop + 1));
                            last = failure;
                            continue;
                        }
                        Failure::NotOwner(_) => {}
                        Failure::Stopped => self.gaps.failed(&to.node),
                        Failure::Unsupported => journey.incapable.push(to.node.clone()),
                        // Told by who should know, or nobody can tell any more.
                        _ => return Err(failure),
                    }
                    last = failure;
                }
            }
            journey.held_since.get_or_insert_with(Instant::now);
            counter!(CLUSTER_RETRIES_TOTAL, "command" => journey.command.name()).increment(1);
            let _ = tokio::time::timeout(HOLD.min(left()), watch.changed()).await;
        }
    }

    async fn attempt(&self, view: &View, journey: &Journey, to: &To, within: Duration) -> Result<Answer, Failure> {
        let started = Instant::now();
        let local = view.is_local(&to.node);
        if to.fallback {
            counter!(CLUSTER_FALLBACKS_TOTAL, "command" => journey.command.name()).increment(1);
        }
        let answer = if local {
            let performed = tokio::time::timeout(within, self.perform(journey.command.clone(), within)).await;
            performed.unwrap_or(Err(Failure::Timeout))?
        } else {
            self.send(view, journey, to, within).await?
        };
        let place = if local { "local" } else { "remote" };
        histogram!(CLUSTER_RPC_DURATION_SECONDS, "command" => journey.command.name(), "where" => place)
            .record(started.elapsed().as_secs_f64());
        Ok(answer)
    }

    async fn send(&self, view: &View, journey: &Journey, to: &To, within: Duration) -> Result<Answer, Failure> {
        let link = self.links.as_ref().and_then(|links| links.to(&to.node)).ok_or(Failure::Stopped)?;
        let version = self.version_for(view, &to.node).filter(|version| *version >= journey.command.since());
        let version = version.ok_or(Failure::Unsupported)?;
        let request = Request {
            version,
            from: self.local.clone(),
            key: journey.key,
            within_ms: u32::try_from(within.as_millis()).unwrap_or(u32::MAX),
            hop: to.hop,
            fallback: to.fallback,
            ask: Ask::Command(journey.command.clone()),
        };
        link.call(&request, within).await?.result
    }
}

impl Journey {
    /// Where to ask now. `missing` tells for how long a member could not be reached.
    fn next(&self, view: &View, hint: Option<(NodeRef, u32)>, missing: impl Fn(&NodeRef) -> Duration) -> To {
        if let Some((node, hop)) = hint
            && view.live(&node).is_some()
        {
            return To { node, hop, fallback: false };
        }
        let owner = view.owner(self.command.entity());
        // Whoever comes later need not wait as long again.
        let held = self.held_since.map_or(Duration::ZERO, |since| since.elapsed()).max(missing(&owner));
        if held < FALLBACK_AFTER && !self.incapable.contains(&owner) {
            return To { node: owner, hop: 0, fallback: false };
        }
        let ranking = view.ranking(self.command.entity());
        let mut able = ranking.iter().filter(|member| member.is_reachable() && !self.incapable.contains(&member.node));
        let node = able.next().map_or_else(|| view.local.clone(), |member| member.node.clone());
        let fallback = node != owner || held >= FALLBACK_AFTER;
        To { node, hop: 0, fallback }
    }
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::ObjectId;

    use super::*;
    use crate::members::{LinkState, Member, MemberState};

    fn node(id: &str) -> NodeRef {
        NodeRef { node_id: id.into(), generation: 1 }
    }

    fn view() -> View {
        let other = |id| Member { link: LinkState::Up, ..Member::local(node(id)) };
        let members = vec![Member::local(node("a")), other("b"), other("c")];
        View { members, ..View::alone(node("a")) }
    }

    fn journey(view: &View, owner: &str) -> Journey {
        let id = std::iter::repeat_with(ObjectId::generate).find(|id| view.owner(*id).node_id == owner).unwrap();
        let command = Command::RenewUpload(id);
        Journey { command, key: 1, first: node(owner), held_since: None, incapable: Vec::new() }
    }

    fn next(journey: &Journey, view: &View, hint: Option<(NodeRef, u32)>) -> To {
        journey.next(view, hint, |_| Duration::ZERO)
    }

    fn link(view: &mut View, id: &str, state: LinkState) {
        view.members.iter_mut().filter(|m| m.node.node_id == id).for_each(|m| m.link = state);
    }

    #[test]
    fn the_owner_is_asked_first_then_the_hint() {
        let view = view();
        let journey = journey(&view, "b");
        assert_eq!(next(&journey, &view, None), To { node: node("b"), hop: 0, fallback: false });
        assert_eq!(next(&journey, &view, Some((node("c"), 1))), To { node: node("c"), hop: 1, fallback: false });
        let unknown = next(&journey, &view, Some((node("z"), 1)));
        assert_eq!(unknown.node, node("b"), "a hint that is no member is not followed");
    }

    #[test]
    fn an_owner_out_of_reach_is_waited_for_and_then_done_without() {
        let mut view = view();
        let mut journey = journey(&view, "b");
        link(&mut view, "b", LinkState::Down);
        assert_eq!(next(&journey, &view, None).node, node("b"));
        journey.held_since = Some(Instant::now() - FALLBACK_AFTER);
        let to = next(&journey, &view, None);
        assert!(to.fallback && to.node != node("b"), "{to:?}");
        journey.held_since = None;
        assert_eq!(journey.next(&view, None, |_| FALLBACK_AFTER), to, "it has been away for long enough already");
        journey.held_since = Some(Instant::now() - FALLBACK_AFTER);
        let second = view.ranking(journey.command.entity())[1].node.clone();
        assert_eq!(to.node, second, "everybody falls back to the same one, if it can be reached");
        for id in ["b", "c"] {
            link(&mut view, id, LinkState::Down);
        }
        assert_eq!(
            next(&journey, &view, None),
            To { node: node("a"), hop: 0, fallback: true },
            "the last one serves all"
        );
    }

    #[test]
    fn a_member_that_does_not_know_the_command_is_passed_over_at_once() {
        let view = view();
        let mut journey = journey(&view, "c");
        journey.incapable.push(node("c"));
        let to = next(&journey, &view, None);
        assert!(to.fallback && to.node != node("c"));
    }

    #[test]
    fn members_that_leave_own_nothing_unless_all_do() {
        let mut view = view();
        let journey = journey(&view, "b");
        view.members[1].state = MemberState::Leaving;
        assert_ne!(next(&journey, &view, None).node, node("b"));
        view.members.iter_mut().for_each(|member| member.state = MemberState::Leaving);
        assert_eq!(next(&journey, &view, None).node, node("b"));
    }
}
