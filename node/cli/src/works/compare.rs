//! `metastamp compare`: how alike two works are.

use anyhow::Context;
use metastamp_fingerprint::compare::{self as works, Direction, Finding};
use metastamp_protocol::fingerprint::FingerprintContent;
use metastamp_setup::out;
use metastamp_setup::progress::Progress;
use metastamp_setup::table::columns;
use serde_json::json;

use super::{CompareArgs, run};

/// # Errors
/// When one of the two has no fingerprint.
pub fn compare(args: &CompareArgs) -> anyhow::Result<()> {
    let progress = Progress::new(args.quiet);
    let mut reports = Vec::<FingerprintContent>::new();
    let mut failed = None;
    run::all(vec![args.a.clone(), args.b.clone()], 2, &progress, |outcome| match outcome.found {
        Ok(found) => reports.push(found.content),
        Err(error) => failed = Some(anyhow::Error::new(error).context(outcome.path.display().to_string())),
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let [a, b] = reports.as_slice() else { anyhow::bail!("two files are needed") };
    let findings = works::compare(a, b);
    let verdict = works::conclusion(&findings);
    if args.json {
        let body = json!({ "a": args.a, "b": args.b, "verdict": verdict, "findings": findings });
        out::line(&serde_json::to_string(&body).context("the result can't be written")?);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
    for line in columns(&["algorithm", "distance", "threshold", "verdict"], &rows, &[]) {
        out::line(&line);
    }
    out::line("");
    for finding in &findings {
        out::line(&format!("{}: {}", finding.field, finding.explanation));
    }
    out::line("");
    out::line(&format!("taken together: {}", verdict.name().replace('_', " ")));
    Ok(())
}

fn row(finding: &Finding) -> Vec<String> {
    let distance = finding.distance.map_or_else(String::new, |d| format!("{} {}", number(d.value), d.unit.name()));
    let threshold = finding.threshold.map_or_else(String::new, |t| {
        let side = if t.direction == Direction::AtMost { "at most" } else { "at least" };
        format!("{side} {}", number(t.value))
    });
    vec![finding.algorithm.clone(), distance, threshold, finding.verdict.name().replace('_', " ")]
}

/// Whole numbers without decimals, others with three.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
