//! `metastamp wallet`.

use std::collections::BTreeMap;
use std::io::Write;

use metastamp_protocol::{Amount, Currency};
use metastamp_setup::out;
use metastamp_setup::progress::Progress;
use metastamp_setup::table::{columns, pairs, plain, shorten};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::api::Api;
use super::args::{PayoutArgs, WalletArgs, WalletCommand, WalletHistoryArgs};
use super::error::CallError;

const BALANCE: &str = "/api/v1/wallet/balance";
const HISTORY: &str = "/api/v1/wallet/history";
const PAYOUTS: &str = "/api/v1/wallet/payouts";
/// Longest description in the table.
const DESCRIPTION_CHARS_MAX: usize = 40;

/// What we read of a balance.
#[derive(Debug, Deserialize)]
struct Balance {
    currency: String,
    balances: BTreeMap<String, InCurrency>,
}

#[derive(Debug, Deserialize)]
struct InCurrency {
    balance: Number,
    available: Number,
    held: Number,
    pending: Number,
    total_earned: Number,
    total_paid_out: Number,
}

/// What we read of a transaction. Words stay text, so that a newer node's are shown and not refused.
#[derive(Debug, Deserialize)]
struct TransactionRow {
    id: String,
    created_at: String,
    #[serde(rename = "type")]
    kind: String,
    status: String,
    amount: Number,
    currency: String,
    description: String,
}

#[derive(Debug, Deserialize)]
struct HistoryPage {
    transactions: Vec<TransactionRow>,
    total: u64,
}

/// Shows or does what was typed.
///
/// # Errors
/// When not logged in, or when the node refuses or does not answer.
pub async fn wallet(args: WalletArgs) -> anyhow::Result<()> {
    match args.command {
        None => balance(args).await,
        Some(WalletCommand::History(args)) => history(args).await,
        Some(WalletCommand::Payout(args)) => payout(args).await,
        Some(WalletCommand::Rebuild(_)) => anyhow::bail!("wallets are rebuilt on the stores, not through a node"),
    }
}

async fn balance(args: WalletArgs) -> anyhow::Result<()> {
    let api = Api::open(args.url.as_deref(), Progress::new(false))?;
    let body = api.get(BALANCE, &[]).await?;
    if args.json {
        out::line(String::from_utf8_lossy(&body).trim_end());
        return Ok(());
    }
    let balance: Balance = api.read(BALANCE, &body)?;
    balance_table(&balance).iter().for_each(|line| out::line(line));
    Ok(())
}

fn balance_table(balance: &Balance) -> Vec<String> {
    let row = |(currency, own): (&String, &InCurrency)| {
        let numbers = [&own.balance, &own.available, &own.held, &own.pending, &own.total_earned, &own.total_paid_out];
        std::iter::once(currency.clone()).chain(numbers.map(|number| money(number, currency))).collect()
    };
    let mut rows: Vec<Vec<String>> = balance.balances.iter().map(row).collect();
    if rows.is_empty() {
        let zero = money(&Number::from(0), &balance.currency);
        rows.push(std::iter::once(balance.currency.clone()).chain(std::iter::repeat_n(zero, 6)).collect());
    }
    let header = ["CURRENCY", "BALANCE", "AVAILABLE", "HELD", "PENDING", "EARNED", "PAID OUT"];
    columns(&header, &rows, &[1, 2, 3, 4, 5, 6])
}

/// With the places of its currency. Exact: amounts have at most 15 digits.
fn money(number: &Number, currency: &str) -> String {
    let exact = Currency::parse(currency)
        .and_then(|currency| Some(Amount::parse(&number.to_string(), currency).ok()?.text(currency)));
    exact.unwrap_or_else(|| number.to_string())
}

async fn history(args: WalletHistoryArgs) -> anyhow::Result<()> {
    let api = Api::open(args.url.as_deref(), Progress::new(false))?;
    let filters = [
        ("type", args.kind.clone()),
        ("status", args.status.clone()),
        ("currency", args.currency.clone()),
        ("startDate", args.from.clone()),
        ("endDate", args.to.clone()),
    ];
    let mut query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if args.csv {
        query.push(("format", "csv".to_owned()));
        let file = api.get(HISTORY, &query).await?;
        // A reader that went away is not our failure.
        let _ = std::io::stdout().lock().write_all(&file);
        return Ok(());
    }
    query.extend([("page", args.page.to_string()), ("limit", args.limit.to_string())]);
    let body = api.get(HISTORY, &query).await?;
    if args.json {
        out::line(String::from_utf8_lossy(&body).trim_end());
        return Ok(());
    }
    let page: HistoryPage = api.read(HISTORY, &body)?;
    if !page.transactions.is_empty() {
        history_table(&page.transactions).iter().for_each(|line| out::line(line));
    }
    api.progress().note(&hint(&args, page.total));
    Ok(())
}

fn history_table(rows: &[TransactionRow]) -> Vec<String> {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let description = shorten(&row.description, DESCRIPTION_CHARS_MAX);
            let (amount, currency) = (money(&row.amount, &row.currency), row.currency.clone());
            let at = minute(&row.created_at);
            vec![row.id.clone(), at, row.kind.clone(), row.status.clone(), amount, currency, description]
        })
        .collect();
    columns(&["ID", "OPENED (UTC)", "TYPE", "STATUS", "AMOUNT", "", "DESCRIPTION"], &cells, &[4])
}

/// `2025-11-26 14:50`, in UTC.
fn minute(at: &str) -> String {
    match (at.get(..10), at.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute}"),
        _ => at.to_owned(),
    }
}

fn hint(args: &WalletHistoryArgs, total: u64) -> String {
    let pages = total.div_ceil(u64::from(args.limit)).max(1);
    let next = u64::from(args.page) + 1;
    let count = match total {
        0 => return "no transactions".to_owned(),
        1 => "1 transaction".to_owned(),
        many => format!("{many} transactions"),
    };
    match next <= pages {
        true => format!("page {} of {pages}, {count}; next: --page {next}", args.page),
        false => format!("page {} of {pages}, {count}", args.page),
    }
}

async fn payout(args: PayoutArgs) -> anyhow::Result<()> {
    let api = Api::open(args.url.as_deref(), Progress::new(false))?;
    let key = args.key.clone().unwrap_or_else(|| format!("cli-{:032x}", rand::random::<u128>()));
    // As text: what was typed arrives digit by digit.
    let body = json!({
        "amount": args.amount,
        "currency": args.currency,
        "description": args.description,
        "destination": args.destination,
    });
    let answer = match api.post_json_keyed(PAYOUTS, &body, &key).await {
        Ok(answer) => answer,
        Err(failure) => {
            if is_open(&failure) {
                let again = format!("it may have been booked: ask again with --key {}", plain(&key));
                api.progress().note(&again);
            }
            return Err(failure.into());
        }
    };
    if args.json {
        out::line(&answer.to_string());
        return Ok(());
    }
    let row: TransactionRow = api.read(PAYOUTS, answer.to_string().as_bytes())?;
    payout_lines(&row, &answer).iter().for_each(|line| out::line(line));
    Ok(())
}

/// Nobody knows what became of it.
fn is_open(failure: &CallError) -> bool {
    match failure.status() {
        Some(status) => status >= 500 || matches!(status, 408 | 409),
        None => true,
    }
}

fn payout_lines(row: &TransactionRow, answer: &Value) -> Vec<String> {
    let mut rows = vec![
        ("payout".to_owned(), row.id.clone()),
        ("status".to_owned(), row.status.clone()),
        ("amount".to_owned(), format!("{} {}", money(&row.amount, &row.currency), row.currency)),
        ("description".to_owned(), row.description.clone()),
    ];
    if answer["repeated"] == true {
        rows.push(("note".to_owned(), "this key had asked for it before".to_owned()));
    }
    pairs(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balances_are_a_table_with_exact_amounts() {
        let body = r#"{"currency":"USD","balances":{
            "JPY":{"balance":150.0,"available":150.0,"held":0.0,"pending":0.0,"total_earned":150.0,"total_paid_out":0.0},
            "USD":{"balance":9999999999999.99,"available":0.1,"held":10.0,"pending":75.63,"total_earned":1.0,
                   "total_paid_out":0.0}},"more":1}"#;
        let lines = balance_table(&serde_json::from_str(body).unwrap());
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("JPY") && lines[1].contains("  150 "), "{}", lines[1]);
        assert!(lines[2].contains("9999999999999.99") && lines[2].contains(" 0.10 "), "{}", lines[2]);
        let empty = balance_table(&serde_json::from_str(r#"{"currency":"USD","balances":{}}"#).unwrap());
        assert!(empty[1].starts_with("USD") && empty[1].matches("0.00").count() == 6, "{}", empty[1]);
    }

    #[test]
    fn a_history_is_a_table() {
        let row = r#"[{"id":"507f1f77bcf86cd799439011","created_at":"2025-11-26T14:50:00.123Z","type":"payout",
            "status":"pending","amount":-10.5,"currency":"USD","description":"rent","more":1}]"#;
        let lines = history_table(&serde_json::from_str::<Vec<TransactionRow>>(row).unwrap());
        assert_eq!(lines[1], "507f1f77bcf86cd799439011  2025-11-26 14:50  payout  pending  -10.50  USD  rent");
    }
}
