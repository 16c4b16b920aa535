//! The nodes as a table, or as one line for each change.

use std::net::SocketAddr;

use metastamp_setup::table::columns;

use crate::client::MemberRow;

/// What is known of one node.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: String,
    pub http: SocketAddr,
    pub pid: Option<u32>,
    pub ready: bool,
    /// As another node sees it.
    pub member: Option<MemberRow>,
    /// What its process does.
    pub process: String,
}

/// All nodes, for a terminal.
pub fn table(rows: &[Row], seen_by: Option<&str>) -> Vec<String> {
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let header = ["NODE", "PID", "READY", "STATE", "LINK", "LOAD", "HEARD", "SEES", "PORT", "PROCESS"];
    let mut lines = columns(&header, &cells, &[1, 5, 6]);
    lines.push(match seen_by {
        Some(id) => format!("state, link, load and heard as seen by {id}"),
        None => "no node is ready".to_owned(),
    });
    lines
}

fn cells(row: &Row) -> Vec<String> {
    let of_member = |text: fn(&MemberRow) -> String| row.member.as_ref().map_or_else(|| "-".to_owned(), text);
    vec![
        row.id.clone(),
        row.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
        if row.ready { "yes" } else { "no" }.to_owned(),
        of_member(|member| member.state.clone()),
        of_member(|member| member.link.clone()),
        of_member(MemberRow::load),
        of_member(MemberRow::heard),
        of_member(MemberRow::sees),
        row.http.port().to_string(),
        row.process.clone(),
    ]
}

/// What is worth a line when it changes. `process` is the process in few words.
pub fn change(row: &Row, process: &str) -> String {
    let pid = row.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    let ready = if row.ready { "ready" } else { "not ready" };
    let state = row.member.as_ref().map_or("not seen by others", |member| member.state.as_str());
    format!("{}: {process}{pid}, {ready}, {state}", row.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Members;

    fn rows() -> Vec<Row> {
        let members: Members = serde_json::from_str(
            r#"{"node":{"node_id":"node-1","generation":7},"members":[
            {"node_id":"node-1","state":"up","link":"local","http":"127.0.0.1:8001","version":"3.0.0",
             "load":{"workers":1,"busy":1},"last_heard_seconds":null,"round_trip_ms":null,"sees":["node-2","node-3"]}]}"#,
        )
        .unwrap();
        let row = |id: &str, port: u16| Row {
            id: id.to_owned(),
            http: SocketAddr::from(([127, 0, 0, 1], port)),
            pid: None,
            ready: false,
            member: None,
            process: "dead (signal 9), back in 4 s".to_owned(),
        };
        let first = Row {
            pid: Some(12_345),
            ready: true,
            member: members.members.first().cloned(),
            process: "running".to_owned(),
            ..row("node-1", 8_001)
        };
        vec![first, row("node-2", 8_002)]
    }

    #[test]
    fn nodes_become_a_table() {
        let lines = table(&rows(), Some("node-1"));
        assert_eq!(
            lines,
            [
                "NODE      PID  READY  STATE  LINK   LOAD  HEARD  SEES           PORT  PROCESS",
                "node-1  12345  yes    up     local   1/1      -  node-2 node-3  8001  running",
                "node-2      -  no     -      -         -      -  -              8002  dead (signal 9), back in 4 s",
                "state, link, load and heard as seen by node-1",
            ]
        );
        assert_eq!(table(&[], None).last().map(String::as_str), Some("no node is ready"));
    }

    #[test]
    fn a_change_is_one_line() {
        let rows = rows();
        assert_eq!(change(&rows[0], "running"), "node-1: running (pid 12345), ready, up");
        assert_eq!(change(&rows[1], "dead (left)"), "node-2: dead (left), not ready, not seen by others");
    }
}
