//! Direct uploads: the bytes go to the object store while they are hashed and counted; no file is ever held whole.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use metastamp_actors::upload::{Stored, Ticket};
use metastamp_fingerprint::digest::Digester;
use metastamp_protocol::files::{self, Refusal, SNIFF_BYTES, sanitise};
use metastamp_protocol::http::{PictureLink, upload_result};
use metastamp_protocol::{Digests, ErrorCode, FileKind, NewUpload, ObjectId, Received};
use metastamp_store::StoreError;
use metrics::counter;
use multer::Field;
use serde_json::json;

use super::auth::{Caller, caller};
use super::error::{ApiError, Result};
use super::multipart::{Form, OVERHEAD_BYTES_MAX};
use super::pictures::links;
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;
use crate::telemetry::context;
use crate::telemetry::metrics::UPLOAD_BYTES_TOTAL;

const TITLE_CHARS_MAX: usize = 255;
const DESCRIPTION_CHARS_MAX: usize = 2_000;
/// A fraction of the session's lease.
const RENEW_EVERY: Duration = Duration::from_secs(15);

pub async fn direct(app: &Arc<App>, kind: FileKind, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let size_max = app.config.upload_bytes_max;
    if let Some(length) = request.content_length()
        && length > size_max + OVERHEAD_BYTES_MAX
    {
        return Err(too_large(length, size_max));
    }
    let _slot = app.upload_slots.take(caller.user.id)?;
    // What is at or above the direct limit is refused while it is read, so nothing larger needs to pass.
    let form = Form::new(request, size_max.min(app.config.direct_bytes_below))?;
    let link = links(app, request);
    match tokio::time::timeout(app.upload_time_max, receive(app, caller, kind, form, link)).await {
        Ok(result) => result,
        Err(_) => Err(ApiError::new(ErrorCode::UploadFailed, "The upload took too long").status(408)),
    }
}

/// A file that is in the object store and not yet an asset.
struct StoredFile {
    session: OpenSession,
    received: Received,
}

async fn receive(
    app: &Arc<App>,
    caller: Caller,
    kind: FileKind,
    mut form: Form,
    link: impl Fn(ObjectId, &str) -> String + Sync,
) -> Result<Response> {
    let (mut file, mut title, mut description) = (None, None, None);
    while let Some(field) = form.next_field().await? {
        match field.name() {
            Some("file") if file.is_some() => return Err(ApiError::field("file", "must be one file")),
            Some("file") => file = Some(store(app, &caller, kind, &form, field).await?),
            Some("title") => title = form.text(field, "title", TITLE_CHARS_MAX).await?,
            Some("description") => description = form.text(field, "description", DESCRIPTION_CHARS_MAX).await?,
            _ => drop(field),
        }
    }
    let StoredFile { session, received } = file.ok_or_else(|| ApiError::field("file", "is required"))?;
    session.complete(Received { title, description, ..received }, &link).await
}

/// Judges the first bytes, opens a session, streams the rest.
async fn store(
    app: &Arc<App>,
    caller: &Caller,
    kind: FileKind,
    form: &Form,
    mut field: Field<'static>,
) -> Result<StoredFile> {
    let raw_name = field.file_name().unwrap_or_default().to_owned();
    if raw_name.is_empty() {
        return Err(ApiError::field("file", "must carry a file name"));
    }
    files::judge_extension(&raw_name, kind, &app.config.allowed_extensions).map_err(refused)?;
    let file_name = sanitise(&raw_name);
    let mut meter = Meter::new(app);
    let head = read_head(form, &mut field, &mut meter).await?;
    let mime_type = files::check_content(&file_name, &head).map_err(refused)?;

    let receiver = app.cluster.local().clone();
    let new = NewUpload { id: ObjectId::generate(), user_id: caller.user.id, file_name, kind, receiver };
    let id = new.id;
    let ticket = app.actors.uploads.begin(new).await?;
    let renewal = tokio::spawn(keep_alive(app.clone(), id));
    let session = OpenSession { app: app.clone(), id, ticket, renewal, done: false };
    let mut writer = app.objects.writer(&session.ticket.s3_key, mime_type, &app.temp_dir);
    writer.write(head).await.map_err(storage)?;
    while let Some(chunk) = form.next_chunk(&mut field).await? {
        meter.count(&chunk)?;
        writer.write(chunk).await.map_err(storage)?;
    }
    writer.finish().await.map_err(storage)?;
    counter!(UPLOAD_BYTES_TOTAL, "type" => kind.as_str()).increment(meter.size);
    let found = meter.digester.finalize();
    let received = Received {
        size: meter.size,
        sha256: found.sha256,
        digests: Some(Digests { blake3: found.blake3, iscc_data: found.iscc_data, iscc_instance: found.iscc_instance }),
        mime_type: mime_type.to_owned(),
        title: None,
        description: None,
    };
    Ok(StoredFile { session, received })
}

/// Enough of the file to say what it is.
async fn read_head(form: &Form, field: &mut Field<'static>, meter: &mut Meter) -> Result<Bytes> {
    let mut head = BytesMut::new();
    while head.len() < SNIFF_BYTES {
        let Some(chunk) = form.next_chunk(field).await? else { break };
        meter.count(&chunk)?;
        if head.is_empty() && chunk.len() >= SNIFF_BYTES {
            return Ok(chunk);
        }
        head.extend_from_slice(&chunk);
    }
    if head.is_empty() {
        return Err(ApiError::new(ErrorCode::EmptyFile, "The file is empty"));
    }
    Ok(head.freeze())
}

/// Counts and hashes what passes, and stops it at the limits.
struct Meter {
    size: u64,
    digester: Digester,
    direct_below: u64,
    size_max: u64,
}

impl Meter {
    fn new(app: &App) -> Self {
        Self {
            size: 0,
            digester: Digester::new(),
            direct_below: app.config.direct_bytes_below,
            size_max: app.config.upload_bytes_max,
        }
    }

    fn count(&mut self, chunk: &Bytes) -> Result<()> {
        self.size += chunk.len() as u64;
        if self.size > self.size_max {
            return Err(too_large(self.size, self.size_max));
        }
        if self.size >= self.direct_below {
            let message = format!("Files of {} MB or more must use the presigned upload", self.direct_below >> 20);
            let error = ApiError::new(ErrorCode::UsePresignedUpload, message);
            return Err(error.detail("direct_limit", self.direct_below));
        }
        self.digester.update(chunk);
        Ok(())
    }
}

/// A session that must end one way or the other: dropped undone, it is given up and its object cleaned away.
struct OpenSession {
    app: Arc<App>,
    id: ObjectId,
    ticket: Ticket,
    renewal: tokio::task::JoinHandle<()>,
    done: bool,
}

/// Renews the session for as long as it is open here; a session that was taken away shows at the commit.
async fn keep_alive(app: Arc<App>, id: ObjectId) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        if let Err(error) = app.actors.uploads.renew(id).await {
            tracing::warn!(%error, asset_id = %id, "upload session not renewed");
        }
    }
}

impl OpenSession {
    async fn complete(mut self, received: Received, link: PictureLink<'_>) -> Result<Response> {
        let Stored { asset, repeat, owner } = self.app.actors.uploads.complete(self.id, received).await?;
        self.done = true;
        context::set_owner(&owner);
        if !repeat {
            self.app.actors.job_queued();
            return Ok(response::json(201, &upload_result(&asset, "File uploaded successfully", link)));
        }
        let (app, key) = (self.app.clone(), self.ticket.s3_key.clone());
        tokio::spawn(async move { app.remove_object(&key).await });
        Ok(response::json(201, &upload_result(&asset, "File uploaded already", link)))
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.renewal.abort();
        if !self.done {
            let (app, id) = (self.app.clone(), self.id);
            tokio::spawn(async move {
                // If this fails the session runs out by itself.
                let _ = app.actors.uploads.abort(id).await;
            });
        }
    }
}

fn too_large(size: u64, max: u64) -> ApiError {
    let message = format!("File exceeds the maximum size of {}MB", max >> 20);
    ApiError::new(ErrorCode::FileTooLarge, message).detail("file_size", size).detail("max_size", max)
}

fn refused(refusal: Refusal) -> ApiError {
    let code = match refusal {
        Refusal::BlockedExtension(_) | Refusal::DangerousContent(_) => ErrorCode::DangerousFileType,
        Refusal::WrongExtension(..) | Refusal::Mismatch { .. } | Refusal::Unrecognised(_) => ErrorCode::InvalidFileType,
    };
    let mut message = refusal.to_string();
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    ApiError::new(code, message).detail("reason", json!(refusal.to_string()))
}

fn storage(error: StoreError) -> ApiError {
    tracing::warn!(%error, "object store failed during an upload");
    ApiError::new(ErrorCode::StorageError, "The file could not be stored, please try again").retry_after(2)
}
