//! Partners in tests: made by an administrator, with money and a key.

use serde_json::{Value, json};

use crate::money::{administrator, key, post};
use crate::{Client, NodeProcess, accepted, anonymous, media, member, unique};

pub const USAGE: &str = "/api/v1/usage";

/// A partner, and who may speak for it.
pub struct Partner {
    pub id: String,
    pub admin: Client,
    /// With all scopes.
    pub client: Client,
}

impl Partner {
    /// One that has paid in so much, and has no credit.
    pub async fn with(node: &NodeProcess, deposit: &str) -> Self {
        let admin = administrator(node).await;
        let body = json!({ "name": unique("Models of ") + &key() });
        let made = admin.post("/api/v1/partners").json(&body).send().await.unwrap();
        let id = made.expect(201).unwrap().text("/id").unwrap();
        let client = anonymous(node).with_token(&new_key(&admin, &id, &["usage:write", "usage:settle"]).await);
        let partner = Self { id, admin, client };
        if deposit != "0" {
            partner.deposit(deposit).await;
        }
        partner
    }

    pub fn path(&self) -> String {
        format!("/api/v1/partners/{}", self.id)
    }

    pub async fn deposit(&self, amount: &str) {
        let body = json!({ "amount": amount, "description": "bank transfer" });
        post(&self.admin, &format!("{}/deposits", self.path()), &key(), &body).await.expect(201).unwrap();
    }

    /// Available, held, deposited and spent in dollars, as they are written in the answer.
    pub async fn money(&self) -> [String; 4] {
        let body = self.admin.get(&self.path()).send().await.unwrap().expect(200).unwrap().json().unwrap();
        ["available", "held", "deposited", "spent"].map(|name| body["balances"]["USD"][name].to_string())
    }

    /// Changes the partner.
    pub async fn change(&self, body: &Value) {
        let changed = self.admin.call(reqwest::Method::PATCH, &self.path()).json(body).send().await.unwrap();
        changed.expect(200).unwrap();
    }

    /// Reports usage that must be taken; gives the event.
    pub async fn reported(&self, body: &Value) -> Value {
        post(&self.client, USAGE, &key(), body).await.expect(201).unwrap().json().unwrap()
    }
}

/// The secret of a new key.
pub async fn new_key(admin: &Client, partner_id: &str, scopes: &[&str]) -> String {
    let body = json!({ "name": "test", "scopes": scopes });
    let made = admin.post(&format!("/api/v1/partners/{partner_id}/keys")).json(&body).send().await.unwrap();
    made.expect(201).unwrap().text("/secret").unwrap()
}

/// A creator, and one asset of theirs.
pub async fn creator(node: &NodeProcess) -> (Client, String) {
    let client = member(node).await;
    let name = unique("work") + ".txt";
    let asset = accepted(&client, &media::text(&name, &name)).await;
    (client, asset.id)
}

/// A report of so many dollars that an asset was used for to three quarters and four fifths: 15 % are owed.
pub fn report(asset_id: &str, earnings: &str) -> Value {
    json!({
        "model": "model-7", "period": "2025-11", "model_earnings": earnings, "asset_id": asset_id,
        "training_contribution_score": 75, "usage_exposure_score": "80.0",
    })
}
