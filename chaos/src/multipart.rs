//! Multipart forms as browsers send them, as plain bytes: they can be sent whole, in pieces or not to the end.

use bytes::Bytes;

use crate::UploadFile;

/// Delimits parts. No file of the harness contains it.
const BOUNDARY: &str = "----metastamp-harness-7f3a9c1e";

/// The Content-Type that goes with [`form`].
pub fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// The whole form of a file, text fields first.
pub fn form(file: &UploadFile) -> Bytes {
    let mut body = Vec::with_capacity(file.bytes.len() + 512);
    for (name, value) in &file.fields {
        body.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    let name = file.name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {}\r\n\r\n",
        file.content_type
    );
    body.extend(head.bytes());
    body.extend_from_slice(&file.bytes);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
    body.into()
}

/// A form of text fields only.
pub fn fields(fields: &[(&str, &str)]) -> Bytes {
    let part = |(name, value): &(&str, &str)| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts: String = fields.iter().map(part).collect();
    format!("{parts}--{BOUNDARY}--\r\n").into()
}

/// One form with the parts of both, in this order.
pub fn joined(first: &[u8], second: &[u8]) -> Bytes {
    let end = format!("--{BOUNDARY}--\r\n");
    [first.strip_suffix(end.as_bytes()).unwrap_or(first), second].concat().into()
}
