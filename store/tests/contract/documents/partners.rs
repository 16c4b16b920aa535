//! Partners, their keys, and usage events: stored once, taken by one worker at a time, by the store's own clock.

use std::collections::BTreeMap;
use std::time::Duration;

use metastamp_protocol::partner::{ApiKey, Partner, Scope, UsageEvent, UsageStatus, secret_hash};
use metastamp_protocol::{Amount, Currency, ObjectId, Timestamp};
use metastamp_store::ports::{UsageClaim, UsageQuery};
use metastamp_store::records::Collection;
use metastamp_store::{StoreError, Stores};

use super::fixtures::{LEASE, assert_conflict, assert_fenced, assert_not_found, at, stored};
use crate::harness::{Case, all_at_once, cases, eventually, shared_cases};

pub fn cases() -> Vec<Case<Stores>> {
    let mut all = cases![
        a_partner_is_kept_and_changed,
        a_name_is_taken_once,
        partners_are_listed_by_name,
        a_key_comes_with_its_partner,
        a_key_is_revoked_once_and_by_its_partner,
        an_event_is_stored_once,
        events_are_listed_newest_first_by_every_filter,
        a_step_is_taken_and_ended_by_one_worker,
        a_calculation_is_made_of_an_asset_that_is_there,
        a_lost_step_goes_on_elsewhere,
        only_what_has_run_out_is_taken_as_such,
        a_begun_step_keeps_its_reason_and_does_not_run_out,
        overdue_are_the_left_and_the_run_out,
        records_of_partners_can_be_put_back,
    ];
    all.extend(shared_cases![
        of_changes_at_once_one_is_made,
        an_event_is_new_once_over_both,
        a_step_is_taken_once_over_both,
    ]);
    all
}

fn partner(name: &str) -> Partner {
    let limit = Amount::from_minor(10_000).unwrap();
    Partner {
        id: ObjectId::generate(),
        name: name.to_owned(),
        credit_limits: BTreeMap::from([(Currency::Usd, limit), (Currency::Jpy, Amount::ZERO)]),
        is_active: true,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn key(partner_id: ObjectId, seconds: i64) -> ApiKey {
    ApiKey {
        id: ObjectId::generate(),
        partner_id,
        name: "nightly \"job\"".to_owned(),
        scopes: vec![Scope::UsageWrite, Scope::UsageSettle],
        secret_hash: secret_hash("secret"),
        created_at: at(seconds),
        revoked_at: None,
    }
}

/// Received so many seconds after the beginning, long before it runs out, if it does.
fn event(partner_id: ObjectId, key: &str, seconds: i64) -> UsageEvent {
    UsageEvent {
        id: UsageEvent::id_of(partner_id, key),
        partner_id,
        idempotency_key: key.to_owned(),
        request_hash: "0".repeat(64),
        reported_by: ObjectId::generate(),
        model: "model \u{1F3B9}".to_owned(),
        period_start: at(-86_400),
        period_end: at(0),
        asset_id: ObjectId::generate(),
        user_id: ObjectId::generate(),
        currency: Currency::Eur,
        earnings: Amount::from_minor(Amount::MINOR_MAX).unwrap(),
        contribution: 33.3,
        exposure: 100.0,
        value: Amount::from_minor(12_345).unwrap(),
        status: UsageStatus::Received,
        reason: None,
        metadata: BTreeMap::from([("campaign".to_owned(), "$spring".to_owned())]),
        expires_at: None,
        worker: None,
        working_until: None,
        created_at: at(seconds),
        updated_at: at(seconds),
        ended_at: None,
    }
}

async fn opened(store: &Stores, key: &str) -> UsageEvent {
    let event = event(ObjectId::generate(), key, 0);
    assert_eq!(store.usage.open_usage(&event).await.unwrap(), (event.clone(), true));
    event
}

fn claim(id: ObjectId, from: &[UsageStatus], to: UsageStatus) -> UsageClaim {
    let worker = ObjectId::generate();
    UsageClaim { id, from: from.to_vec(), to, worker, lease: LEASE, reason: None, expired: false }
}

async fn taken(store: &Stores, claim: &UsageClaim) -> UsageEvent {
    store.usage.claim_usage(claim).await.unwrap().unwrap_or_else(|| panic!("not taken: {claim:?}"))
}

async fn not_taken(store: &Stores, claim: &UsageClaim) {
    let before = store.usage.usage(claim.id).await.unwrap();
    assert_eq!(store.usage.claim_usage(claim).await.unwrap(), None, "{claim:?}");
    assert_eq!(store.usage.usage(claim.id).await.unwrap(), before);
}

/// Takes and ends one step at once.
async fn step(store: &Stores, claim: UsageClaim, end: UsageStatus) -> UsageEvent {
    taken(store, &claim).await;
    store.usage.finish_usage(claim.id, claim.worker, end, None, at(9)).await.unwrap()
}

async fn pending(store: &Stores, key: &str) -> UsageEvent {
    let event = opened(store, key).await;
    let received = claim(event.id, &[UsageStatus::Received], UsageStatus::Received);
    step(store, received, UsageStatus::Pending).await
}

async fn a_partner_is_kept_and_changed(store: Stores) {
    let mut ada = partner("Ada Models");
    store.partners.insert_partner(&ada).await.unwrap();
    store.partners.insert_partner(&partner("Bob Models")).await.unwrap();
    assert_eq!(store.partners.partner(ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.partners.partner(ObjectId::generate()).await.unwrap(), None);
    (ada.name, ada.is_active, ada.updated_at) = ("Ada AI".to_owned(), false, at(5));
    ada.credit_limits = BTreeMap::from([(Currency::Chf, Amount::from_minor(1).unwrap())]);
    store.partners.save_partner(&ada, at(0)).await.unwrap();
    // When it was made does not change.
    ada.updated_at = at(6);
    store.partners.save_partner(&Partner { created_at: at(7), ..ada.clone() }, at(5)).await.unwrap();
    assert_eq!(store.partners.partner(ada.id).await.unwrap(), Some(ada.clone()));
    (ada.credit_limits, ada.updated_at) = (BTreeMap::new(), at(7));
    store.partners.save_partner(&ada, at(6)).await.unwrap();
    assert_eq!(store.partners.partner(ada.id).await.unwrap(), Some(ada));
}

async fn of_changes_at_once_one_is_made(store: Stores, other: Stores) {
    let ada = partner("Ada");
    store.partners.insert_partner(&ada).await.unwrap();
    let changes = (1..=8).map(|n| Partner { name: format!("Ada {n}"), updated_at: at(n), ..ada.clone() });
    let results = all_at_once(changes.map(|changed| {
        let store = if changed.updated_at == at(1) { other.clone() } else { store.clone() };
        async move { store.partners.save_partner(&changed, at(0)).await.map(|()| changed) }
    }))
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    refused.into_iter().for_each(assert_fenced);
    let made: Vec<_> = made.into_iter().flatten().collect();
    assert_eq!(store.partners.partner(ada.id).await.unwrap().into_iter().collect::<Vec<_>>(), made);
    // Read again, it can be changed.
    let again = Partner { is_active: false, updated_at: at(9), ..made[0].clone() };
    store.partners.save_partner(&again, made[0].updated_at).await.unwrap();
    assert_eq!(other.partners.partner(ada.id).await.unwrap(), Some(again));
}

async fn a_name_is_taken_once(store: Stores) {
    let (ada, bob) = (partner("Ada"), partner("Bob"));
    let results = all_at_once((0..8).map(|n| {
        let (store, ada) = (store.clone(), if n == 0 { ada.clone() } else { partner("Ada") });
        async move { store.partners.insert_partner(&ada).await }
    }))
    .await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let taken = |result: metastamp_store::Result<()>| {
        assert!(matches!(result, Err(StoreError::Conflict { index: "partners.name" })), "{result:?}");
    };
    results.into_iter().filter(|result| result.is_err()).for_each(taken);
    store.partners.insert_partner(&bob).await.unwrap();
    taken(
        store.partners.save_partner(&Partner { name: "Ada".to_owned(), updated_at: at(1), ..bob.clone() }, at(0)).await,
    );
    assert_eq!(store.partners.partner(bob.id).await.unwrap(), Some(bob));
    assert_not_found(store.partners.save_partner(&partner("Nobody"), at(0)).await);
}

async fn partners_are_listed_by_name(store: Stores) {
    for name in ["c", "a", "e", "b", "d"] {
        store.partners.insert_partner(&partner(name)).await.unwrap();
    }
    let names = async |skip, limit| {
        let (page, total) = store.partners.partners(skip, limit).await.unwrap();
        (page.into_iter().map(|partner| partner.name).collect::<Vec<_>>().concat(), total)
    };
    assert_eq!(names(0, 10).await, ("abcde".to_owned(), 5));
    assert_eq!(names(1, 2).await, ("bc".to_owned(), 5));
    assert_eq!(names(5, 2).await, (String::new(), 5));
}

async fn a_key_comes_with_its_partner(store: Stores) {
    let ada = partner("Ada");
    store.partners.insert_partner(&ada).await.unwrap();
    let (second, first) = (key(ada.id, 2), key(ada.id, 1));
    for key in [&second, &first, &key(ObjectId::generate(), 0)] {
        store.partners.insert_api_key(key).await.unwrap();
    }
    assert_conflict(store.partners.insert_api_key(&first).await);
    assert_eq!(store.partners.api_key(first.id).await.unwrap(), Some((first.clone(), ada.clone())));
    assert_eq!(store.partners.api_key(ObjectId::generate()).await.unwrap(), None);
    assert_eq!(store.partners.api_keys(ada.id).await.unwrap(), [first, second]);
    assert_eq!(store.partners.api_keys(ObjectId::generate()).await.unwrap(), []);
    let orphan = key(ObjectId::generate(), 3);
    store.partners.insert_api_key(&orphan).await.unwrap();
    assert_eq!(store.partners.api_key(orphan.id).await.unwrap(), None);
}

async fn a_key_is_revoked_once_and_by_its_partner(store: Stores) {
    let ada = partner("Ada");
    store.partners.insert_partner(&ada).await.unwrap();
    let key = key(ada.id, 1);
    store.partners.insert_api_key(&key).await.unwrap();
    assert_not_found(store.partners.revoke_api_key(ObjectId::generate(), key.id, at(5)).await);
    assert_not_found(store.partners.revoke_api_key(ada.id, ObjectId::generate(), at(5)).await);
    assert_eq!(store.partners.api_key(key.id).await.unwrap().unwrap().0.revoked_at, None);
    for seconds in [5, 6] {
        store.partners.revoke_api_key(ada.id, key.id, at(seconds)).await.unwrap();
        assert_eq!(store.partners.api_key(key.id).await.unwrap().unwrap().0.revoked_at, Some(at(5)));
    }
}

async fn an_event_is_stored_once(store: Stores) {
    let first = opened(&store, "k").await;
    let again = UsageEvent { request_hash: "1".repeat(64), ..first.clone() };
    assert_eq!(store.usage.open_usage(&again).await.unwrap(), (first.clone(), false));
    assert_eq!(store.usage.usage(first.id).await.unwrap(), Some(first));
    assert_eq!(store.usage.usage(ObjectId::generate()).await.unwrap(), None);
}

async fn events_are_listed_newest_first_by_every_filter(store: Stores) {
    let (ada, bob) = (ObjectId::generate(), ObjectId::generate());
    let mut events: Vec<_> =
        (0..6).map(|n| event(if n % 2 == 0 { ada } else { bob }, &format!("{n}"), n / 2)).collect();
    events[4].asset_id = events[1].asset_id;
    events[5].user_id = events[0].user_id;
    for event in &events {
        store.usage.open_usage(event).await.unwrap();
    }
    let settled = claim(events[2].id, &[UsageStatus::Received], UsageStatus::Received);
    events[2] = step(&store, settled, UsageStatus::Pending).await;
    events.sort_by_key(|event| std::cmp::Reverse((event.created_at, event.id)));
    let found = async |query: UsageQuery, skip, limit| {
        let page = store.usage.usages(&query, skip, limit).await.unwrap();
        (page.items, page.total)
    };
    let all = UsageQuery::default();
    assert_eq!(found(all.clone(), 0, 10).await, (events.clone(), 6));
    assert_eq!(found(all.clone(), 2, 3).await, (events[2..5].to_vec(), 6));
    assert_eq!(found(all.clone(), 6, 3).await, (vec![], 6));
    let those =
        |keep: &dyn Fn(&UsageEvent) -> bool| events.iter().filter(|event| keep(event)).cloned().collect::<Vec<_>>();
    let of_ada = UsageQuery { partner_id: Some(ada), ..all.clone() };
    assert_eq!(found(of_ada.clone(), 0, 10).await, (those(&|event| event.partner_id == ada), 3));
    let asset = events.iter().find(|event| event.idempotency_key == "4").unwrap().asset_id;
    let of_asset = UsageQuery { asset_id: Some(asset), ..all.clone() };
    assert_eq!(found(of_asset, 0, 10).await, (those(&|event| event.asset_id == asset), 2));
    let user = events.iter().find(|event| event.idempotency_key == "5").unwrap().user_id;
    let of_user = UsageQuery { user_id: Some(user), partner_id: Some(bob), ..all.clone() };
    assert_eq!(found(of_user, 0, 10).await, (those(&|event| event.idempotency_key == "5"), 1));
    let pending = UsageQuery { status: Some(UsageStatus::Pending), ..of_ada };
    assert_eq!(found(pending, 0, 10).await, (those(&|event| event.idempotency_key == "2"), 1));
}

async fn a_step_is_taken_and_ended_by_one_worker(store: Stores) {
    let event = opened(&store, "k").await;
    let report = claim(event.id, &[UsageStatus::Received, UsageStatus::Rejected], UsageStatus::Received);
    let seen = taken(&store, &report).await;
    assert_eq!((seen.status, seen.worker), (UsageStatus::Received, Some(report.worker)));
    let until = seen.working_until.unwrap().millis() - Timestamp::now().millis();
    assert!((1_000..=LEASE.as_millis() as i64).contains(&until), "{until} ms from now");
    assert_eq!(store.usage.usage(event.id).await.unwrap(), Some(seen));
    // Another one, another attempt; but an attempt that was not answered finds its own.
    not_taken(&store, &claim(event.id, &[UsageStatus::Received], UsageStatus::Received)).await;
    not_taken(&store, &claim(event.id, &[UsageStatus::Pending], UsageStatus::Settling)).await;
    taken(&store, &report).await;
    let end = async |worker, to, reason: Option<&str>| {
        store.usage.finish_usage(event.id, worker, to, reason.map(str::to_owned), at(9)).await
    };
    assert_fenced(end(ObjectId::generate(), UsageStatus::Pending, None).await);
    let rejected = end(report.worker, UsageStatus::Rejected, Some("no funds")).await.unwrap();
    assert_eq!((rejected.status, rejected.reason.as_deref()), (UsageStatus::Rejected, Some("no funds")));
    assert_eq!((rejected.worker, rejected.working_until, rejected.ended_at), (None, None, None));
    assert_fenced(end(report.worker, UsageStatus::Pending, None).await);

    // Sent again it is tried again, and what was said before is over.
    let again = UsageClaim { worker: ObjectId::generate(), ..report };
    assert_eq!(taken(&store, &again).await.reason, None);
    let pending = end(again.worker, UsageStatus::Pending, None).await.unwrap();
    let expected = UsageEvent { status: UsageStatus::Pending, updated_at: at(9), ..event.clone() };
    assert_eq!(pending, expected);
    not_taken(&store, &claim(event.id, &[UsageStatus::Received], UsageStatus::Received)).await;
    let settle = claim(event.id, &[UsageStatus::Pending], UsageStatus::Settling);
    assert_eq!(taken(&store, &settle).await.status, UsageStatus::Settling);
    let settled = end(settle.worker, UsageStatus::Settled, None).await.unwrap();
    assert_eq!((settled.status, settled.ended_at), (UsageStatus::Settled, Some(at(9))));
    assert_eq!(store.usage.usage(event.id).await.unwrap(), Some(settled));
    not_taken(&store, &claim(event.id, &[UsageStatus::Pending], UsageStatus::Cancelling)).await;
    assert_eq!(store.usage.claim_usage(&claim(ObjectId::generate(), &[], UsageStatus::Settling)).await.unwrap(), None);
}

async fn a_calculation_is_made_of_an_asset_that_is_there(store: Stores) {
    for is_there in [true, false] {
        let work = stored(&store, if is_there { "there.txt" } else { "gone.txt" }).await;
        if !is_there {
            store.works.delete_asset(work.id, at(1)).await.unwrap().unwrap();
        }
        let key = is_there.to_string();
        let reported = UsageEvent { asset_id: work.id, user_id: work.user_id, ..event(work.id, &key, 0) };
        store.usage.open_usage(&reported).await.unwrap();
        let received = claim(reported.id, &[UsageStatus::Received], UsageStatus::Received);
        let pending = step(&store, received, UsageStatus::Pending).await;
        let made = store.analytics.calculation(reported.id).await.unwrap();
        assert_eq!(made, pending.calculation().filter(|_| is_there));
        let score = store.works.asset(work.id).await.unwrap().and_then(|asset| asset.ai_touch_score);
        assert_eq!(score, made.map(|made| made.touch_score()));
    }
}

async fn a_lost_step_goes_on_elsewhere(store: Stores) {
    let event = pending(&store, "k").await;
    let settle = claim(event.id, &[UsageStatus::Pending], UsageStatus::Settling);
    let slow = UsageClaim { lease: Duration::from_millis(200), ..settle };
    taken(&store, &slow).await;
    let next = UsageClaim { from: vec![], worker: ObjectId::generate(), ..slow.clone() };
    eventually("the step is free", async || store.usage.claim_usage(&next).await.unwrap().is_some()).await;
    assert_fenced(store.usage.finish_usage(event.id, slow.worker, UsageStatus::Settled, None, at(9)).await);
    store.usage.finish_usage(event.id, next.worker, UsageStatus::Settled, None, at(9)).await.unwrap();
}

/// Received events that run out within a moment, soon, and never.
async fn mortal(store: &Stores, key: &str, expires_in: Option<Duration>) -> UsageEvent {
    let event = event(ObjectId::generate(), key, 0);
    let event = UsageEvent { expires_at: expires_in.map(|after| Timestamp::now().plus(after)), ..event };
    store.usage.open_usage(&event).await.unwrap();
    let received = claim(event.id, &[UsageStatus::Received], UsageStatus::Received);
    step(store, received, UsageStatus::Pending).await
}

async fn only_what_has_run_out_is_taken_as_such(store: Stores) {
    let day = Duration::from_secs(86_400);
    let (never, later) = (mortal(&store, "never", None).await, mortal(&store, "later", Some(day)).await);
    let soon = mortal(&store, "soon", Some(Duration::from_secs(2))).await;
    let expire = |event: &UsageEvent| UsageClaim {
        expired: true,
        reason: Some("$expired".to_owned()),
        ..claim(event.id, &[UsageStatus::Pending], UsageStatus::Cancelling)
    };
    for event in [&never, &later] {
        not_taken(&store, &expire(event)).await;
    }
    let cancel = expire(&soon);
    eventually("it has run out", async || store.usage.claim_usage(&cancel).await.unwrap().is_some()).await;
    let seen = store.usage.usage(soon.id).await.unwrap().unwrap();
    assert_eq!((seen.status, seen.reason.as_deref()), (UsageStatus::Cancelling, Some("$expired")));
    let gone = mortal(&store, "gone", Some(Duration::from_millis(1))).await;
    eventually("it has run out", async || {
        store.usage.overdue_usages(10).await.unwrap().iter().any(|e| e.id == gone.id)
    })
    .await;
    not_taken(&store, &claim(gone.id, &[UsageStatus::Pending], UsageStatus::Settling)).await;
    taken(&store, &claim(later.id, &[UsageStatus::Pending], UsageStatus::Settling)).await;
}

async fn a_begun_step_keeps_its_reason_and_does_not_run_out(store: Stores) {
    let event = mortal(&store, "k", Some(Duration::from_secs(2))).await;
    let cancel = claim(event.id, &[UsageStatus::Pending], UsageStatus::Cancelling);
    let cancel = UsageClaim { reason: Some("first".to_owned()), lease: Duration::from_millis(1), ..cancel };
    taken(&store, &cancel).await;
    for (expired, reason) in [(false, Some("second")), (true, None), (false, None)] {
        let next = UsageClaim {
            worker: ObjectId::generate(),
            from: vec![],
            reason: reason.map(str::to_owned),
            expired,
            ..cancel.clone()
        };
        eventually("the step is free", async || store.usage.claim_usage(&next).await.unwrap().is_some()).await;
        let seen = store.usage.usage(event.id).await.unwrap().unwrap();
        assert_eq!((seen.reason.as_deref(), seen.worker), (Some("first"), Some(next.worker)));
    }
    let last = store.usage.usage(event.id).await.unwrap().unwrap().worker.unwrap();
    let ended = store.usage.finish_usage(event.id, last, UsageStatus::Cancelled, None, at(9)).await.unwrap();
    assert_eq!((ended.reason.as_deref(), ended.ended_at), (Some("first"), Some(at(9))));
}

async fn overdue_are_the_left_and_the_run_out(store: Stores) {
    let instant = Duration::from_millis(1);
    let left = pending(&store, "left").await;
    let settle = claim(left.id, &[UsageStatus::Pending], UsageStatus::Settling);
    taken(&store, &UsageClaim { lease: instant, ..settle }).await;
    let held = pending(&store, "held").await;
    taken(&store, &claim(held.id, &[UsageStatus::Pending], UsageStatus::Settling)).await;
    let run_out = mortal(&store, "run out", Some(instant)).await;
    mortal(&store, "lives", Some(Duration::from_secs(86_400))).await;
    // Begun and given back; stored, and never taken.
    let given_back = pending(&store, "given back").await;
    let cancel = claim(given_back.id, &[UsageStatus::Pending], UsageStatus::Cancelling);
    taken(&store, &UsageClaim { reason: Some("why".to_owned()), ..cancel.clone() }).await;
    let reason = Some("why".to_owned());
    let back =
        store.usage.finish_usage(given_back.id, cancel.worker, UsageStatus::Cancelling, reason, at(9)).await.unwrap();
    assert_eq!((back.status, back.reason.as_deref(), back.worker), (UsageStatus::Cancelling, Some("why"), None));
    let untaken = opened(&store, "untaken").await;
    let mut expected = [left.id, run_out.id, given_back.id, untaken.id];
    expected.sort();
    eventually("four are overdue", async || {
        let mut found: Vec<_> = store.usage.overdue_usages(10).await.unwrap().iter().map(|event| event.id).collect();
        found.sort();
        found == expected
    })
    .await;
    assert_eq!(store.usage.overdue_usages(2).await.unwrap().len(), 2);
}

async fn records_of_partners_can_be_put_back(store: Stores) {
    let ada = partner("Ada");
    store.partners.insert_partner(&ada).await.unwrap();
    let key = key(ada.id, 0);
    store.partners.insert_api_key(&key).await.unwrap();
    store.partners.revoke_api_key(ada.id, key.id, at(5)).await.unwrap();
    let event = mortal(&store, "k", Some(Duration::from_secs(86_400))).await;
    let step = claim(event.id, &[UsageStatus::Pending], UsageStatus::Settling);
    let event = taken(&store, &step).await;
    let mut kept = Vec::new();
    for collection in [Collection::Partners, Collection::ApiKeys, Collection::UsageEvents] {
        let mut snapshot = store.records.snapshot().await.unwrap();
        let records = snapshot.page(collection, None, 10).await.unwrap();
        assert_eq!((snapshot.count(collection).await.unwrap(), records.len()), (1, 1), "{collection:?}");
        kept.push((collection, records));
    }
    store.records.clear().await.unwrap();
    assert_eq!(store.usage.usage(event.id).await.unwrap(), None);
    for (collection, records) in kept {
        store.records.put_records(collection, records.clone()).await.unwrap();
        let now = store.records.snapshot().await.unwrap().page(collection, None, 10).await.unwrap();
        assert_eq!(now, records);
    }
    let revoked = ApiKey { revoked_at: Some(at(5)), ..key.clone() };
    assert_eq!(store.partners.api_key(key.id).await.unwrap(), Some((revoked, ada.clone())));
    assert_eq!(store.usage.usage(event.id).await.unwrap(), Some(event.clone()));
    assert_eq!(store.usage.usages(&UsageQuery::default(), 0, 10).await.unwrap().items, std::slice::from_ref(&event));
    // The step is still its worker's, and the name still taken.
    not_taken(&store, &claim(event.id, &[], UsageStatus::Settling)).await;
    store.usage.finish_usage(event.id, step.worker, UsageStatus::Settled, None, at(9)).await.unwrap();
    assert_conflict(store.partners.insert_partner(&partner("Ada")).await);
}

async fn an_event_is_new_once_over_both(one: Stores, two: Stores) {
    let event = event(ObjectId::generate(), "k", 0);
    let opens = (0..12).map(|n| {
        let (store, event) = (if n % 2 == 0 { one.clone() } else { two.clone() }, event.clone());
        let event = UsageEvent { request_hash: format!("{n:064}"), ..event };
        async move { store.usage.open_usage(&event).await.unwrap() }
    });
    let opened = all_at_once(opens).await;
    assert_eq!(opened.iter().filter(|(_, is_new)| *is_new).count(), 1);
    assert!(opened.iter().all(|(stored, _)| *stored == opened[0].0), "{opened:?}");
}

async fn a_step_is_taken_once_over_both(one: Stores, two: Stores) {
    let event = pending(&one, "k").await;
    let claims = (0..12).map(|n| {
        let store = if n % 2 == 0 { one.clone() } else { two.clone() };
        let to = if n % 3 == 0 { UsageStatus::Cancelling } else { UsageStatus::Settling };
        let claim = claim(event.id, &[UsageStatus::Pending], to);
        async move { store.usage.claim_usage(&claim).await.unwrap() }
    });
    let taken: Vec<_> = all_at_once(claims).await.into_iter().flatten().collect();
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(two.usage.usage(event.id).await.unwrap().as_ref(), taken.first());
}
