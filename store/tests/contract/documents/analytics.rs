//! Calculations: kept exactly, paged, and what they do to their asset.

use std::str::FromStr as _;

use metastamp_protocol::analytics::{Calculation, CreatorMetrics, Terms};
use metastamp_protocol::{Asset, Currency, ObjectId, Timestamp, UploadStatus};
use metastamp_store::Stores;
use metastamp_store::records::bson::{DateTime, Decimal128, doc, oid};
use metastamp_store::records::{Bson, Collection, Document};
use serde_json::json;

use super::fixtures::{asset, at, claim, completed, node, object, stored, stored_as, token};
use crate::harness::{Case, all_at_once, cases, shared_cases};

pub fn cases() -> Vec<Case<Stores>> {
    let mut all = cases![
        calculations_are_kept_exactly,
        money_is_decimal_and_ids_are_ids_at_rest,
        pages_are_newest_first_and_of_one_user,
        an_asset_has_the_score_of_its_latest_calculation,
        an_asset_that_is_gone_changes_nothing,
        calculations_go_with_their_asset,
        many_calculations_go_with_their_asset,
        older_shapes_are_read,
        records_come_back_as_they_were,
    ];
    all.extend(shared_cases![a_score_and_a_result_at_once_both_count]);
    all
}

fn calculation(user_id: ObjectId, asset_id: Option<ObjectId>, contribution: &str, now: Timestamp) -> Calculation {
    let (contribution, exposure) = (contribution.parse().unwrap(), "80".parse().unwrap());
    let terms = Terms::of("10000", contribution, exposure, Currency::Usd).unwrap();
    Calculation { asset_id, ..Calculation::of(ObjectId::generate(), user_id, &terms, now).unwrap() }
}

async fn page(store: &Stores, user_id: ObjectId, asset_id: Option<ObjectId>) -> Vec<Calculation> {
    let (items, total) = store.analytics.calculations(user_id, asset_id, 0, 100).await.unwrap();
    assert_eq!(items.len() as u64, total);
    items
}

async fn records(store: &Stores) -> Vec<Document> {
    store.records.snapshot().await.unwrap().page(Collection::Analytics, None, 100).await.unwrap()
}

async fn calculations_are_kept_exactly(store: Stores) {
    let owner = ObjectId::generate();
    let plain = calculation(owner, None, "75", at(1));
    let mut full = calculation(owner, Some(ObjectId::generate()), "33.333333333", at(2));
    full.note_metrics(CreatorMetrics {
        followers: 10_000,
        content_hours: 150.5,
        total_views: 500_000,
        platform: "youtube".to_owned(),
    });
    full.currency = Currency::Jpy;
    full.model_earnings = "999999999999999".to_owned();
    full.calculated_value = "0".to_owned();
    full.status = Some("pending".to_owned());
    full.metadata = object(json!({ "Ünï": [1, "2", { "n": 1.5 }], "calculated_value": "text", "none": null }));
    full.expires_at = Some(at(99));
    for calculation in [&plain, &full] {
        store.analytics.put_calculation(calculation).await.unwrap();
        assert_eq!(store.analytics.calculation(calculation.id).await.unwrap().as_ref(), Some(calculation));
    }
    full.status = Some("settled".to_owned());
    full.calculated_value = "12.30".to_owned();
    store.analytics.put_calculation(&full).await.unwrap();
    assert_eq!(page(&store, owner, None).await, [full, plain]);
    assert_eq!(store.analytics.calculation(ObjectId::generate()).await.unwrap(), None);
}

async fn money_is_decimal_and_ids_are_ids_at_rest(store: Stores) {
    let mut calculation = calculation(ObjectId::generate(), Some(ObjectId::generate()), "75", at(1));
    calculation.model_earnings = "9999999999999.99".to_owned();
    store.analytics.put_calculation(&calculation).await.unwrap();
    let record = records(&store).await.remove(0);
    let decimal = |text| Bson::Decimal128(Decimal128::from_str(text).unwrap());
    assert_eq!(record.get("model_earnings"), Some(&decimal("9999999999999.99")));
    assert_eq!(record.get("calculated_value"), Some(&decimal("1500.00")));
    for (name, id) in
        [("_id", Some(calculation.id)), ("user_id", Some(calculation.user_id)), ("asset_id", calculation.asset_id)]
    {
        assert_eq!(record.get_object_id(name).unwrap().to_hex(), id.unwrap().to_hex(), "{name}");
    }
    assert_eq!(record.get_datetime("created_at").unwrap(), &DateTime::from_millis(at(1).millis()));
    assert!(!record.contains_key("status") && !record.contains_key("followers_count"), "{record}");
}

async fn pages_are_newest_first_and_of_one_user(store: Stores) {
    let (owner, work) = (ObjectId::generate(), ObjectId::generate());
    let mut all = Vec::new();
    for n in 0..6 {
        // pairs of one instant
        let asset_id = (n % 3 == 0).then_some(work);
        all.push(calculation(owner, asset_id, "50", at(n / 2)));
    }
    all.push(calculation(ObjectId::generate(), Some(work), "50", at(1)));
    let stranger = all[6].clone();
    for calculation in &all {
        store.analytics.put_calculation(calculation).await.unwrap();
    }
    all.retain(|calculation| calculation.user_id == owner);
    all.sort_by_key(|calculation| std::cmp::Reverse((calculation.created_at, calculation.id)));
    assert_eq!(page(&store, owner, None).await, all);
    for (skip, limit) in [(0, 1), (1, 2), (4, 2), (5, 10), (6, 10), (u64::MAX, 10), (0, 0)] {
        let (items, total) = store.analytics.calculations(owner, None, skip, limit).await.unwrap();
        let expected: Vec<_> = all.iter().skip(usize::try_from(skip).unwrap()).take(limit as usize).cloned().collect();
        assert_eq!((items, total), (expected, 6), "{skip} {limit}");
    }
    let of_work: Vec<_> = all.iter().filter(|calculation| calculation.asset_id == Some(work)).cloned().collect();
    assert_eq!((of_work.len(), page(&store, owner, Some(work)).await), (2, of_work));
    assert_eq!(page(&store, stranger.user_id, None).await, [stranger]);
    assert_eq!(page(&store, ObjectId::generate(), None).await, []);
    assert_eq!(page(&store, owner, Some(ObjectId::generate())).await, []);
}

async fn score(store: &Stores, asset: &Asset) -> Option<f64> {
    store.works.asset(asset.id).await.unwrap().unwrap().ai_touch_score
}

async fn an_asset_has_the_score_of_its_latest_calculation(store: Stores) {
    let owner = ObjectId::generate();
    let (rated, other) =
        (stored_as(&store, asset(owner, "a.txt")).await, stored_as(&store, asset(owner, "b.txt")).await);
    assert_eq!(score(&store, &rated).await, None);
    for (contribution, expected) in [("75", 77.5), ("100", 89.4), ("0", 0.0)] {
        store.analytics.put_calculation(&calculation(owner, Some(rated.id), contribution, at(1))).await.unwrap();
        assert_eq!(score(&store, &rated).await, Some(expected));
    }
    store.analytics.put_calculation(&calculation(owner, None, "75", at(2))).await.unwrap();
    assert_eq!(store.works.asset(rated.id).await.unwrap(), Some(Asset { ai_touch_score: Some(0.0), ..rated }));
    assert_eq!(store.works.asset(other.id).await.unwrap(), Some(other));
}

async fn an_asset_that_is_gone_changes_nothing(store: Stores) {
    let gone = stored(&store, "a.txt").await;
    store.works.delete_asset(gone.id, at(1)).await.unwrap().unwrap();
    let late = calculation(gone.user_id, Some(gone.id), "75", at(2));
    store.analytics.put_calculation(&late).await.unwrap();
    assert_eq!(store.works.asset(gone.id).await.unwrap(), None);
    assert_eq!(store.analytics.calculation(late.id).await.unwrap(), Some(late));
}

async fn calculations_go_with_their_asset(store: Stores) {
    let (gone, left) = (stored(&store, "gone.txt").await, stored(&store, "left.txt").await);
    let kept = [calculation(left.user_id, Some(left.id), "50", at(2)), calculation(gone.user_id, None, "50", at(1))];
    for calculation in &kept {
        store.analytics.put_calculation(calculation).await.unwrap();
    }
    for n in 0..3 {
        store.analytics.put_calculation(&calculation(gone.user_id, Some(gone.id), "75", at(n))).await.unwrap();
    }
    let odd = doc! { "_id": oid::ObjectId::new(), "user_id": "nobody", "asset_id": gone.id.to_hex() };
    store.records.put_records(Collection::Analytics, vec![odd]).await.unwrap();
    let deleted = store.works.delete_asset(gone.id, at(9)).await.unwrap().unwrap();
    assert_eq!((deleted.asset.ai_touch_score, deleted.analytics_removed), (Some(77.5), 4));
    assert_eq!(page(&store, gone.user_id, None).await, kept[1..]);
    assert_eq!(page(&store, left.user_id, None).await, kept[..1]);
    assert_eq!(store.works.delete_asset(left.id, at(9)).await.unwrap().unwrap().analytics_removed, 1);
}

async fn many_calculations_go_with_their_asset(store: Stores) {
    let gone = stored(&store, "gone.txt").await;
    let records = |count: i64| -> Vec<Document> {
        let id = |id: ObjectId| oid::ObjectId::from_bytes(*id.as_bytes());
        let record = |n| doc! { "_id": oid::ObjectId::new(), "user_id": id(gone.user_id), "asset_id": id(gone.id), "timestamp": DateTime::from_millis(n) };
        (0..count).map(record).collect()
    };
    let left = async || store.records.snapshot().await.unwrap().count(Collection::Analytics).await.unwrap();
    store.records.put_records(Collection::Analytics, records(2_500)).await.unwrap();
    assert_eq!(store.works.delete_asset(gone.id, at(9)).await.unwrap().unwrap().analytics_removed, 2_500);
    assert_eq!(left().await, 0);
    // What stayed behind goes when it is asked for again.
    store.records.put_records(Collection::Analytics, records(3)).await.unwrap();
    assert!(store.works.delete_asset(gone.id, at(9)).await.unwrap().is_none());
    assert_eq!(left().await, 0);
}

/// Doubles and text as money, ids as text, no `created_at`, and whatever else the original may have left out.
async fn older_shapes_are_read(store: Stores) {
    let (owner, work) = (ObjectId::generate(), ObjectId::generate());
    let dated = doc! {
        "_id": "507f1f77bcf86cd799439011", "user_id": owner.to_hex(), "asset_id": work.to_hex(),
        "model_earnings": 10_000.5, "calculated_value": "1500.1", "training_contribution_score": "75.5",
        "usage_exposure_score": 80_i32, "equity_factor": 0.25, "followers_count": 12.0, "total_views": "many",
        "created_at": DateTime::from_millis(1_764_168_600_123), "status": Bson::Null,
    };
    // 2012, by its id
    let bare = doc! { "_id": oid::ObjectId::parse_str("507f1f77bcf86cd799439012").unwrap(), "user_id": owner.to_hex() };
    let nonsense = doc! { "_id": "by name", "user_id": "somebody", "asset_id": 7 };
    store.records.put_records(Collection::Analytics, vec![bare, dated, nonsense]).await.unwrap();

    let read = page(&store, owner, None).await;
    assert_eq!(
        read.iter().map(|c| c.id.to_hex()).collect::<Vec<_>>(),
        ["507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012"]
    );
    let dated = &read[0];
    assert_eq!((dated.model_earnings.as_str(), dated.calculated_value.as_str()), ("10000.5", "1500.1"));
    assert_eq!((dated.training_contribution_score, dated.usage_exposure_score), (75.5, 80.0));
    assert_eq!((dated.followers_count, dated.total_views, dated.currency), (Some(12), None, Currency::Usd));
    assert_eq!((dated.created_at, dated.timestamp), (Timestamp(1_764_168_600_123), Timestamp(1_764_168_600_123)));
    assert_eq!(dated.breakdown(), "$10,000.50 x (75.5/100) x (80.0/100) x 0.25 = $1,500.10");
    assert_eq!((read[1].calculated_value.as_str(), read[1].timestamp.day().as_str()), ("0.00", "2012-10-17"));
    assert_eq!(page(&store, owner, Some(work)).await, read[..1]);
    for calculation in &read {
        assert_eq!(store.analytics.calculation(calculation.id).await.unwrap().as_ref(), Some(calculation));
    }
}

async fn records_come_back_as_they_were(store: Stores) {
    let mut odd = vec![
        doc! { "_id": "507f1f77bcf86cd799439011", "user_id": 3, "calculated_value": Bson::Null, "x": [1, { "y": 2.5 }] },
        doc! { "_id": oid::ObjectId::new(), "user_id": oid::ObjectId::new(), "model_earnings": "lots", "later": true },
    ];
    store.records.put_records(Collection::Analytics, odd.clone()).await.unwrap();
    store.records.put_records(Collection::Analytics, odd.clone()).await.unwrap();
    let mut found = records(&store).await;
    for list in [&mut odd, &mut found] {
        list.sort_by_key(|record| record.get("_id").unwrap().to_string());
    }
    assert_eq!(found, odd);
    let ids = odd.iter().map(|record| record.get("_id").cloned().unwrap()).collect();
    assert_eq!(store.records.remove_records(Collection::Analytics, ids).await.unwrap(), 2);
    assert_eq!(records(&store).await, Vec::<Document>::new());
}

/// A job that ends writes the whole asset; so it must not write over a score, nor the score over its result.
async fn a_score_and_a_result_at_once_both_count(one: Stores, two: Stores) {
    for round in 0..5 {
        let asset = stored(&one, &format!("{round}.txt")).await;
        let job = claim(&one, &node("n", 1), at(1)).await;
        let rate = calculation(asset.user_id, Some(asset.id), "75", at(2));
        let (first, second) = (one.clone(), two.clone());
        let finish = async move { first.jobs.finish_job(job.id, token(&job), completed(), at(2)).await };
        let put = async move { second.analytics.put_calculation(&rate).await };
        let both: Vec<futures_util::future::BoxFuture<'static, metastamp_store::Result<()>>> =
            vec![Box::pin(finish), Box::pin(put)];
        for result in all_at_once(both).await {
            result.unwrap();
        }
        let after = two.works.asset(asset.id).await.unwrap().unwrap();
        assert_eq!((after.upload_status, after.ai_touch_score), (UploadStatus::Ready, Some(77.5)));
    }
}
