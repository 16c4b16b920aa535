//! What `Content-Disposition` of a part says, in all the ways in which clients write the names of files.
//!
//! | written | by |
//! | --- | --- |
//! | `filename="Käse.txt"` in UTF-8, or in Latin-1 | browsers, curl; older programs |
//! | `filename="say %22hi%22.txt"`, `filename="say \"hi\".txt"` | browsers; curl and everybody who follows RFC 2616 |
//! | `filename*=UTF-8''K%C3%A4se.txt`, beside `filename` or alone | Python's requests and urllib3, Java, .NET (RFC 5987) |
//! | `filename="=?UTF-8?B?S8Okc2UudHh0?="` | programs made for mail (RFC 2047), .NET |
//! | `filename*0*=UTF-8''K%C3%A4; filename*1*=se.txt` | the same (RFC 2231) |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Parts of a name that was cut, at most.
const PIECES_MAX: usize = 64;

/// The name of the file that the header names; of several forms the one that states its encoding.
pub fn file_name(header: &[u8]) -> Option<String> {
    let parameters = parameters(header);
    let value = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
    let extended = value("filename*").and_then(extended).filter(|name| !name.is_empty());
    extended.or_else(|| pieces(&value)).or_else(|| value("filename").map(plain))
}

/// Names in lower case, and what they stand for without quotes.
fn parameters(header: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = after(header, b';');
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
        let name = String::from_utf8_lossy(rest[..end].trim_ascii()).to_lowercase();
        if rest.get(end) != Some(&b'=') {
            rest = after(&rest[end..], b';');
            continue;
        }
        let value = rest[end + 1..].trim_ascii_start();
        let (value, left) = if value.first() == Some(&b'"') { quoted(&value[1..]) } else { bare(value) };
        found.push((name, value));
        rest = left;
    }
    found
}

/// What stands behind the next `mark`.
fn after(bytes: &[u8], mark: u8) -> &[u8] {
    bytes.iter().position(|&byte| byte == mark).map_or(&[], |at| &bytes[at + 1..])
}

fn bare(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b';').unwrap_or(bytes.len());
    (bytes[..end].trim_ascii_end().to_vec(), after(&bytes[end..], b';'))
}

/// Up to the quote that ends the parameter. A backslash is part of the name unless it stands before a quote or another one:
/// old browsers send whole paths.
fn quoted(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut value, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\\', Some(&next @ (b'"' | b'\\')))
                if !(next == b'"' && ends(&bytes[at + 2..]) && !more_quotes(&bytes[at + 2..])) =>
            {
                value.push(next);
                at += 1;
            }
            (b'"', _) if ends(&bytes[at + 1..]) => return (value, after(&bytes[at + 1..], b';')),
            _ => value.push(byte),
        }
        at += 1;
    }
    (value, &[])
}

/// Whether the parameter is over here.
fn ends(rest: &[u8]) -> bool {
    matches!(rest.trim_ascii_start().first(), None | Some(b';'))
}

fn more_quotes(rest: &[u8]) -> bool {
    rest.contains(&b'"')
}

/// UTF-8 if it is valid, else Latin.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// A name without a stated encoding. Browsers encode a quote and line ends, and nothing else.
fn plain(bytes: &[u8]) -> String {
    let text = text(bytes);
    let words = encoded_words(&text);
    words.unwrap_or_else(|| text.replace("%22", "\"").replace("%0D", "").replace("%0A", ""))
}

/// `charset'language'percent-encoded`.
fn extended(value: &[u8]) -> Option<String> {
    let (encoding, encoded) = stated(value)?;
    Some(encoding.decode_without_bom_handling(&percent_decoded(encoded)).0.into_owned())
}

fn stated(value: &[u8]) -> Option<(&'static Encoding, &[u8])> {
    let mut parts = value.splitn(3, |&byte| byte == b'\'');
    let (charset, _, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    Some((Encoding::for_label(charset)?, encoded))
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match code.filter(|_| byte == b'%') {
            Some(code) => {
                out.push(code);
                rest = &tail[2..];
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

/// `filename*0`, `filename*1*` and so on.
fn pieces<'a>(value: &impl Fn(&str) -> Option<&'a [u8]>) -> Option<String> {
    let (mut bytes, mut encoding) = (Vec::new(), UTF_8);
    for n in 0..PIECES_MAX {
        if let Some(plain) = value(&format!("filename*{n}")) {
            bytes.extend_from_slice(plain);
        } else if let Some(encoded) = value(&format!("filename*{n}*")) {
            let (said, encoded) =
                if n == 0 { stated(encoded).unwrap_or((UTF_8, encoded)) } else { (encoding, encoded) };
            encoding = said;
            bytes.extend(percent_decoded(encoded));
        } else if n == 0 {
            return None;
        } else {
            break;
        }
    }
    Some(encoding.decode_without_bom_handling(&bytes).0.into_owned())
}

/// `=?charset?B?...?=` and `=?charset?Q?...?=`, one after the other; `None` for anything else.
fn encoded_words(text: &str) -> Option<String> {
    let mut out = String::new();
    for word in text.split_ascii_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let (charset, tail) = rest.strip_prefix("=?")?.split_once('?')?;
            let (kind, tail) = tail.split_once('?')?;
            let (encoded, tail) = tail.split_once("?=")?;
            let charset = charset.split('*').next().unwrap_or_default();
            let bytes = match kind {
                "B" | "b" => STANDARD.decode(encoded).ok()?,
                "Q" | "q" => {
                    percent_decoded(encoded.replace('%', "%25").replace('_', " ").replace('=', "%").as_bytes())
                }
                _ => return None,
            };
            out.push_str(&Encoding::for_label(charset.as_bytes())?.decode_without_bom_handling(&bytes).0);
            rest = tail;
        }
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_clients_send_them() {
        for (header, name) in [
            (&br#"form-data; name="file"; filename="a b.txt""#[..], "a b.txt"),
            (br#"form-data; name=file; filename=a.txt"#, "a.txt"),
            (br#"form-data; name="file"; FILENAME = "a.txt" "#, "a.txt"),
            (br#"form-data; filename="a;b=c.txt"; name="file""#, "a;b=c.txt"),
            ("form-data; filename=\"K\u{e4}se.txt\"".as_bytes(), "K\u{e4}se.txt"),
            (b"form-data; filename=\"K\xe4se \x96 Zo\xeb.txt\"", "K\u{e4}se \u{2013} Zo\u{eb}.txt"),
            // quotes
            (br#"form-data; filename="say \"hi\".txt"; name="file""#, "say \"hi\".txt"),
            (br#"form-data; name="file"; filename="say \"hi\"""#, "say \"hi\""),
            (br#"form-data; name="file"; filename="say %22hi%22.txt""#, "say \"hi\".txt"),
            (br#"form-data; name="file"; filename="say "hi" you.txt""#, "say \"hi\" you.txt"),
            (br#"form-data; name="file"; filename="50%25 %41.txt""#, "50%25 %41.txt"),
            (br#"form-data; name="file"; filename="C:\Users\me\x.txt""#, "C:\\Users\\me\\x.txt"),
            (br#"form-data; name="file"; filename="a\\b.txt""#, "a\\b.txt"),
            // RFC 5987, beside the other or alone
            (b"form-data; name=\"file\"; filename*=UTF-8''K%C3%A4se.txt", "K\u{e4}se.txt"),
            (b"form-data; name=\"file\"; filename*=utf-8''K%C3%A4se.txt; filename=\"K_se.txt\"", "K\u{e4}se.txt"),
            (b"form-data; name=\"file\"; filename=\"K_se.txt\"; filename*=utf-8'de'K%C3%A4se.txt", "K\u{e4}se.txt"),
            (b"form-data; name=\"file\"; filename*=\"UTF-8''K%c3%a4se.txt\"", "K\u{e4}se.txt"),
            (b"form-data; name=\"file\"; filename*=iso-8859-1''K%E4se.txt", "K\u{e4}se.txt"),
            (b"form-data; name=\"file\"; filename*=shift_jis''%93%FA.txt", "\u{65e5}.txt"),
            (b"form-data; name=\"file\"; filename*=odd; filename=\"a.txt\"", "a.txt"),
            (b"form-data; name=\"file\"; filename*=no-such''a; filename=\"a.txt\"", "a.txt"),
            (b"form-data; name=\"file\"; filename*=UTF-8''%ED%A0%80.txt", "\u{fffd}\u{fffd}\u{fffd}.txt"),
            (b"form-data; filename*1*=se%2Etxt; filename*0*=UTF-8''K%C3%A4", "K\u{e4}se.txt"),
            (b"form-data; filename*0=\"a b\"; filename*1=\".txt\"", "a b.txt"),
            // RFC 2047
            (b"form-data; filename=\"=?UTF-8?B?S8Okc2UudHh0?=\"", "K\u{e4}se.txt"),
            (b"form-data; filename==?utf-8?q?K=C3=A4se_1.txt?=", "K\u{e4}se 1.txt"),
            (b"form-data; filename=\"=?iso-8859-1?Q?K=E4?= =?iso-8859-1*de?Q?se.txt?=\"", "K\u{e4}se.txt"),
            (b"form-data; filename=\"=?not a word.txt\"", "=?not a word.txt"),
            (b"form-data; filename=\"\"", ""),
        ] {
            assert_eq!(file_name(header).as_deref(), Some(name), "{}", String::from_utf8_lossy(header));
        }
        assert_eq!(file_name(b"form-data; name=\"file\""), None);
        assert_eq!(file_name(b"form-data"), None);
    }
}
