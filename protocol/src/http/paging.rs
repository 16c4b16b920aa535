//! Where a page stands in its list, in the words of all clients.

use serde_json::{Value, json};

/// One page of a list: what was asked for, and what there was.
#[derive(Debug, Clone, Copy)]
pub struct Paging {
    pub skip: u64,
    /// At least 1.
    pub limit: u32,
    /// Rows of the whole list.
    pub total: u64,
    /// Rows on this page.
    pub shown: usize,
}

impl Paging {
    fn size(&self) -> u64 {
        u64::from(self.limit.max(1))
    }

    /// Counted from 1.
    pub fn page(&self) -> u64 {
        (self.skip / self.size()).saturating_add(1)
    }

    pub fn pages(&self) -> u64 {
        self.total.div_ceil(self.size())
    }

    pub fn has_more(&self) -> bool {
        self.skip.saturating_add(self.shown as u64) < self.total
    }

    pub fn has_previous(&self) -> bool {
        self.skip > 0
    }

    /// The member `pagination`.
    pub fn view(&self) -> Value {
        json!({
            "page": self.page(),
            "limit": self.limit,
            "total_items": self.total,
            "total_pages": self.pages(),
            "has_next": self.has_more(),
            "has_prev": self.has_previous(),
        })
    }
}
