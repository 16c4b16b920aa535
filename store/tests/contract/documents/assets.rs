//! Listing and deleting assets.

use std::cmp::Ordering;

use metastamp_protocol::{Asset, AssetQuery, AssetSort, FileKind, ObjectId, SortDirection, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::ports::Garbage;

use super::fixtures::{
    assert_not_found, asset, at, claim, commit, completed, failed, job_counts, node, session, stored, stored_as, token,
};
use crate::harness::{Case, all_at_once, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        every_order_pages_through_every_filter,
        a_page_beyond_the_end_is_empty,
        equal_keys_are_ordered_by_id,
        filters_follow_the_state,
        an_account_sees_only_its_own,
        delete_removes_everything,
        delete_without_fingerprint,
        one_of_many_deletes_wins,
    ]
}

const QUERY: AssetQuery = AssetQuery {
    kind: None,
    status: None,
    sort: AssetSort::CreatedAt,
    direction: SortDirection::Descending,
    skip: 0,
    limit: 100,
};
const SORTS: [AssetSort; 3] = [AssetSort::CreatedAt, AssetSort::FileName, AssetSort::FileSize];
const DIRECTIONS: [SortDirection; 2] = [SortDirection::Ascending, SortDirection::Descending];

/// 24 assets of one user in which every sort key occurs several times, and every kind with every status.
async fn library(store: &Stores, user: ObjectId) -> Vec<Asset> {
    let kinds = [FileKind::Text, FileKind::Image, FileKind::Url];
    let statuses = [UploadStatus::Processing, UploadStatus::Ready];
    let mut assets = Vec::new();
    for i in 0..24_usize {
        let mut asset = asset(user, &format!("name-{}.txt", i * 5 % 4));
        asset.file_type = kinds[i % 3];
        asset.upload_status = statuses[i / 3 % 2];
        asset.file_size = [9, 10, 200, 5_000_000_000, 9][i % 5];
        asset.created_at = at([30, 10, 20, 10, 50, 40, 60][i % 7]);
        asset.sha256 = format!("{i:064x}");
        assets.push(stored_as(store, asset).await);
    }
    assets
}

fn ordered(mut assets: Vec<Asset>, sort: AssetSort, direction: SortDirection) -> Vec<ObjectId> {
    let by_key = |a: &Asset, b: &Asset| match sort {
        AssetSort::CreatedAt => a.created_at.cmp(&b.created_at),
        AssetSort::FileName => a.file_name.cmp(&b.file_name),
        AssetSort::FileSize => a.file_size.cmp(&b.file_size),
    };
    let ascending = |a: &Asset, b: &Asset| by_key(a, b).then(a.id.cmp(&b.id));
    assets.sort_by(|a, b| match direction {
        SortDirection::Ascending => ascending(a, b),
        SortDirection::Descending => ascending(b, a),
    });
    ids(&assets)
}

fn ids(assets: &[Asset]) -> Vec<ObjectId> {
    assets.iter().map(|asset| asset.id).collect()
}

async fn every_order_pages_through_every_filter(store: Stores) {
    let user = ObjectId::generate();
    let all = library(&store, user).await;
    stored(&store, "of another account").await;
    for kind in [None, Some(FileKind::Text), Some(FileKind::Url), Some(FileKind::Audio)] {
        for status in [None, Some(UploadStatus::Ready), Some(UploadStatus::Processing), Some(UploadStatus::Failed)] {
            let matches = |a: &&Asset| {
                kind.is_none_or(|kind| a.file_type == kind) && status.is_none_or(|status| a.upload_status == status)
            };
            let matching: Vec<_> = all.iter().filter(matches).cloned().collect();
            for (sort, direction) in SORTS.into_iter().flat_map(|sort| DIRECTIONS.map(|d| (sort, d))) {
                let query = AssetQuery { kind, status, sort, direction, ..QUERY };
                let expected = ordered(matching.clone(), sort, direction);
                assert_eq!(pages(&store, user, &query, 5).await, expected, "{query:?}");
            }
        }
    }
}

/// All ids, read in pages, and the total checked on each.
async fn pages(store: &Stores, user: ObjectId, query: &AssetQuery, limit: u32) -> Vec<ObjectId> {
    let mut seen = Vec::new();
    loop {
        let query = AssetQuery { skip: seen.len() as u64, limit, ..query.clone() };
        let page = store.works.assets(user, query).await.unwrap();
        let left = page.total - seen.len() as u64;
        assert_eq!(page.items.len() as u64, left.min(limit.into()));
        if page.items.is_empty() {
            return seen;
        }
        seen.extend(ids(&page.items));
    }
}

async fn a_page_beyond_the_end_is_empty(store: Stores) {
    let user = ObjectId::generate();
    let empty = store.works.assets(user, QUERY).await.unwrap();
    assert_eq!((empty.items, empty.total), (vec![], 0));
    let asset = stored_as(&store, asset(user, "a.txt")).await;
    for skip in [1, 2, 1_000_000, u64::MAX] {
        let page = store.works.assets(user, AssetQuery { skip, ..QUERY }).await.unwrap();
        assert_eq!((page.items, page.total), (vec![], 1), "skip {skip}");
    }
    let page = store.works.assets(user, AssetQuery { limit: 1, ..QUERY }).await.unwrap();
    assert_eq!((page.items, page.total), (vec![asset], 1));
}

async fn equal_keys_are_ordered_by_id(store: Stores) {
    let user = ObjectId::generate();
    let mut made: Vec<_> = (0..9)
        .map(|i| {
            let mut asset = asset(user, "same.txt");
            asset.sha256 = format!("{i:064x}");
            asset
        })
        .collect();
    // Stored in an order that is not the order of ids.
    made.rotate_left(4);
    made.swap(0, 7);
    for asset in &made {
        stored_as(&store, asset.clone()).await;
    }
    for (sort, direction) in SORTS.into_iter().flat_map(|sort| DIRECTIONS.map(|d| (sort, d))) {
        let seen = pages(&store, user, &AssetQuery { sort, direction, ..QUERY }, 2).await;
        let is_next = |a: &ObjectId, b: &ObjectId| match direction {
            SortDirection::Ascending => a.cmp(b) == Ordering::Less,
            SortDirection::Descending => a.cmp(b) == Ordering::Greater,
        };
        assert!(seen.len() == 9 && seen.is_sorted_by(is_next), "{sort:?} {direction:?}: {seen:?}");
    }
}

async fn filters_follow_the_state(store: Stores) {
    let user = ObjectId::generate();
    let total = async |status| {
        let page = store.works.assets(user, AssetQuery { status: Some(status), ..QUERY }).await.unwrap();
        assert!(page.items.iter().all(|asset| asset.upload_status == status));
        (page.items.len(), page.total)
    };
    for result in [completed(), failed("broken")] {
        let asset = Asset { sha256: format!("{:?}", ObjectId::generate()), ..asset(user, "a.txt") };
        stored_as(&store, asset).await;
        assert_eq!(total(UploadStatus::Processing).await, (1, 1));
        let job = claim(&store, &node("n", 1), at(1)).await;
        store.jobs.finish_job(job.id, token(&job), result, at(2)).await.unwrap();
        assert_eq!(total(UploadStatus::Processing).await, (0, 0));
    }
    assert_eq!(total(UploadStatus::Ready).await, (1, 1));
    assert_eq!(total(UploadStatus::Failed).await, (1, 1));
}

async fn an_account_sees_only_its_own(store: Stores) {
    let (ada, bob) = (ObjectId::generate(), ObjectId::generate());
    let of_ada = stored_as(&store, asset(ada, "a.txt")).await;
    let of_bob = stored_as(&store, asset(bob, "a.txt")).await;
    for (user, expected) in [(ada, of_ada), (bob, of_bob)] {
        let page = store.works.assets(user, QUERY).await.unwrap();
        assert_eq!((page.items, page.total), (vec![expected], 1));
    }
    assert_eq!(store.works.assets(ObjectId::generate(), QUERY).await.unwrap().total, 0);
}

async fn delete_removes_everything(store: Stores) {
    let user = ObjectId::generate();
    let (gone, left) = (asset(user, "gone.txt"), asset(user, "left.txt"));
    stored_as(&store, gone.clone()).await;
    stored_as(&store, left.clone()).await;
    let fingerprint = store.works.fingerprint_of(gone.id).await.unwrap().unwrap();
    let deleted = store.works.delete_asset(gone.id, at(9)).await.unwrap().unwrap();
    assert_eq!((&deleted.asset, deleted.fingerprint_removed), (&gone, true));
    assert_eq!(store.works.asset(gone.id).await.unwrap(), None);
    assert_eq!(store.works.fingerprint(fingerprint.id).await.unwrap(), None);
    assert_eq!(store.works.fingerprint_of(gone.id).await.unwrap(), None);
    assert_eq!(job_counts(&store).await, (1, 0));
    assert_not_found(store.works.request_fingerprint(gone.id, at(10)).await);
    let garbage = [Garbage { s3_key: gone.s3_key, since: at(9) }];
    assert_eq!(store.uploads.garbage(10).await.unwrap(), garbage);
    assert!(store.works.delete_asset(gone.id, at(11)).await.unwrap().is_none());
    assert!(store.works.delete_asset(ObjectId::generate(), at(11)).await.unwrap().is_none());
    assert_eq!(store.uploads.garbage(10).await.unwrap(), garbage);
    let page = store.works.assets(user, QUERY).await.unwrap();
    assert_eq!((page.items, page.total), (vec![left.clone()], 1));
    assert_eq!(claim(&store, &node("n", 1), at(12)).await.asset_id, left.id);
}

async fn delete_without_fingerprint(store: Stores) {
    let asset = asset(ObjectId::generate(), "a.txt");
    store.uploads.open_upload(&session(&asset)).await.unwrap();
    let mut commit = commit(&asset);
    commit.fingerprint = None;
    store.works.commit_upload(commit).await.unwrap();
    let deleted = store.works.delete_asset(asset.id, at(1)).await.unwrap().unwrap();
    assert_eq!((deleted.asset, deleted.fingerprint_removed), (asset, false));
}

async fn one_of_many_deletes_wins(store: Stores) {
    let asset = stored(&store, "a.txt").await;
    let deletes = (0..8).map(|_| {
        let store = store.clone();
        async move { store.works.delete_asset(asset.id, at(1)).await.unwrap().is_some() }
    });
    let won = all_at_once(deletes).await;
    assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
    assert_eq!(store.uploads.garbage(10).await.unwrap().len(), 1);
}
