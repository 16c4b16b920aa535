//! The caller's assets: list, detail, delete.

use std::sync::Arc;

use metastamp_protocol::http::{asset_deleted, asset_detail, asset_list};
use metastamp_protocol::{AssetQuery, AssetSort, FileKind, SortDirection, Timestamp, UploadStatus};
use metastamp_service::Caller;
use metastamp_service::works::{Deleted, Detail};

use super::error::Result;
use super::pictures::links;
use super::read::{Page, Params};
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;

pub async fn list(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let query = query(Params::of(&request))?;
    let (skip, limit) = (query.skip, query.limit);
    let page = app.service.works.list(caller.user.id, query).await?;
    response::encoded(200, asset_list(&page.items, page.total, skip, limit, &links(&app, &request)))
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

pub async fn detail(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let Detail { asset, fingerprint } = app.service.works.detail(caller.user.id, request.id("asset_id")?).await?;
    Ok(response::json(200, &asset_detail(&asset, fingerprint.as_ref(), Timestamp::now(), &links(&app, &request))))
}

pub async fn delete(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let deleted = app.service.works.delete(caller.user.id, request.id("asset_id")?).await?;
    let Deleted { asset_id, object, fingerprint, analytics } = deleted;
    Ok(response::json(200, &asset_deleted(asset_id, object, fingerprint, analytics)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::read::tests::params;

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
