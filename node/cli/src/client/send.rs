//! The upload itself: from disk to the wire, a piece at a time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use metastamp_protocol::files::{ALLOWED_EXTENSIONS, extension, kind_of_extension};
use metastamp_setup::progress::Meter;
use metastamp_setup::table::plain;
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::api::Api;
use super::assets::AssetRow;
use super::error::CallError;

/// How much of a file is in memory at a time.
const CHUNK_BYTES: usize = 64 * 1_024;
/// From this size on a node may refuse an upload by its announced length, unread.
const DOUBTFUL_BYTES: u64 = 10 * 1_024 * 1_024;
/// How long such a refusal may take to reach us, before bytes that nobody reads break the connection it comes on.
const DOUBT: Duration = Duration::from_millis(300);
/// Slower lines than this give up in the end.
const BYTES_PER_SECOND_MIN: u64 = 16 * 1_024;

/// The bytes of a work.
#[derive(Debug, Clone)]
pub enum Payload {
    File(PathBuf),
    Memory(Bytes),
}

/// A work on its way to a node.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// What the node shall call it; its extension decides the kind.
    pub file_name: String,
    pub payload: Payload,
    pub title: Option<String>,
    pub description: Option<String>,
}

/// An accepted upload.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The asset as the node describes it.
    pub raw: Value,
    pub asset: AssetRow,
}

impl Parcel {
    pub fn of_file(path: &Path) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Self {
            // Control characters have no place in a header; the node would drop them as well.
            file_name: name.chars().filter(|c| !c.is_control()).collect(),
            payload: Payload::File(path.to_owned()),
            title: None,
            description: None,
        }
    }

    /// Bytes to send. Fails for what can't be uploaded: a missing file, a folder.
    pub async fn size(&self) -> Result<u64, CallError> {
        match &self.payload {
            Payload::Memory(bytes) => Ok(bytes.len() as u64),
            Payload::File(path) => {
                let found = tokio::fs::metadata(path).await.map_err(|error| self.unusable(&error))?;
                if !found.is_file() {
                    return Err(self.unusable(&"not a regular file"));
                }
                Ok(found.len())
            }
        }
    }

    /// The route that takes this kind of work.
    pub fn route(&self) -> Result<String, CallError> {
        match extension(&self.file_name).as_deref().and_then(kind_of_extension) {
            Some(kind) => Ok(format!("/api/v1/upload/{}", kind.as_str())),
            None => {
                let accepted: Vec<String> = ALLOWED_EXTENSIONS.iter().map(|e| format!(".{e}")).collect();
                Err(self.unusable(&format!("this kind of file is not accepted; accepted: {}", accepted.join(" "))))
            }
        }
    }

    fn unusable(&self, reason: &dyn std::fmt::Display) -> CallError {
        let name = match &self.payload {
            Payload::File(path) => path.to_string_lossy().into_owned(),
            Payload::Memory(_) => self.file_name.clone(),
        };
        CallError::File { name: plain(&name), reason: reason.to_string() }
    }

    async fn form(&self, size: u64, meter: &Meter) -> Result<Form, CallError> {
        meter.reach(0);
        let count = meter.counter();
        let body = match &self.payload {
            Payload::File(path) => {
                let file = File::open(path).await.map_err(|error| self.unusable(&error))?;
                file_body(file, size, count)
            }
            Payload::Memory(bytes) => {
                count(size);
                Body::from(bytes.clone())
            }
        };
        let part = Part::stream_with_length(body, size).file_name(self.file_name.clone());
        // Text fields come first: the node knows them before the bytes arrive.
        let mut form = Form::new();
        for (name, value) in [("title", &self.title), ("description", &self.description)] {
            if let Some(value) = value {
                form = form.text(name, value.clone());
            }
        }
        Ok(form.part("file", part))
    }
}

impl Api {
    /// Uploads a work; tries again as [`super::retry`] says.
    pub async fn send(&self, parcel: &Parcel) -> Result<Stored, CallError> {
        let (route, size) = (parcel.route()?, parcel.size().await?);
        let meter = self.progress().transfer(&parcel.file_name, size);
        let patience = Duration::from_secs(60 + size / BYTES_PER_SECOND_MIN);
        let mut answer = self.post_form(&route, patience, async || parcel.form(size, &meter).await).await?;
        // `data` is the asset alone, without the message beside it.
        let raw = match answer["data"].take() {
            Value::Object(asset) => Value::Object(asset),
            _ => answer,
        };
        let asset = serde_json::from_value(raw.clone())
            .map_err(|error| CallError::Garbled { url: route, reason: error.to_string() })?;
        Ok(Stored { raw, asset })
    }
}

/// Reads `size` bytes, however the file grows meanwhile: that length was announced.
fn file_body(file: File, size: u64, count: impl Fn(u64) + Send + Sync + 'static) -> Body {
    Body::wrap_stream(stream::try_unfold((file, size, count), move |(mut file, left, count)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut chunk = vec![0; CHUNK_BYTES.min(usize::try_from(left).unwrap_or(CHUNK_BYTES))];
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            return Err(std::io::Error::other("the file became shorter while it was sent"));
        }
        chunk.truncate(read);
        if left == size && size >= DOUBTFUL_BYTES {
            tokio::time::sleep(DOUBT).await;
        }
        count(read as u64);
        Ok(Some((Bytes::from(chunk), (file, left - read as u64, count))))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str) -> Option<String> {
        Parcel::of_file(Path::new(name)).route().ok()
    }

    #[test]
    fn the_extension_picks_the_route() {
        for (name, kind) in [
            ("poem.txt", "text"),
            ("notes.MD", "text"),
            ("/a/b/paper.pdf", "text"),
            ("x.tar.png", "image"),
            ("photo.JPEG", "image"),
            ("p.webp", "image"),
            ("song.mp3", "audio"),
            ("take.wav", "audio"),
            ("voice.aac", "audio"),
            ("clip.mp4", "video"),
            ("clip.Mov", "video"),
            ("clip.avi", "video"),
        ] {
            assert_eq!(route(name), Some(format!("/api/v1/upload/{kind}")), "{name}");
        }
    }

    #[test]
    fn what_has_no_route_is_not_sent() {
        for name in ["program.exe", "archive.zip", "noextension", ".txt", "photo.png.sh", "dir/"] {
            assert_eq!(route(name), None, "{name}");
        }
        let error = Parcel::of_file(Path::new("a.exe")).route().err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("a.exe") && error.contains(".pdf"), "{error}");
    }

    #[test]
    fn names_lose_control_characters_and_folders() {
        assert_eq!(Parcel::of_file(Path::new("/x/y/a\nb.txt")).file_name, "ab.txt");
    }

    #[tokio::test]
    async fn folders_and_missing_files_are_named() {
        let folder = Parcel::of_file(&std::env::temp_dir());
        assert!(folder.size().await.is_err_and(|e| e.to_string().contains("not a regular file")));
        let missing = Parcel::of_file(Path::new("/nonexistent/a.txt"));
        assert!(missing.size().await.is_err_and(|e| e.to_string().starts_with("/nonexistent/a.txt: ")));
    }
}
