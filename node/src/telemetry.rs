//! What operators see: logs and metrics.

pub mod context;
pub mod logs;
pub mod metrics;
