use async_trait::async_trait;

use super::EmbeddedDocuments;
use crate::Partners;

#[async_trait]
impl Partners for EmbeddedDocuments {}
