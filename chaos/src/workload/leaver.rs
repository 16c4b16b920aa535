//! Session commands.

use anyhow::Result;

use super::{PASSWORD, PATIENCE, Target};
use crate::history::What;
use crate::{Client, History};

/// Ends its sessions right before faults, and tries their tokens ever after.
pub struct Leaver {
    client: Client,
    targets: Vec<Target>,
    history: History,
    tokens: Vec<String>,
}

impl Leaver {
    const EMAIL: &str = "leaver@chaos.test";

    pub async fn new(targets: &[Target], history: &History) -> Result<Self> {
        let client = Client::new(targets[0].address.clone())?.with_patience(PATIENCE);
        let client = client.register(Self::EMAIL, PASSWORD).await?.without_token();
        Ok(Self { client, targets: targets.to_vec(), history: history.clone(), tokens: Vec::new() })
    }

    /// Logs in at one node and out at the next.
    pub async fn log_in_and_out(&mut self) {
        let (turn, count) = (self.tokens.len(), self.targets.len());
        let at = |i: usize| self.client.at(self.targets[i % count].address.clone());
        let login = at(turn).login(Self::EMAIL, PASSWORD).await;
        let Some(token) = login.ok().and_then(|answer| answer.text("/token").ok()) else { return };
        let session = at(turn + 1).with_token(&token);
        let logout = session.post("/api/v1/auth/logout").send().await;
        if logout.is_ok_and(|answer| answer.status == 200) {
            self.history.record(What::Revoked { session: self.tokens.len().to_string() });
            self.tokens.push(token);
        }
    }

    /// Tries every token of an ended session at every node, at all of them at the same time: one may be asleep.
    pub async fn knock(&self) {
        let at = |target: &Target| {
            let (client, history, tokens) =
                (self.client.at(target.address.clone()), self.history.clone(), self.tokens.clone());
            tokio::spawn(async move {
                for (session, token) in tokens.iter().enumerate() {
                    let client = client.clone().with_token(token);
                    match client.get("/api/v1/auth/me").send().await {
                        Ok(me) if me.status == 200 => {
                            history.record(What::Accepted { session: session.to_string() });
                        }
                        Ok(_) => {}
                        // nobody there: the other tokens would only wait as well
                        Err(_) => return,
                    }
                }
            })
        };
        let knocks: Vec<_> = self.targets.iter().map(at).collect();
        for knock in knocks {
            _ = knock.await;
        }
    }
}
