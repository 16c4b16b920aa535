//! A text that is shown again and again: in place on a terminal, elsewhere once for each change.

use console::{Term, truncate_str};
use metastamp_setup::out;

/// Standard output, as a place for one text that changes.
pub struct Live {
    /// `None` when nobody watches.
    term: Option<Term>,
    shown: Vec<String>,
}

impl Live {
    pub fn stdout() -> Self {
        // Written in one go: a text that is taken away and put back must not flicker.
        let term = Term::buffered_stdout();
        Self { term: term.is_term().then_some(term), shown: Vec::new() }
    }

    pub fn is_terminal(&self) -> bool {
        self.term.is_some()
    }

    /// Shows `lines` instead of what was shown before.
    pub fn show(&mut self, lines: Vec<String>) {
        if lines == self.shown {
            return;
        }
        match &self.term {
            None => lines.iter().for_each(|line| out::line(line)),
            Some(term) => {
                let (rows, columns) = term.size();
                // What does not fit would scroll away or wrap, and could not be taken back.
                let rows = usize::from(rows).saturating_sub(1).max(1);
                let columns = usize::from(columns).max(20);
                let _ = term.clear_last_lines(self.shown.len().min(rows));
                for line in lines.iter().take(rows) {
                    let _ = term.write_line(&truncate_str(line, columns, "…"));
                }
                let _ = term.flush();
            }
        }
        self.shown = lines;
    }

    /// A line that stays, above the text that changes.
    pub fn note(&mut self, text: &str) {
        let shown = std::mem::take(&mut self.shown);
        if let Some(term) = &self.term {
            let _ = term.clear_last_lines(shown.len().min(usize::from(term.size().0).saturating_sub(1).max(1)));
            let _ = term.flush();
        }
        out::line(text);
        if self.term.is_some() {
            self.show(shown);
        } else {
            self.shown = shown;
        }
    }
}
