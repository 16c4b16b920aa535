//! Progress of long work: bars with the time that is left on a terminal, now and then a line elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressStyle};
use parking_lot::Mutex;

/// Between two lines where nobody watches.
const LINE_EVERY: Duration = Duration::from_secs(10);

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
    bars: Option<MultiProgress>,
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        Self { quiet, bars: (!quiet && std::io::stderr().is_terminal()).then(MultiProgress::new) }
    }

    /// One line.
    pub fn note(&self, text: &str) {
        if self.quiet {
            return;
        }
        let shown = self.bars.as_ref().is_some_and(|bars| bars.println(text).is_ok());
        if !shown {
            error_line(text);
        }
    }

    /// A line that is shown even to those who asked for quiet.
    pub fn warn(&self, text: &str) {
        let shown = self.bars.as_ref().is_some_and(|bars| bars.println(format!("warning: {text}")).is_ok());
        if !shown {
            error_line(&format!("warning: {text}"));
        }
    }

    /// A piece of work of `total` units; 0 when that is not known.
    pub fn step(&self, name: &'static str, total: u64, unit: Unit) -> Meter {
        let bar = self.bars.as_ref().map(|bars| {
            let template = match unit {
                Unit::Bytes => {
                    "{prefix:20} {bar:24.cyan} {bytes:>10}/{total_bytes:10} {bytes_per_sec:>12} {eta:>4} left"
                }
                Unit::Percents => "{prefix:20} {bar:24.cyan} {percent:>3} % {elapsed:>6} {eta:>4} left",
                Unit::Items => "{prefix:20} {bar:24.cyan} {human_pos:>10}/{human_len:10} {per_sec:>12} {eta:>4} left",
            };
            // the templates are constants; a plain bar is what is left if one were wrong
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = bars.add(ProgressBar::new(total).with_style(style)).with_prefix(name);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let said = Mutex::new(Instant::now());
        Meter(Arc::new(Inner { bar, quiet: self.quiet, name, total, unit, done: AtomicU64::new(0), said }))
    }
}

/// How far a piece of work is. Cheap to clone; gone from the screen with the last clone.
#[derive(Clone)]
pub struct Meter(Arc<Inner>);

struct Inner {
    bar: Option<ProgressBar>,
    quiet: bool,
    name: &'static str,
    total: u64,
    unit: Unit,
    done: AtomicU64,
    said: Mutex<Instant>,
}

impl Meter {
    pub fn add(&self, units: u64) {
        let inner = &self.0;
        let done = inner.done.fetch_add(units, Ordering::Relaxed) + units;
        match &inner.bar {
            Some(bar) => bar.set_position(done),
            None if inner.quiet => {}
            None => {
                let mut said = inner.said.lock();
                if said.elapsed() >= LINE_EVERY {
                    *said = Instant::now();
                    error_line(&format!("{}: {} of {}", inner.name, inner.shown(done), inner.shown(inner.total)));
                }
            }
        }
    }
}

impl Inner {
    fn shown(&self, amount: u64) -> String {
        match self.unit {
            Unit::Bytes => HumanBytes(amount).to_string(),
            Unit::Items => HumanCount(amount).to_string(),
            Unit::Percents => format!("{:.1}", amount as f64 / 100.0),
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

fn error_line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
