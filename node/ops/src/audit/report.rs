//! What an audit came to, for people and for machines.

use std::collections::BTreeMap;

use metastamp_protocol::Currency;
use metastamp_setup::out;
use serde_json::{Value, json};

use super::look::Audited;

pub fn print(audited: &Audited, quiet: bool) {
    let Audited { findings, totals, .. } = audited;
    for found in &findings.listed {
        out::line(&format!("{}  {}  {}", found.invariant, found.row, found.what));
    }
    let more = findings.total - findings.listed.len() as u64;
    if more > 0 {
        out::line(&format!("and {more} more"));
    }
    if quiet {
        return;
    }
    let (wallets, rows, transactions) = (totals.wallets, totals.rows, totals.transactions);
    out::line(&format!("{wallets} wallets, {rows} rows, {transactions} transactions, {} usage events", audited.events));
    for (currency, sums) in sums(audited) {
        let (total, parts): (i128, Vec<String>) = (
            sums.values().sum(),
            sums.iter().map(|(account, sum)| format!("{account} {}", text(*sum, currency))).collect(),
        );
        out::line(&format!("{currency}  {}; together {}", parts.join(", "), text(total, currency)));
    }
    out::line(&format!("heads  {}", totals.heads()));
    for (note, count) in &findings.notes {
        out::line(&format!("note: {count} {note}"));
    }
    if findings.total == 0 {
        out::line("nothing is wrong");
    }
}

pub fn json(audited: &Audited) -> Value {
    let Audited { findings, totals, of_one_instant, events } = audited;
    let sums: BTreeMap<&str, BTreeMap<&str, String>> = sums(audited)
        .into_iter()
        .map(|(currency, sums)| {
            (currency.code(), sums.into_iter().map(|(account, sum)| (account, text(sum, currency))).collect())
        })
        .collect();
    json!({
        "clean": findings.total == 0,
        "found": findings.total,
        "findings": findings.listed,
        "notes": findings.notes,
        "of_one_instant": of_one_instant,
        "wallets": totals.wallets,
        "rows": totals.rows,
        "transactions": totals.transactions,
        "usage_events": events,
        "sums": sums,
        "heads": totals.heads(),
    })
}

/// By currency: what wallets say they hold, and what the rows say of all accounts outside of them.
fn sums(audited: &Audited) -> BTreeMap<Currency, BTreeMap<&'static str, i128>> {
    let totals = &audited.totals;
    let of = |(currency, accounts): (&Currency, &BTreeMap<&'static str, i128>)| {
        let outside = accounts.iter().filter(|(account, _)| !["available", "held", "pending"].contains(account));
        let mut sums: BTreeMap<&'static str, i128> = outside.map(|(account, sum)| (*account, *sum)).collect();
        sums.insert("in wallets", totals.in_wallets.get(currency).copied().unwrap_or_default());
        (*currency, sums)
    };
    totals.accounts.iter().map(of).collect()
}

/// Minor units as decimal text; sums over all wallets may have more digits than an amount.
fn text(minor: i128, currency: Currency) -> String {
    let places = currency.places() as usize;
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{}{whole}{}{fraction}", if minor < 0 { "-" } else { "" }, if places == 0 { "" } else { "." })
}
