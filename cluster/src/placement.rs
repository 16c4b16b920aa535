//! Rendezvous hashing (Thaler and Ravishankar, 1998): every node ranks the members for an id by itself and all come
//! to the same order. When a member joins or leaves, only the ids it gains or loses move.

use metastamp_protocol::{NodeRef, ObjectId};

/// `members` in order of preference for `id`; the first one owns it. `node` tells who a member is. Ties can't happen
/// between different ids.
pub fn ranking<M>(id: ObjectId, members: Vec<M>, node: impl Fn(&M) -> &NodeRef) -> Vec<M> {
    let mut ranked: Vec<_> = members.into_iter().map(|member| (weight(id, &node(&member).node_id), member)).collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| node(&a.1).cmp(node(&b.1))));
    ranked.into_iter().map(|(_, member)| member).collect()
}

/// The owner of `id`; `None` only when there are no members.
pub fn owner<M>(id: ObjectId, members: &[M], node: impl Fn(&M) -> &NodeRef) -> Option<&M> {
    let weight = |member: &M| weight(id, &node(member).node_id);
    members.iter().max_by(|a, b| weight(a).cmp(&weight(b)).then_with(|| node(b).cmp(node(a))))
}

/// How much `id` wants to be on the member. The generation takes no part: a node that restarts gets its ids back.
/// FNV-1a over id and name, then the 64-bit finaliser of MurmurHash3 to spread the low entropy of names.
pub fn weight(id: ObjectId, node_id: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in id.as_bytes().iter().chain(node_id.as_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn owner(id: ObjectId, members: &[NodeRef]) -> Option<&NodeRef> {
        super::owner(id, members, |node| node)
    }

    fn ranking(id: ObjectId, members: &[NodeRef]) -> Vec<NodeRef> {
        super::ranking(id, members.to_vec(), |node| node)
    }

    fn members(n: usize) -> Vec<NodeRef> {
        (0..n).map(|i| NodeRef { node_id: format!("node-{i}"), generation: 1 }).collect()
    }

    #[test]
    fn ids_spread_evenly() {
        const IDS: usize = 100_000;
        for n in [2, 3, 5, 10] {
            let members = members(n);
            let mut counts: HashMap<&str, usize> = HashMap::new();
            for _ in 0..IDS {
                let owner = owner(ObjectId::generate(), &members).unwrap();
                *counts.entry(&owner.node_id).or_default() += 1;
            }
            let even = IDS / n;
            assert!(counts.values().all(|c| c.abs_diff(even) * 10 <= even), "{n} members: {counts:?}");
        }
    }

    proptest! {
        #[test]
        fn only_ids_of_the_member_that_left_move(n in 2usize..12, gone in 0usize..12) {
            let before = members(n);
            let gone = gone % n;
            let mut after = before.clone();
            let left = after.remove(gone);
            for _ in 0..200 {
                let id = ObjectId::generate();
                let (was, is) = (owner(id, &before).unwrap(), owner(id, &after).unwrap());
                prop_assert!(was == is || *was == left);
                prop_assert_eq!(&ranking(id, &before)[0], was);
            }
        }

        #[test]
        fn the_order_in_which_members_are_known_does_not_matter(n in 1usize..12, turn in 0usize..12) {
            let members = members(n);
            let mut turned = members.clone();
            turned.rotate_left(turn % n);
            let id = ObjectId::generate();
            prop_assert_eq!(ranking(id, &members), ranking(id, &turned));
        }
    }

    #[test]
    fn a_restart_keeps_ids_in_place() {
        let before = members(5);
        let mut after = before.clone();
        after[2].generation = 99;
        for _ in 0..1_000 {
            let id = ObjectId::generate();
            assert_eq!(owner(id, &before).unwrap().node_id, owner(id, &after).unwrap().node_id);
        }
    }
}
