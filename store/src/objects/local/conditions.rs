//! `If-Match`, `If-None-Match` and their relatives, for reads and writes.

use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use super::rows::ObjectRow;

/// Conditions of a read.
#[derive(Clone, Default)]
pub(super) struct ReadConditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

/// Conditions of a write.
#[derive(Default)]
pub(super) struct WriteConditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(ETag::Strong(value) | ETag::Weak(value)) => value == etag,
    }
}

impl ReadConditions {
    /// In the order of RFC 9110: the tag conditions win over the dates.
    pub fn check(&self, object: &ObjectRow) -> S3Result<()> {
        // dates travel with a precision of seconds
        let modified = super::rows::timestamp(object.modified_ms / 1000 * 1000);
        let failed = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => !matches(condition, &object.etag),
            (None, Some(date)) => modified > *date,
            (None, None) => false,
        };
        if failed {
            return Err(s3_error!(PreconditionFailed));
        }
        let unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => matches(condition, &object.etag),
            (None, Some(date)) => modified <= *date,
            (None, None) => false,
        };
        if unchanged { Err(s3_error!(NotModified)) } else { Ok(()) }
    }
}

impl WriteConditions {
    /// Against what is stored under the key right now.
    pub fn check(&self, stored: Option<&ObjectRow>) -> S3Result<()> {
        if let Some(condition) = &self.if_match {
            let Some(object) = stored else { return Err(s3_error!(NoSuchKey)) };
            if !matches(condition, &object.etag) {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        match (&self.if_none_match, stored) {
            (Some(condition), Some(object)) if matches(condition, &object.etag) => Err(s3_error!(PreconditionFailed)),
            _ => Ok(()),
        }
    }
}
