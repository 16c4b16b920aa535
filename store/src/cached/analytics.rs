use async_trait::async_trait;

use super::Cached;
use crate::Analytics;

#[async_trait]
impl Analytics for Cached {}
