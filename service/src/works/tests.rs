//! Works without HTTP, on embedded stores.

use metastamp_protocol::{AssetSort, SortDirection};

use super::*;
use crate::test_world::World;

fn everything() -> AssetQuery {
    let (sort, direction) = (AssetSort::CreatedAt, SortDirection::Descending);
    AssetQuery { kind: None, status: None, sort, direction, skip: 0, limit: 50 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_work_is_its_owners_alone() {
    let world = World::new().await;
    let (ada, bob) = (ObjectId::generate(), ObjectId::generate());
    let id = world.send(ada, "a.txt", "Of Ada.").await.unwrap().asset.id;
    assert_eq!(world.works.owned(ada, id).await.unwrap().id, id);
    let refused = |result: Result<()>| result.err().map(|error| error.code);
    assert_eq!(refused(world.works.detail(bob, id).await.map(drop)), Some(ErrorCode::Forbidden));
    assert_eq!(refused(world.works.delete(bob, id).await.map(drop)), Some(ErrorCode::Forbidden));
    assert_eq!(refused(world.works.fingerprint_of(bob, id).await.map(drop)), Some(ErrorCode::Forbidden));
    assert_eq!(refused(world.works.picture(bob, id, "thumbnail").await.map(drop)), Some(ErrorCode::Forbidden));
    let unknown = ObjectId::generate();
    assert_eq!(refused(world.works.owned(ada, unknown).await.map(drop)), Some(ErrorCode::NotFound));
    assert_eq!(world.works.list(bob, everything()).await.unwrap().total, 0);
    let page = world.works.list(ada, everything()).await.unwrap();
    assert_eq!((page.total, page.items[0].id), (1, id));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_goes_with_its_object() {
    let world = World::new().await;
    let ada = ObjectId::generate();
    let asset = world.send(ada, "a.txt", "Soon gone.").await.unwrap().asset;
    assert!(world.object_is_there(&asset.s3_key).await);
    let deleted = world.works.delete(ada, asset.id).await.unwrap();
    assert_eq!(deleted, Deleted { asset_id: asset.id, object: true, fingerprint: false, analytics: 0 });
    assert!(!world.object_is_there(&asset.s3_key).await && world.garbage().await.is_empty());
    assert_eq!(world.works.delete(ada, asset.id).await.err().map(|error| error.code), Some(ErrorCode::NotFound));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_can_not_be_removed_is_garbage() {
    let world = World::new().await;
    let ada = ObjectId::generate();
    let asset = world.send(ada, "a.txt", "Hard to remove.").await.unwrap().asset;
    world.s3.shutdown().await;
    let deleted = world.works.delete(ada, asset.id).await.unwrap();
    assert!(!deleted.object);
    assert_eq!(world.garbage().await, [asset.s3_key]);
    assert_eq!(world.works.list(ada, everything()).await.unwrap().total, 0);
    world.end().await;
}
