//! Users, logins, revoked sessions.

use metastamp_protocol::{ObjectId, Role, User};
use metastamp_store::{StoreError, Stores};
use serde_json::json;

use super::fixtures::{assert_not_found, at, object, user};
use crate::harness::{Case, all_at_once, cases};

pub fn cases() -> Vec<Case<Stores>> {
    cases![
        answers_a_ping,
        a_user_is_found_by_id_and_address,
        an_address_is_taken_in_any_case,
        one_of_many_registrations_wins,
        many_accounts_without_auth0,
        a_login_is_recorded,
        a_role_is_set,
        changes_of_nobody_are_refused,
        a_principal_is_user_and_revocation,
        a_revocation_keeps_the_later_end,
        only_ended_revocations_are_forgotten,
    ]
}

async fn answers_a_ping(store: Stores) {
    store.records.ping().await.unwrap();
}

async fn a_user_is_found_by_id_and_address(store: Stores) {
    let ada = User {
        username: Some("ada".to_owned()),
        bio: Some("line\nline \"quoted\" \u{1F3B9}".to_owned()),
        content_hours: 12.25,
        total_views: 1 << 40,
        role: Role::Creator,
        metadata: object(json!({ "nested": { "list": [1, 2.5, null, "x"] } })),
        ..user("Ada@Example.org")
    };
    store.users.insert_user(&ada).await.unwrap();
    store.users.insert_user(&user("bob@example.org")).await.unwrap();
    assert_eq!(store.users.user(ada.id).await.unwrap(), Some(ada.clone()));
    for address in ["ada@example.org", "ADA@EXAMPLE.ORG", " Ada@example.org\t"] {
        assert_eq!(store.users.user_by_email(address).await.unwrap(), Some(ada.clone()), "{address:?}");
    }
    assert_eq!(store.users.user(ObjectId::generate()).await.unwrap(), None);
    for address in ["", "ada", "ada@example.or_", "%", "eve@example.org"] {
        assert_eq!(store.users.user_by_email(address).await.unwrap(), None, "{address:?}");
    }
}

async fn an_address_is_taken_in_any_case(store: Stores) {
    let first = user("ada@example.org");
    store.users.insert_user(&first).await.unwrap();
    for address in ["ada@example.org", "ADA@Example.org", "  ada@example.org "] {
        let second = user(address);
        assert_taken(store.users.insert_user(&second).await);
        assert_eq!(store.users.user(second.id).await.unwrap(), None, "{address:?}");
    }
    assert_eq!(store.users.user_by_email("ada@example.org").await.unwrap(), Some(first));
}

#[track_caller]
fn assert_taken(result: metastamp_store::Result<()>) {
    assert!(matches!(result, Err(StoreError::Conflict { index: "users.email" })), "{result:?}");
}

async fn one_of_many_registrations_wins(store: Stores) {
    let results = all_at_once((0..10).map(|_| {
        let store = store.clone();
        async move { store.users.insert_user(&user("ada@example.org")).await }
    }))
    .await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    results.into_iter().filter(|r| r.is_err()).for_each(assert_taken);
}

/// The unique index on the outside id must not count accounts that have none.
async fn many_accounts_without_auth0(store: Stores) {
    for name in ["a", "b", "c"] {
        store.users.insert_user(&user(&format!("{name}@example.org"))).await.unwrap();
    }
    let outside = User { auth0_id: Some("auth0|1".to_owned()), hashed_password: None, ..user("d@example.org") };
    store.users.insert_user(&outside).await.unwrap();
    assert_eq!(store.users.user(outside.id).await.unwrap(), Some(outside));
}

async fn a_login_is_recorded(store: Stores) {
    let (ada, bob) = (user("ada@example.org"), user("bob@example.org"));
    store.users.insert_user(&ada).await.unwrap();
    store.users.insert_user(&bob).await.unwrap();
    store.users.record_login(ada.id, at(10), None).await.unwrap();
    let seen = store.users.user(ada.id).await.unwrap().unwrap();
    assert_eq!((seen.last_login, seen.hashed_password), (Some(at(10)), ada.hashed_password));
    store.users.record_login(ada.id, at(20), Some("renewed".to_owned())).await.unwrap();
    let seen = store.users.user_by_email("ada@example.org").await.unwrap().unwrap();
    assert_eq!((seen.last_login, seen.hashed_password.as_deref()), (Some(at(20)), Some("renewed")));
    store.users.record_login(ada.id, at(30), None).await.unwrap();
    let seen = store.users.user(ada.id).await.unwrap().unwrap();
    assert_eq!((seen.last_login, seen.hashed_password.as_deref()), (Some(at(30)), Some("renewed")));
    assert_eq!(store.users.user(bob.id).await.unwrap(), Some(bob));
}

async fn a_role_is_set(store: Stores) {
    let (ada, bob) = (user("ada@example.org"), user("bob@example.org"));
    store.users.insert_user(&ada).await.unwrap();
    store.users.insert_user(&bob).await.unwrap();
    for role in [Role::Creator, Role::Moderator, Role::Admin, Role::User] {
        store.users.set_role(ada.id, role).await.unwrap();
        assert_eq!(store.users.user(ada.id).await.unwrap().unwrap().role, role);
        assert_eq!(store.logins.principal(ada.id, "s").await.unwrap().user.unwrap().role, role);
    }
    assert_eq!(store.users.user(bob.id).await.unwrap(), Some(bob));
}

async fn changes_of_nobody_are_refused(store: Stores) {
    let nobody = ObjectId::generate();
    assert_not_found(store.users.record_login(nobody, at(1), None).await);
    assert_not_found(store.users.set_role(nobody, Role::Admin).await);
    assert_eq!(store.users.user(nobody).await.unwrap(), None);
}

async fn a_principal_is_user_and_revocation(store: Stores) {
    let ada = user("ada@example.org");
    store.users.insert_user(&ada).await.unwrap();
    assert_eq!(principal(&store, ada.id, "s1").await, (Some(ada.clone()), false));
    store.logins.revoke_session("s1", at(60)).await.unwrap();
    assert_eq!(principal(&store, ada.id, "s1").await, (Some(ada.clone()), true));
    assert_eq!(principal(&store, ada.id, "s2").await, (Some(ada), false));
    let nobody = ObjectId::generate();
    assert_eq!(principal(&store, nobody, "s1").await, (None, true));
    assert_eq!(principal(&store, nobody, "s2").await, (None, false));
}

async fn principal(store: &Stores, id: ObjectId, sid: &str) -> (Option<User>, bool) {
    let principal = store.logins.principal(id, sid).await.unwrap();
    (principal.user, principal.revoked)
}

async fn revoked(store: &Stores, sid: &str) -> bool {
    principal(store, ObjectId::generate(), sid).await.1
}

async fn a_revocation_keeps_the_later_end(store: Stores) {
    for (sid, first, second) in [("up", 60, 120), ("down", 120, 60), ("same", 120, 120)] {
        store.logins.revoke_session(sid, at(first)).await.unwrap();
        store.logins.revoke_session(sid, at(second)).await.unwrap();
    }
    assert_eq!(store.logins.forget_revocations(at(90)).await.unwrap(), 0);
    for sid in ["up", "down", "same"] {
        assert!(revoked(&store, sid).await, "{sid}");
    }
    assert_eq!(store.logins.forget_revocations(at(121)).await.unwrap(), 3);
}

async fn only_ended_revocations_are_forgotten(store: Stores) {
    assert_eq!(store.logins.forget_revocations(at(0)).await.unwrap(), 0);
    for (sid, until) in [("early", 10), ("last", 20), ("late", 30)] {
        store.logins.revoke_session(sid, at(until)).await.unwrap();
    }
    // At its last instant a token may still be valid.
    assert_eq!(store.logins.forget_revocations(at(20)).await.unwrap(), 1);
    assert!(!revoked(&store, "early").await);
    assert!(revoked(&store, "last").await && revoked(&store, "late").await);
    assert_eq!(store.logins.forget_revocations(at(20)).await.unwrap(), 0);
    assert_eq!(store.logins.forget_revocations(at(31)).await.unwrap(), 2);
    assert!(!revoked(&store, "late").await);
}
