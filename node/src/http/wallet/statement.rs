//! What the caller's journal says of a period: opening, rows, closing, and the hashes that prove them.

use std::sync::Arc;

use metastamp_protocol::Timestamp;
use metastamp_protocol::http::wallet::{Entry, Mark, Statement};
use metastamp_service::Caller;
use metastamp_service::money::Span;

use super::export::{self, ByteOrderMark};
use super::history::wants_csv;
use crate::app::App;
use crate::http::error::Result;
use crate::http::read::{Params, Period};
use crate::http::request::Request;
use crate::http::response::{self, Response};

const LIMIT_MAX: u64 = 1_000;
const LIMIT_DEFAULT: u64 = 500;
/// No journal has more rows: seq has 12 digits.
const SEQ_MAX: u64 = 999_999_999_999;

struct Asked {
    span: Span,
    /// The last row of the page before.
    after: Option<u64>,
    limit: u32,
    csv: bool,
}

pub async fn statement(app: Arc<App>, request: Request, caller: Caller) -> Result<Response> {
    let mark = ByteOrderMark::of(&request)?;
    let Asked { span, after, limit, csv } = asked(Params::of(&request), Timestamp::now())?;
    let wallet_id = caller.user.id;
    if csv {
        return export::statement(&app, wallet_id, span, mark).await;
    }
    let found = app.service.money.statement(wallet_id, span, after, limit).await?;
    let statement = Statement {
        wallet_id,
        currency: span.currency,
        opening: Mark { at: span.from, row: found.opening.as_ref() },
        closing: Mark { at: span.to, row: found.closing.as_ref() },
        head: found.head.as_ref(),
        entries: found.rows.iter().map(Entry).collect(),
        limit,
        next: found.next,
    };
    Ok(response::json(200, &statement.body()))
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
    Ok(Asked { span: Span { from, to, currency }, after, limit, csv })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::read::tests::params;

    #[test]
    fn this_month_so_far_unless_said_otherwise() {
        let now = Timestamp::parse("2025-11-26T14:50:00.123Z").unwrap();
        let read = |text: &str| asked(params(text), now);
        let said = read("").unwrap();
        assert_eq!((said.span.from.to_string().as_str(), said.span.to), ("2025-11-01T00:00:00.000Z", now));
        assert_eq!((said.limit, said.after, said.csv), (500, None, false));
        let past = read("to=2025-02-10").unwrap();
        assert_eq!(past.span.from.to_string(), "2025-02-01T00:00:00.000Z");
        assert_eq!(past.span.to.to_string(), "2025-02-10T23:59:59.999Z");
        for text in ["from=2025-12-01", "from=2025-11-02&to=2025-11-01", "limit=0", "limit=1001", "after=-1", "from=x"]
        {
            assert_eq!(read(text).err().map(|error| error.status_code()), Some(422), "{text}");
        }
    }
}
