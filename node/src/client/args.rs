//! What can be typed after `metastamp login`, `upload`, `assets` and `cluster`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
