//! Histories and statements for spreadsheets: RFC 4180, amounts as exact decimal text.

use http::header::{CONTENT_DISPOSITION, HeaderValue};
use metastamp_protocol::http::wallet::{Entry, shown_type};
use metastamp_protocol::ledger::{Row, Transaction};
use metastamp_protocol::{ObjectId, Timestamp};
use metastamp_store::ledger::HistoryQuery;
use tokio::sync::Semaphore;

use super::current;
use crate::app::App;
use crate::http::error::{ApiError, Result};
use crate::http::response::{self, Response};

/// Rows of one file.
pub const ROWS_MAX: u64 = 100_000;
/// Bytes of one file: texts in rows may be long.
const BYTES_MAX: usize = 64 << 20;
/// Rows in one look at the store.
pub const PAGE_ROWS: u32 = 1_000;
/// A file is made in memory: so many at once on a node.
static EXPORTS: Semaphore = Semaphore::const_new(4);

/// A table in the making.
pub struct Csv {
    text: String,
    columns: usize,
    column: usize,
}

impl Csv {
    pub fn new(header: &[&str]) -> Self {
        let mut csv = Self { text: String::new(), columns: header.len(), column: 0 };
        header.iter().for_each(|name| csv.cell(name));
        csv
    }

    /// What we made ourselves: ids, words, instants, amounts.
    pub fn cell(&mut self, text: &str) {
        if self.column > 0 {
            self.text.push(',');
        }
        if text.contains(['"', ',', '\r', '\n']) {
            self.text.push('"');
            self.text.push_str(&text.replace('"', "\"\""));
            self.text.push('"');
        } else {
            self.text.push_str(text);
        }
        self.column += 1;
        if self.column == self.columns {
            self.text.push_str("\r\n");
            self.column = 0;
        }
    }

    /// What somebody wrote. Spreadsheets take some beginnings for formulas, and would run them.
    pub fn free_text(&mut self, text: &str) {
        match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => self.cell(&format!("'{text}")),
            false => self.cell(text),
        }
    }

    /// # Errors
    /// 422 for `field` when there is more than [`BYTES_MAX`] already.
    pub fn bounded(&self, field: &str) -> Result<()> {
        match self.text.len() {
            0..=BYTES_MAX => Ok(()),
            _ => {
                let mib = BYTES_MAX >> 20;
                Err(ApiError::field(field, format!("the file would have more than {mib} MiB: choose a shorter period")))
            }
        }
    }

    fn instant(&mut self, at: Option<Timestamp>) {
        self.cell(&at.map(|at| at.to_string()).unwrap_or_default());
    }

    /// A download of this name.
    pub fn file(self, name: &str) -> Response {
        let mut response = response::raw(200, "text/csv; charset=utf-8", self.text);
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
            response.headers_mut().insert(CONTENT_DISPOSITION, value);
        }
        response
    }
}

/// Leave to make a file.
///
/// # Errors
/// 503 when others are at it already.
pub fn permit() -> Result<tokio::sync::SemaphorePermit<'static>> {
    EXPORTS.try_acquire().map_err(|_| ApiError::busy())
}

pub fn too_many(rows: u64, field: &str) -> ApiError {
    ApiError::field(field, format!("{rows} rows match and a file holds {ROWS_MAX}: choose a shorter period"))
}

const COLUMNS: [&str; 12] = [
    "transaction_id",
    "created_at",
    "type",
    "status",
    "amount",
    "currency",
    "description",
    "asset_id",
    "reference_id",
    "processed_at",
    "completed_at",
    "metadata",
];

/// All that matches.
///
/// # Errors
/// 422 for more than [`ROWS_MAX`] rows, or more bytes than a file may have.
pub async fn history(app: &App, query: &HistoryQuery) -> Result<Response> {
    let _permit = permit()?;
    if let Some(wallet_id) = query.wallet_id {
        current(app, wallet_id).await?;
    }
    let total = app.documents.history(query, 0, 1).await?.total;
    if total > ROWS_MAX {
        return Err(too_many(total, "startDate"));
    }
    let mut csv = Csv::new(&COLUMNS);
    let (mut rows, mut below) = (0, i64::MAX as u64);
    // What is opened meanwhile has higher ordinals than what was read first; the bound holds all the same.
    while rows < ROWS_MAX {
        let page = app.documents.history_below(query, below, PAGE_ROWS).await?;
        let Some(last) = page.last() else { break };
        (rows, below) = (rows + page.len() as u64, last.ordinal);
        for one in &page {
            add(&mut csv, one);
            csv.bounded("startDate")?;
        }
        if page.len() < PAGE_ROWS as usize {
            break;
        }
    }
    Ok(csv.file(&format!("metastamp-history-{}.csv", Timestamp::now().day())))
}

fn add(csv: &mut Csv, one: &Transaction) {
    let id = |id: Option<ObjectId>| id.map(ObjectId::to_hex).unwrap_or_default();
    csv.cell(&one.id.to_hex());
    csv.instant(Some(one.created_at));
    csv.cell(shown_type(one.kind));
    csv.cell(one.status.as_str());
    csv.cell(&one.amount.text(one.currency));
    csv.cell(one.currency.code());
    csv.free_text(&one.description);
    csv.cell(&id(one.asset_id));
    csv.free_text(one.reference_id.as_deref().unwrap_or_default());
    csv.instant(one.processed_at);
    csv.instant(one.completed_at());
    let metadata: Vec<_> = one.metadata.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    csv.free_text(&metadata.join("; "));
}

pub const STATEMENT_COLUMNS: [&str; 15] = [
    "seq",
    "at",
    "transaction_id",
    "type",
    "status",
    "currency",
    "amount",
    "pending",
    "debit",
    "credit",
    "description",
    "balance",
    "available",
    "pending_earnings",
    "hash",
];

/// A row of a journal.
pub fn add_entry(csv: &mut Csv, row: &Row) {
    let entry = Entry(row);
    let own = row.balances.get(&row.currency).copied().unwrap_or_default();
    csv.cell(&row.seq.to_string());
    csv.instant(Some(row.at));
    csv.cell(&row.transaction_id.to_hex());
    csv.cell(shown_type(row.kind));
    csv.cell(row.status.as_str());
    csv.cell(row.currency.code());
    csv.cell(&entry.booked().text(row.currency));
    csv.cell(&entry.pending().text(row.currency));
    csv.cell(&row.debit.to_string());
    csv.cell(&row.credit.to_string());
    csv.free_text(&row.description);
    csv.cell(&own.posted().unwrap_or(own.available).text(row.currency));
    csv.cell(&own.available.text(row.currency));
    csv.cell(&own.pending.text(row.currency));
    csv.cell(&row.hash);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_text() {
        let mut csv = Csv::new(&["a", "b"]);
        for text in ["plain", "two, \"quoted\"", "line\r\nbreak", "=1+1", "+1", "-1", "@x", "\tx", "\rx", "it's = fine"]
        {
            csv.free_text(text);
        }
        csv.cell("-12.30");
        csv.cell("");
        let expected = "a,b\r\n\
            plain,\"two, \"\"quoted\"\"\"\r\n\
            \"line\r\nbreak\",'=1+1\r\n\
            '+1,'-1\r\n\
            '@x,'\tx\r\n\
            \"'\rx\",it's = fine\r\n\
            -12.30,\r\n";
        assert_eq!(csv.text, expected);
    }

    #[test]
    fn a_file_has_so_many_bytes_at_most() {
        let mut csv = Csv::new(&["a"]);
        // the header, and the end of the line to come
        csv.cell(&"x".repeat(BYTES_MAX - "a\r\n".len() - "\r\n".len()));
        csv.bounded("from").unwrap();
        csv.cell("");
        let refused = csv.bounded("from").unwrap_err();
        assert_eq!((refused.status_code(), refused.field_errors().keys().next().unwrap().as_str()), (422, "from"));
    }

    #[test]
    fn a_file_is_a_download() {
        let response = Csv::new(&["a"]).file("x.csv");
        assert_eq!(response.headers()[http::header::CONTENT_TYPE], "text/csv; charset=utf-8");
        assert_eq!(response.headers()[CONTENT_DISPOSITION], "attachment; filename=\"x.csv\"");
        assert_eq!(response.body().as_ref(), b"a\r\n");
    }
}
