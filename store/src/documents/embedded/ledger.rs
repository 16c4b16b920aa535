use async_trait::async_trait;

use super::EmbeddedDocuments;
use crate::Ledger;

#[async_trait]
impl Ledger for EmbeddedDocuments {}
