//! Verdicts, counted and printed.

use std::collections::BTreeMap;
use std::io::Write;

use metastamp_fingerprint::compare::{Unit, Verdict, compare, conclusion};
use metastamp_protocol::fingerprint::FingerprintContent;

use crate::{BoxError, on_all_cores};

/// Column of the conclusion from all findings.
pub(crate) const TOGETHER: &str = "together";

/// Verdicts of one line of a table.
#[derive(Default)]
struct Line {
    /// Pairs that were compared.
    pairs: usize,
    /// By field, pairs that are the same, and that are at least similar.
    same: BTreeMap<&'static str, [usize; 2]>,
    /// By field, the distances of all pairs.
    distances: BTreeMap<&'static str, Vec<f64>>,
}

impl Line {
    fn add(&mut self, a: &FingerprintContent, b: &FingerprintContent) {
        self.pairs += 1;
        let findings = compare(a, b);
        let all = conclusion(&findings);
        let [same, similar] = self.same.entry(TOGETHER).or_default();
        *same += usize::from(all == Verdict::Same);
        *similar += usize::from(matches!(all, Verdict::Same | Verdict::Similar));
        for finding in findings {
            let [same, similar] = self.same.entry(finding.field).or_default();
            *same += usize::from(finding.verdict == Verdict::Same);
            *similar += usize::from(matches!(finding.verdict, Verdict::Same | Verdict::Similar));
            if let Some(distance) = finding.distance {
                // Shares grow with likeness, all others with distance.
                let away = if distance.unit == Unit::Share { 1.0 - distance.value } else { distance.value };
                self.distances.entry(finding.field).or_default().push(away);
            }
        }
    }

    fn join(mut self, other: Self) -> Self {
        self.pairs += other.pairs;
        for (field, counts) in other.same {
            let [same, similar] = self.same.entry(field).or_default();
            *same += counts[0];
            *similar += counts[1];
        }
        for (field, distances) in other.distances {
            self.distances.entry(field).or_default().extend(distances);
        }
        self
    }
}

/// Recall of each field, attack by attack.
pub(crate) struct Table {
    title: String,
    /// Field and heading, from left to right.
    columns: Vec<(&'static str, &'static str)>,
    lines: Vec<(String, Line)>,
}

impl Table {
    /// Compares all pairs of different works, then each work with what each of the `attacks` made of it, in their order.
    pub(crate) fn of(
        title: String,
        columns: &[(&'static str, &'static str)],
        originals: &[FingerprintContent],
        attacked: &[Vec<FingerprintContent>],
        attacks: impl IntoIterator<Item = &'static str>,
    ) -> Result<Self, BoxError> {
        let mut table = Self { title, columns: columns.to_vec(), lines: Vec::new() };
        table.strangers(originals)?;
        for (number, name) in attacks.into_iter().enumerate() {
            let mut line = Line::default();
            for (original, attacked) in originals.iter().zip(attacked) {
                if let Some(attacked) = attacked.get(number) {
                    line.add(original, attacked);
                }
            }
            table.lines.push((name.to_owned(), line));
        }
        Ok(table)
    }

    /// All pairs of different works.
    fn strangers(&mut self, works: &[FingerprintContent]) -> Result<(), BoxError> {
        let lines = on_all_cores(works, |index, work| {
            let mut line = Line::default();
            for other in &works[index + 1..] {
                line.add(work, other);
            }
            Ok(line)
        })?;
        let line = lines.into_iter().fold(Line::default(), Line::join);
        self.lines.push((format!("**different works** ({} pairs)", line.pairs), line));
        Ok(())
    }

    /// In Markdown; with `METASTAMP_DISTANCES` the distances too, to choose thresholds by.
    pub(crate) fn print(&self) -> Result<(), BoxError> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n### {}\n", self.title)?;
        let headings: Vec<_> = self.columns.iter().map(|column| column.1).collect();
        writeln!(out, "| attack | {} |", headings.join(" | "))?;
        writeln!(out, "| --- |{}", " ---: |".repeat(self.columns.len()))?;
        for (name, line) in &self.lines {
            write!(out, "| {name} |")?;
            for (field, _) in &self.columns {
                let counts = line.same.get(field).copied().unwrap_or_default();
                let [same, similar] = counts.map(|count| percent(count, line.pairs));
                if counts[0] == counts[1] {
                    write!(out, " {same} |")?;
                } else {
                    write!(out, " {same} ({similar}) |")?;
                }
            }
            writeln!(out)?;
        }
        if std::env::var_os("METASTAMP_DISTANCES").is_some() {
            self.print_distances(&mut out)?;
        }
        Ok(())
    }

    fn print_distances(&self, out: &mut impl Write) -> Result<(), BoxError> {
        writeln!(out, "\ndistances: smallest, 1 %, median, 90 %, largest")?;
        for (name, line) in &self.lines {
            for (field, heading) in &self.columns {
                let mut distances = line.distances.get(field).cloned().unwrap_or_default();
                distances.sort_by(f64::total_cmp);
                let at = |share: f64| distances.get((share * (distances.len().max(1) - 1) as f64) as usize).copied();
                let points =
                    [0.0, 0.01, 0.5, 0.9, 1.0].map(|share| at(share).map_or("-".into(), |at| format!("{at:.3}")));
                writeln!(out, "{name:<34} {heading:<16} {}", points.join("  "))?;
            }
        }
        Ok(())
    }
}

/// Per cent of pairs; false positives are few and have more digits.
fn percent(count: usize, of: usize) -> String {
    let share = count as f64 / of.max(1) as f64 * 100.0;
    let digits = if share > 0.0 && share < 1.0 { 2 } else { 0 };
    format!("{share:.digits$}")
}
