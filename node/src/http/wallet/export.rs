//! Histories and statements for spreadsheets: RFC 4180, amounts as exact decimal text. A file is made while it is sent, a
//! page of rows at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use csv_core::{Terminator, WriteResult, WriterBuilder};
use futures_util::{Stream, StreamExt as _, stream};
use metastamp_protocol::http::wallet::{Entry, shown_type};
use metastamp_protocol::ledger::{Row, Transaction};
use metastamp_protocol::{ErrorCode, ObjectId, Timestamp};
use metastamp_service::Caller;
use metastamp_service::money::{HistoryQuery, Span};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::http::error::{Error, Result};
use crate::http::read::Params;
use crate::http::request::Request;
use crate::http::response::{self, Response};

/// Rows of one file.
const ROWS_MAX: u64 = 100_000;
/// Rows in one look at the store: what of a file is in memory.
const PAGE_ROWS: u32 = 1_000;
/// Files under way at once, for one user and on a node.
const USER_FILES_MAX: usize = 2;
const NODE_FILES_MAX: usize = 64;
/// Longest time that a client may take to fetch one.
const FETCHED_WITHIN: Duration = Duration::from_secs(3_600);

/// Cells of one line.
type Line<const N: usize> = [String; N];

/// Users with files under way.
static UNDER_WAY: Mutex<BTreeMap<ObjectId, usize>> = Mutex::new(BTreeMap::new());

/// One file under way.
struct Place(ObjectId);

impl Place {
    fn take(user: ObjectId) -> Option<Self> {
        let mut under_way = UNDER_WAY.lock();
        let has_room = under_way.values().sum::<usize>() < NODE_FILES_MAX;
        let mine = under_way.get(&user).copied().unwrap_or_default();
        (has_room && mine < USER_FILES_MAX).then(|| {
            under_way.insert(user, mine + 1);
            Self(user)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = UNDER_WAY.lock();
        if let Some(mine) = under_way.get_mut(&self.0) {
            *mine -= 1;
        }
        under_way.retain(|_, files| *files > 0);
    }
}

/// Leave to send a file. It is given back with the file, or when its time is over even if the client does not read on:
/// who takes forever must not keep others from their turn.
struct Turn {
    until: Instant,
    held: JoinHandle<()>,
}

impl Turn {
    /// # Errors
    /// 503 when this user, or all together, have so many under way already.
    fn take(user: ObjectId) -> Result<Self> {
        Self::take_for(user, FETCHED_WITHIN)
    }

    fn take_for(user: ObjectId, time: Duration) -> Result<Self> {
        let place = Place::take(user).ok_or_else(Error::busy)?;
        let until = Instant::now() + time;
        let held = async move {
            sleep_until(until).await;
            drop(place);
        };
        Ok(Self { until, held: tokio::spawn(held) })
    }

    /// # Errors
    /// 408 when its time is over.
    fn judge(&self) -> Result<()> {
        match Instant::now() < self.until {
            true => Ok(()),
            false => Err(Error::new(ErrorCode::UploadFailed, "The file was not fetched in time").status(408)),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held.abort();
    }
}

/// What a file begins with. Excel takes a file without one for the encoding of its machine, others for a part of the first
/// cell: so on request, with `bom=true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteOrderMark(bool);

impl ByteOrderMark {
    /// # Errors
    /// 422 for another word than true or false.
    pub fn of(request: &Request) -> Result<Self> {
        let mut params = Params::of(request);
        let wanted = params.flag("bom");
        params.end().map(|()| Self(wanted))
    }

    fn text(self) -> &'static str {
        if self.0 { "\u{feff}" } else { "" }
    }
}

/// A download of this name. What goes wrong before its first page is an answer; later it breaks the file off.
async fn file<const N: usize>(
    name: &str,
    header: [&str; N],
    pages: impl Stream<Item = Result<Vec<Line<N>>>> + Send + 'static,
    turn: Turn,
    mark: ByteOrderMark,
) -> Result<Response> {
    let mut pages = Box::pin(pages);
    let mut first = vec![header.map(str::to_owned)];
    first[0][0].insert_str(0, mark.text());
    first.extend(pages.next().await.transpose()?.unwrap_or_default());
    let pages = stream::iter([Ok(first)]).chain(pages);
    let lines = pages.map(move |page| {
        turn.judge()?;
        Ok(lines(&page?))
    });
    Ok(response::download(response::streamed(200, "text/csv; charset=utf-8", lines), name))
}

/// Lines of a file, each ended as RFC 4180 wants it.
fn lines<const N: usize>(page: &[Line<N>]) -> Bytes {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).build();
    let mut out = Vec::new();
    for line in page {
        for (index, cell) in line.iter().enumerate() {
            if index > 0 {
                append(&mut out, 0, |room| writer.delimiter(room));
            }
            append(&mut out, cell.len(), |room| {
                let (result, _, written) = writer.field(cell.as_bytes(), room);
                (result, written)
            });
        }
        append(&mut out, 0, |room| writer.terminator(room));
    }
    out.into()
}

/// Writes what is made of so many bytes: each may be a quote and need a second one, and the ends of cell and line follow.
fn append(out: &mut Vec<u8>, bytes: usize, write: impl FnOnce(&mut [u8]) -> (WriteResult, usize)) {
    let begin = out.len();
    out.resize(begin + 2 * bytes + 4, 0);
    let (result, written) = write(&mut out[begin..]);
    debug_assert_eq!(result, WriteResult::InputEmpty);
    out.truncate(begin + written);
}

/// Full-width and small forms too: East Asian spreadsheets read them as the plain ones.
const FORMULA: [char; 16] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '\u{2212}'];

/// What somebody wrote. Spreadsheets take some beginnings for formulas, and would run them.
fn free_text(text: &str) -> String {
    let begins = text.trim_start_matches([' ', '\u{a0}', '\u{3000}', '\u{feff}']);
    match begins.starts_with(FORMULA) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

fn instant(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// # Errors
/// 422 for `field` when more than [`ROWS_MAX`] rows match.
fn bounded(rows: u64, field: &str) -> Result<()> {
    match rows {
        0..=ROWS_MAX => Ok(()),
        _ => {
            Err(Error::field(field, format!("{rows} rows match and a file holds {ROWS_MAX}: choose a shorter period")))
        }
    }
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
/// 422 for more than [`ROWS_MAX`] rows, 503 when too many files are under way.
pub async fn history(app: &App, caller: &Caller, query: HistoryQuery, mark: ByteOrderMark) -> Result<Response> {
    let turn = Turn::take(caller.user.id)?;
    let pages = app.service.money.history_pages(caller, query).await?;
    bounded(pages.total(), "startDate")?;
    let name = format!("metastamp-history-{}.csv", Timestamp::now().day());
    // What is opened meanwhile has higher ordinals than what was read first; the bound holds all the same.
    let lines = stream::try_unfold((pages, 0), async |(mut pages, rows)| {
        let page = if rows < ROWS_MAX { pages.next(PAGE_ROWS).await? } else { None };
        let Some(page) = page else { return Ok(None) };
        let rows = rows + page.len() as u64;
        Ok(Some((page.iter().map(transaction).collect(), (pages, rows))))
    });
    file(&name, COLUMNS, lines, turn, mark).await
}

fn transaction(one: &Transaction) -> Line<12> {
    let metadata: Vec<_> = one.metadata.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    [
        one.id.to_hex(),
        instant(Some(one.created_at)),
        shown_type(one.kind).to_owned(),
        one.status.as_str().to_owned(),
        one.amount.text(one.currency),
        one.currency.code().to_owned(),
        free_text(&one.description),
        one.asset_id.map(ObjectId::to_hex).unwrap_or_default(),
        free_text(one.reference_id.as_deref().unwrap_or_default()),
        instant(one.processed_at),
        instant(one.completed_at()),
        free_text(&metadata.join("; ")),
    ]
}

const STATEMENT_COLUMNS: [&str; 15] = [
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

/// All rows of a period.
///
/// # Errors
/// 422 for more than [`ROWS_MAX`] rows, 503 when too many files are under way.
pub async fn statement(app: &App, wallet_id: ObjectId, span: Span, mark: ByteOrderMark) -> Result<Response> {
    let turn = Turn::take(wallet_id)?;
    let pages = app.service.money.statement_pages(wallet_id, span).await?;
    bounded(pages.left(), "from")?;
    let name = format!("metastamp-statement-{}-{}.csv", span.from.day(), span.to.day());
    let lines = stream::try_unfold(pages, async |mut pages| {
        let Some(rows) = pages.next(PAGE_ROWS).await? else { return Ok(None) };
        Ok(Some((rows.iter().map(entry).collect(), pages)))
    });
    file(&name, STATEMENT_COLUMNS, lines, turn, mark).await
}

/// A row of a journal.
fn entry(row: &Row) -> Line<15> {
    let entry = Entry(row);
    let own = row.balances.get(&row.currency).copied().unwrap_or_default();
    [
        row.seq.to_string(),
        instant(Some(row.at)),
        row.transaction_id.to_hex(),
        shown_type(row.kind).to_owned(),
        row.status.as_str().to_owned(),
        row.currency.code().to_owned(),
        entry.booked().text(row.currency),
        entry.pending().text(row.currency),
        row.debit.to_string(),
        row.credit.to_string(),
        free_text(&row.description),
        own.posted().unwrap_or(own.available).text(row.currency),
        own.available.text(row.currency),
        own.pending.text(row.currency),
        row.hash.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

    use super::*;

    /// For somebody who has no other file under way.
    fn turn() -> Turn {
        Turn::take(ObjectId::generate()).unwrap()
    }

    fn texts<const N: usize>(line: [&str; N]) -> Line<N> {
        line.map(str::to_owned)
    }

    fn pages(pages: Vec<Result<Vec<Line<2>>>>) -> impl Stream<Item = Result<Vec<Line<2>>>> + Send + 'static {
        stream::iter(pages)
    }

    #[test]
    fn no_beginning_of_a_formula_gets_through() {
        for text in ["＝1+1", "＋1", "－1", "＠SUM(A1)", "﹦1", " =1", "\u{3000}＝1", "\u{feff}=1", "\n=1", "\u{2212}1"]
        {
            assert_eq!(free_text(text), format!("'{text}"));
        }
        for text in ["", " ", "Käse = gut", "１", "「＝」"] {
            assert_eq!(free_text(text), text);
        }
    }

    #[test]
    fn cells_are_quoted_and_formulas_are_text() {
        let words =
            ["plain", "two, \"quoted\"", "line\r\nbreak", "=1+1", "+1", "-1", "@x", "\tx", "\rx", "it's = fine"];
        let mut table = vec![texts(["a", "b"])];
        table.extend(words.chunks(2).map(|two| [free_text(two[0]), free_text(two[1])]));
        table.push(texts(["-12.30", ""]));
        let expected = "a,b\r\n\
            plain,\"two, \"\"quoted\"\"\"\r\n\
            \"line\r\nbreak\",'=1+1\r\n\
            '+1,'-1\r\n\
            '@x,'\tx\r\n\
            \"'\rx\",it's = fine\r\n\
            -12.30,\r\n";
        assert_eq!(lines(&table), expected);
    }

    #[test]
    fn what_was_written_is_read_again() {
        let cells = ["", "\"", "\"\"\"\"\"\"", "\r\n", "a,b", "ä€😀", " x ", "\",\"\r\n\"", "\n", "it's", "0", ","];
        let all = cells.iter().flat_map(|one| cells.iter().map(|other| texts([*one, *other])));
        let table: Vec<_> = all.collect();
        assert_eq!(read(&lines(&table)), table);
    }

    /// Rows of two cells, read by the same library's reader.
    fn read(csv: &[u8]) -> Vec<Line<2>> {
        let (mut reader, mut input, mut rows) = (csv_core::Reader::new(), csv, Vec::new());
        loop {
            let (mut text, mut ends) = (vec![0; csv.len() + 1], [0; 3]);
            let (result, read, _, cells) = reader.read_record(input, &mut text, &mut ends);
            input = &input[read..];
            match result {
                csv_core::ReadRecordResult::Record => {
                    assert_eq!(cells, 2);
                    let cell = |from: usize, to: usize| String::from_utf8(text[from..to].to_vec()).unwrap();
                    rows.push([cell(0, ends[0]), cell(ends[0], ends[1])]);
                }
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::End => return rows,
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_file_is_a_download() {
        let rows = vec![Ok(vec![texts(["1", "x"])]), Ok(vec![texts(["2", "y"])])];
        let response = file("x.csv", ["a", "b"], pages(rows), turn(), ByteOrderMark(false)).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], "text/csv; charset=utf-8");
        assert_eq!(response.headers()[CONTENT_DISPOSITION], "attachment; filename=\"x.csv\"");
        assert_eq!(response.into_body().collect().await.unwrap(), b"a,b\r\n1,x\r\n2,y\r\n");
        let marked = file("x.csv", ["a", "b"], pages(Vec::new()), turn(), ByteOrderMark(true)).await.unwrap();
        assert_eq!(marked.into_body().collect().await.unwrap(), "\u{feff}a,b\r\n".as_bytes());
        let empty = file("x.csv", ["a", "b"], pages(Vec::new()), turn(), ByteOrderMark(false)).await.unwrap();
        assert_eq!(empty.into_body().collect().await.unwrap(), b"a,b\r\n");
        // what fails at once is an answer, what fails later breaks the file
        let at_once = file("x.csv", ["a", "b"], pages(vec![Err(Error::busy())]), turn(), ByteOrderMark(false)).await;
        assert_eq!(at_once.err().map(|error| error.status_code()), Some(503));
        let later = vec![Ok(vec![texts(["1", "x"])]), Err(Error::busy())];
        let later = file("x.csv", ["a", "b"], pages(later), turn(), ByteOrderMark(false)).await.unwrap();
        assert!(later.into_body().collect().await.is_err());
    }

    #[tokio::test]
    async fn a_user_has_so_many_files_under_way_and_none_for_ever() {
        let (ada, short) = (ObjectId::generate(), Duration::from_millis(100));
        let mut turns: Vec<_> = (0..USER_FILES_MAX).map(|_| Turn::take_for(ada, short).unwrap()).collect();
        assert_eq!(Turn::take(ada).err().map(|error| error.status_code()), Some(503));
        assert!(Turn::take(ObjectId::generate()).is_ok(), "others have their own");
        let slow = file("x.csv", ["a", "b"], pages(Vec::new()), turns.remove(0), ByteOrderMark(false)).await.unwrap();
        let given_back = async {
            while UNDER_WAY.lock().contains_key(&ada) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), given_back).await.unwrap();
        assert!(slow.into_body().collect().await.is_err(), "its time is over");
        drop(turns);
    }

    #[test]
    fn a_file_has_so_many_rows_at_most() {
        assert!(bounded(ROWS_MAX, "from").is_ok());
        let refused = bounded(ROWS_MAX + 1, "from").unwrap_err();
        assert_eq!((refused.status_code(), refused.field_errors().keys().next().unwrap().as_str()), (422, "from"));
    }
}
