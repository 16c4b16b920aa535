//! Names of the metrics of this crate.

/// Gauge, label `state` (up, leaving, dead): members as this node sees them, itself among them.
pub const CLUSTER_MEMBERS: &str = "cluster_members";
/// Gauge, seconds, label `peer`: since the peer was last heard of by gossip.
pub const CLUSTER_LAST_HEARD_SECONDS: &str = "cluster_last_heard_seconds";
/// Gauge, labels `peer` and `state` (up, connecting, down): 1 for the state the link is in.
pub const CLUSTER_LINK_STATE: &str = "cluster_link_state";
/// Counter, label `reason`: links that ended.
pub const CLUSTER_LINKS_CLOSED_TOTAL: &str = "cluster_links_closed_total";
/// Gauge, label `reason` (documents, objects, cache, name): nodes that are not let in.
pub const CLUSTER_REFUSED_MEMBERS: &str = "cluster_refused_members";
/// Gauge, label `reason`: 1 on a node that stands back, because it is the one that does not fit.
pub const CLUSTER_REFUSED: &str = "cluster_refused";
/// Counter, label `reason` (certificate, timeout, protocol, identity, stores, name, full): connections to the link port turned away.
pub const CLUSTER_CONNECTIONS_REFUSED_TOTAL: &str = "cluster_connections_refused_total";
/// Counter, label `reason` (secret, refusal, replay, clock, malformed): gossip datagrams dropped.
pub const CLUSTER_GOSSIP_REJECTED_TOTAL: &str = "cluster_gossip_rejected_total";
/// Histogram, seconds, labels `command` and `where` (local, remote): commands until their answer.
pub const CLUSTER_RPC_DURATION_SECONDS: &str = "cluster_rpc_duration_seconds";
/// Counter, labels `command` and `kind`: attempts that gave no answer or a refusal.
pub const CLUSTER_RPC_FAILURES_TOTAL: &str = "cluster_rpc_failures_total";
/// Gauge, label `peer`: requests sent to the peer that wait for their answer.
pub const CLUSTER_IN_FLIGHT: &str = "cluster_in_flight";
/// Counter, label `side` (sender, receiver): requests refused because too many were in flight.
pub const CLUSTER_REJECTED_TOTAL: &str = "cluster_rejected_total";
/// Counter, label `command`: attempts after the first.
pub const CLUSTER_RETRIES_TOTAL: &str = "cluster_retries_total";
/// Counter, label `command`: commands served by somebody else because the owner could not be reached.
pub const CLUSTER_FALLBACKS_TOTAL: &str = "cluster_fallbacks_total";
/// Counter: changes of the set of members that ids are placed on.
pub const CLUSTER_OWNERSHIP_CHANGES_TOTAL: &str = "cluster_ownership_changes_total";
/// Histogram, seconds: from the last acknowledgement of an owner that went away to the first of the one after it, as
/// requests through this node saw it.
pub const OWNERSHIP_GAP_SECONDS: &str = "ownership_gap_seconds";
/// Counter: times this node found that it had been asleep, and loaded its entities again.
pub const CLUSTER_PAUSES_TOTAL: &str = "cluster_pauses_total";
/// Counter, labels `notice` and `outcome` (sent, lost): news told to other members.
pub const CLUSTER_NOTICES_TOTAL: &str = "cluster_notices_total";
