//! What a node answers while it waits for its stores: that it lives, that it is not ready, and why.

use std::sync::Arc;

use http::Method;
use metastamp_protocol::{ErrorCode, NodeRef};
use metastamp_service::Dependencies;

use super::docs;
use super::error::{Error, Result};
use super::request::Request;
use super::response::Response;
use super::system;
use crate::metrics::Metrics;
use metastamp_setup::stores::Waiting;

/// The little there is of a node before its stores are open.
pub struct Starting {
    pub node: NodeRef,
    pub waiting: Arc<Waiting>,
    pub metrics: Metrics,
}

impl Starting {
    /// What needs no store is answered as ever.
    pub fn handle(&self, template: &str, request: &Request) -> Result<Response> {
        let is_read = [Method::GET, Method::HEAD].contains(&request.method);
        match template {
            "/" if is_read => Ok(system::root()),
            "/health" if is_read => Ok(system::health()),
            "/ready" if is_read => Ok(system::readiness(&self.dependencies(), false, None)),
            "/metrics" if is_read => Ok(system::metrics(&self.metrics)),
            "/api/v1/health" if is_read => Err(system::unhealthy(&self.dependencies())),
            "/docs" | "/docs/{file}" | "/redoc" if is_read => Ok(docs::file(request)),
            "/openapi.json" if is_read => Ok(docs::openapi()),
            _ => {
                let message = "The node is starting, please try again";
                Err(Error::new(ErrorCode::ServiceUnavailable, message).retry_after(2))
            }
        }
    }

    fn dependencies(&self) -> Dependencies {
        let Waiting { documents, cache, objects } = &*self.waiting;
        Dependencies { documents: documents.get(), cache: cache.get(), objects: objects.get() }
    }
}
