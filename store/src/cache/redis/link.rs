//! The connection to Redis, made when it is needed and thrown away when it fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use super::address::Address;
use super::breaker::Breaker;
use crate::{Result, StoreError};

/// Longest time to connect, over all sentinels and nodes that are asked. It goes on when the call that began it has
/// given up, so that a patience shorter than this does not keep Redis away for ever.
const DIAL_WITHIN: Duration = Duration::from_secs(5);
/// Longest time to connect to one server.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How often a command is sent again when a Redis Cluster says that it is elsewhere.
const CLUSTER_RETRIES: u32 = 3;
/// Pauses between those, milliseconds.
const CLUSTER_PAUSE_MS: (u64, u64) = (10, 100);

/// A connection of either kind. Clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(cmd, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

type Dial = Shared<BoxFuture<'static, Result<Made>>>;

/// A connection, and which of all that were made it is.
#[derive(Clone)]
struct Made {
    number: u64,
    connection: Connection,
}

#[derive(Default)]
struct State {
    made: Option<Made>,
    /// Connecting, for all who wait for it.
    dial: Option<Dial>,
    dials: u64,
}

#[derive(Clone)]
pub(super) struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    address: Address,
    call_within: Duration,
    breaker: Breaker,
    state: Mutex<State>,
}

impl Link {
    pub(super) fn new(address: Address, call_within: Duration) -> Self {
        let inner = Inner { address, call_within, breaker: Breaker::default(), state: Mutex::new(State::default()) };
        Self { inner: Arc::new(inner) }
    }

    /// Makes one call on a connection.
    ///
    /// # Errors
    /// `Unavailable` when Redis did not answer in time, is known to be away, or can't serve now: what the call was to
    /// write may be written or not. `Internal` when Redis refuses the call for good.
    pub(super) async fn call<T>(&self, work: impl AsyncFnOnce(Connection) -> RedisResult<T>) -> Result<T> {
        if !self.inner.breaker.admits(Instant::now()) {
            return Err(StoreError::Unavailable("redis did not answer a moment ago".to_owned()));
        }
        let mut used = None;
        let attempt = async {
            let made = self.connection().await?;
            used = Some(made.number);
            work(made.connection).await.map_err(Failure::Redis)
        };
        let failure = match tokio::time::timeout(self.inner.call_within, attempt).await {
            Ok(Ok(value)) => {
                self.inner.breaker.succeeded();
                return Ok(value);
            }
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Late,
        };
        if failure.is_refusal() {
            self.inner.breaker.succeeded();
        } else {
            self.inner.breaker.failed(Instant::now());
            self.forget(used);
        }
        Err(self.error(failure))
    }

    async fn connection(&self) -> std::result::Result<Made, Failure> {
        let dial = {
            let mut state = self.inner.state.lock();
            match (&state.made, &state.dial) {
                (Some(made), _) => return Ok(made.clone()),
                (None, Some(dial)) => dial.clone(),
                (None, None) => {
                    state.dials += 1;
                    let dial = self.dial(state.dials);
                    state.dial = Some(dial.clone());
                    dial
                }
            }
        };
        dial.await.map_err(Failure::Dial)
    }

    /// Connects in a task of its own.
    fn dial(&self, number: u64) -> Dial {
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let dialled = tokio::time::timeout(DIAL_WITHIN, inner.address.dial(inner.call_within)).await;
            let made = match dialled {
                Ok(Ok(connection)) => Ok(Made { number, connection }),
                Ok(Err(error)) => Err(StoreError::Unavailable(format!("redis: {error}"))),
                Err(_) => Err(StoreError::Unavailable("redis: connecting took too long".to_owned())),
            };
            let mut state = inner.state.lock();
            state.dial = None;
            state.made = made.as_ref().ok().cloned();
            made
        });
        let gone = |error: tokio::task::JoinError| Err(StoreError::Unavailable(format!("redis: {error}")));
        task.map(move |ended| ended.unwrap_or_else(gone)).boxed().shared()
    }

    /// The next call connects anew, perhaps to another master.
    fn forget(&self, used: Option<u64>) {
        let mut state = self.inner.state.lock();
        if state.made.as_ref().is_some_and(|made| Some(made.number) == used) {
            state.made = None;
        }
    }

    fn error(&self, failure: Failure) -> StoreError {
        match failure {
            Failure::Dial(error) => error,
            Failure::Late => StoreError::Unavailable(format!("redis: no answer in {:?}", self.inner.call_within)),
            Failure::Redis(error) if is_refusal(&error) => StoreError::Internal(format!("redis: {error}")),
            Failure::Redis(error) => StoreError::Unavailable(format!("redis: {error}")),
        }
    }
}

enum Failure {
    Dial(StoreError),
    Redis(RedisError),
    Late,
}

impl Failure {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Redis(error) if is_refusal(error))
    }
}

/// Whether Redis is there and will never take this call. All else may pass, on another connection perhaps.
fn is_refusal(error: &RedisError) -> bool {
    use redis::ServerErrorKind as Server;
    match error.kind() {
        ErrorKind::Server(Server::ResponseError | Server::CrossSlot | Server::NoPerm | Server::ExecAbort) => true,
        ErrorKind::UnexpectedReturnType | ErrorKind::Client => true,
        // the wrong type of a key; others, like OOM or MISCONF, pass
        ErrorKind::Extension => error.code() == Some("WRONGTYPE"),
        _ => false,
    }
}

impl Address {
    async fn dial(&self, call_within: Duration) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(call_within));
        let client = match self {
            Self::Single(client) => client.clone(),
            Self::Sentinel(sentinels) => sentinels.master().await?,
            Self::Cluster(nodes) => {
                let client = Self::cluster(nodes)
                    .connection_timeout(CONNECT_WITHIN)
                    .response_timeout(call_within)
                    .retries(CLUSTER_RETRIES)
                    .min_retry_wait(CLUSTER_PAUSE_MS.0)
                    .max_retry_wait(CLUSTER_PAUSE_MS.1)
                    .build()?;
                return client.get_async_connection().await.map(Connection::Cluster);
            }
        };
        client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Single)
    }
}
