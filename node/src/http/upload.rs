//! Direct uploads: a form with one file, whose bytes go on as they arrive.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_DISPOSITION, EXPECT};
use metastamp_protocol::FileKind;
use metastamp_protocol::http::upload_result;
use metastamp_service::Caller;
use metastamp_service::ingest::{
    About, Admission, Announced, DESCRIPTION_CHARS_MAX, Digesting, Stored, TITLE_CHARS_MAX, Uploaded,
};
use multer::Field;

use super::disposition;
use super::error::{Error, Result};
use super::multipart::{Form, OVERHEAD_BYTES_MAX, transfer};
use super::pictures::links;
use super::request::Request;
use super::response::{self, Response};
use crate::app::App;
use metastamp_setup::telemetry::context;

type Answer = BoxFuture<'static, Result<Response>>;

/// The handler of one kind of files.
pub fn direct(kind: FileKind) -> impl Fn(Arc<App>, Request, Caller) -> Answer + Copy {
    move |app, request, caller| upload(app, request, caller, kind).boxed()
}

async fn upload(app: Arc<App>, request: Request, caller: Caller, kind: FileKind) -> Result<Response> {
    let ingest = &app.service.ingest;
    if let Some(length) = request.content_length() {
        ingest.check_announced(length, OVERHEAD_BYTES_MAX)?;
        // who asks before sending is told before sending; others hear of their file's name first, which may be worse
        if request.headers.contains_key(EXPECT) {
            ingest.check_announced_to_a_node(length, OVERHEAD_BYTES_MAX * 2)?;
        }
    }
    let admission = ingest.admit(caller.user.id, request.peer.into())?;
    let form = Form::new(&request, ingest.direct_bytes_max())?;
    let Stored { asset, repeat, owner } = admission.in_time(receive(&admission, kind, form)).await?;
    context::set_owner(&owner);
    let message = if repeat { "File uploaded already" } else { "File uploaded successfully" };
    Ok(response::json(201, &upload_result(&asset, message, &links(&app, &request))))
}

async fn receive(admission: &Admission, kind: FileKind, mut form: Form) -> Result<Stored> {
    let (mut file, mut about) = (None, About::default());
    while let Some(field) = form.next_field().await? {
        match field.name() {
            Some("file") if file.is_some() => return Err(Error::field("file", "must be one file")),
            Some("file") => file = Some(take_in(admission, kind, &form, field).await?),
            Some("title") => about.title = form.text(field, "title", TITLE_CHARS_MAX).await?,
            Some("description") => about.description = form.text(field, "description", DESCRIPTION_CHARS_MAX).await?,
            _ => drop(field),
        }
    }
    file.ok_or_else(|| Error::field("file", "is required"))?.commit(about).await
}

/// The bytes of the file, as they arrive.
async fn take_in(admission: &Admission, kind: FileKind, form: &Form, mut field: Field<'static>) -> Result<Uploaded> {
    let disposition = field.headers().get(CONTENT_DISPOSITION).map(|value| value.as_bytes()).unwrap_or_default();
    let name = disposition::file_name(disposition).unwrap_or_default();
    if name.is_empty() {
        return Err(Error::field("file", "must carry a file name"));
    }
    let mut incoming = admission.open(Announced { name: &name, kind, digesting: Digesting::AsItPasses })?;
    let mut transfer = transfer(&field, "file")?;
    while let Some(chunk) = form.next_chunk(&mut field).await? {
        let chunk = transfer.decode(chunk, "file")?;
        if !chunk.is_empty() {
            incoming.write(chunk).await?;
        }
    }
    transfer.finish("file")?;
    incoming.finish().await
}
