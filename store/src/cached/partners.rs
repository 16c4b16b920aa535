use async_trait::async_trait;

use super::Cached;
use crate::Partners;

#[async_trait]
impl Partners for Cached {}
