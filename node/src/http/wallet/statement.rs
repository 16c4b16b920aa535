//! What the caller's journal says of a period: opening, rows, closing, and the hashes that prove them.

use std::sync::Arc;

use metastamp_protocol::http::wallet::{Entry, Mark, Statement};
use metastamp_protocol::ledger::Row;
use metastamp_protocol::{Currency, ObjectId, Timestamp};

use super::export::{self, Csv, PAGE_ROWS, ROWS_MAX, STATEMENT_COLUMNS};
use super::history::wants_csv;
use crate::app::App;
use crate::http::auth::caller;
use crate::http::error::Result;
use crate::http::params::{Params, Period};
use crate::http::request::Request;
use crate::http::response::{self, Response};

const LIMIT_MAX: u64 = 1_000;
const LIMIT_DEFAULT: u64 = 500;
/// No journal has more rows: seq has 12 digits.
const SEQ_MAX: u64 = 999_999_999_999;

struct Asked {
    from: Timestamp,
    to: Timestamp,
    currency: Option<Currency>,
    /// The last row of the page before.
    after: Option<u64>,
    limit: u32,
    csv: bool,
}

pub async fn statement(app: &Arc<App>, request: &mut Request) -> Result<Response> {
    let caller = caller(app, request).await?;
    let asked = asked(Params::of(request), Timestamp::now())?;
    let wallet_id = caller.user.id;
    let opening = app.documents.row_before(wallet_id, asked.from).await?;
    let closing = app.documents.row_before(wallet_id, Timestamp(asked.to.millis().saturating_add(1))).await?;
    let begin = opening.as_ref().map_or(0, |row| row.seq);
    let end = closing.as_ref().map_or(0, |row| row.seq);
    if asked.csv {
        return file(app, wallet_id, &asked, begin, end).await;
    }
    let after = asked.after.unwrap_or(begin).max(begin);
    let mut rows = app.documents.rows_after(wallet_id, after, asked.limit).await?;
    rows.retain(|row| row.seq <= end);
    let next = rows.last().map(|row| row.seq).filter(|last| *last < end);
    // The head last: it is never before what it is shown with.
    let head = app.documents.head(wallet_id).await?;
    let statement = Statement {
        wallet_id,
        currency: asked.currency,
        opening: Mark { at: asked.from, row: opening.as_ref() },
        closing: Mark { at: asked.to, row: closing.as_ref() },
        head: head.as_ref(),
        entries: rows.iter().filter(|row| concerns(row, asked.currency)).map(Entry).collect(),
        limit: asked.limit,
        next,
    };
    Ok(response::json(200, &statement.body()))
}

/// All rows of the period, those after `begin` up to `end`.
async fn file(app: &App, wallet_id: ObjectId, asked: &Asked, begin: u64, end: u64) -> Result<Response> {
    let _permit = export::permit()?;
    let count = end.saturating_sub(begin);
    if count > ROWS_MAX {
        return Err(export::too_many(count, "from"));
    }
    let mut csv = Csv::new(&STATEMENT_COLUMNS);
    let mut after = begin;
    while after < end {
        let rows = app.documents.rows_after(wallet_id, after, PAGE_ROWS).await?;
        let Some(last) = rows.last().map(|row| row.seq) else { break };
        for row in rows.iter().filter(|row| row.seq <= end && concerns(row, asked.currency)) {
            export::add_entry(&mut csv, row);
            csv.bounded("from")?;
        }
        after = last;
    }
    Ok(csv.file(&format!("metastamp-statement-{}-{}.csv", asked.from.day(), asked.to.day())))
}

fn concerns(row: &Row, currency: Option<Currency>) -> bool {
    currency.is_none_or(|currency| currency == row.currency)
}

/// Without dates it is this month, in UTC, so far.
fn asked(mut params: Params, now: Timestamp) -> Result<Asked> {
    let Period { from, to } = params.period(&["from", "startDate", "start_date"], &["to", "endDate", "end_date"]);
    let currency = params.currency();
    let after = params.number(&["after"], 0, SEQ_MAX);
    let limit = params.number(&["limit"], 1, LIMIT_MAX).unwrap_or(LIMIT_DEFAULT) as u32;
    let csv = wants_csv(&mut params);
    let to = to.unwrap_or(now);
    let from = from.unwrap_or_else(|| to.month_start());
    if from > to {
        // both given were compared before; here the beginning is after now
        params.wrong_once("from", "must not be after the end");
    }
    params.end()?;
    Ok(Asked { from, to, currency, after, limit, csv })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::params::tests::params;

    #[test]
    fn this_month_so_far_unless_said_otherwise() {
        let now = Timestamp::parse("2025-11-26T14:50:00.123Z").unwrap();
        let read = |text: &str| asked(params(text), now);
        let said = read("").unwrap();
        assert_eq!((said.from.to_string().as_str(), said.to), ("2025-11-01T00:00:00.000Z", now));
        assert_eq!((said.limit, said.after, said.csv), (500, None, false));
        let past = read("to=2025-02-10").unwrap();
        assert_eq!(past.from.to_string(), "2025-02-01T00:00:00.000Z");
        assert_eq!(past.to.to_string(), "2025-02-10T23:59:59.999Z");
        for text in ["from=2025-12-01", "from=2025-11-02&to=2025-11-01", "limit=0", "limit=1001", "after=-1", "from=x"]
        {
            assert_eq!(read(text).err().map(|error| error.status_code()), Some(422), "{text}");
        }
    }
}
