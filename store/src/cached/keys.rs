//! Names of entries.

use metastamp_protocol::{AssetQuery, AssetSort, ObjectId, SortDirection};

pub(super) const GENERATION: &str = "cache_generation";

pub(super) fn asset(id: ObjectId) -> String {
    format!("asset:{id}")
}

pub(super) fn fingerprint(asset_id: ObjectId) -> String {
    format!("fingerprint:{asset_id}")
}

pub(super) fn list_version(user_id: ObjectId) -> String {
    format!("user_assets:{user_id}:version")
}

pub(super) fn list_page(user_id: ObjectId, version: &str, query: &AssetQuery) -> String {
    let kind = query.kind.map_or("any", |kind| kind.as_str());
    let status = query.status.map_or("any", |status| status.as_str());
    let sort = match query.sort {
        AssetSort::CreatedAt => "created",
        AssetSort::FileName => "name",
        AssetSort::FileSize => "size",
    };
    let direction = match query.direction {
        SortDirection::Ascending => "up",
        SortDirection::Descending => "down",
    };
    let (skip, limit) = (query.skip, query.limit);
    format!("user_assets:{user_id}:{version}:{kind}:{status}:{sort}:{direction}:{skip}:{limit}")
}

pub(super) fn revoked(sid: &str) -> String {
    format!("revoked:sid:{sid}")
}
