//! `metastamp cluster`.

use std::time::Duration;

use anyhow::anyhow;
use metastamp_setup::out;
use metastamp_setup::progress::Progress;
use metastamp_setup::table::{columns, plain};
use serde::Deserialize;
use serde_json::json;

use super::api::Api;
use super::args::ClusterCommand;
use super::error::CallError;
use super::live::Live;

pub const PATH: &str = "/api/v1/cluster";
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What we read of the members. States stay text, so that a newer node's words are shown and not refused.
#[derive(Debug, Clone, Deserialize)]
pub struct Members {
    pub node: Node,
    pub members: Vec<MemberRow>,
    #[serde(default)]
    pub refused: Vec<RefusedRow>,
    #[serde(default)]
    pub refusal: Option<Refusal>,
}

/// A node that is not let in.
#[derive(Debug, Clone, Deserialize)]
pub struct RefusedRow {
    pub node_id: String,
    pub address: String,
    pub http: Option<String>,
    pub reason: String,
}

/// Why the node that answers stands back.
#[derive(Debug, Clone, Deserialize)]
pub struct Refusal {
    pub reason: String,
    pub message: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    pub node_id: String,
    pub generation: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct MemberRow {
    pub node_id: String,
    pub state: String,
    pub link: String,
    pub http: Option<String>,
    pub version: String,
    pub load: Load,
    pub last_heard_seconds: Option<f64>,
    pub round_trip_ms: Option<f64>,
    #[serde(default)]
    pub in_flight: u64,
    #[serde(default)]
    pub sees: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Load {
    pub workers: u32,
    pub busy: u32,
    #[serde(default)]
    pub entities: u32,
}

#[derive(Debug, Deserialize)]
struct Whereis {
    owner: Node,
    reachable: bool,
    ranking: Vec<Ranked>,
}

#[derive(Debug, Deserialize)]
struct Ranked {
    node_id: String,
    generation: i64,
    weight: String,
    state: String,
    link: String,
}

impl MemberRow {
    /// `1/2`: busy of all workers.
    pub fn load(&self) -> String {
        format!("{}/{}", self.load.busy, self.load.workers)
    }

    /// Since it was last heard of.
    pub fn heard(&self) -> String {
        self.last_heard_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
    }

    /// Who it has a link to.
    pub fn sees(&self) -> String {
        if self.sees.is_empty() { "-".to_owned() } else { self.sees.join(" ") }
    }
}

/// Runs one of the commands.
///
/// # Errors
/// When not logged in as an administrator, or when the node refuses or does not answer.
pub async fn cluster(command: ClusterCommand) -> anyhow::Result<()> {
    match command {
        ClusterCommand::Status { watch: true, url, .. } => watch(&open(url)?).await,
        ClusterCommand::Status { json: true, url, .. } => {
            let body = open(url)?.get(PATH, &[]).await.map_err(explained)?;
            out::line(String::from_utf8_lossy(&body).trim_end());
            Ok(())
        }
        ClusterCommand::Status { url, .. } => {
            let members = open(url)?.members().await.map_err(explained)?;
            status(&members).iter().for_each(|line| out::line(line));
            Ok(())
        }
        ClusterCommand::Whereis { id, url } => whereis(&open(url)?, &id).await,
        ClusterCommand::Drain { node, undo, url } => drain(&open(url)?, node, !undo).await,
    }
}

fn open(url: Option<String>) -> anyhow::Result<Api> {
    Api::open(url.as_deref(), Progress::new(false))
}

impl Api {
    /// The members as the node sees them.
    pub async fn members(&self) -> Result<Members, CallError> {
        self.read(PATH, &self.get(PATH, &[]).await?)
    }
}

/// Says what to do about a refusal.
fn explained(error: CallError) -> anyhow::Error {
    match error.code() {
        Some("FORBIDDEN") => anyhow!(error).context(
            "the cluster is shown to administrators only: `metastamp init` makes one, `metastamp login` becomes one",
        ),
        _ => anyhow!(error),
    }
}

async fn watch(api: &Api) -> anyhow::Result<()> {
    let mut live = Live::stdout();
    let mut seen = false;
    loop {
        match api.members().await {
            Ok(members) => {
                seen = true;
                live.show(status(&members));
            }
            // Once it has worked, a node that is away for a while is part of what is watched.
            Err(error @ CallError::Unreachable { .. }) if seen => live.note(&error.to_string()),
            Err(error) => return Err(explained(error)),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The table of members, and who answered.
fn status(members: &Members) -> Vec<String> {
    let cells: Vec<Vec<String>> = members.members.iter().map(cells).collect();
    let header = ["ID", "STATE", "LINK", "LOAD", "ENTITIES", "IN FLIGHT", "HEARD", "RTT", "VERSION", "SEES", "HTTP"];
    let mut lines = columns(&header, &cells, &[3, 4, 5, 6, 7]);
    lines.extend(members.refused.iter().map(refused));
    if let Some(Refusal { reason, message }) = &members.refusal {
        lines.push(format!("this node stands back ({}): {}", plain(reason), plain(message)));
    }
    lines.push(format!("as seen by {}/{}", plain(&members.node.node_id), members.node.generation));
    lines
}

fn refused(row: &RefusedRow) -> String {
    let RefusedRow { node_id, address, http, reason } = row;
    let why =
        if reason == "name" { "its name is in use".to_owned() } else { format!("it has other {}", plain(reason)) };
    let http = http.as_deref().map(|http| format!(", HTTP {}", plain(http))).unwrap_or_default();
    format!("{} at {}{http} is not let in: {why}", plain(node_id), plain(address))
}

fn cells(member: &MemberRow) -> Vec<String> {
    vec![
        member.node_id.clone(),
        member.state.clone(),
        member.link.clone(),
        member.load(),
        member.load.entities.to_string(),
        member.in_flight.to_string(),
        member.heard(),
        member.round_trip_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2} ms")),
        member.version.clone(),
        member.sees(),
        member.http.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

async fn whereis(api: &Api, id: &str) -> anyhow::Result<()> {
    let path = format!("{PATH}/whereis/{}", urlencoding::encode(id));
    let found: Whereis = api.read(&path, &api.get(&path, &[]).await.map_err(explained)?)?;
    ranking(&found).iter().for_each(|line| out::line(line));
    if !found.reachable {
        api.progress().note(&format!("{} can't be asked by this node now", plain(&found.owner.node_id)));
    }
    Ok(())
}

fn ranking(found: &Whereis) -> Vec<String> {
    let row = |(at, member): (usize, &Ranked)| {
        let owner = member.node_id == found.owner.node_id && member.generation == found.owner.generation;
        let place = if owner { "owner".to_owned() } else { format!("{}", at + 1) };
        vec![place, member.node_id.clone(), member.state.clone(), member.link.clone(), member.weight.clone()]
    };
    let cells: Vec<Vec<String>> = found.ranking.iter().enumerate().map(row).collect();
    columns(&["PLACE", "ID", "STATE", "LINK", "WEIGHT"], &cells, &[4])
}

async fn drain(api: &Api, node: Option<String>, on: bool) -> anyhow::Result<()> {
    let body = json!({ "node_id": node, "drain": on });
    let answer = api.post_json(&format!("{PATH}/drain"), &body).await.map_err(explained)?;
    let text = |name: &str| plain(answer[name].as_str().unwrap_or_default());
    out::line(&format!("{} (seen as {} now)", text("message"), text("state")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"node":{"node_id":"node-1","generation":7},"clustered":true,"members":[
        {"node_id":"node-1","generation":7,"local":true,"state":"up","link":"local","address":"127.0.0.1:7801",
         "http":"127.0.0.1:8001","version":"3.0.0","protocol_min":1,"protocol_max":2,
         "load":{"workers":2,"busy":1,"entities":3},"last_heard_seconds":null,"round_trip_ms":null,"in_flight":0,
         "sees":["node-2"]},
        {"node_id":"node-2","generation":9,"local":false,"state":"dead","link":"down","address":null,"http":null,
         "version":"3.0.0","protocol_min":1,"protocol_max":2,"load":{"workers":2,"busy":0,"entities":0},
         "last_heard_seconds":12.34,"round_trip_ms":0.25,"in_flight":4,"sees":[]}]}"#;

    #[test]
    fn members_become_a_table() {
        let members: Members = serde_json::from_str(BODY).unwrap();
        let lines = status(&members);
        assert_eq!(
            lines,
            [
                "ID      STATE  LINK   LOAD  ENTITIES  IN FLIGHT   HEARD      RTT  VERSION  SEES    HTTP",
                "node-1  up     local   1/2         3          0       -        -  3.0.0    node-2  127.0.0.1:8001",
                "node-2  dead   down    0/2         0          4  12.3 s  0.25 ms  3.0.0    -       -",
                "as seen by node-1/7",
            ]
        );
    }

    #[test]
    fn who_is_not_let_in_is_named_with_the_reason() {
        let more = r#""refused":[{"node_id":"node-3","address":"127.0.0.1:7803","http":null,"reason":"documents"}],
            "refusal":{"reason":"name","message":"node-1 lives"},"members""#;
        let members: Members = serde_json::from_str(&BODY.replacen("\"members\"", more, 1)).unwrap();
        let lines = status(&members);
        assert_eq!(lines[3], "node-3 at 127.0.0.1:7803 is not let in: it has other documents");
        assert_eq!(lines[4], "this node stands back (name): node-1 lives");
    }

    #[test]
    fn a_ranking_names_the_owner() {
        let found: Whereis = serde_json::from_str(
            r#"{"id":"507f1f77bcf86cd799439011","owner":{"node_id":"b","generation":2},"reachable":true,"ranking":[
                {"node_id":"b","generation":2,"weight":"18446744073709551615","state":"up","link":"up"},
                {"node_id":"a","generation":1,"weight":"7","state":"up","link":"local"}]}"#,
        )
        .unwrap();
        let lines = ranking(&found);
        assert_eq!(lines[1], "owner  b   up     up     18446744073709551615");
        assert!(lines[2].starts_with("2      a   up     local "), "{}", lines[2]);
    }

    #[test]
    fn a_stranger_is_told_what_to_do() {
        let body = br#"{"error":{"code":"FORBIDDEN","message":"no"}}"#;
        let refused = crate::client::error::Refused::read(403, None, body);
        let text = format!("{:#}", explained(CallError::Refused(refused)));
        assert!(text.contains("administrators only") && text.contains("FORBIDDEN: no"), "{text}");
    }
}
