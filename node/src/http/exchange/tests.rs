use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;
use metrics_exporter_prometheus::PrometheusBuilder;
use parking_lot::Mutex;

use super::*;
use crate::http::response;

/// What metrics and the log say of an exchange whose answer is treated so.
#[derive(Debug, Default)]
struct Seen {
    /// Statuses that requests were counted with.
    counted: Vec<String>,
    in_flight_meanwhile: bool,
    in_flight_after: bool,
    log: String,
}

/// Answers with `response` and lets a client do what `client` does with the body.
fn exchanged(response: Response, client: impl AsyncFnOnce(Body)) -> Seen {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut seen = Seen::default();
    metrics::with_local_recorder(&recorder, || {
        tracing::subscriber::with_default(subscriber, || {
            let context = Arc::new(RequestContext::new("id-1".to_owned()));
            let exchange = Exchange::begin(Method::GET, "/x".to_owned(), "/x", context);
            let body = exchange.answered(response).into_body();
            seen.in_flight_meanwhile = handle.render().contains("http_requests_in_flight 1");
            runtime.block_on(client(body));
        });
        let text = handle.render();
        seen.in_flight_after = !text.contains("http_requests_in_flight 0");
        let totals = text.lines().filter(|line| line.starts_with("http_requests_total{"));
        seen.counted = totals.map(|line| line.split("status=\"").nth(1).unwrap()[..3].to_owned()).collect();
        assert_eq!(text.contains("http_request_duration_seconds"), !seen.counted.is_empty());
    });
    seen.log = String::from_utf8(log.0.lock().clone()).unwrap();
    seen
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn chunks(body: Body) -> Chunks {
    match body {
        Body::Stream { chunks, .. } => chunks,
        Body::Whole(_) => panic!("is a stream"),
    }
}

fn of(items: Vec<Result<&'static str>>) -> Response {
    response::streamed(200, "text/plain", stream::iter(items).map(|item| item.map(Bytes::from)))
}

#[test]
fn a_whole_answer_is_over_when_it_is_there() {
    let seen = exchanged(response::raw(201, "text/plain", "abc"), async |body| assert_eq!(body.whole(), b"abc"));
    assert_eq!((seen.counted, seen.in_flight_meanwhile, seen.in_flight_after), (vec!["201".to_owned()], false, false));
    assert!(seen.log.contains("request completed") && !seen.log.contains("bytes="), "{}", seen.log);
}

#[test]
fn a_stream_is_over_when_its_last_byte_was_taken() {
    let seen = exchanged(of(vec![Ok("abc"), Ok("de")]), async |body| {
        assert_eq!(body.collect().await.unwrap(), b"abcde");
    });
    assert_eq!((seen.counted, seen.in_flight_meanwhile, seen.in_flight_after), (vec!["200".to_owned()], true, false));
    assert_eq!(seen.log.lines().count(), 1, "{}", seen.log);
    assert!(seen.log.contains("request completed") && seen.log.contains("bytes=5"), "{}", seen.log);
}

#[test]
fn nobody_asks_for_the_end_of_a_body_of_known_length() {
    let with_length = |bytes| {
        let (parts, body) = of(vec![Ok("abc"), Ok("de")]).into_parts();
        Response::from_parts(parts, body.of_length(bytes))
    };
    let take_two = async |body| {
        let mut chunks = chunks(body);
        chunks.next().await.unwrap().unwrap();
        chunks.next().await.unwrap().unwrap();
    };
    let seen = exchanged(with_length(5), take_two);
    assert_eq!((seen.counted.as_slice(), seen.in_flight_after), (["200".to_owned()].as_slice(), false));
    assert!(seen.log.contains("request completed") && seen.log.contains("bytes=5"), "{}", seen.log);
    // one that ends before its length broke off, whatever its status said
    let seen = exchanged(with_length(6), async |body| drop(body.collect().await));
    assert_eq!(seen.counted, ["500"]);
    assert!(seen.log.contains("request failed") && seen.log.contains("bytes=5"), "{}", seen.log);
}

#[test]
fn a_client_that_leaves_in_the_middle_is_logged_with_what_it_got() {
    let seen = exchanged(of(vec![Ok("abc"), Ok("de")]), async |body| {
        chunks(body).next().await.unwrap().unwrap();
    });
    assert_eq!((seen.counted.len(), seen.in_flight_meanwhile, seen.in_flight_after), (0, true, false));
    assert_eq!(seen.log.lines().count(), 1, "{}", seen.log);
    assert!(seen.log.contains("client went away") && seen.log.contains("status=499"), "{}", seen.log);
    assert!(seen.log.contains("bytes=3"), "{}", seen.log);
}

#[test]
fn an_error_in_the_middle_counts_as_a_failure() {
    let seen = exchanged(of(vec![Ok("abc"), Err(Error::busy()), Ok("never")]), async |body| {
        let mut chunks = chunks(body);
        assert!(chunks.next().await.unwrap().is_ok() && chunks.next().await.unwrap().is_err());
    });
    assert_eq!((seen.counted, seen.in_flight_after), (vec!["503".to_owned()], false));
    assert!(seen.log.contains("request failed") && seen.log.contains("bytes=3"), "{}", seen.log);
}

/// Whoever makes the pieces is a step ahead of the client at most, and is let go when the client leaves.
#[tokio::test]
async fn pieces_are_made_when_they_are_asked_for() {
    struct Gone(Arc<AtomicUsize>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.store(usize::MAX, Ordering::Relaxed);
        }
    }
    let made = Arc::new(AtomicUsize::new(0));
    let maker = Gone(made.clone());
    let pieces = stream::unfold(maker, async |maker| {
        maker.0.fetch_add(1, Ordering::Relaxed);
        Some((Ok(Bytes::from_static(b"x")), maker))
    });
    let context = Arc::new(RequestContext::new(String::new()));
    let exchange = Exchange::begin(Method::GET, "/x".to_owned(), "/x", context);
    let mut chunks = chunks(exchange.answered(response::streamed(200, "text/plain", pieces)).into_body());
    for asked in 1..=3 {
        assert_eq!(made.load(Ordering::Relaxed), asked - 1);
        chunks.next().await.unwrap().unwrap();
    }
    drop(chunks);
    assert_eq!(made.load(Ordering::Relaxed), usize::MAX);
}

#[test]
fn log_lines_of_a_body_belong_to_its_request() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = seen.clone();
    let pieces = stream::iter([1, 2]).map(move |_| {
        note.lock().push(context::request_id());
        Ok(Bytes::from_static(b"x"))
    });
    exchanged(response::streamed(200, "text/plain", pieces), async |body| drop(body.collect().await));
    assert_eq!(*seen.lock(), ["id-1", "id-1"]);
}
