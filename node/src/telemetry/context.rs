//! Whose request a log line belongs to.

use std::sync::{Arc, OnceLock};

use metastamp_protocol::ObjectId;

tokio::task_local! {
    static CURRENT: Arc<RequestContext>;
}

pub struct RequestContext {
    pub request_id: String,
    user_id: OnceLock<ObjectId>,
}

impl RequestContext {
    pub fn new(request_id: String) -> Self {
        Self { request_id, user_id: OnceLock::new() }
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

/// Request id and, when known, user id of the running request.
pub fn current() -> Option<(String, Option<ObjectId>)> {
    CURRENT.try_with(|context| (context.request_id.clone(), context.user_id.get().copied())).ok()
}
