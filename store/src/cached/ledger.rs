use async_trait::async_trait;

use super::Cached;
use crate::Ledger;

#[async_trait]
impl Ledger for Cached {}
