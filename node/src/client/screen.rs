//! Progress for people: bars on a terminal, plain lines in a log.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::out;
use super::table::{human_size, plain, shorten};

/// Longest file name beside a bar, so that the bar stays on one line.
const NAME_CHARS_MAX: usize = 24;

/// Standard error, as a place to show progress on.
#[derive(Clone)]
pub struct Screen {
    /// `None` when nobody watches: bars would only fill a log file.
    bars: Option<MultiProgress>,
}

impl Screen {
    pub fn stderr() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    /// One line, above the bars that are being drawn.
    pub fn note(&self, text: &str) {
        let shown = match &self.bars {
            Some(bars) => bars.println(text).is_ok(),
            None => false,
        };
        if !shown {
            out::error_line(text);
        }
    }

    /// The transfer of a file.
    pub fn transfer(&self, name: &str, size_bytes: u64) -> Step {
        let step = self.step(name, size_bytes, "{prefix:24} {bar:20.cyan} {bytes:>10}/{total_bytes:10} {wide_msg}");
        // A bar shows the size by itself.
        match &step.bar {
            Some(_) => step.say("sending"),
            None => step.say(&format!("sending {}", human_size(size_bytes))),
        }
        step
    }

    /// The work on a fingerprint, in percent.
    pub fn percent(&self, name: &str) -> Step {
        self.step(name, 100, "{prefix:24} {bar:20.green} {percent:>3} % {wide_msg}")
    }

    fn step(&self, name: &str, length: u64, template: &str) -> Step {
        let bar = self.bars.as_ref().map(|bars| {
            // The templates are constants; a plain bar is what is left if one were wrong.
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = bars.add(ProgressBar::new(length).with_style(style));
            bar.set_prefix(shorten(&plain(name), NAME_CHARS_MAX));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Step { bar, name: plain(name), said: std::cell::RefCell::new(String::new()) }
    }
}

/// One bar, or the lines that stand for it. Gone from the screen when dropped.
pub struct Step {
    bar: Option<ProgressBar>,
    name: String,
    /// The last message, so that a log holds each only once.
    said: std::cell::RefCell<String>,
}

impl Step {
    /// Says what is being done.
    pub fn say(&self, message: &str) {
        let message = plain(message);
        match &self.bar {
            Some(bar) => bar.set_message(message),
            None if *self.said.borrow() == message => {}
            None => {
                out::error_line(&format!("{}: {message}", self.name));
                *self.said.borrow_mut() = message;
            }
        }
    }

    /// Moves the bar to a position: percent or bytes.
    pub fn reach(&self, position: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        }
    }

    /// A counter of bytes that can travel with a request body.
    pub fn counter(&self) -> impl Fn(u64) + Send + Sync + 'static {
        let bar = self.bar.clone();
        move |bytes| {
            if let Some(bar) = &bar {
                bar.inc(bytes);
            }
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
