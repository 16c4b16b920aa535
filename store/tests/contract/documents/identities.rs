//! Who a store is: decided once, by whoever comes first, and not by what is kept in it.

use metastamp_protocol::Store;
use metastamp_store::Stores;
use metastamp_store::identity::StoreIdentity;

use crate::harness::{Case, all_at_once, shared_cases};

pub fn cases() -> Vec<Case<Stores>> {
    shared_cases![all_who_come_at_once_take_the_same, an_identity_outlives_what_is_kept, an_identity_can_be_replaced]
}

async fn keep(store: &Stores, of: Store) -> StoreIdentity {
    store.records.keep_identity(of, StoreIdentity::of_documents("test")).await.unwrap()
}

async fn all_who_come_at_once_take_the_same(one: Stores, two: Stores) {
    let work = [one.clone(), two.clone()].into_iter().cycle().take(8);
    let kept = all_at_once(work.map(|store| async move { keep(&store, Store::Cache).await })).await;
    assert!(kept.iter().all(|identity| *identity == kept[0]), "{kept:?}");
    assert_ne!(keep(&one, Store::Objects).await.id, kept[0].id, "each store has one of its own");
}

async fn an_identity_outlives_what_is_kept(one: Stores, two: Stores) {
    let kept = keep(&one, Store::Documents).await;
    one.records.clear().await.unwrap();
    assert_eq!(keep(&two, Store::Documents).await, kept);
}

async fn an_identity_can_be_replaced(one: Stores, two: Stores) {
    let former = keep(&one, Store::Objects).await;
    let other = StoreIdentity::belonging_to(&keep(&one, Store::Documents).await, "test");
    assert_ne!(other.id, former.id);
    one.records.put_identity(Store::Objects, other.clone()).await.unwrap();
    assert_eq!(keep(&two, Store::Objects).await, other);
}
