//! The caller's assets: list, detail, delete.

use std::sync::Arc;

use metastamp_protocol::files::picture_key;
use metastamp_protocol::http::{FieldErrors, asset_deleted, asset_detail, asset_list};
use metastamp_protocol::{
    Asset, AssetQuery, AssetSort, ErrorCode, FileKind, SortDirection, Timestamp, UploadStatus, User,
};
use metastamp_store::documents::DeletedAsset;

use super::auth::caller;
use super::error::{ApiError, Result};
use super::pictures::links;
use super::request::{Request, object_id};
use super::response::{self, Response};
use crate::app::App;

const LIMIT_MAX: u32 = 100;
/// Nobody has more assets than this.
const SKIP_MAX: u64 = 1_000_000_000;

/// An asset of the caller.
///
/// # Errors
/// 400 for an id that is none, 404 when there is no such asset, 403 when it belongs to someone else.
pub async fn owned(app: &App, user: &User, id: &str) -> Result<Asset> {
    let asset = app.documents.asset(object_id(id)?).await?.ok_or_else(|| ApiError::not_found("Asset"))?;
    if asset.user_id != user.id {
        return Err(ApiError::new(ErrorCode::Forbidden, "This asset belongs to someone else"));
    }
    Ok(asset)
}

pub async fn list(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let query = query(&request.query_pairs())?;
    let (skip, limit) = (query.skip, query.limit);
    let page = app.documents.assets(caller.user.id, query).await?;
    response::encoded(200, asset_list(&page.items, page.total, skip, limit, &links(app, request)))
}

/// All spellings of paging, sorting and filtering. Unknown names are ignored, wrong values are not.
fn query(pairs: &[(String, String)]) -> Result<AssetQuery> {
    let mut errors = FieldErrors::new();
    let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let mut number = |name: &str, min: u64, max: u64| {
        let text = value(name)?;
        match text.parse::<u64>() {
            Ok(n) if (min..=max).contains(&n) => Some(n),
            _ => {
                errors.insert(name.to_owned(), vec![format!("must be a whole number from {min} to {max}")]);
                None
            }
        }
    };
    let page = number("page", 1, SKIP_MAX);
    let skip = number("skip", 0, SKIP_MAX);
    let default_limit = if page.is_some() { 20 } else { 50 };
    let limit = number("limit", 1, LIMIT_MAX.into()).map_or(default_limit, |n| n as u32);
    let mut word =
        |name: &str, accepted: &str| errors.insert(name.to_owned(), vec![format!("must be one of {accepted}")]);

    let kind = match value("file_type").filter(|text| *text != "all") {
        None => None,
        Some(text) => FileKind::parse(text).or_else(|| {
            word("file_type", "text, image, audio, video, url, all");
            None
        }),
    };
    let status = match value("status").filter(|text| *text != "all") {
        None => None,
        Some(text) => UploadStatus::parse(text).or_else(|| {
            word("status", "queued, uploading, processing, ready, failed, pending, completed, processing_failed, all");
            None
        }),
    };
    // `sort=field:dir` wins over `sort_by` and `order`.
    let (name, field, direction) = match value("sort") {
        Some(text) => match text.split_once(':') {
            Some((field, direction)) => ("sort", Some(field), Some(direction)),
            None => ("sort", Some(text), None),
        },
        None => ("sort_by", value("sort_by"), value("order")),
    };
    let sort = match field {
        None | Some("created_at") => AssetSort::CreatedAt,
        Some("file_name") => AssetSort::FileName,
        Some("file_size") => AssetSort::FileSize,
        Some(_) => {
            word(name, "created_at, file_name, file_size");
            AssetSort::CreatedAt
        }
    };
    let direction = match direction {
        None | Some("desc") => SortDirection::Descending,
        Some("asc") => SortDirection::Ascending,
        Some(_) => {
            word(if name == "sort" { "sort" } else { "order" }, "asc, desc");
            SortDirection::Descending
        }
    };
    if !errors.is_empty() {
        return Err(ApiError::fields(errors));
    }
    let skip = page.map_or(skip.unwrap_or(0), |page| (page - 1).saturating_mul(limit.into()));
    Ok(AssetQuery { kind, status, sort, direction, skip, limit })
}

pub async fn detail(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = caller(app, request).await?;
    let asset = owned(app, &caller.user, id).await?;
    let fingerprint = app.documents.fingerprint_of(asset.id).await?;
    Ok(response::json(200, &asset_detail(&asset, fingerprint.as_ref(), Timestamp::now(), &links(app, request))))
}

pub async fn delete(app: &Arc<App>, request: &mut Request, id: &str) -> Result<Response> {
    let caller = caller(app, request).await?;
    let asset = owned(app, &caller.user, id).await?;
    let fingerprint = app.documents.fingerprint_of(asset.id).await?;
    let Some(deleted) = app.documents.delete_asset(asset.id, Timestamp::now()).await? else {
        return Err(ApiError::not_found("Asset"));
    };
    if let Some(fingerprint) = fingerprint {
        app.actors.cancel_job(fingerprint.id);
    }
    let Asset { s3_key, pictures, .. } = &deleted.asset;
    // what can't be removed now is garbage that the sweeper removes
    let removed = futures_util::future::join_all(pictures.iter().map(|picture| {
        let key = picture_key(s3_key, picture);
        async move { app.remove_object(&key).await }
    }));
    let (object_removed, _) = tokio::join!(app.remove_object(s3_key), removed);
    let DeletedAsset { asset, fingerprint_removed, analytics_removed } = &deleted;
    Ok(response::json(200, &asset_deleted(asset.id, object_removed, *fingerprint_removed, *analytics_removed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AssetQuery> {
        let pairs: Vec<_> =
            text.split('&').filter_map(|p| p.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        query(&pairs)
    }

    #[test]
    fn page_wins_over_skip_and_sort_over_sort_by() {
        let query = parse("page=3&skip=7&sort=file_name:asc&sort_by=file_size&order=desc").unwrap();
        assert_eq!((query.skip, query.limit), (40, 20));
        assert_eq!((query.sort, query.direction), (AssetSort::FileName, SortDirection::Ascending));
        let query = parse("skip=7&sort_by=file_size&order=asc").unwrap();
        assert_eq!((query.skip, query.limit, query.sort), (7, 50, AssetSort::FileSize));
    }

    #[test]
    fn synonyms_and_all() {
        assert_eq!(parse("status=pending").unwrap().status, Some(UploadStatus::Queued));
        assert_eq!(parse("status=completed").unwrap().status, Some(UploadStatus::Ready));
        assert_eq!(parse("status=processing_failed").unwrap().status, Some(UploadStatus::Failed));
        assert_eq!(parse("status=all&file_type=all").unwrap().status, None);
    }

    #[test]
    fn wrong_values_are_refused() {
        for text in [
            "page=0",
            "skip=18446744073709551615",
            "page=x",
            "limit=0",
            "limit=101",
            "skip=-1",
            "file_type=gif",
            "status=odd",
            "sort=size",
            "sort=created_at:up",
            "sort_by=id",
            "order=up",
        ] {
            assert_eq!(parse(text).err().map(|e| e.status_code()), Some(422), "{text}");
        }
    }
}
