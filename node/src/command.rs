//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use metastamp_cli::client::{AssetsArgs, ClusterCommand, LoginArgs, UploadArgs, WalletArgs};
use metastamp_cli::dev::DevArgs;
use metastamp_cli::works::{CompareArgs, FingerprintArgs};
use metastamp_ops::audit::AuditArgs;
use metastamp_ops::backup::BackupArgs;
use metastamp_ops::fsck::FsckArgs;
use metastamp_ops::init::InitArgs;
use metastamp_ops::migrate::MigrateArgs;
use metastamp_ops::restore::RestoreArgs;

/// A META-STAMP node, and a small client for one.
///
/// Without a command it serves. Settings come from the environment and a .env file; see .env.example.
#[derive(Debug, Parser)]
#[command(name = "metastamp", version, arg_required_else_help = false)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node (the default)
    Serve {
        /// Leave when standard input ends
        #[arg(long, hide = true)]
        exit_with_stdin: bool,
    },
    /// Create stores, bucket and administrator; safe to run again
    Init(InitArgs),
    /// Write everything that is kept to one file
    Backup(BackupArgs),
    /// Put a backup in place of what is there; asks first
    Restore(RestoreArgs),
    /// Move everything from one set of stores to another; safe to break off and run again
    Migrate(MigrateArgs),
    /// Look for what does not fit together in the stores, and mend it if asked
    Fsck(FsckArgs),
    /// Prove from the stores alone that the money in all wallets is right
    Audit(AuditArgs),
    /// Look at the configuration
    Config {
        /// Print every variable with its effective value and where it came from; secrets are masked
        #[arg(long)]
        dump: bool,
        /// Print what a file in the form of .env says: NAME=VALUE with a NUL behind each, secrets too
        #[arg(long, value_name = "FILE", hide = true, conflicts_with = "dump")]
        env_file: Option<PathBuf>,
    },
    /// Log in to a node and keep the token
    Login(LoginArgs),
    /// Upload files, wait for their fingerprints and print them
    Upload(UploadArgs),
    /// List your assets
    Assets(AssetsArgs),
    /// Look into your wallet and ask for payouts
    Wallet(WalletArgs),
    /// Fingerprint files here, without a node
    Fingerprint(FingerprintArgs),
    /// Say how alike two files are, algorithm by algorithm
    Compare(CompareArgs),
    /// Make fingerprints for a node
    #[command(name = crate::worker::COMMAND, hide = true)]
    FingerprintWorker {
        /// Address space it may take
        #[arg(long)]
        memory_bytes: u64,
    },
    /// Look at the cluster and take members out of it (administrators)
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Run a cluster on this machine, with a load balancer in front
    Dev(DevArgs),
    /// Create a demo account with sample works; starts a node if none is running
    Demo {
        /// Address of the node
        #[arg(long, env = "METASTAMP_URL")]
        url: Option<String>,
    },
}

impl Default for Command {
    fn default() -> Self {
        Command::Serve { exit_with_stdin: false }
    }
}
