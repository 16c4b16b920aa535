//! Whose request a log line belongs to.

use std::sync::{Arc, OnceLock};

use metastamp_protocol::{NodeRef, ObjectId};

tokio::task_local! {
    static CURRENT: Arc<RequestContext>;
}

pub struct RequestContext {
    pub request_id: String,
    user_id: OnceLock<ObjectId>,
    owner: OnceLock<NodeRef>,
}

impl RequestContext {
    pub fn new(request_id: String) -> Self {
        Self { request_id, user_id: OnceLock::new(), owner: OnceLock::new() }
    }

    /// Who committed what the request asked for.
    pub fn owner(&self) -> Option<&NodeRef> {
        self.owner.get()
    }
}

/// Runs `future` as part of a request.
pub async fn scope<F: Future>(context: Arc<RequestContext>, future: F) -> F::Output {
    CURRENT.scope(context, future).await
}

/// The caller is known from here on.
pub fn set_user(id: ObjectId) {
    let _ = CURRENT.try_with(|context| context.user_id.set(id));
}

/// The owner that committed something for this request.
pub fn set_owner(node: &NodeRef) {
    let _ = CURRENT.try_with(|context| context.owner.set(node.clone()));
}

/// Request id and, when known, user id of the running request.
pub fn current() -> Option<(String, Option<ObjectId>)> {
    CURRENT.try_with(|context| (context.request_id.clone(), context.user_id.get().copied())).ok()
}

/// Does `work` as part of a request: for what is called outside of its task.
pub fn sync_scope<T>(context: Arc<RequestContext>, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(context, work)
}

/// Of the running request; empty outside of one.
pub fn request_id() -> String {
    current().map(|(id, _)| id).unwrap_or_default()
}
