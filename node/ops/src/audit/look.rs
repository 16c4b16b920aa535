//! Reads the records that have to do with money, and hands them to the auditor.

use std::time::Duration;

use metastamp_actors::wallet::audit::{Audit, Findings, Part, Totals};
use metastamp_protocol::invariants::{BALANCE_IS_THE_REPLAY, JOURNAL_IS_INSERT_ONLY, SUM_IS_ZERO};
use metastamp_protocol::ledger::{Row, Transaction};
use metastamp_protocol::partner::UsageEvent;
use metastamp_protocol::{ObjectId, Timestamp};
use metastamp_setup::progress::{Meter, Progress, Unit};
use metastamp_store::ports::Snapshot;
use metastamp_store::records::{Bson, Collection, Document, decode};
use metastamp_store::{StoreError, Stores};
use serde::de::DeserializeOwned;

use super::shown;

const PAGE: u32 = 1_000;
/// How far the clocks of nodes may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// What an audit came to.
pub struct Audited {
    pub findings: Findings,
    pub totals: Totals,
    /// Whether all records were seen as they were at one instant.
    pub of_one_instant: bool,
    pub events: u64,
}

/// Audits all wallets, or one.
///
/// # Errors
/// When the store does not answer.
pub async fn look(stores: &Stores, only: Option<ObjectId>, progress: &Progress) -> anyhow::Result<Audited> {
    let began = Timestamp::now();
    let mut snapshot = stores.records.snapshot().await?;
    let of_one_instant = snapshot.is_of_one_instant();
    if !of_one_instant {
        progress.note("the server shows no view of one instant: what changes meanwhile is left out");
    }
    let rows = snapshot.count(Collection::WalletJournal).await?;
    let mut total = rows;
    let events = snapshot.count(Collection::UsageEvents).await?;
    for collection in [Collection::Wallet, Collection::WalletTransactions] {
        total += snapshot.count(collection).await?;
    }
    total += if only.is_none() { events } else { 0 };
    let parts: Vec<Part> = Part::of(rows).collect();
    let meter = progress.step("records", total * parts.len() as u64, Unit::Items);
    let mut walk = Walk { snapshot: &mut *snapshot, meter: &meter, only };
    let (mut findings, mut totals) = (Findings::default(), Totals::default());
    for part in parts {
        let mut audit = Audit::new(part, (!of_one_instant).then(|| began.minus(CLOCKS_APART)));
        walk.all(&mut audit).await?;
        let report = audit.end(only.is_none());
        findings.append(report.findings);
        totals = report.totals;
    }
    Ok(Audited { findings, totals, of_one_instant, events: if only.is_none() { events } else { 0 } })
}

struct Walk<'a> {
    snapshot: &'a mut dyn Snapshot,
    meter: &'a Meter,
    only: Option<ObjectId>,
}

impl Walk<'_> {
    async fn all(&mut self, audit: &mut Audit) -> anyhow::Result<()> {
        self.journals(audit).await?;
        audit.end_of_journals();
        self.wallets(audit).await?;
        self.transactions(audit).await?;
        if self.only.is_none() {
            self.events(audit).await?;
        }
        Ok(())
    }

    /// The next page of a collection; none at its end.
    async fn page(
        &mut self,
        collection: Collection,
        after: &mut Option<Bson>,
    ) -> anyhow::Result<Option<Vec<Document>>> {
        let page = self.snapshot.page(collection, after.take(), PAGE).await?;
        *after = page.last().and_then(|record| record.get("_id").cloned());
        self.meter.add(page.len() as u64);
        Ok(after.is_some().then_some(page))
    }

    async fn journals(&mut self, audit: &mut Audit) -> anyhow::Result<()> {
        let mut after = self.only.map(|wallet_id| Bson::String(Row::id_of(wallet_id, 0)));
        while let Some(page) = self.page(Collection::WalletJournal, &mut after).await? {
            for record in page {
                if self.only.is_some_and(|wallet_id| !id_of(&record).starts_with(&wallet_id.to_hex())) {
                    return Ok(());
                }
                let id = id_of(&record);
                match decode::<Row>(Collection::WalletJournal, record) {
                    Ok(row) => audit.row(&row),
                    Err(StoreError::NewerVersion { version, .. }) => audit.newer_row(&id, version),
                    Err(error) => audit.find(JOURNAL_IS_INSERT_ONLY, &id, error.to_string()),
                }
            }
        }
        Ok(())
    }

    async fn wallets(&mut self, audit: &mut Audit) -> anyhow::Result<()> {
        let mut after = None;
        while let Some(page) = self.page(Collection::Wallet, &mut after).await? {
            for record in page {
                let wallet = match shown::read(&record) {
                    Ok(wallet) => wallet,
                    Err(why) => {
                        audit.find(BALANCE_IS_THE_REPLAY, &id_of(&record), format!("the wallet's document {why}"));
                        continue;
                    }
                };
                if self.only.is_some_and(|wallet_id| wallet.user_id != wallet_id) {
                    continue;
                }
                if let Some(why) = shown::contradiction(&record) {
                    audit.find(BALANCE_IS_THE_REPLAY, &wallet.user_id.to_hex(), why);
                }
                if let Some(seq) = audit.wallet(&wallet) {
                    let row = self.row(wallet.user_id, seq).await?;
                    audit.behind(&wallet, row.as_ref());
                }
            }
        }
        Ok(())
    }

    /// One row of a journal.
    async fn row(&mut self, wallet_id: ObjectId, seq: u64) -> anyhow::Result<Option<Row>> {
        let after = Bson::String(Row::id_of(wallet_id, seq.saturating_sub(1)));
        let page = self.snapshot.page(Collection::WalletJournal, Some(after), 1).await?;
        let row = page.into_iter().next().and_then(|record| decode::<Row>(Collection::WalletJournal, record).ok());
        Ok(row.filter(|row| row.id == Row::id_of(wallet_id, seq)))
    }

    async fn transactions(&mut self, audit: &mut Audit) -> anyhow::Result<()> {
        let collection = Collection::WalletTransactions;
        let mut after = None;
        while let Some(page) = self.page(collection, &mut after).await? {
            for record in page {
                let Some(shown) = read::<Transaction>(collection, record, BALANCE_IS_THE_REPLAY, audit) else {
                    continue;
                };
                if self.only.is_none_or(|wallet_id| shown.wallet_id == wallet_id) {
                    audit.transaction(&shown);
                }
            }
        }
        Ok(())
    }

    async fn events(&mut self, audit: &mut Audit) -> anyhow::Result<()> {
        let mut after = None;
        while let Some(page) = self.page(Collection::UsageEvents, &mut after).await? {
            for record in page {
                if let Some(event) = read::<UsageEvent>(Collection::UsageEvents, record, SUM_IS_ZERO, audit) {
                    audit.event(&event);
                }
            }
        }
        Ok(())
    }
}

/// The domain value of a record; a finding when it makes no sense.
fn read<T: DeserializeOwned>(
    collection: Collection,
    record: Document,
    invariant: &'static str,
    audit: &mut Audit,
) -> Option<T> {
    let id = id_of(&record);
    decode(collection, record).map_err(|error| audit.find(invariant, &id, error.to_string())).ok()
}

fn id_of(record: &Document) -> String {
    match record.get("_id") {
        Some(Bson::String(id)) => id.clone(),
        Some(Bson::ObjectId(id)) => id.to_hex(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
