//! What operators see in logs: the lines, and whose request each belongs to.

pub mod context;
pub mod logs;
