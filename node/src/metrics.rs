//! The metrics of the node, and the recorder behind `/metrics`.

use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Counter, labels `method`, `path` and `route` (the template), `status`.
pub const HTTP_REQUESTS_TOTAL: &str = "http_requests_total";
/// Histogram, seconds, same labels.
pub const HTTP_REQUEST_DURATION_SECONDS: &str = "http_request_duration_seconds";
/// Gauge: requests being answered.
pub const HTTP_REQUESTS_IN_FLIGHT: &str = "http_requests_in_flight";
/// Gauge: connections that are open.
pub const HTTP_CONNECTIONS: &str = "http_connections";
/// Counter, label `limit` (address, node): idle connections closed to make room for others.
pub const HTTP_CONNECTIONS_CLOSED_TOTAL: &str = "http_connections_closed_total";
/// Counter, label `limit` (address, node): connections for which there was no room.
pub const HTTP_CONNECTIONS_REJECTED_TOTAL: &str = "http_connections_rejected_total";
/// Gauge, bytes.
const RESIDENT: &str = "process_resident_memory_bytes";

const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const ROWS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Renders all metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder of this process.
    ///
    /// # Errors
    /// When one is installed already.
    pub fn install() -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
            .set_buckets_for_metric(Matcher::Suffix("_rows".to_owned()), &ROWS)?
            .install_recorder()?;
        describe();
        Ok(Self(handle))
    }

    pub fn render(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            gauge!(RESIDENT).set(bytes as f64);
        }
        self.0.render()
    }

    /// Must be called now and then: histograms keep raw samples until it is.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn resident_bytes() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

fn describe() {
    use metastamp_actors::metrics as a;
    use metastamp_cluster::metrics as c;
    use metastamp_service::metrics as u;
    use metastamp_store::metrics as s;
    describe_counter!(HTTP_REQUESTS_TOTAL, "Requests answered");
    describe_histogram!(HTTP_REQUEST_DURATION_SECONDS, "Time from request to answer, in seconds");
    describe_gauge!(HTTP_REQUESTS_IN_FLIGHT, "Requests being answered");
    describe_gauge!(HTTP_CONNECTIONS, "Connections that are open");
    describe_counter!(HTTP_CONNECTIONS_CLOSED_TOTAL, "Idle connections closed to make room for others");
    describe_counter!(HTTP_CONNECTIONS_REJECTED_TOTAL, "Connections for which there was no room");
    describe_gauge!(u::PASSWORDS_WAITING, "Passwords that wait to be hashed");
    describe_counter!(u::PASSWORDS_REJECTED_TOTAL, "Passwords not hashed because too many waited");
    describe_counter!(u::UPLOAD_BYTES_TOTAL, "File bytes stored by uploads");
    describe_gauge!(u::UPLOADS_IN_PROGRESS, "Uploads being received");
    describe_counter!(u::UPLOADS_REJECTED_TOTAL, "Uploads refused because too many run at once");
    describe_gauge!(RESIDENT, "Resident memory of the process, in bytes");
    describe_histogram!(s::STORE_CALL_DURATION_SECONDS, "Time of one store call, in seconds");
    describe_counter!(s::STORE_CALL_ERRORS_TOTAL, "Store calls that failed, by kind");
    describe_gauge!(s::STORE_CONNECTIONS, "Connections to the server of a store");
    describe_gauge!(s::STORE_CONNECTIONS_IN_USE, "Connections to the server of a store that a call uses");
    describe_counter!(s::CACHE_HITS_TOTAL, "Reads that the cache answered");
    describe_counter!(s::CACHE_MISSES_TOTAL, "Reads that the cache could not answer");
    describe_gauge!(a::ACTOR_ENTITIES, "Entities in memory");
    describe_gauge!(a::ACTOR_MAILBOX_DEPTH, "Messages accepted and not yet answered");
    describe_counter!(a::ACTOR_REJECTED_TOTAL, "Calls refused because a mailbox or the registry was full");
    describe_counter!(a::ACTOR_PASSIVATIONS_TOTAL, "Entities that left memory");
    describe_counter!(a::ACTOR_RESTARTS_TOTAL, "Supervised actors started again");
    describe_gauge!(a::FINGERPRINT_JOBS, "Unfinished fingerprint jobs, by state");
    describe_gauge!(a::FINGERPRINT_QUEUE_DEPTH, "Fingerprint jobs waiting for a worker");
    describe_gauge!(a::FINGERPRINT_OLDEST_JOB_SECONDS, "Wait of the job that is due longest, by lane, in seconds");
    describe_gauge!(a::FINGERPRINT_WORKERS, "Fingerprint workers of this node");
    describe_counter!(a::FINGERPRINT_WORKERS_LOST_TOTAL, "Processes that ended in the middle of a fingerprint");
    describe_gauge!(a::FINGERPRINT_WORKERS_BUSY, "Fingerprint workers of this node that are busy");
    describe_histogram!(a::FINGERPRINT_JOB_DURATION_SECONDS, "Time from claim to commit of a job, in seconds");
    describe_counter!(a::FENCED_WRITES_TOTAL, "Writes refused because someone else had moved on");
    describe_counter!(a::UPLOAD_SESSIONS_TOTAL, "Upload sessions that ended, by outcome");
    describe_gauge!(a::GARBAGE_OBJECTS, "Objects waiting to be removed");
    describe_gauge!(a::ORPHAN_OBJECTS, "Objects without a row, in the last round");
    describe_gauge!(a::ASSETS_WITHOUT_OBJECT, "Assets whose object was not there in the last two rounds");
    describe_gauge!(a::ORPHAN_ROUND_TIMESTAMP_SECONDS, "When the last round over objects and rows ended");
    describe_gauge!(a::SWEEPER_LEASE, "1 on the node that sweeps");
    describe_counter!(a::SWEPT_TOTAL, "What the sweeper cleaned away");
    describe_counter!(a::FINGERPRINT_JOBS_RETURNED_TOTAL, "Jobs of dead members returned to the queue");
    describe_gauge!(c::CLUSTER_MEMBERS, "Members as this node sees them, by state");
    describe_gauge!(c::CLUSTER_LAST_HEARD_SECONDS, "Time since a peer was last heard of, in seconds");
    describe_gauge!(c::CLUSTER_LINK_STATE, "1 for the state the link to a peer is in");
    describe_counter!(c::CLUSTER_LINKS_CLOSED_TOTAL, "Links that ended");
    describe_counter!(c::CLUSTER_CONNECTIONS_REFUSED_TOTAL, "Connections to the link port that were turned away");
    describe_counter!(c::CLUSTER_GOSSIP_REJECTED_TOTAL, "Gossip datagrams dropped");
    describe_histogram!(c::CLUSTER_RPC_DURATION_SECONDS, "Time of a command until its answer, in seconds");
    describe_counter!(c::CLUSTER_RPC_FAILURES_TOTAL, "Attempts at a command that gave no answer or a refusal");
    describe_gauge!(c::CLUSTER_IN_FLIGHT, "Requests sent to a peer that wait for their answer");
    describe_counter!(c::CLUSTER_REJECTED_TOTAL, "Requests refused because too many were in flight");
    describe_counter!(c::CLUSTER_RETRIES_TOTAL, "Attempts at a command after the first");
    describe_counter!(c::CLUSTER_FALLBACKS_TOTAL, "Commands served by another member than the owner");
    describe_counter!(c::CLUSTER_OWNERSHIP_CHANGES_TOTAL, "Changes of the set of members that ids are placed on");
    describe_histogram!(c::OWNERSHIP_GAP_SECONDS, "Time from the last answer of an owner to the first of the next one");
    describe_counter!(c::CLUSTER_PAUSES_TOTAL, "Times this node found that it had been asleep");
    describe_counter!(c::CLUSTER_NOTICES_TOTAL, "News told to other members");
}
