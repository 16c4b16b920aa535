//! The judge: holds a history against the state at its end. Pure, so it can be shown to find what it should.

mod cluster;
mod gap;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use metastamp_protocol::invariants::{
    ACKNOWLEDGED_UPLOAD_EXISTS, EVERY_JOB_ENDS, ONE_RESULT_PER_CLAIM, RETRY_IS_ONE_ASSET, REVOKED_STAYS_REVOKED,
    ROWS_AND_OBJECTS_AGREE,
};
use metastamp_protocol::{ProcessingStatus, UploadStatus};

pub use self::gap::{FIRST_MEDIAN_MS_MAX, FIRST_WORST_MS_MAX, Gap};
use crate::client::AssetInfo;
use crate::history::{Event, Upload, What};

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the promise, from `metastamp_protocol::invariants` or this module.
    pub invariant: &'static str,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub violations: Vec<Violation>,
    /// Refusals of uploads that the contract accepts.
    pub refusals: Vec<String>,
    /// The history says nothing of the end state, so nothing was judged.
    pub unjudged: bool,
    pub distinct_uploads: usize,
    pub acknowledged: usize,
    pub unknown: usize,
    pub assets: usize,
    pub faults: usize,
    /// Jobs whose end was seen in the nodes' logs.
    pub jobs: usize,
    /// How long clients waited after faults.
    pub gap: Gap,
}

impl Verdict {
    pub fn holds(&self) -> bool {
        self.violations.is_empty() && self.refusals.is_empty() && !self.unjudged
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { distinct_uploads, acknowledged, unknown, assets, faults, jobs, .. } = self;
        write!(
            f,
            "{distinct_uploads} distinct uploads, {acknowledged} acknowledgements, {unknown} unknown outcomes, "
        )?;
        writeln!(f, "{faults} faults, {assets} assets at the end, {jobs} job results seen")?;
        if self.gap.samples > 0 {
            writeln!(f, "{}", self.gap)?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATED {violation}")?;
        }
        for refusal in &self.refusals {
            writeln!(f, "REFUSED {refusal}")?;
        }
        let word = if self.unjudged {
            "unjudged: no end state recorded"
        } else if self.holds() {
            "holds"
        } else {
            "broken"
        };
        write!(f, "verdict: {word}")
    }
}

/// Judges a whole run.
pub fn judge(events: &[Event]) -> Verdict {
    let run = Run::of(events);
    let mut verdict = Verdict {
        distinct_uploads: run.asked.values().collect::<BTreeSet<_>>().len(),
        acknowledged: run.acknowledged.len(),
        unknown: events.iter().filter(|e| matches!(e.what, What::Unknown { .. })).count(),
        assets: run.state.len(),
        faults: events.iter().filter(|e| matches!(e.what, What::Fault { .. })).count(),
        jobs: events.iter().filter(|e| matches!(e.what, What::Committed { .. })).count(),
        gap: Gap::of(events),
        unjudged: !events.iter().any(|e| matches!(e.what, What::State { .. })),
        ..Verdict::default()
    };
    if verdict.unjudged {
        return verdict;
    }
    let mut report = |invariant, what| verdict.violations.push(Violation { invariant, what });
    acknowledged_exist(&run, &mut report);
    retries_are_one(&run, &mut report);
    assets_were_asked_for(&run, &mut report);
    assets_settled(&run, &mut report);
    revoked_stay_revoked(events, &mut report);
    cluster::jobs_end_once(events, &mut report);
    cluster::forms_again(events, &mut report);
    cluster::retries_suffice(events, &mut report);
    gap::within_bounds(events, &mut report);
    verdict.refusals = run.refused.iter().map(|(op, why)| format!("{}: {why}", run.asked[op].name)).collect();
    verdict
}

/// A history sorted by what the rules ask of it.
struct Run<'a> {
    asked: BTreeMap<u64, &'a Upload>,
    acknowledged: Vec<(u64, &'a str)>,
    refused: Vec<(u64, String)>,
    /// User and asset.
    state: Vec<(&'a str, &'a AssetInfo)>,
}

impl<'a> Run<'a> {
    fn of(events: &'a [Event]) -> Self {
        let mut run = Self { asked: BTreeMap::new(), acknowledged: Vec::new(), refused: Vec::new(), state: Vec::new() };
        for event in events {
            match &event.what {
                What::Invoke { op, upload, .. } => _ = run.asked.insert(*op, upload),
                What::Ok { op, asset_id, .. } if run.asked.contains_key(op) => run.acknowledged.push((*op, asset_id)),
                What::Fail { op, status, code } if run.asked.contains_key(op) => {
                    run.refused.push((*op, format!("{status} {code}")));
                }
                What::State { user, assets } => run.state.extend(assets.iter().map(|asset| (user.as_str(), asset))),
                _ => {}
            }
        }
        run
    }
}

fn acknowledged_exist(run: &Run, report: &mut impl FnMut(&'static str, String)) {
    for (op, id) in &run.acknowledged {
        let upload = run.asked[op];
        let found: Vec<_> = run.state.iter().filter(|(_, asset)| asset.id == *id).collect();
        let problem = match found.as_slice() {
            [] => format!("asset {id} ({}) was acknowledged and is gone", upload.name),
            [(user, _)] if *user != upload.user => format!("asset {id} of {} is listed for {user}", upload.user),
            [(_, asset)] if asset.sha256 != upload.sha256 || asset.file_size != upload.size => {
                let (size, sha256) = (asset.file_size, &asset.sha256);
                format!("asset {id} has {size} bytes, {sha256}; sent were {} bytes, {}", upload.size, upload.sha256)
            }
            [_] => continue,
            more => format!("asset {id} is listed {} times", more.len()),
        };
        report(ACKNOWLEDGED_UPLOAD_EXISTS, problem);
    }
}

fn retries_are_one(run: &Run, report: &mut impl FnMut(&'static str, String)) {
    let mut told: BTreeMap<&Upload, BTreeSet<&str>> = BTreeMap::new();
    for (op, id) in &run.acknowledged {
        told.entry(run.asked[op]).or_default().insert(id);
    }
    let uploads: BTreeSet<&Upload> = run.asked.values().copied().collect();
    for upload in uploads {
        let ids = told.get(upload).map_or(0, BTreeSet::len);
        if ids > 1 {
            report(RETRY_IS_ONE_ASSET, format!("{} was acknowledged under {ids} ids", upload.name));
        }
        let same = |(user, asset): &&(&str, &AssetInfo)| {
            *user == upload.user
                && asset.sha256 == upload.sha256
                && asset.file_size == upload.size
                && asset.file_name == upload.name
        };
        let rows: BTreeSet<_> = run.state.iter().filter(same).map(|(_, asset)| &asset.id).collect();
        if rows.len() > 1 {
            report(RETRY_IS_ONE_ASSET, format!("{} became {} assets: {rows:?}", upload.name, rows.len()));
        }
    }
}

fn assets_were_asked_for(run: &Run, report: &mut impl FnMut(&'static str, String)) {
    for (user, asset) in &run.state {
        let sent =
            |upload: &&&Upload| upload.user == *user && upload.sha256 == asset.sha256 && upload.size == asset.file_size;
        if run.asked.values().find(sent).is_none() {
            let (id, size, sha256) = (&asset.id, asset.file_size, &asset.sha256);
            report(
                ROWS_AND_OBJECTS_AGREE,
                format!("asset {id} ({size} bytes, {sha256}) is of bytes nobody sent whole"),
            );
        }
    }
}

fn assets_settled(run: &Run, report: &mut impl FnMut(&'static str, String)) {
    for (_, asset) in &run.state {
        let (id, upload, fingerprint) = (&asset.id, asset.upload_status, asset.fingerprint_status);
        if !asset.is_settled() {
            report(EVERY_JOB_ENDS, format!("asset {id} is still {}", upload.as_str()));
            continue;
        }
        let ready = upload == UploadStatus::Ready;
        if (fingerprint == ProcessingStatus::Completed) != ready || asset.fingerprint_id.is_some() != ready {
            let (upload, fingerprint) = (upload.as_str(), fingerprint.as_str());
            report(ONE_RESULT_PER_CLAIM, format!("asset {id} is {upload} with a fingerprint that is {fingerprint}"));
        }
    }
}

fn revoked_stay_revoked(events: &[Event], report: &mut impl FnMut(&'static str, String)) {
    let mut revoked = BTreeSet::new();
    for event in events {
        match &event.what {
            What::Revoked { session } => _ = revoked.insert(session),
            What::Accepted { session } if revoked.contains(session) => {
                report(REVOKED_STAYS_REVOKED, format!("a token of session {session} was accepted after its logout"));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
