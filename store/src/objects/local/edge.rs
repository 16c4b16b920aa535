//! What stands between HTTP and the S3 service.
//!
//! * The log of s3s is off: it writes an error for every answer such as "no such key". What matters reaches the caller
//!   in the answer, and is logged there.
//! * A refused request's body is read to its end, within bounds. Otherwise the connection would be reset while the
//!   client still sends, and the answer lost on its way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Request;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::Service;
use parking_lot::Mutex;
use s3s::service::S3Service;
use s3s::{Body, HttpError, HttpResponse};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber as _;

/// A little more than one part.
const DISCARD_BYTES_MAX: usize = 8 * 1024 * 1024;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Edge(pub S3Service);

impl Service<Request<Incoming>> for Edge {
    type Response = HttpResponse;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<HttpResponse, HttpError>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let rest = SharedBody(Arc::new(Mutex::new(body)));
            let request = Request::from_parts(head, Body::http_body(rest.clone()));
            let response = service.call(request).with_subscriber(Dispatch::none()).await?;
            if response.status().as_u16() >= 400 {
                _ = tokio::time::timeout(DISCARD_TIME_MAX, rest.discard()).await;
            }
            Ok(response)
        })
    }
}

/// A request body that can still be read when the service has let go of it.
#[derive(Clone)]
struct SharedBody(Arc<Mutex<Incoming>>);

impl SharedBody {
    async fn discard(mut self) {
        let mut discarded = 0;
        while let Some(Ok(frame)) = self.frame().await {
            discarded += frame.data_ref().map_or(0, Bytes::len);
            if discarded > DISCARD_BYTES_MAX {
                return;
            }
        }
    }
}

impl http_body::Body for SharedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}
