//! `metastamp fsck`: looks for what does not fit together in the stores, and mends it if asked.

mod find;
mod findings;
mod objects;
mod repair;

use std::time::Duration;

use metastamp_protocol::Timestamp;
use metastamp_setup::config::Config;
use metastamp_setup::exit::ExitWith;
use metastamp_setup::progress::Progress;
use metastamp_setup::stores::Opened;
use metastamp_setup::{out, telemetry};
use serde_json::{Map, Value, json};

use self::findings::{Class, Findings};

/// Something was found, or is left.
const EXIT_PROBLEMS: u8 = 1;

#[derive(Debug, Clone, clap::Args)]
pub struct FsckArgs {
    /// Mend what can be mended without losing anything
    #[arg(long)]
    repair: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// Read every object and compare its digest
    #[arg(long)]
    deep: bool,
    /// With --repair: remove objects without a row also when they are younger than a week, or more than those with one
    #[arg(long, requires = "repair")]
    remove_objects: bool,
    /// Say nothing but the findings
    #[arg(short, long)]
    quiet: bool,
    /// Age from which an object without a row counts and may be removed, in seconds; a week for removals by default
    #[arg(long, value_name = "SECONDS", hide = true)]
    safe_age: Option<u64>,
}

/// Longer than any upload may take.
const COUNTED_FROM: Duration = Duration::from_secs(3_600);
/// Rows may have been restored from last night's backup, and a later dump may bring more of them.
const REMOVED_FROM: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What a check needs to know.
struct Check<'a> {
    stores: &'a Opened,
    progress: Progress,
    now: Timestamp,
    /// An object without a row that is younger may belong to an upload under way.
    safe_age: Duration,
    /// And from which it may be removed.
    removal_age: Duration,
    deep: bool,
    remove_objects: bool,
}

/// # Errors
/// With exit code 1 when something is wrong, or is left after mending.
pub async fn run(config: Config, args: FsckArgs) -> anyhow::Result<()> {
    telemetry::logs::install("warning", false);
    let stores = Opened::open(&config).await?;
    let checked = check(&args, &stores).await;
    if let Some(local) = stores.local_s3 {
        local.shutdown().await;
    }
    let (findings, mended) = checked?;
    if args.json {
        out::line(&serde_json::to_string_pretty(&as_json(&findings, &mended))?);
    } else {
        print(&findings, &mended);
    }
    let left = findings.total() - mended.total();
    if left == 0 {
        return Ok(());
    }
    let advice = if args.repair { "can't be mended here" } else { "--repair mends what it can" };
    Err(ExitWith { code: EXIT_PROBLEMS, message: format!("{left} problems; {advice}") }.into())
}

async fn check(args: &FsckArgs, stores: &Opened) -> anyhow::Result<(Findings, Findings)> {
    let check = Check {
        stores,
        progress: Progress::new(args.quiet || args.json),
        now: Timestamp::now(),
        safe_age: args.safe_age.map_or(COUNTED_FROM, Duration::from_secs),
        removal_age: match args.safe_age {
            Some(seconds) => Duration::from_secs(seconds),
            None if args.remove_objects => COUNTED_FROM,
            None => REMOVED_FROM,
        },
        deep: args.deep,
        remove_objects: args.remove_objects,
    };
    let (findings, repairs) = find::look(&check).await?;
    let mended = if args.repair { repair::mend(&check, repairs).await? } else { Findings::default() };
    Ok((findings, mended))
}

fn print(findings: &Findings, mended: &Findings) {
    for class in Class::ALL {
        let found = findings.of(class);
        if found.count == 0 {
            continue;
        }
        let mended = mended.of(class).count;
        let after = if mended > 0 { format!(", {mended} mended: {}", class.remedy()) } else { String::new() };
        out::line(&format!("{}: {}{after}", class.words(), found.count));
        for id in &found.ids {
            out::line(&format!("  {id}"));
        }
        if found.count > found.ids.len() as u64 {
            out::line(&format!("  and {} more", found.count - found.ids.len() as u64));
        }
    }
    if findings.total() == 0 {
        out::line("everything fits together");
    }
}

fn as_json(findings: &Findings, mended: &Findings) -> Value {
    let classes: Map<String, Value> = Class::ALL
        .into_iter()
        .map(|class| {
            let found = findings.of(class);
            let entry = json!({ "count": found.count, "mended": mended.of(class).count, "ids": found.ids });
            (class.name().to_owned(), entry)
        })
        .collect();
    let left = findings.total() - mended.total();
    json!({ "problems": classes, "found": findings.total(), "left": left, "clean": left == 0 })
}
