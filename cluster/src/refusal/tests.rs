//! The rules by example: who is let in, who stands back, whose name it is.

use super::*;

const MINE: &str = "documents=sqlite:1,objects=local:1,cache=sqlite:1";
const OTHER: &str = "documents=sqlite:2,objects=local:2,cache=sqlite:2";
const ANOTHER_CACHE: &str = "documents=sqlite:1,objects=local:1,cache=sqlite:9";

fn node(id: &str, generation: i64) -> NodeRef {
    NodeRef { node_id: id.to_owned(), generation }
}

fn peer(id: &str, generation: i64, port: u16, stores: &str) -> Peer {
    let published = HashMap::from([(key::STORES.to_owned(), stores.to_owned())]);
    let address = ([127, 0, 0, 1], port).into();
    Peer { node: node(id, generation), address, alive: true, heard: Duration::ZERO, published }
}

fn dead(peer: Peer) -> Peer {
    Peer { alive: false, ..peer }
}

fn standing_back(mut peer: Peer) -> Peer {
    peer.published.insert(key::REFUSED.to_owned(), "documents".to_owned());
    peer
}

/// What node `b`, which started at 50 at port 50, makes of its peers.
struct Look {
    members: Vec<String>,
    refused: Vec<(String, Reason)>,
    refusal: Option<Reason>,
    must_end: bool,
}

fn look_at(judge: &mut Judge, peers: &[Peer], now: Instant) -> Look {
    let (local, stores) = (node("b", 50), StoreTags::parse(MINE));
    let own = Own { node: &local, address: Some(([127, 0, 0, 1], 50).into()), stores: &stores };
    let verdict = judge.look(&own, peers, now);
    Look {
        members: verdict.members.iter().map(|peer| peer.node.to_string()).collect(),
        refused: verdict.refused.iter().map(|refused| (refused.node.to_string(), refused.reason)).collect(),
        refusal: verdict.refusal.map(|refusal| refusal.reason),
        must_end: verdict.must_end,
    }
}

fn look(peers: &[Peer]) -> Look {
    look_at(&mut Judge::default(), peers, Instant::now())
}

#[test]
fn members_work_on_the_same_stores_as_far_as_they_say() {
    let peers =
        [peer("a", 1, 1, MINE), peer("c", 2, 2, ""), peer("d", 3, 3, "objects=local:1"), peer("e", 60, 4, OTHER)];
    let look = look(&peers);
    assert_eq!(look.members, ["a/1", "c/2", "d/3"]);
    assert_eq!(look.refused, [("e/60".to_owned(), Reason::Documents)]);
    assert_eq!(look.refusal, None);
}

#[test]
fn the_smaller_group_stands_back_and_of_two_alone_the_later_one() {
    for (peers, stands_back, why) in [
        (vec![peer("a", 1, 1, OTHER)], true, "alone, and later"),
        (vec![peer("a", 60, 1, OTHER)], false, "alone, and earlier"),
        (vec![peer("a", 1, 1, OTHER), peer("c", 70, 2, MINE)], false, "two of us, started later"),
        (vec![peer("a", 60, 1, OTHER), peer("c", 70, 2, OTHER)], true, "two of them, started later"),
        (vec![peer("a", 1, 1, OTHER), dead(peer("c", 40, 2, MINE))], false, "one of us restarts"),
        (vec![dead(peer("a", 1, 1, OTHER))], false, "nobody gives way to the dead"),
        (vec![standing_back(peer("a", 1, 1, OTHER))], false, "they stand back already"),
        (vec![peer("a", 1, 1, OTHER), standing_back(peer("c", 2, 2, MINE))], true, "our eldest stands back"),
    ] {
        assert_eq!(look(&peers).refusal.is_some(), stands_back, "{why}");
    }
}

#[test]
fn who_stood_back_goes_on_while_the_others_are_remembered() {
    let (mut judge, now) = (Judge::default(), Instant::now());
    let (first, again) = (peer("a", 1, 1, OTHER), peer("a", 90, 1, OTHER));
    let mut stands_back = |peers: &[Peer]| look_at(&mut judge, peers, now).refusal.is_some();
    assert!(stands_back(std::slice::from_ref(&first)));
    assert!(stands_back(&[dead(first.clone())]), "killed");
    assert!(stands_back(&[dead(first), again]), "back again, and later than we");
    assert!(!stands_back(&[]), "forgotten");
}

#[test]
fn both_sides_come_to_one_result() {
    let stores = [MINE, OTHER];
    for (ours, theirs) in [(10, 20), (20, 10)] {
        let refusals = [(0, ours, theirs), (1, theirs, ours)].map(|(side, own, other)| {
            let (local, tags) = (node("x", own), StoreTags::parse(stores[side]));
            let own = Own { node: &local, address: None, stores: &tags };
            let peers = [peer("y", other, 9, stores[1 - side])];
            Judge::default().look(&own, &peers, Instant::now()).refusal.is_some()
        });
        assert_ne!(refusals[0], refusals[1], "{ours} {theirs}");
    }
}

#[test]
fn a_cache_that_lost_its_identity_does_not_split_a_cluster() {
    let (mut judge, now) = (Judge::default(), Instant::now());
    let after = |seconds| now + Duration::from_secs(seconds);
    let mut members = |stores, at| look_at(&mut judge, &[peer("a", 1, 1, stores)], at).members.len();
    assert_eq!(members(MINE, now), 1);
    assert_eq!(members(ANOTHER_CACHE, after(1)), 1, "it may find out in a moment");
    assert_eq!(members(ANOTHER_CACHE, after(10)), 1);
    assert_eq!(members(MINE, after(11)), 1, "it did");
    assert_eq!(members(ANOTHER_CACHE, after(12)), 1);
    assert_eq!(members(ANOTHER_CACHE, after(22)), 0, "it really is another cache");
    assert_eq!(look(&[peer("a", 1, 1, ANOTHER_CACHE)]).members.len(), 0, "who comes with another one is no member");
}

#[test]
fn a_name_is_its_holders_while_that_lives() {
    let (holder, comer) = (peer("a", 1, 1, MINE), peer("a", 9, 2, MINE));
    let both = look(&[comer.clone(), holder.clone()]);
    assert_eq!((both.members, both.refused), (vec!["a/1".to_owned()], vec![("a/9".to_owned(), Reason::Name)]));
    let after_its_death = look(&[dead(holder.clone()), comer.clone()]);
    assert_eq!((after_its_death.members, after_its_death.refused.len()), (vec!["a/9".to_owned()], 0));
    let gone_again = look(&[holder.clone(), dead(comer)]);
    assert_eq!((gone_again.members, gone_again.refused.len()), (vec!["a/1".to_owned()], 0));
    let at_one_address = look(&[holder, peer("a", 9, 1, MINE)]);
    assert_eq!((at_one_address.members, at_one_address.refused.len()), (vec!["a/9".to_owned()], 0));
    let of_a_stray = look(&[standing_back(peer("a", 1, 1, OTHER)), peer("a", 9, 2, MINE)]);
    assert_eq!(of_a_stray.members, ["a/9"], "who stands back holds no name");
}

#[test]
fn whoever_comes_with_the_name_of_a_living_member_ends() {
    let (mut judge, now) = (Judge::default(), Instant::now());
    let holder = peer("b", 1, 1, MINE);
    let first = look_at(&mut judge, std::slice::from_ref(&holder), now);
    assert_eq!((first.refusal, first.must_end), (Some(Reason::Name), false), "it may be a former life");
    let silent = Peer { heard: Duration::from_secs(3), ..holder.clone() };
    let look = look_at(&mut judge, &[silent], now + NAME_WITHIN);
    assert_eq!((look.refusal, look.must_end), (None, false), "not heard of since");
    assert!(look_at(&mut judge, std::slice::from_ref(&holder), now + NAME_WITHIN).must_end);
    assert!(!look_at(&mut judge, &[dead(holder)], now + NAME_WITHIN).must_end);
}

#[test]
fn the_rightful_one_stays() {
    let (mut judge, now) = (Judge::default(), Instant::now());
    for seconds in [0, 60] {
        let look = look_at(&mut judge, &[peer("b", 60, 1, MINE)], now + Duration::from_secs(seconds));
        assert_eq!((look.refusal, look.must_end), (None, false));
        assert_eq!(look.refused, [("b/60".to_owned(), Reason::Name)]);
    }
    assert!(look(&[peer("b", 60, 50, MINE)]).must_end, "at our own address: others take it for us");
    assert!(!look(&[peer("b", 1, 50, MINE)]).must_end, "a former life of ours");
}
