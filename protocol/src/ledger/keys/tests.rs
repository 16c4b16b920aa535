use proptest::prelude::*;

use super::*;
use crate::ledger::Order;
use crate::partner::UsageEvent;

const ID: &str = "507f1f77bcf86cd799439011";

fn id() -> ObjectId {
    ID.parse().unwrap()
}

fn sent(text: &str) -> ClientKey {
    ClientKey::parse(text).unwrap()
}

fn end(outcome: Outcome) -> OrderKey {
    OrderKey::End { transaction: id(), outcome }
}

/// Journals are full of them: not a byte of it may change.
#[test]
fn each_form_has_its_bytes() {
    for (key, bytes) in [
        (OrderKey::Payout(sent("november")), "payout/november"),
        (OrderKey::Payout(sent("end/a b~")), "payout/end/a b~"),
        (end(Outcome::Completed), "end/507f1f77bcf86cd799439011/completed"),
        (end(Outcome::Failed), "end/507f1f77bcf86cd799439011/failed"),
        (end(Outcome::Cancelled), "end/507f1f77bcf86cd799439011/cancelled"),
        (OrderKey::Adjustment(sent("7")), "adjustment/7"),
        (OrderKey::Bonus(sent("7")), "bonus/7"),
        (OrderKey::Refund(sent("7")), "refund/7"),
        (OrderKey::Deposit(sent("wire-2025-0117")), "deposit/wire-2025-0117"),
        (OrderKey::Usage(id()), "usage/507f1f77bcf86cd799439011"),
        (OrderKey::Settle(id()), "settle/507f1f77bcf86cd799439011"),
        (OrderKey::Cancel(id()), "cancel/507f1f77bcf86cd799439011"),
        (OrderKey::BroughtForward(Currency::Usd), "brought-forward/USD"),
        (OrderKey::BroughtForward(Currency::Jpy), "brought-forward/JPY"),
    ] {
        assert_eq!(key.to_string(), bytes);
        assert_eq!(OrderKey::parse(bytes), Some(key));
    }
}

/// What is made of keys stands in journals and documents too.
#[test]
fn ids_that_are_made_of_keys_have_their_bytes() {
    let partner = "507f1f77bcf86cd799439012".parse().unwrap();
    let event = UsageEvent::id_of(partner, "2025-11/7");
    assert_eq!(event.to_hex(), "d5387d6490cd6ce31fa9cf92");
    let transaction = |key: OrderKey| Order::transaction_of(id(), &key.to_string()).to_hex();
    assert_eq!(transaction(OrderKey::Payout(sent("november"))), "fa21cd51c680c996feb46012");
    assert_eq!(transaction(OrderKey::Usage(event)), "c0cc28abef6632926098789c");
}

#[test]
fn what_no_form_prints_is_none_of_them() {
    for text in [
        "",
        "payout",
        "payout/",
        "Payout/1",
        "payout/ä",
        "other/1",
        "end/507f1f77bcf86cd799439011",
        "end/507f1f77bcf86cd799439011/pending",
        "end/507f1f77bcf86cd799439011/completed/",
        "usage/507F1F77BCF86CD799439011",
        "settle/507f1f77",
        "brought-forward/usd",
    ] {
        assert_eq!(OrderKey::parse(text), None, "{text}");
    }
}

#[test]
fn a_clients_key_is_short_and_printable() {
    for key in ["a", " ", "order 7/x~", &"k".repeat(255)] {
        assert_eq!(ClientKey::parse(key).map(String::from).as_deref(), Ok(key));
    }
    for key in ["", "ä", "a\tb", "a\u{7f}", &"k".repeat(256)] {
        assert_eq!(ClientKey::parse(key), Err(InvalidClientKey), "{key}");
    }
}

fn ids() -> impl Strategy<Value = ObjectId> {
    // few, so that the same one is met in several forms
    prop_oneof![Just(id()), Just(ObjectId::derived(&["another"]))]
}

/// Every form, with this as what a client sent.
fn forms(client: impl Strategy<Value = ClientKey>) -> impl Strategy<Value = OrderKey> {
    let outcome = prop_oneof![Just(Outcome::Completed), Just(Outcome::Failed), Just(Outcome::Cancelled)];
    (0..10, client, ids(), outcome, 0..Currency::ALL.len()).prop_map(|(form, client, id, outcome, currency)| match form
    {
        0 => OrderKey::Payout(client),
        1 => OrderKey::Adjustment(client),
        2 => OrderKey::Bonus(client),
        3 => OrderKey::Refund(client),
        4 => OrderKey::Deposit(client),
        5 => OrderKey::End { transaction: id, outcome },
        6 => OrderKey::Usage(id),
        7 => OrderKey::Settle(id),
        8 => OrderKey::Cancel(id),
        _ => OrderKey::BroughtForward(Currency::ALL[currency]),
    })
}

/// What clients may send, with much that looks like a form of ours, whole or in part.
fn clients() -> impl Strategy<Value = ClientKey> {
    let any = prop::collection::vec(b' '..=b'~', 1..=ClientKey::CHARS_MAX);
    let any = any.prop_map(|bytes| String::from_utf8(bytes).unwrap());
    let plain = prop_oneof![any, Just("/".to_owned()), Just("7".to_owned()), Just(format!("{ID}/completed"))];
    let ours = forms(plain.clone().prop_map(|text| sent(&text))).prop_map(|key| key.to_string());
    prop_oneof![plain, ours].prop_map(|mut text| {
        text.truncate(ClientKey::CHARS_MAX);
        sent(&text)
    })
}

proptest! {
    #[test]
    fn no_two_keys_meet(one in forms(clients()), other in forms(clients())) {
        let text = one.to_string();
        prop_assert!(text.len() <= Order::KEY_BYTES_MAX, "{}", text);
        prop_assert_eq!(OrderKey::parse(&text), Some(one.clone()));
        prop_assert_eq!(one == other, text == other.to_string());
    }

    #[test]
    fn what_is_read_is_what_was_written(text in "[a-z-]{3,15}/[ -~]{0,40}", key in forms(clients())) {
        for text in [text, key.to_string().to_uppercase(), format!("{key}/"), format!(" {key}")] {
            if let Some(read) = OrderKey::parse(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
