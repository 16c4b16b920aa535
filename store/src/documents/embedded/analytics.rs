use async_trait::async_trait;

use super::EmbeddedDocuments;
use crate::Analytics;

#[async_trait]
impl Analytics for EmbeddedDocuments {}
