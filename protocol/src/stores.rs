//! Which stores a node works on: the identity of each, as it travels between members.

use std::fmt;

use serde::Serialize;

/// Longest text read from another node; ours has about 170 bytes.
const TEXT_BYTES_MAX: usize = 512;

/// What a node keeps things in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    Documents,
    Objects,
    Cache,
}

impl Store {
    pub const ALL: [Store; 3] = [Store::Documents, Store::Objects, Store::Cache];

    pub fn as_str(self) -> &'static str {
        match self {
            Store::Documents => "documents",
            Store::Objects => "objects",
            Store::Cache => "cache",
        }
    }
}

/// One store: its kind, and the random id it got when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreTag {
    pub kind: String,
    pub id: String,
}

impl fmt::Display for StoreTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

/// The stores of a node. What is not known fits everything: nodes of older versions say nothing of theirs, and a cache
/// that does not answer says nothing of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreTags {
    pub documents: Option<StoreTag>,
    pub objects: Option<StoreTag>,
    pub cache: Option<StoreTag>,
}

impl StoreTags {
    pub fn get(&self, store: Store) -> Option<&StoreTag> {
        match store {
            Store::Documents => self.documents.as_ref(),
            Store::Objects => self.objects.as_ref(),
            Store::Cache => self.cache.as_ref(),
        }
    }

    /// The first store that is another one there.
    pub fn conflict(&self, other: &Self) -> Option<Store> {
        let differs = |store: &Store| match (self.get(*store), other.get(*store)) {
            (Some(ours), Some(theirs)) => ours != theirs,
            _ => false,
        };
        Store::ALL.into_iter().find(differs)
    }

    /// `documents=sqlite:4f0c...,objects=local:90ab...`, in any order. Words that mean nothing here are passed over:
    /// newer nodes may say more.
    pub fn parse(text: &str) -> Self {
        let mut tags = Self::default();
        let text = if text.len() <= TEXT_BYTES_MAX { text } else { "" };
        for (name, tag) in text.split(',').filter_map(|word| word.split_once('=')) {
            let tag = tag.split_once(':').map(|(kind, id)| StoreTag { kind: kind.to_owned(), id: id.to_owned() });
            match name {
                "documents" => tags.documents = tag,
                "objects" => tags.objects = tag,
                "cache" => tags.cache = tag,
                _ => {}
            }
        }
        tags
    }
}

/// As [`StoreTags::parse`] reads it.
impl fmt::Display for StoreTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Store::ALL.into_iter().filter_map(|store| Some((store, self.get(store)?)));
        for (at, (store, tag)) in known.enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}={tag}", store.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> StoreTags {
        StoreTags::parse(text)
    }

    #[test]
    fn what_is_said_is_read() {
        let text = "documents=sqlite:1,objects=local:2,cache=sqlite:3";
        assert_eq!(tags(text).to_string(), text);
        assert_eq!(tags("").to_string(), "");
        assert_eq!(tags("cache=redis:9,later=x:1,broken,documents=none").to_string(), "cache=redis:9");
        assert_eq!(tags(&format!("cache=redis:{}", "9".repeat(600))), StoreTags::default(), "too long to be true");
    }

    #[test]
    fn only_what_both_know_can_differ() {
        let ours = tags("documents=sqlite:1,objects=local:2,cache=sqlite:3");
        for (theirs, conflict) in [
            ("documents=sqlite:1,objects=local:2,cache=sqlite:3", None),
            ("", None),
            ("objects=local:2", None),
            ("documents=sqlite:9,objects=local:9", Some(Store::Documents)),
            ("documents=mongodb:1", Some(Store::Documents)),
            ("documents=sqlite:1,objects=s3:2", Some(Store::Objects)),
            ("documents=sqlite:1,objects=local:2,cache=redis:3", Some(Store::Cache)),
        ] {
            assert_eq!(ours.conflict(&tags(theirs)), conflict, "{theirs}");
            assert_eq!(tags(theirs).conflict(&ours), conflict, "{theirs}: both sides see it");
        }
    }
}
