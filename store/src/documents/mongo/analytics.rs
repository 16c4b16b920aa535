use async_trait::async_trait;

use super::MongoDocuments;
use crate::Analytics;

#[async_trait]
impl Analytics for MongoDocuments {}
