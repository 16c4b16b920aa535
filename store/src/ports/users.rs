//! Accounts.

use async_trait::async_trait;
use metastamp_protocol::{ObjectId, Role, Timestamp, User};

use crate::Result;

#[async_trait]
pub trait Users: Send + Sync + 'static {
    /// Stores the address normalised. `Conflict { "users.email" }` when it, or another unique value, is taken.
    async fn insert_user(&self, user: &User) -> Result<()>;
    async fn user(&self, id: ObjectId) -> Result<Option<User>>;
    async fn user_by_email(&self, email: &str) -> Result<Option<User>>;
    /// Sets `last_login` and, when given, a renewed password hash.
    async fn record_login(&self, id: ObjectId, at: Timestamp, new_hash: Option<String>) -> Result<()>;
    async fn set_role(&self, id: ObjectId, role: Role) -> Result<()>;
}
