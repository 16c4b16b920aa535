//! What holds of several nodes together.

use std::collections::BTreeMap;

use metastamp_protocol::invariants::{CLUSTER_FORMS_AGAIN, ONE_RESULT_PER_CLAIM, ONE_RETRY_SUFFICES};

use crate::history::{Event, Parameters, Upload, What};

/// No job's end was committed twice, by whomever.
pub(super) fn jobs_end_once(events: &[Event], report: &mut impl FnMut(&'static str, String)) {
    let mut ended: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events {
        if let What::Committed { job, node } = &event.what {
            ended.entry(job).or_default().push(node);
        }
    }
    for (job, nodes) in ended.into_iter().filter(|(_, nodes)| nodes.len() > 1) {
        report(ONE_RESULT_PER_CLAIM, format!("the end of job {job} was committed by {}", nodes.join(" and by ")));
    }
}

pub(super) fn forms_again(events: &[Event], report: &mut impl FnMut(&'static str, String)) {
    for event in events {
        if let What::Torn { within_ms, why } = &event.what {
            report(CLUSTER_FORMS_AGAIN, format!("not within {within_ms} ms: {why}"));
        }
    }
}

/// Where a run limits attempts, each upload succeeded within them.
pub(super) fn retries_suffice(events: &[Event], report: &mut impl FnMut(&'static str, String)) {
    let limit = |event: &Event| match &event.what {
        What::Run { parameters: Parameters { attempts_max, .. }, .. } if *attempts_max > 0 => Some(*attempts_max),
        _ => None,
    };
    let Some(attempts_max) = events.iter().find_map(limit) else { return };
    let mut by_op: BTreeMap<u64, &Upload> = BTreeMap::new();
    let mut tries: BTreeMap<&Upload, (usize, bool, &str)> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::Invoke { op, upload, .. } => {
                by_op.insert(*op, upload);
                tries.entry(upload).or_default().0 += 1;
            }
            What::Ok { op, .. } => {
                if let Some(entry) = by_op.get(op).and_then(|upload| tries.get_mut(*upload)) {
                    entry.1 = true;
                }
            }
            What::Unknown { op, why } => {
                if let Some(entry) = by_op.get(op).and_then(|upload| tries.get_mut(*upload)) {
                    entry.2 = why;
                }
            }
            _ => {}
        }
    }
    for (upload, (attempts, ok, why)) in tries {
        if attempts > attempts_max || (!ok && attempts == attempts_max) {
            let name = &upload.name;
            report(ONE_RETRY_SUFFICES, format!("{name} of {} was sent {attempts} times; {why}", upload.user));
        }
    }
}
