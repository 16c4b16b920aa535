use async_trait::async_trait;

use super::MongoDocuments;
use crate::Partners;

#[async_trait]
impl Partners for MongoDocuments {}
