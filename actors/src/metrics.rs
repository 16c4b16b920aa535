//! Names of the metrics of this crate.

/// Gauge, label `kind`: entities in memory.
pub const ACTOR_ENTITIES: &str = "actor_entities";
/// Gauge, label `kind`: messages accepted and not yet answered.
pub const ACTOR_MAILBOX_DEPTH: &str = "actor_mailbox_depth";
/// Counter, label `kind`: calls refused because a mailbox or the registry was full.
pub const ACTOR_REJECTED_TOTAL: &str = "actor_rejected_total";
/// Counter, label `kind`: entities that left memory, idle or done. A failed one is not counted.
pub const ACTOR_PASSIVATIONS_TOTAL: &str = "actor_passivations_total";
/// Counter, label `actor`: supervised actors started again after they ended.
pub const ACTOR_RESTARTS_TOTAL: &str = "actor_restarts_total";
/// Gauge, label `state` (queued, running): unfinished fingerprint jobs in the store, of all nodes.
pub const FINGERPRINT_JOBS: &str = "fingerprint_jobs";
/// Gauge: jobs waiting for a worker, in the store.
pub const FINGERPRINT_QUEUE_DEPTH: &str = "fingerprint_queue_depth";
/// Gauge by `lane`: seconds since the job that is due longest waits.
pub const FINGERPRINT_OLDEST_JOB_SECONDS: &str = "fingerprint_oldest_job_seconds";
/// Gauge: workers of this node that are busy. On a node with one worker it may be two: a standby takes a short job while
/// the worker is at a long one.
pub const FINGERPRINT_WORKERS_BUSY: &str = "fingerprint_workers_busy";
/// Gauge: workers of this node.
pub const FINGERPRINT_WORKERS: &str = "fingerprint_workers";
/// Histogram, seconds, labels `type` and `outcome` (completed, failed): from claim to commit. Its count is the number
/// of jobs that this node ended.
pub const FINGERPRINT_JOB_DURATION_SECONDS: &str = "fingerprint_job_duration_seconds";
/// Counter: processes that ended in the middle of a fingerprint: a decoder crashed or took too much memory.
pub const FINGERPRINT_WORKERS_LOST_TOTAL: &str = "fingerprint_workers_lost_total";
/// Counter, label `cause` (fetch, digest, keep, node): jobs that went back to the queue for what says nothing about their
/// file. `digest`: the object store gave other bytes than were uploaded.
pub const FINGERPRINT_JOBS_WAITED_TOTAL: &str = "fingerprint_jobs_waited_total";
/// Counter: jobs of dead members that this node returned to the queue.
pub const FINGERPRINT_JOBS_RETURNED_TOTAL: &str = "fingerprint_jobs_returned_total";
/// Counter, label `what` (upload, wallet, usage, job, job_renewal, job_release): writes refused by the store because someone else had moved on.
pub const FENCED_WRITES_TOTAL: &str = "fenced_writes_total";
/// Counter, label `outcome` (stored, repeat, discarded): ends of upload sessions.
pub const UPLOAD_SESSIONS_TOTAL: &str = "upload_sessions_total";
/// Histogram, rows: how many orders one write to a wallet's journal carried.
pub const WALLET_GROUP_ROWS: &str = "wallet_group_rows";
/// Counter, labels `order` (earn, payout, adjust, bonus, refund, deposit, reserve, resolve) and `outcome` (committed,
/// repeated, refused, unknown): what became of orders to wallets of this node.
pub const WALLET_ORDERS_TOTAL: &str = "wallet_orders_total";
/// Counter, label `outcome` (pending, settled, cancelled, rejected): steps of usage events that this node finished.
pub const USAGE_EVENTS_TOTAL: &str = "usage_events_total";
/// Counter: usage events whose step was left undone, and that this node took up again.
pub const USAGE_RESUMED_TOTAL: &str = "usage_resumed_total";
/// Gauge: objects waiting to be removed.
pub const GARBAGE_OBJECTS: &str = "garbage_objects";
/// Counter, label `what` (session, object): what the sweeper cleaned away.
pub const SWEPT_TOTAL: &str = "swept_total";
/// Gauge: objects without a row that are older than any upload, in the last round.
pub const ORPHAN_OBJECTS: &str = "orphan_objects";
/// Gauge: assets whose object was not there in the last two rounds.
pub const ASSETS_WITHOUT_OBJECT: &str = "assets_without_object";
/// Gauge, seconds since 1970: when the last whole round over objects and rows ended.
pub const ORPHAN_ROUND_TIMESTAMP_SECONDS: &str = "orphan_round_timestamp_seconds";
/// Gauge: 1 on the node that sweeps, 0 on the others.
pub const SWEEPER_LEASE: &str = "sweeper_lease";
