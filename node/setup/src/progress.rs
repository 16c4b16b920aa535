//! Progress of long work, for people: bars on a terminal; elsewhere now and then a line, and each message once.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use crate::out;
use crate::table::{human_size, plain, shorten};

/// Between two lines where nobody watches.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Longest name beside a bar, so that the bar stays on one line.
const NAME_CHARS_MAX: usize = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Items,
    /// Hundredths of the whole.
    Percents,
}

/// Standard error, as a place to show progress on.
#[derive(Clone)]
pub struct Progress {
    quiet: bool,
    /// `None` when nobody watches: bars would only fill a log file.
    bars: Option<MultiProgress>,
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        Self { quiet, bars: (!quiet && std::io::stderr().is_terminal()).then(MultiProgress::new) }
    }

    /// One line, above the bars that are being drawn.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.print(text);
        }
    }

    /// A line that is shown even to those who asked for quiet.
    pub fn warn(&self, text: &str) {
        self.print(&format!("warning: {text}"));
    }

    fn print(&self, text: &str) {
        let shown = self.bars.as_ref().is_some_and(|bars| bars.println(text).is_ok());
        if !shown {
            out::error_line(text);
        }
    }

    /// A piece of work of `total` units, with the time that is left; 0 when that is not known.
    pub fn step(&self, name: &str, total: u64, unit: Unit) -> Meter {
        let tail = match unit {
            Unit::Bytes => "{bytes_per_sec:>12} {eta:>4} left",
            Unit::Items => "{per_sec:>12} {eta:>4} left",
            Unit::Percents => "{elapsed:>6} {eta:>4} left",
        };
        self.meter(name, total, unit, Lines::Counts, tail)
    }

    /// The transfer of a file.
    pub fn transfer(&self, name: &str, size_bytes: u64) -> Meter {
        let meter = self.meter(name, size_bytes, Unit::Bytes, Lines::Messages, "{wide_msg}");
        // a bar shows the size by itself
        match self.bars {
            Some(_) => meter.say("sending"),
            None => meter.say(&format!("sending {}", human_size(size_bytes))),
        }
        meter
    }

    /// Work that others do, in percent, with what they say of it.
    pub fn percent(&self, name: &str) -> Meter {
        self.meter(name, 100, Unit::Percents, Lines::Messages, "{wide_msg}")
    }

    fn meter(&self, name: &str, total: u64, unit: Unit, lines: Lines, tail: &str) -> Meter {
        let name = plain(name);
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total).with_style(style(unit, tail)));
            bar.set_prefix(shorten(&name, NAME_CHARS_MAX));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let last = Mutex::new(LastLine { at: Instant::now(), message: String::new() });
        Meter(Arc::new(Inner { bar, quiet: self.quiet, name, total, unit, lines, done: AtomicU64::new(0), last }))
    }
}

fn style(unit: Unit, tail: &str) -> ProgressStyle {
    let amount = match unit {
        Unit::Bytes => "{bytes:>10}/{total_bytes:10}",
        Unit::Items => "{human_pos:>10}/{human_len:10}",
        Unit::Percents => "{percent:>3} %",
    };
    let template = format!("{{prefix:{NAME_CHARS_MAX}}} {{bar:20.cyan}} {amount} {tail}");
    // made of constants; a plain bar is what is left if one were wrong
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What is told of a piece of work where there are no bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    Counts,
    Messages,
}

/// How far a piece of work is: a bar, or the lines that stand for it. Cheap to clone; gone from the screen with the last
/// clone.
#[derive(Clone)]
pub struct Meter(Arc<Inner>);

struct Inner {
    bar: Option<ProgressBar>,
    quiet: bool,
    name: String,
    total: u64,
    unit: Unit,
    lines: Lines,
    done: AtomicU64,
    last: Mutex<LastLine>,
}

/// What was printed last where there are no bars.
struct LastLine {
    at: Instant,
    message: String,
}

impl Meter {
    pub fn add(&self, units: u64) {
        let done = self.0.done.fetch_add(units, Ordering::Relaxed) + units;
        self.0.moved_to(done);
    }

    /// Moves to a position, forth or back.
    pub fn reach(&self, position: u64) {
        self.0.done.store(position, Ordering::Relaxed);
        self.0.moved_to(position);
    }

    /// Says what is being done; the same words again only once.
    pub fn say(&self, message: &str) {
        self.0.say(plain(message));
    }

    /// Adds to this meter for as long as it is there: can travel with a request body without keeping the bar.
    pub fn counter(&self) -> impl Fn(u64) + Send + Sync + 'static {
        let meter = Arc::downgrade(&self.0);
        move |units| {
            if let Some(inner) = meter.upgrade() {
                Meter(inner).add(units);
            }
        }
    }
}

impl Inner {
    fn moved_to(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.lines == Lines::Counts && !self.quiet {
            let mut last = self.last.lock();
            if last.at.elapsed() >= LINE_EVERY {
                last.at = Instant::now();
                out::error_line(&format!("{}: {} of {}", self.name, self.amount(done), self.amount(self.total)));
            }
        }
    }

    fn say(&self, message: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(message);
        } else if !self.quiet {
            let mut last = self.last.lock();
            if last.message != message {
                out::error_line(&format!("{}: {message}", self.name));
                last.message = message;
            }
        }
    }

    fn amount(&self, units: u64) -> String {
        match self.unit {
            Unit::Bytes => HumanBytes(units).to_string(),
            Unit::Items => HumanCount(units).to_string(),
            Unit::Percents => format!("{:.1}", units as f64 / 100.0),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_is_made_of_a_template_that_holds() {
        for unit in [Unit::Bytes, Unit::Items, Unit::Percents] {
            for tail in ["{bytes_per_sec:>12} {eta:>4} left", "{wide_msg}"] {
                let bar = ProgressBar::hidden().with_style(style(unit, tail));
                bar.set_position(1);
            }
        }
    }

    #[test]
    fn a_counter_counts_for_as_long_as_its_meter_is_there() {
        let meter = Progress::new(true).transfer("a.txt", 10);
        let (count, inner) = (meter.counter(), Arc::downgrade(&meter.0));
        count(4);
        meter.add(2);
        assert_eq!(inner.upgrade().map(|inner| inner.done.load(Ordering::Relaxed)), Some(6));
        meter.reach(0);
        assert_eq!(inner.upgrade().map(|inner| inner.done.load(Ordering::Relaxed)), Some(0));
        drop(meter);
        count(4);
        assert!(inner.upgrade().is_none());
    }
}
