//! What a node says of the cluster, and whether all say the same.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

/// A member as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Member {
    pub node_id: String,
    pub generation: u64,
    /// `up`, `leaving` or `dead`.
    pub state: String,
    /// `local`, `up`, `connecting` or `down`.
    #[serde(default)]
    pub link: String,
    /// Ids of those the member has links to, by its own word.
    #[serde(default)]
    pub sees: Vec<String>,
}

impl Member {
    fn is_up(&self) -> bool {
        self.state == "up" && matches!(self.link.as_str(), "local" | "up")
    }
}

/// Answer of `GET /api/v1/cluster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub members: Vec<Member>,
}

impl View {
    pub fn of(body: &Value) -> Result<Self> {
        let members = body.pointer("/data/members").or_else(|| body.get("members")).context("no members")?;
        Ok(Self { members: serde_json::from_value(members.clone())? })
    }

    /// The node that was asked.
    pub fn me(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.link == "local")
    }

    pub fn member(&self, id: &str) -> Option<&Member> {
        // a former life may still be listed
        self.members.iter().filter(|member| member.node_id == id).max_by_key(|member| member.generation)
    }

    /// Ids of the members that are up, apart from links.
    pub fn up(&self) -> Vec<&str> {
        self.members.iter().filter(|m| m.state == "up").map(|m| m.node_id.as_str()).collect()
    }

    /// Whether there is a working link to the member.
    pub fn links_to(&self, id: &str) -> bool {
        self.member(id).is_some_and(Member::is_up)
    }
}

/// Whether the nodes of these views see each other, in their present lives, and nobody else; else what is missing.
pub fn torn(views: &[View]) -> Result<(), String> {
    let mut present = Vec::new();
    for view in views {
        let me = view.me().ok_or_else(|| format!("a node does not see itself: {view:?}"))?;
        present.push((me.node_id.as_str(), me.generation));
    }
    for view in views {
        let me = view.me().map_or("", |me| &me.node_id);
        let missing = present.iter().find(|(id, generation)| {
            !view.members.iter().any(|m| m.node_id == *id && m.generation == *generation && m.is_up())
        });
        if let Some((id, generation)) = missing {
            return Err(format!("{me} has no link to {id}/{generation}: {:?}", view.members));
        }
        let stranger = view
            .members
            .iter()
            .find(|member| member.state == "up" && !present.contains(&(member.node_id.as_str(), member.generation)));
        if let Some(stranger) = stranger {
            return Err(format!("{me} takes {}/{} to be up", stranger.node_id, stranger.generation));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(me: &str, others: &[(&str, u64, &str, &str)]) -> View {
        let mut members = vec![json!({ "node_id": me, "generation": 1, "state": "up", "link": "local" })];
        members.extend(others.iter().map(|(id, generation, state, link)| {
            json!({ "node_id": id, "generation": generation, "state": state, "link": link, "sees": [] })
        }));
        View::of(&json!({ "data": { "node": me, "members": members } })).unwrap()
    }

    #[test]
    fn all_must_see_all() {
        let (a, b) = (view("a", &[("b", 1, "up", "up")]), view("b", &[("a", 1, "up", "up")]));
        assert_eq!(torn(&[a.clone(), b.clone()]), Ok(()));
        assert!(torn(&[a.clone(), view("b", &[])]).is_err());
        assert!(torn(&[a.clone(), view("b", &[("a", 1, "up", "connecting")])]).is_err());
        assert!(torn(&[a, view("b", &[("a", 1, "leaving", "up")])]).is_err());
    }

    #[test]
    fn former_lives_must_be_gone() {
        let b = view("b", &[("a", 1, "up", "up")]);
        assert!(torn(&[view("a", &[("b", 0, "up", "up")]), b.clone()]).is_err());
        assert!(torn(&[view("a", &[("b", 1, "up", "up"), ("c", 1, "up", "up")]), b.clone()]).is_err());
        assert_eq!(torn(&[view("a", &[("b", 1, "up", "up"), ("b", 0, "dead", "down")]), b]), Ok(()));
    }
}
