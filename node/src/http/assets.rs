//! The caller's assets: list, detail, delete.

use std::sync::Arc;

use metastamp_protocol::files::picture_key;
use metastamp_protocol::http::{asset_deleted, asset_detail, asset_list};
use metastamp_protocol::{
    Asset, AssetQuery, AssetSort, ErrorCode, FileKind, SortDirection, Timestamp, UploadStatus, User,
};
use metastamp_store::documents::DeletedAsset;

use super::auth::caller;
use super::error::{ApiError, Result};
use super::params::{Page, Params};
use super::pictures::links;
use super::request::{Request, object_id};
use super::response::{self, Response};
use crate::app::App;

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
    let query = query(Params::of(request))?;
    let (skip, limit) = (query.skip, query.limit);
    let page = app.documents.assets(caller.user.id, query).await?;
    response::encoded(200, asset_list(&page.items, page.total, skip, limit, &links(app, request)))
}

/// All spellings of paging, sorting and filtering. Unknown names are ignored, wrong values are not.
fn query(mut params: Params) -> Result<AssetQuery> {
    let Page { skip, limit } = params.page(&["limit"]);
    let kind = params.word(&["file_type"], "text, image, audio, video, url, all", FileKind::parse);
    let statuses = "queued, uploading, processing, ready, failed, pending, completed, processing_failed, all";
    let status = params.word(&["status"], statuses, UploadStatus::parse);
    // `sort=field:dir` wins over `sort_by` and `order`.
    let (name, field, direction) = match params.text(&["sort"]) {
        Some((name, text)) => match text.split_once(':') {
            Some((field, direction)) => (name, Some(field.to_owned()), Some((name, direction.to_owned()))),
            None => (name, Some(text), None),
        },
        None => ("sort_by", params.text(&["sort_by"]).map(|(_, field)| field), params.text(&["order"])),
    };
    let sort = match field.as_deref() {
        None | Some("created_at") => AssetSort::CreatedAt,
        Some("file_name") => AssetSort::FileName,
        Some("file_size") => AssetSort::FileSize,
        Some(_) => {
            params.wrong(name, "must be one of created_at, file_name, file_size");
            AssetSort::CreatedAt
        }
    };
    let direction = match direction.as_ref().map(|(name, word)| (*name, word.as_str())) {
        None | Some((_, "desc")) => SortDirection::Descending,
        Some((_, "asc")) => SortDirection::Ascending,
        Some((name, _)) => {
            params.wrong(name, "must be one of asc, desc");
            SortDirection::Descending
        }
    };
    params.end()?;
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
    use crate::http::params::tests::params;

    fn parse(text: &str) -> Result<AssetQuery> {
        query(params(text))
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
