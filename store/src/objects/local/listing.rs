//! Listing in key order: prefix, delimiter, paging. Keys are bytes here, as S3 orders them.

use rusqlite::{Connection, params};

use super::fault::Fault;

/// Most entries of one page, as in S3.
pub(super) const PAGE_MAX: i32 = 1000;

/// Above every key: UTF-8 has no such byte.
const END: &[u8] = &[0xff];

/// What to list.
pub(super) struct Query {
    pub bucket: String,
    pub prefix: String,
    pub delimiter: Option<String>,
    /// First key that may be listed.
    pub start: Vec<u8>,
    pub limit: usize,
}

/// An object in a listing.
pub(super) struct Entry {
    pub key: String,
    pub size: u64,
    pub etag: String,
    pub modified_ms: i64,
}

#[derive(Default)]
pub(super) struct Page {
    pub entries: Vec<Entry>,
    pub prefixes: Vec<String>,
    /// Where the next page starts, when there is one.
    pub next: Option<Vec<u8>>,
}

/// The smallest byte string above everything that starts with `prefix`.
pub(super) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let Some((last, head)) = prefix.split_last() else { return END.to_vec() };
    let mut next = head.to_vec();
    next.push(last.saturating_add(1));
    next
}

/// The smallest byte string above `key`.
pub(super) fn after_key(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

pub(super) fn list(connection: &Connection, query: &Query) -> Result<Page, Fault> {
    let mut page = Page::default();
    if query.limit == 0 {
        return Ok(page);
    }
    let prefix = query.prefix.as_bytes();
    let end = after_prefix(prefix);
    let mut cursor = query.start.clone().max(prefix.to_vec());
    let mut statement = connection.prepare_cached(
        "SELECT key, size, etag, modified_ms FROM objects WHERE bucket = ?1 AND key >= ?2 AND key < ?3 ORDER BY key",
    )?;
    // each turn reads on from the cursor; a common prefix ends the turn and moves the cursor past it
    'turn: loop {
        let mut rows = statement.query(params![query.bucket, cursor, end])?;
        while let Some(row) = rows.next()? {
            if page.entries.len() + page.prefixes.len() == query.limit {
                page.next = Some(cursor);
                return Ok(page);
            }
            let key = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            if let Some(common) = common_prefix(key, prefix.len(), query.delimiter.as_deref()) {
                cursor = after_prefix(common);
                page.prefixes.push(text(common));
                continue 'turn;
            }
            cursor = after_key(key);
            page.entries.push(Entry {
                key: text(key),
                size: super::rows::size(row, 1)?,
                etag: row.get(2)?,
                modified_ms: row.get(3)?,
            });
        }
        return Ok(page);
    }
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

fn common_prefix<'a>(key: &'a [u8], prefix_len: usize, delimiter: Option<&str>) -> Option<&'a [u8]> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?.as_bytes();
    let rest = key.get(prefix_len..)?;
    let at = rest.windows(delimiter.len()).position(|window| window == delimiter)?;
    Some(&key[..prefix_len + at + delimiter.len()])
}

/// A page token out of the next page's first key.
pub(super) fn to_token(start: &[u8]) -> String {
    hex::encode(start)
}

pub(super) fn from_token(token: &str) -> Option<Vec<u8>> {
    hex::decode(token).ok()
}
