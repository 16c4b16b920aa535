//! Works on this machine, without a node: their fingerprints, and how alike they are.
//!
//! Results go to standard output, progress and complaints to standard error.

mod compare;
mod fingerprint;
mod kind;
mod run;

use std::path::PathBuf;

use clap::Args;
pub use compare::compare;
pub use fingerprint::fingerprint;
pub use run::expand;

/// `metastamp fingerprint`
#[derive(Debug, Args)]
pub struct FingerprintArgs {
    /// Files to fingerprint; of directories everything in them that has a known ending
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// One JSON object per file, as the API spells its members
    #[arg(long)]
    pub json: bool,
    /// Put thumbnails, waveforms and the like into this directory
    #[arg(long, value_name = "DIRECTORY")]
    pub pictures: Option<PathBuf>,
    /// Files at once; by default one per core
    #[arg(long, short = 'j', value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// `metastamp compare`
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The one work
    pub a: PathBuf,
    /// The other work
    pub b: PathBuf,
    /// What each algorithm says, as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}
