//! The rules of an upload session, as a pure function of state and command.
//!
//! ```text
//!            Begin                Complete
//! Unknown ----------> Receiving ----------> Stored
//!                        |  Abort
//!                        +----------------> Discarded   (also: a repeat of an earlier upload)
//! ```
//!
//! A phase is what one owner believes. Another may have moved on: every step is written under a condition, and whoever
//! is refused forgets what it believed and asks the store.

use std::time::Duration;

use metastamp_protocol::files::object_key;
use metastamp_protocol::{
    Asset, Fingerprint, Job, Metadata, NewUpload, ObjectId, ProcessingStatus, Received, Timestamp, UploadSession,
    UploadState, UploadStatus,
};
use metastamp_store::ports::{UploadCommit, UploadOutcome};

/// What the node is set to.
#[derive(Debug, Clone)]
pub struct Rules {
    pub bucket: String,
    /// How long a session lives without a sign of life.
    pub lease: Duration,
    /// The same bytes under the same name within this time are one upload.
    pub repeat_window: Duration,
    pub fingerprinting: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Not in memory yet, or never begun.
    Unknown,
    Receiving(UploadSession),
    Ended(Box<UploadOutcome>),
    Discarded,
    /// It ended under another owner, or in another life of this one: only the store knows how.
    Settled(UploadSession),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Begin(NewUpload),
    Renew,
    Complete(Received),
    Abort,
}

/// What has to be written before the command may be answered.
#[derive(Debug)]
pub enum Step {
    Open(UploadSession),
    Renew {
        until: Timestamp,
    },
    Commit(Box<UploadCommit>),
    Discard,
    /// Nothing: the answer is already known.
    Nothing,
}

/// Why a command makes no sense in this phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected(pub &'static str);

/// What has been written.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    Opened(UploadSession),
    Renewed { until: Timestamp },
    Committed(Box<UploadOutcome>),
    Discarded,
}

impl Phase {
    /// What the store says of a session that is not in memory.
    pub fn loaded(stored: Option<UploadSession>) -> Self {
        match stored {
            None => Phase::Unknown,
            Some(session) if session.state == UploadState::Receiving => Phase::Receiving(session),
            Some(session) => Phase::Settled(session),
        }
    }

    pub fn decide(&self, command: &Command, rules: &Rules, now: Timestamp) -> Result<Step, Rejected> {
        match (self, command) {
            (Phase::Unknown, Command::Begin(new)) => Ok(Step::Open(open(new, rules, now))),
            (Phase::Receiving(session), Command::Begin(new)) if session.user_id == new.user_id => Ok(Step::Nothing),
            (_, Command::Begin(_)) => Err(Rejected("the upload has ended")),
            (Phase::Receiving(_), Command::Renew) => Ok(Step::Renew { until: now.plus(rules.lease) }),
            // A repeated Complete gets the answer that the first one got, from the store.
            (Phase::Receiving(session) | Phase::Settled(session), Command::Complete(received)) => {
                Ok(Step::Commit(Box::new(commit(session, received, rules, now))))
            }
            (Phase::Ended(_), Command::Complete(_)) => Ok(Step::Nothing),
            (Phase::Receiving(_), Command::Abort) => Ok(Step::Discard),
            (Phase::Unknown | Phase::Discarded, Command::Abort) => Ok(Step::Nothing),
            (Phase::Settled(session), Command::Abort) if session.state == UploadState::Discarded => Ok(Step::Nothing),
            (Phase::Ended(_) | Phase::Settled(_), Command::Abort) => Err(Rejected("the upload has ended")),
            (Phase::Unknown, _) => Err(Rejected("no such upload")),
            (Phase::Discarded, _) => Err(Rejected("the upload was given up")),
            (Phase::Ended(_) | Phase::Settled(_), Command::Renew) => Err(Rejected("the upload has ended")),
        }
    }

    pub fn apply(self, fact: Fact) -> Self {
        match (self, fact) {
            (_, Fact::Opened(session)) => Phase::Receiving(session),
            (Phase::Receiving(session), Fact::Renewed { until }) => {
                Phase::Receiving(UploadSession { expires_at: until, ..session })
            }
            (phase, Fact::Renewed { .. }) => phase,
            (_, Fact::Committed(outcome)) => Phase::Ended(outcome),
            (_, Fact::Discarded) => Phase::Discarded,
        }
    }

    /// Nothing more can happen.
    pub fn is_final(&self) -> bool {
        matches!(self, Phase::Ended(_) | Phase::Discarded | Phase::Settled(_))
    }
}

fn open(new: &NewUpload, rules: &Rules, now: Timestamp) -> UploadSession {
    let unique = ObjectId::generate();
    UploadSession {
        id: new.id,
        user_id: new.user_id,
        file_name: new.file_name.clone(),
        original_file_name: new.original_file_name.clone(),
        kind: new.kind,
        s3_key: object_key(new.user_id, now, &unique.to_hex(), &new.file_name),
        state: UploadState::Receiving,
        owner: new.receiver.clone(),
        created_at: now,
        expires_at: now.plus(rules.lease),
    }
}

fn commit(session: &UploadSession, received: &Received, rules: &Rules, now: Timestamp) -> UploadCommit {
    let asset = Asset {
        id: session.id,
        user_id: session.user_id,
        file_name: session.file_name.clone(),
        original_file_name: session.original_file_name.clone(),
        file_type: session.kind,
        file_size: received.size,
        mime_type: received.mime_type.clone(),
        s3_key: session.s3_key.clone(),
        s3_bucket: rules.bucket.clone(),
        upload_status: if rules.fingerprinting { UploadStatus::Processing } else { UploadStatus::Ready },
        processing_status: rules.fingerprinting.then_some(ProcessingStatus::Pending),
        fingerprint_id: None,
        error_message: None,
        url_source: None,
        title: received.title.clone(),
        description: received.description.clone(),
        sha256: received.sha256.clone(),
        digests: received.digests.clone(),
        pictures: Vec::new(),
        ai_touch_score: None,
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    };
    let fingerprint = rules.fingerprinting.then(|| {
        let id = ObjectId::generate();
        let fingerprint = Fingerprint::pending(id, asset.id, asset.user_id, asset.file_type, now);
        (fingerprint, Job::queued(id, &asset, now))
    });
    UploadCommit { asset, fingerprint, repeat_since: now.minus(rules.repeat_window) }
}

#[cfg(test)]
mod tests {
    use metastamp_protocol::{FileKind, NodeRef};

    use super::*;

    const NOW: Timestamp = Timestamp(1_764_168_600_000);

    fn rules() -> Rules {
        Rules {
            bucket: "b".into(),
            lease: Duration::from_secs(60),
            repeat_window: Duration::from_secs(120),
            fingerprinting: true,
        }
    }

    fn new() -> NewUpload {
        NewUpload {
            id: ObjectId::generate(),
            user_id: ObjectId::generate(),
            file_name: "a.txt".into(),
            original_file_name: None,
            kind: FileKind::Text,
            receiver: NodeRef { node_id: "a".into(), generation: 1 },
        }
    }

    fn received() -> Received {
        Received {
            size: 3,
            sha256: "ab".into(),
            digests: None,
            mime_type: "text/plain".into(),
            title: None,
            description: None,
        }
    }

    fn receiving(new: &NewUpload) -> Phase {
        let Ok(Step::Open(session)) = Phase::Unknown.decide(&Command::Begin(new.clone()), &rules(), NOW) else {
            panic!("a new upload opens")
        };
        Phase::Unknown.apply(Fact::Opened(session))
    }

    #[test]
    fn a_completed_upload_becomes_an_asset_with_a_job() {
        let new = new();
        let phase = receiving(&new);
        let Ok(Step::Commit(commit)) = phase.decide(&Command::Complete(received()), &rules(), NOW) else {
            panic!("a received upload commits")
        };
        assert_eq!(commit.asset.id, new.id);
        assert!(commit.asset.s3_key.starts_with(&format!("uploads/{}/2025-11-26/", new.user_id)));
        assert_eq!(commit.repeat_since, Timestamp(NOW.0 - 120_000));
        let (fingerprint, job) = commit.fingerprint.clone().unwrap();
        assert_eq!((fingerprint.id, fingerprint.asset_id), (job.id, new.id));
        let done = phase.apply(Fact::Committed(Box::new(UploadOutcome::Stored(commit.asset))));
        assert!(done.is_final());
        let again = done.decide(&Command::Complete(received()), &rules(), NOW);
        assert!(matches!(again, Ok(Step::Nothing)), "a repeated Complete is answered from what is known");
    }

    #[test]
    fn without_fingerprinting_the_asset_is_ready_at_once() {
        let rules = Rules { fingerprinting: false, ..rules() };
        let Ok(Step::Commit(commit)) = receiving(&new()).decide(&Command::Complete(received()), &rules, NOW) else {
            panic!("commits")
        };
        assert_eq!(commit.asset.upload_status, UploadStatus::Ready);
        assert!(commit.fingerprint.is_none());
    }

    #[test]
    fn begin_is_idempotent_for_its_owner_only() {
        let new = new();
        let phase = receiving(&new);
        assert!(matches!(phase.decide(&Command::Begin(new.clone()), &rules(), NOW), Ok(Step::Nothing)));
        let stranger = NewUpload { user_id: ObjectId::generate(), ..new };
        assert!(phase.decide(&Command::Begin(stranger), &rules(), NOW).is_err());
    }

    #[test]
    fn nothing_comes_back_from_discarded() {
        let phase = receiving(&new()).apply(Fact::Discarded);
        assert!(phase.decide(&Command::Complete(received()), &rules(), NOW).is_err());
        assert!(phase.decide(&Command::Renew, &rules(), NOW).is_err());
        assert!(phase.decide(&Command::Begin(new()), &rules(), NOW).is_err());
        assert!(matches!(phase.decide(&Command::Abort, &rules(), NOW), Ok(Step::Nothing)));
    }

    #[test]
    fn what_ended_elsewhere_is_answered_by_the_store() {
        let Phase::Receiving(session) = receiving(&new()) else { panic!("it receives") };
        for (state, may_abort) in [(UploadState::Stored, false), (UploadState::Discarded, true)] {
            let phase = Phase::loaded(Some(UploadSession { state, ..session.clone() }));
            assert!(phase.is_final());
            assert!(matches!(phase.decide(&Command::Complete(received()), &rules(), NOW), Ok(Step::Commit(_))));
            assert!(phase.decide(&Command::Renew, &rules(), NOW).is_err());
            assert!(phase.decide(&Command::Begin(new()), &rules(), NOW).is_err());
            assert_eq!(phase.decide(&Command::Abort, &rules(), NOW).is_ok(), may_abort);
        }
    }

    #[test]
    fn an_unknown_upload_can_only_begin() {
        assert!(Phase::Unknown.decide(&Command::Complete(received()), &rules(), NOW).is_err());
        assert!(Phase::Unknown.decide(&Command::Renew, &rules(), NOW).is_err());
    }
}
