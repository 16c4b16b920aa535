//! The versioned encoding of [`Command`], [`Answer`] and [`Notice`]: Protocol Buffers, one message each way.
//!
//! Rules of change: fields are only added, with new numbers; a reader comes a version before its writer. A member
//! writes the highest version that both sides know and tells in gossip what it reads ([`VERSION_MIN`] to
//! [`VERSION_MAX`]).
//!
//! - Version 1: commands and their answers; `Stored` carries the asset's id only.
//! - Version 2: `Stored` carries the asset too, which saves the asker a read; notices about jobs.
//! - Version 3: orders to wallets, and their answers.
//! - Version 4: rows of journals of version 2, and the failure that names a newer one.

use prost::Message;

use super::{Answer, Command, Failure, Notice};
use crate::upload::{NewUpload, Received};
use crate::{FileKind, MoreDigests, NodeRef, ObjectId};

/// The oldest version this build reads and writes.
pub const VERSION_MIN: u32 = 1;
/// The newest one.
pub const VERSION_MAX: u32 = 4;
/// Largest encoded message, in bytes. A sender refuses to send more; a receiver refuses to read more.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// The newest version of journal rows ([`Row::VERSION`](crate::ledger::Row::VERSION)) that members read who speak
/// `version` of this encoding: what is written to a store that they share.
pub fn row_version(version: u32) -> u32 {
    if version >= 4 { 2 } else { 1 }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Are you there?
    Ping,
    Command(Command),
    Notice(Notice),
}

/// One message to another member's router.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub version: u32,
    pub from: NodeRef,
    /// The same for every attempt at the same thing: an attempt that arrives while another is at work shares its answer.
    pub key: u128,
    /// Time left for an answer, milliseconds. Relative, so that clocks need not agree.
    pub within_ms: u32,
    /// How many members the request has been sent to before this one.
    pub hop: u32,
    /// The owner could not be reached: serve it although you don't own it. The store decides if two do.
    pub fallback: bool,
    pub ask: Ask,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub version: u32,
    /// Who answered.
    pub from: NodeRef,
    pub result: Result<Answer, Failure>,
}

/// Bytes that are not a message of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("{0} bytes, at most {MESSAGE_BYTES_MAX} are allowed")]
    TooLarge(usize),
    #[error("malformed: {0}")]
    Malformed(&'static str),
    #[error("version {0} is not spoken here")]
    Version(u32),
    /// The envelope was read, its content is from the future.
    #[error("unknown kind of message")]
    Unknown,
}

impl Request {
    /// # Errors
    /// [`WireError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let body = match &self.ask {
            Ask::Ping => pb::Body::Ping(pb::Empty {}),
            Ask::Command(command) => command_out(command)?,
            Ask::Notice(notice) => notice_out(notice),
        };
        let (from_node, from_generation) = (self.from.node_id.clone(), self.from.generation);
        bounded(&pb::Request {
            version: self.version,
            from_node,
            from_generation,
            key: self.key.to_be_bytes().to_vec(),
            within_ms: self.within_ms,
            hop: self.hop,
            fallback: self.fallback,
            body: Some(body),
        })
    }

    /// `version_max` is the newest version the reader admits to.
    ///
    /// # Errors
    /// For anything that is not a whole request of a known version and kind.
    pub fn decode(bytes: &[u8], version_max: u32) -> Result<Self, WireError> {
        let message: pb::Request = parse(bytes)?;
        if !(VERSION_MIN..=version_max).contains(&message.version) {
            return Err(WireError::Version(message.version));
        }
        let key = message.key.try_into().map_err(|_| WireError::Malformed("key"))?;
        let from = NodeRef { node_id: message.from_node, generation: message.from_generation };
        let ask = match message.body.ok_or(WireError::Unknown)? {
            pb::Body::Ping(_) => Ask::Ping,
            pb::Body::Begin(new) => Ask::Command(Command::BeginUpload(new_in(new)?)),
            pb::Body::Renew(id) => Ask::Command(Command::RenewUpload(id_in(&id)?)),
            pb::Body::Complete(c) => {
                let received = Received {
                    size: c.size,
                    sha256: c.sha256,
                    digests: c.digests.map(|d| MoreDigests {
                        blake3: d.blake3,
                        iscc_data: d.iscc_data,
                        iscc_instance: d.iscc_instance,
                    }),
                    mime_type: c.mime_type,
                    title: c.title,
                    description: c.description,
                };
                Ask::Command(Command::CompleteUpload(id_in(&c.id)?, Box::new(received)))
            }
            pb::Body::Abort(id) => Ask::Command(Command::AbortUpload(id_in(&id)?)),
            pb::Body::Order(json) => Ask::Command(Command::Order(json_in(&json, "order")?)),
            pb::Body::JobsWaiting(_) => Ask::Notice(Notice::JobsWaiting),
            pb::Body::JobCancelled(id) => Ask::Notice(Notice::JobCancelled(id_in(&id)?)),
            pb::Body::Leaving(_) => Ask::Notice(Notice::Leaving),
            pb::Body::Drain(on) => Ask::Notice(Notice::Drain { on }),
        };
        let pb::Request { version, within_ms, hop, fallback, .. } = message;
        Ok(Self { version, from, key: u128::from_be_bytes(key), within_ms, hop, fallback, ask })
    }
}

impl Reply {
    /// # Errors
    /// [`WireError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let result = match &self.result {
            Ok(answer) => answer_out(answer, self.version)?,
            Err(failure) => pb::Outcome::Failure(failure_out(failure, self.version)),
        };
        let (node, generation) = (self.from.node_id.clone(), self.from.generation);
        bounded(&pb::Reply { version: self.version, node, generation, result: Some(result) })
    }

    /// # Errors
    /// For anything that is not a whole reply.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let message: pb::Reply = parse(bytes)?;
        let result = match message.result.ok_or(WireError::Unknown)? {
            pb::Outcome::Done(_) => Ok(Answer::Done),
            pb::Outcome::Ticket(s3_key) => Ok(Answer::Ticket { s3_key }),
            pb::Outcome::Stored(stored) => {
                let asset = match stored.asset {
                    Some(json) => Some(serde_json::from_slice(&json).map_err(|_| WireError::Malformed("asset"))?),
                    None => None,
                };
                Ok(Answer::Stored { asset_id: id_in(&stored.asset_id)?, repeat: stored.repeat, asset })
            }
            pb::Outcome::Ledger(json) => Ok(Answer::Ledger(json_in(&json, "ledger")?)),
            pb::Outcome::Failure(failure) => Err(failure_in(failure)?),
        };
        let from = NodeRef { node_id: message.node, generation: message.generation };
        Ok(Self { version: message.version, from, result })
    }
}

fn bounded(message: &impl Message) -> Result<Vec<u8>, WireError> {
    match message.encoded_len() {
        length if length > MESSAGE_BYTES_MAX => Err(WireError::TooLarge(length)),
        _ => Ok(message.encode_to_vec()),
    }
}

fn parse<M: Message + Default>(bytes: &[u8]) -> Result<M, WireError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(WireError::TooLarge(bytes.len()));
    }
    M::decode(bytes).map_err(|_| WireError::Malformed("protocol buffer"))
}

fn id_out(id: ObjectId) -> Vec<u8> {
    id.as_bytes().to_vec()
}

fn id_in(bytes: &[u8]) -> Result<ObjectId, WireError> {
    hex::encode(bytes).parse().map_err(|_| WireError::Malformed("id"))
}

/// What has many members travels as JSON inside of the message.
fn json_out<T: serde::Serialize>(value: &T, what: &'static str) -> Result<Vec<u8>, WireError> {
    serde_json::to_vec(value).map_err(|_| WireError::Malformed(what))
}

fn json_in<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, WireError> {
    serde_json::from_slice(bytes).map_err(|_| WireError::Malformed(what))
}

fn command_out(command: &Command) -> Result<pb::Body, WireError> {
    Ok(match command {
        Command::BeginUpload(new) => pb::Body::Begin(pb::NewUpload {
            id: id_out(new.id),
            user_id: id_out(new.user_id),
            file_name: new.file_name.clone(),
            kind: new.kind.as_str().to_owned(),
            receiver_node: new.receiver.node_id.clone(),
            receiver_generation: new.receiver.generation,
            original_file_name: new.original_file_name.clone(),
        }),
        Command::RenewUpload(id) => pb::Body::Renew(id_out(*id)),
        Command::CompleteUpload(id, received) => pb::Body::Complete(pb::Complete {
            id: id_out(*id),
            size: received.size,
            sha256: received.sha256.clone(),
            mime_type: received.mime_type.clone(),
            title: received.title.clone(),
            description: received.description.clone(),
            digests: received.digests.as_ref().map(|d| pb::Digests {
                blake3: d.blake3.clone(),
                iscc_data: d.iscc_data.clone(),
                iscc_instance: d.iscc_instance.clone(),
            }),
        }),
        Command::AbortUpload(id) => pb::Body::Abort(id_out(*id)),
        Command::Order(order) => pb::Body::Order(json_out(order, "order")?),
    })
}

fn new_in(new: pb::NewUpload) -> Result<NewUpload, WireError> {
    Ok(NewUpload {
        id: id_in(&new.id)?,
        user_id: id_in(&new.user_id)?,
        file_name: new.file_name,
        original_file_name: new.original_file_name,
        kind: FileKind::parse(&new.kind).ok_or(WireError::Malformed("kind"))?,
        receiver: NodeRef { node_id: new.receiver_node, generation: new.receiver_generation },
    })
}

fn notice_out(notice: &Notice) -> pb::Body {
    match notice {
        Notice::JobsWaiting => pb::Body::JobsWaiting(pb::Empty {}),
        Notice::JobCancelled(id) => pb::Body::JobCancelled(id_out(*id)),
        Notice::Leaving => pb::Body::Leaving(pb::Empty {}),
        Notice::Drain { on } => pb::Body::Drain(*on),
    }
}

fn answer_out(answer: &Answer, version: u32) -> Result<pb::Outcome, WireError> {
    Ok(match answer {
        Answer::Done => pb::Outcome::Done(pb::Empty {}),
        Answer::Ticket { s3_key } => pb::Outcome::Ticket(s3_key.clone()),
        Answer::Stored { asset_id, repeat, asset } => {
            let json = match asset.as_ref().filter(|_| version >= 2) {
                Some(asset) => Some(serde_json::to_vec(asset).map_err(|_| WireError::Malformed("asset"))?),
                None => None,
            };
            // A row with very long metadata is left for the asker to read.
            let asset = json.filter(|json| json.len() <= MESSAGE_BYTES_MAX / 2);
            pb::Outcome::Stored(pb::Stored { asset_id: id_out(*asset_id), repeat: *repeat, asset })
        }
        Answer::Ledger(answer) => pb::Outcome::Ledger(json_out(answer, "ledger")?),
    })
}

fn failure_out(failure: &Failure, version: u32) -> pb::Failure {
    let text = match failure {
        Failure::Refused(text)
        | Failure::Fenced(text)
        | Failure::NotFound(text)
        | Failure::Unavailable(text)
        | Failure::NewerVersion(text)
        | Failure::Internal(text) => text.chars().take(1_000).collect(),
        _ => String::new(),
    };
    let hint = match failure {
        Failure::NotOwner(hint) => hint.clone(),
        _ => None,
    };
    let (hint_node, hint_generation) = hint.map(|hint| (hint.node_id, hint.generation)).unzip();
    let kind = match failure {
        // to those who have no word for it: come back later
        Failure::NewerVersion(_) if version < 4 => "unavailable",
        failure => failure.name(),
    };
    pb::Failure { kind: kind.to_owned(), text, hint_node, hint_generation }
}

fn failure_in(failure: pb::Failure) -> Result<Failure, WireError> {
    let pb::Failure { kind, text, hint_node, hint_generation } = failure;
    Ok(match kind.as_str() {
        "not_owner" => {
            let hint = hint_node.zip(hint_generation);
            Failure::NotOwner(hint.map(|(node_id, generation)| NodeRef { node_id, generation }))
        }
        "busy" => Failure::Busy,
        "expired" => Failure::Expired,
        "unsupported" => Failure::Unsupported,
        "timeout" => Failure::Timeout,
        "stopped" => Failure::Stopped,
        "refused" => Failure::Refused(text),
        "fenced" => Failure::Fenced(text),
        "not_found" => Failure::NotFound(text),
        "unavailable" => Failure::Unavailable(text),
        "newer_version" => Failure::NewerVersion(text),
        "internal" => Failure::Internal(text),
        _ => return Err(WireError::Unknown),
    })
}

/// The messages as they travel.
mod pb {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Empty {}

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Request {
        #[prost(uint32, tag = "1")]
        pub version: u32,
        #[prost(string, tag = "2")]
        pub from_node: String,
        #[prost(int64, tag = "3")]
        pub from_generation: i64,
        #[prost(bytes = "vec", tag = "4")]
        pub key: Vec<u8>,
        #[prost(uint32, tag = "5")]
        pub within_ms: u32,
        #[prost(uint32, tag = "6")]
        pub hop: u32,
        #[prost(bool, tag = "7")]
        pub fallback: bool,
        #[prost(oneof = "Body", tags = "16, 17, 18, 19, 20, 21, 24, 25, 26, 27")]
        pub body: Option<Body>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Body {
        #[prost(message, tag = "16")]
        Ping(Empty),
        #[prost(message, tag = "17")]
        Begin(NewUpload),
        #[prost(bytes = "vec", tag = "18")]
        Renew(Vec<u8>),
        #[prost(message, tag = "19")]
        Complete(Complete),
        #[prost(bytes = "vec", tag = "20")]
        Abort(Vec<u8>),
        /// JSON, from version 3.
        #[prost(bytes = "vec", tag = "21")]
        Order(Vec<u8>),
        #[prost(message, tag = "24")]
        JobsWaiting(Empty),
        #[prost(bytes = "vec", tag = "25")]
        JobCancelled(Vec<u8>),
        #[prost(message, tag = "26")]
        Leaving(Empty),
        #[prost(bool, tag = "27")]
        Drain(bool),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct NewUpload {
        #[prost(bytes = "vec", tag = "1")]
        pub id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub user_id: Vec<u8>,
        #[prost(string, tag = "3")]
        pub file_name: String,
        #[prost(string, tag = "4")]
        pub kind: String,
        #[prost(string, tag = "5")]
        pub receiver_node: String,
        #[prost(int64, tag = "6")]
        pub receiver_generation: i64,
        #[prost(string, optional, tag = "7")]
        pub original_file_name: Option<String>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Complete {
        #[prost(bytes = "vec", tag = "1")]
        pub id: Vec<u8>,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(string, tag = "3")]
        pub sha256: String,
        #[prost(string, tag = "4")]
        pub mime_type: String,
        #[prost(string, optional, tag = "5")]
        pub title: Option<String>,
        #[prost(string, optional, tag = "6")]
        pub description: Option<String>,
        #[prost(message, optional, tag = "7")]
        pub digests: Option<Digests>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Digests {
        #[prost(string, tag = "1")]
        pub blake3: String,
        #[prost(string, tag = "2")]
        pub iscc_data: String,
        #[prost(string, tag = "3")]
        pub iscc_instance: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Reply {
        #[prost(uint32, tag = "1")]
        pub version: u32,
        #[prost(string, tag = "2")]
        pub node: String,
        #[prost(int64, tag = "3")]
        pub generation: i64,
        #[prost(oneof = "Outcome", tags = "16, 17, 18, 19, 20")]
        pub result: Option<Outcome>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Outcome {
        #[prost(message, tag = "16")]
        Done(Empty),
        #[prost(string, tag = "17")]
        Ticket(String),
        #[prost(message, tag = "18")]
        Stored(Stored),
        #[prost(message, tag = "19")]
        Failure(Failure),
        /// JSON, from version 3.
        #[prost(bytes = "vec", tag = "20")]
        Ledger(Vec<u8>),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Stored {
        #[prost(bytes = "vec", tag = "1")]
        pub asset_id: Vec<u8>,
        #[prost(bool, tag = "2")]
        pub repeat: bool,
        /// JSON, from version 2.
        #[prost(bytes = "vec", optional, tag = "3")]
        pub asset: Option<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Failure {
        #[prost(string, tag = "1")]
        pub kind: String,
        #[prost(string, tag = "2")]
        pub text: String,
        #[prost(string, optional, tag = "3")]
        pub hint_node: Option<String>,
        #[prost(int64, optional, tag = "4")]
        pub hint_generation: Option<i64>,
    }
}

#[cfg(test)]
mod tests;
