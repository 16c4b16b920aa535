use async_trait::async_trait;

use super::MongoDocuments;
use crate::Ledger;

#[async_trait]
impl Ledger for MongoDocuments {}
