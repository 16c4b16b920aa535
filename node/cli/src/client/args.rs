//! What can be typed after `metastamp login`, `upload`, `assets`, `wallet` and `cluster`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use metastamp_ops::rebuild::RebuildArgs;
use metastamp_protocol::ledger::ClientKey;

/// Log in to a node and remember the token.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The password is read from stdin with --password-stdin, else from METASTAMP_PASSWORD, else asked for without echo.
The token is kept in $XDG_CONFIG_HOME/metastamp/credentials.json (METASTAMP_CONFIG_DIR moves it), readable by you only.")]
pub struct LoginArgs {
    /// Address of the account; asked for when left out
    pub email: Option<String>,
    /// Read the password from the first line of stdin
    #[arg(long)]
    pub password_stdin: bool,
    /// Create the account first
    #[arg(long)]
    pub register: bool,
    /// The node [default: METASTAMP_URL, else the one of the last login, else http://127.0.0.1:8000]
    #[arg(long)]
    pub url: Option<String>,
}

/// Upload files, wait for their fingerprints and print them.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Accepted: .txt .md .pdf, .png .jpg .jpeg .webp, .mp3 .wav .aac, .mp4 .mov .avi
Ends with exit code 1 when a file was refused or could not be fingerprinted; the other files are uploaded all the same.")]
pub struct UploadArgs {
    /// Files to upload; of directories everything in them that has a known ending
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Title of the work
    #[arg(long)]
    pub title: Option<String>,
    /// Description of the work
    #[arg(long)]
    pub description: Option<String>,
    /// Do not wait for the fingerprints
    #[arg(long)]
    pub no_wait: bool,
    /// Print one JSON object per file
    #[arg(long)]
    pub json: bool,
    /// The node [default: METASTAMP_URL, else the one of the last login, else http://127.0.0.1:8000]
    #[arg(long)]
    pub url: Option<String>,
}

/// List your assets, newest first.
#[derive(Debug, Clone, Args)]
pub struct AssetsArgs {
    /// Only assets in this state
    #[arg(long, value_parser = ["queued", "uploading", "processing", "ready", "failed"])]
    pub status: Option<String>,
    /// Only assets of this kind
    #[arg(long = "type", value_name = "KIND", value_parser = ["text", "image", "audio", "video", "url"])]
    pub kind: Option<String>,
    /// Page, counted from 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub page: u32,
    /// Assets on a page
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Print the answer of the node as it is
    #[arg(long)]
    pub json: bool,
    /// The node [default: METASTAMP_URL, else the one of the last login, else http://127.0.0.1:8000]
    #[arg(long)]
    pub url: Option<String>,
}

/// What your wallet holds; its history, and payouts.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct WalletArgs {
    #[command(subcommand)]
    pub command: Option<WalletCommand>,
    /// Print the answer of the node as it is
    #[arg(long)]
    pub json: bool,
    /// The node [default: METASTAMP_URL, else the one of the last login, else http://127.0.0.1:8000]
    #[arg(long)]
    pub url: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum WalletCommand {
    /// Transactions, newest first
    History(WalletHistoryArgs),
    /// Ask for a payout
    Payout(PayoutArgs),
    /// Make what is shown of wallets anew from their journals, on the stores (operators)
    Rebuild(RebuildArgs),
}

#[derive(Debug, Clone, Args)]
pub struct WalletHistoryArgs {
    /// Only transactions of this kind
    #[arg(long = "type", value_name = "KIND", value_parser = ["earning", "payout", "adjustment", "bonus", "refund"])]
    pub kind: Option<String>,
    /// Only transactions in this state
    #[arg(long, value_parser = ["pending", "completed", "failed", "cancelled"])]
    pub status: Option<String>,
    /// Only this currency
    #[arg(long)]
    pub currency: Option<String>,
    /// From this day (2025-11-26) or instant on
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// Up to the end of this day, or this instant
    #[arg(long, value_name = "DATE")]
    pub to: Option<String>,
    /// Print all that matches as CSV
    #[arg(long, conflicts_with_all = ["page", "limit", "json"])]
    pub csv: bool,
    /// Page, counted from 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub page: u32,
    /// Transactions on a page
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Print the answer of the node as it is
    #[arg(long)]
    pub json: bool,
    /// The node [default: METASTAMP_URL, else the one of the last login, else http://127.0.0.1:8000]
    #[arg(long)]
    pub url: Option<String>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The sum is held until the payout is completed, failed or cancelled. Asking again with the same --key never pays twice.")]
pub struct PayoutArgs {
    /// How much, for example 25 or 25.50; at least 10
    pub amount: String,
    /// ISO 4217
    #[arg(long, default_value = "USD")]
    pub currency: String,
    /// Shown in the history
    #[arg(long)]
    pub description: Option<String>,
    /// Where the money is to go
    #[arg(long)]
    pub destination: Option<String>,
    /// Name of this request, 1 to 255 printable ASCII characters; made up when left out
    #[arg(long, value_parser = idempotency_key)]
    pub key: Option<String>,
    /// Print the answer of the node as it is
    #[arg(long)]
    pub json: bool,
    /// The node [default: METASTAMP_URL, else the one of the last login, else http://127.0.0.1:8000]
    #[arg(long)]
    pub url: Option<String>,
}

/// Look at the cluster and take members out of it. For administrators.
#[derive(Debug, Clone, Subcommand)]
pub enum ClusterCommand {
    /// The members as one node sees them
    Status {
        /// Go on showing them until Ctrl-C
        #[arg(long)]
        watch: bool,
        /// Print the answer of the node as it is
        #[arg(long, conflicts_with = "watch")]
        json: bool,
        /// The node [default: METASTAMP_URL, else the one of the last login, else http://127.0.0.1:8000]
        #[arg(long)]
        url: Option<String>,
    },
    /// Which member owns an id, and who would be next
    Whereis {
        /// Of an asset, for example; 24 hexadecimal characters
        id: String,
        /// The node [default: METASTAMP_URL, else the one of the last login, else http://127.0.0.1:8000]
        #[arg(long)]
        url: Option<String>,
    },
    /// Take a member out of placement; its process goes on
    Drain {
        /// Its id; the node that answers when left out
        node: Option<String>,
        /// Take it back in
        #[arg(long)]
        undo: bool,
        /// The node [default: METASTAMP_URL, else the one of the last login, else http://127.0.0.1:8000]
        #[arg(long)]
        url: Option<String>,
    },
}

fn idempotency_key(text: &str) -> Result<String, String> {
    let key = ClientKey::parse(text).map_err(|_| "must be 1 to 255 printable ASCII characters".to_owned())?;
    Ok(key.into())
}
