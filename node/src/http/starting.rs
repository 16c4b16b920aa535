//! What a node answers while it waits for its stores: that it lives, that it is not ready, and why.

use std::sync::Arc;

use http::Method;
use metastamp_protocol::{ErrorCode, NodeRef};

use super::docs;
use super::error::{ApiError, Result};
use super::response::Response;
use super::routes::Route;
use super::system::{self, Dependencies};
use crate::stores::Waiting;
use crate::telemetry::metrics::Metrics;

/// The little there is of a node before its stores are open.
pub struct Starting {
    pub node: NodeRef,
    pub waiting: Arc<Waiting>,
    pub metrics: Metrics,
}

impl Starting {
    pub fn handle(&self, route: &Route<'_>, method: &Method) -> Result<Response> {
        let reads = [Method::GET, Method::HEAD].contains(method);
        match route {
            Route::Root if reads => Ok(system::root()),
            Route::Health if reads => Ok(system::health()),
            Route::Ready if reads => Ok(system::readiness(&self.dependencies(), false)),
            Route::Metrics if reads => Ok(system::metrics(&self.metrics)),
            Route::ApiHealth if reads => Err(system::unhealthy(&self.dependencies())),
            Route::Docs(file) if reads => docs::page(file),
            Route::OpenApi if reads => Ok(docs::openapi()),
            _ => {
                Err(ApiError::new(ErrorCode::ServiceUnavailable, "The node is starting, please try again")
                    .retry_after(2))
            }
        }
    }

    fn dependencies(&self) -> Dependencies {
        let Waiting { documents, cache, objects } = &*self.waiting;
        Dependencies { documents: documents.get(), cache: cache.get(), objects: objects.get() }
    }
}
