//! Sections that the original system had too, in shapes of its own.

use serde::{Deserialize, Serialize};

use crate::Object;

/// A section of today's shape, or of another, which is kept and shown as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Section<T> {
    Current(T),
    /// Of the original system.
    Legacy(Object),
}

impl<T> Section<T> {
    /// The section, when it is of today's shape.
    #[must_use]
    pub fn current(&self) -> Option<&T> {
        match self {
            Self::Current(section) => Some(section),
            Self::Legacy(_) => None,
        }
    }
}

impl<T> From<T> for Section<T> {
    fn from(section: T) -> Self {
        Self::Current(section)
    }
}
