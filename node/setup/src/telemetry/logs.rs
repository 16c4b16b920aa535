//! One JSON object per line on stdout; in a terminal in development, lines for people.

use std::fmt;
use std::panic::PanicHookInfo;

use metastamp_protocol::Timestamp;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::context;

/// Sets up logging for the process. `level` is one of the words of LOG_LEVEL.
pub fn install(level: &str, json: bool) {
    let level = match level {
        "warning" => "warn",
        "critical" => "error",
        other => other,
    };
    // Libraries speak only when something is wrong. The names of all crates of ours begin alike.
    let filter = EnvFilter::new(format!("warn,metastamp={level}"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stdout);
    let _ = match json {
        true => builder.event_format(Lines).try_init(),
        false => builder.event_format(ForPeople).try_init(),
    };
    std::panic::set_hook(Box::new(log_panic));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(
        exception_type = "panic",
        error = text.unwrap_or("unknown"),
        traceback = place,
        "error: a task panicked"
    );
}

/// DOMAIN: timestamp, level, logger, message, request_id, user_id, event fields at the top level.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = fields_of(event);
        let meta = event.metadata();
        let mut line = Line(Vec::with_capacity(16));
        line.add("timestamp", json!(Timestamp::now()));
        line.add("level", json!(word(meta.level())));
        line.add("logger", json!(meta.target().replace("::", ".")));
        line.add("message", fields.remove("message").unwrap_or_default());
        if let Some((request_id, user_id)) = context::current() {
            line.add("request_id", json!(request_id));
            if let Some(user_id) = user_id {
                line.add("user_id", json!(user_id));
            }
        }
        if *meta.level() == Level::ERROR && fields.contains_key("error") {
            let kind = fields.remove("exception_type").unwrap_or_else(|| json!("error"));
            let traceback = fields.remove("traceback").unwrap_or_else(|| json!(""));
            line.add("exception", json!({ "type": kind, "message": fields["error"], "traceback": traceback }));
        }
        if *meta.level() == Level::DEBUG {
            let source = json!({ "filename": meta.file(), "lineno": meta.line(), "function": meta.module_path() });
            line.add("source", source);
        }
        for (name, value) in fields {
            line.add(&name, value);
        }
        writeln!(writer, "{}", line.render())
    }
}

/// Members in the order they were added; the first of a name stays.
struct Line(Vec<(String, Value)>);

impl Line {
    fn add(&mut self, name: &str, value: Value) {
        if !self.0.iter().any(|(known, _)| known == name) {
            self.0.push((name.to_owned(), value));
        }
    }

    fn render(&self) -> String {
        let members: Vec<_> = self.0.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// `12:00:00 INFO  request completed  method=GET path=/ status=200`
struct ForPeople;

impl<S, N> FormatEvent<S, N> for ForPeople
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = fields_of(event);
        let level = event.metadata().level();
        let message = fields.remove("message").unwrap_or_default();
        let now = Timestamp::now().to_string();
        let colour = match *level {
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            _ => "\x1b[2m",
        };
        let (on, off) = if writer.has_ansi_escapes() { (colour, "\x1b[0m") } else { ("", "") };
        write!(writer, "{} {on}{:<8}{off} {}", &now[11..19], word(level), message.as_str().unwrap_or_default())?;
        for (name, value) in fields {
            match value {
                Value::String(text) => write!(writer, "  {name}={text}")?,
                other => write!(writer, "  {name}={other}")?,
            }
        }
        writeln!(writer)
    }
}

fn word(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

fn fields_of(event: &Event<'_>) -> Map<String, Value> {
    let mut fields = Fields(Map::new());
    event.record(&mut fields);
    fields.0
}

struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, Value::String(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, json!(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, json!(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, json!(value));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, json!(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, json!(value));
    }
}
