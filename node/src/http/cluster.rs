//! For administrators: who is there, who owns what, and taking members out of placement.

use std::sync::Arc;
use std::time::Duration;

use metastamp_cluster::{Audience, LinkState, Load, MemberState, MemberStatus, Reason, Refusal, Refused, Whereis};
use metastamp_protocol::cluster::Notice;
use metastamp_protocol::http::enveloped;
use metastamp_protocol::{ErrorCode, NodeRef};
use metastamp_service::Caller;
use serde::Serialize;

use super::error::{Error, Result};
use super::read::Fields;
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;

/// Longest wait until others were told.
const TELL_WITHIN: Duration = Duration::from_secs(2);

/// What one node sees.
#[derive(Serialize)]
struct ClusterView {
    /// Who answers.
    node: NodeRef,
    /// Whether it takes part in a cluster at all.
    clustered: bool,
    draining: bool,
    members: Vec<MemberView>,
    /// Heard of and not let in.
    refused: Vec<RefusedView>,
    /// Why the answering node stands back, if it does.
    refusal: Option<RefusalView>,
}

#[derive(Serialize)]
struct RefusedView {
    #[serde(flatten)]
    node: NodeRef,
    address: String,
    http: Option<String>,
    reason: Reason,
}

#[derive(Serialize)]
struct RefusalView {
    reason: Reason,
    /// The member that it stands back from.
    by: NodeRef,
    address: String,
    message: String,
}

impl From<&Refused> for RefusedView {
    fn from(refused: &Refused) -> Self {
        let Refused { node, address, http, reason, .. } = refused.clone();
        Self { node, address: address.to_string(), http: Some(http).filter(|http| !http.is_empty()), reason }
    }
}

impl From<&Refusal> for RefusalView {
    fn from(refusal: &Refusal) -> Self {
        let Refusal { reason, by, address } = refusal.clone();
        Self { reason, by, address: address.to_string(), message: refusal.message() }
    }
}

#[derive(Serialize)]
struct MemberView {
    #[serde(flatten)]
    node: NodeRef,
    local: bool,
    state: MemberState,
    link: LinkState,
    address: Option<String>,
    http: Option<String>,
    version: String,
    protocol_min: u32,
    protocol_max: u32,
    load: Load,
    last_heard_seconds: Option<f64>,
    round_trip_ms: Option<f64>,
    in_flight: usize,
    sees: Vec<String>,
}

impl From<MemberStatus> for MemberView {
    fn from(status: MemberStatus) -> Self {
        let MemberStatus { member, heard, round_trip, in_flight } = status;
        let thousandths = |number: f64| (number * 1_000.0).round() / 1_000.0;
        Self {
            local: member.link == LinkState::Local,
            node: member.node,
            state: member.state,
            link: member.link,
            address: member.address.map(|address| address.to_string()),
            http: Some(member.http).filter(|http| !http.is_empty()),
            version: member.version,
            protocol_min: member.protocol_min,
            protocol_max: member.protocol_max,
            load: member.load,
            last_heard_seconds: heard.map(|heard| thousandths(heard.as_secs_f64())),
            round_trip_ms: round_trip.map(|time| thousandths(time.as_secs_f64() * 1_000.0)),
            in_flight,
            sees: member.sees,
        }
    }
}

pub async fn members(app: Arc<App>, _: Request, _: Caller) -> Result<Response> {
    let seen = app.cluster.view();
    let view = ClusterView {
        node: app.cluster.local().clone(),
        clustered: app.config.cluster.is_some(),
        draining: app.is_leaving() || app.cluster.is_draining(),
        members: app.cluster.members().await.into_iter().map(MemberView::from).collect(),
        refused: seen.refused.iter().map(RefusedView::from).collect(),
        refusal: seen.refusal.as_ref().map(RefusalView::from),
    };
    Ok(response::json(200, &enveloped(&view)))
}

/// The owner of an id, and who would be next. The id need not exist: placement knows nothing of stores.
pub async fn whereis(app: Arc<App>, request: Request, _: Caller) -> Result<Response> {
    #[derive(Serialize)]
    struct View {
        /// Who answers.
        node: NodeRef,
        #[serde(flatten)]
        whereis: Whereis,
    }
    let whereis = app.cluster.whereis(request.id("id")?);
    Ok(response::json(200, &enveloped(&View { node: app.cluster.local().clone(), whereis })))
}

/// Takes a member out of placement, or back in. Its process goes on.
pub async fn drain(app: Arc<App>, mut request: Request, caller: Caller) -> Result<Response> {
    #[derive(Serialize)]
    struct Asked {
        #[serde(flatten)]
        member: NodeRef,
        drain: bool,
        /// As this node sees it now; others learn it by and by.
        state: MemberState,
        message: String,
    }
    let DrainRequest { node_id, on } = DrainRequest::read(request.fields_or_nothing().await?)?;
    let view = app.cluster.view();
    let node_id = node_id.unwrap_or_else(|| view.local.node_id.clone());
    let member = view.member(&node_id).ok_or_else(|| Error::not_found("Member"))?;
    if view.is_local(&member.node) {
        if app.is_leaving() {
            return Err(Error::new(ErrorCode::ServiceUnavailable, "This node is about to end").retry_after(5));
        }
        if tokio::time::timeout(TELL_WITHIN, app.cluster.drain(on)).await.is_err() {
            tracing::warn!("others were not told in time");
        }
    } else {
        if member.state == MemberState::Dead || !member.is_reachable() {
            let message = format!("{node_id} can't be reached from this node");
            return Err(Error::new(ErrorCode::ServiceUnavailable, message).retry_after(2));
        }
        app.cluster.tell(Notice::Drain { on }, Audience::Member(node_id.clone()));
    }
    tracing::info!(member = node_id, on, by = %caller.user.id, "drain asked for");
    let state = app.cluster.view().member(&node_id).map_or(member.state, |member| member.state);
    let message = match on {
        true => format!("{node_id} was asked to take no new work"),
        false => format!("{node_id} was asked to take work again"),
    };
    Ok(response::json(202, &enveloped(&Asked { member: member.node.clone(), drain: on, state, message })))
}

#[derive(Debug, PartialEq)]
struct DrainRequest {
    /// The node that answers, unless named.
    node_id: Option<String>,
    on: bool,
}

impl DrainRequest {
    fn read(mut fields: Fields) -> Result<Self> {
        const MEMBER: &str = "the id of a member";
        let node_id = fields.value::<String>("node_id", MEMBER);
        if node_id.as_ref().is_some_and(String::is_empty) {
            fields.wrong("node_id", format!("must be {MEMBER}"));
        }
        let on = fields.value::<bool>("drain", "true or false").unwrap_or(true);
        fields.end(Some(Self { node_id, on }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metastamp_cluster::Member;
    use serde_json::{Value, json};

    fn parse(body: Value) -> Result<DrainRequest> {
        DrainRequest::read(Fields::parse(body.to_string().as_bytes())?)
    }

    #[test]
    fn nothing_said_means_drain_this_node() {
        assert_eq!(parse(json!({})).unwrap(), DrainRequest { node_id: None, on: true });
        let named = parse(json!({ "node_id": "node-2", "drain": false })).unwrap();
        assert_eq!(named, DrainRequest { node_id: Some("node-2".to_owned()), on: false });
        for wrong in [json!({ "node_id": 2 }), json!({ "node_id": "" }), json!({ "drain": "yes" })] {
            assert_eq!(parse(wrong).err().map(|error| error.status_code()), Some(422));
        }
    }

    #[test]
    fn a_member_has_all_its_fields() {
        let member = Member::local(NodeRef { node_id: "a".to_owned(), generation: 7 });
        let status =
            MemberStatus { member, heard: Some(Duration::from_micros(1_234_567)), round_trip: None, in_flight: 2 };
        let view = serde_json::to_value(MemberView::from(status)).unwrap();
        assert_eq!((&view["node_id"], &view["generation"]), (&json!("a"), &json!(7)));
        assert_eq!((&view["local"], &view["http"], &view["address"]), (&json!(true), &Value::Null, &Value::Null));
        assert_eq!((&view["last_heard_seconds"], &view["round_trip_ms"]), (&json!(1.235), &Value::Null));
        assert_eq!(view["load"], json!({ "workers": 0, "busy": 0, "entities": 0 }));
    }
}
