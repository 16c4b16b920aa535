//! Where backups go, and how long they stay.

use std::path::{Path, PathBuf};

use super::reader::Reader;

#[derive(Debug, Clone)]
pub struct BackupConfig {
    pub dir: PathBuf,
    pub retention_days: u32,
    /// So many archives stay, whatever their age.
    pub count_min: u32,
    /// Whether every backup is also sent away.
    pub upload: bool,
    pub offsite: OffsiteConfig,
}

/// The bucket for copies elsewhere.
#[derive(Debug, Clone)]
pub struct OffsiteConfig {
    /// `None` means AWS.
    pub endpoint: Option<String>,
    pub bucket: Option<String>,
    /// Before the day in keys.
    pub prefix: String,
    pub region: String,
    pub access_key: Option<String>,
    pub secret_key: Option<String>,
}

impl BackupConfig {
    pub(super) fn read(r: &mut Reader, dir: &Path) -> Self {
        let path = r.text_or(&["BACKUP_DIR"], "./backups");
        let days = r.parse(&["BACKUP_RETENTION_DAYS"], 30_u32, "1 to 36500", |n| (1..=36_500).contains(n));
        let count_min = r.parse(&["BACKUP_MIN_COUNT"], 7_u32, "1 to 10000", |n| (1..=10_000).contains(n));
        let upload = r.flag(&["S3_UPLOAD_ENABLED"], false);
        let endpoint = r.text(&["BACKUP_S3_ENDPOINT_URL", "S3_ENDPOINT_URL"]);
        let web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        let offsite = OffsiteConfig {
            // `embedded` is no place away from here
            endpoint: endpoint.filter(web),
            bucket: r.text(&["BACKUP_S3_BUCKET", "S3_BUCKET"]),
            prefix: r.text_or(&["S3_PREFIX"], ""),
            region: r.text_or(&["BACKUP_S3_REGION", "AWS_REGION"], "us-east-1"),
            access_key: r.secret(&["AWS_ACCESS_KEY_ID"]),
            secret_key: r.secret(&["AWS_SECRET_ACCESS_KEY"]),
        };
        if upload && offsite.bucket.is_none() {
            r.problem("BACKUP_S3_BUCKET", "is required when S3_UPLOAD_ENABLED=true");
        }
        Self {
            dir: dir.join(path.strip_prefix("./").unwrap_or(&path)),
            retention_days: days,
            count_min,
            upload,
            offsite,
        }
    }
}
