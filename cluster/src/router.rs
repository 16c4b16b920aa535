//! Where to ask for an id.

use metastamp_protocol::{NodeRef, ObjectId};

use crate::{Members, placement};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// This node owns it.
    Local,
    /// Another member does, as far as we know.
    Remote(NodeRef),
}

/// Decides by placement over the live members.
#[derive(Debug, Clone)]
pub struct Router {
    members: Members,
}

impl Router {
    pub fn new(members: Members) -> Self {
        Self { members }
    }

    pub fn members(&self) -> &Members {
        &self.members
    }

    pub fn route(&self, id: ObjectId) -> Route {
        let live = self.members.live();
        match placement::owner(id, &live) {
            Some(owner) if owner.node_id != self.members.local().node_id => Route::Remote(owner.clone()),
            _ => Route::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_alone_owns_everything() {
        let router = Router::new(Members::alone(NodeRef { node_id: "a".into(), generation: 1 }));
        assert!((0..100).all(|_| router.route(ObjectId::generate()) == Route::Local));
    }
}
