//! `metastamp assets`.

use metastamp_setup::out;
use metastamp_setup::progress::Progress;
use metastamp_setup::table::{columns, human_size, shorten};
use serde::Deserialize;

use super::api::Api;
use super::args::AssetsArgs;
use super::error::CallError;

const PATH: &str = "/api/v1/assets";
/// Longest name in the table.
const NAME_CHARS_MAX: usize = 40;

/// What we read of an asset. Statuses stay text, so that a newer node's words are shown and not refused.
#[derive(Debug, Clone, Deserialize)]
pub struct AssetRow {
    pub id: String,
    pub file_name: String,
    /// Missing from a node of an older version.
    #[serde(default)]
    pub original_file_name: Option<String>,
    pub file_type: String,
    pub file_size: u64,
    pub status: String,
    pub created_at: String,
    #[serde(default)]
    pub sha256: Option<String>,
    #[serde(default)]
    pub error_message: Option<String>,
}

impl AssetRow {
    /// Whether nothing more will happen to it by itself.
    pub fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "ready" | "failed")
    }

    /// The name that people see.
    pub fn shown_name(&self) -> &str {
        self.original_file_name.as_deref().unwrap_or(&self.file_name)
    }

    /// `2025-11-26 14:50`, in UTC.
    fn created(&self) -> String {
        match (self.created_at.get(..10), self.created_at.get(11..16)) {
            (Some(day), Some(minute)) => format!("{day} {minute}"),
            _ => self.created_at.clone(),
        }
    }
}

/// A page of the list.
#[derive(Debug, Deserialize)]
pub struct AssetPage {
    pub assets: Vec<AssetRow>,
    pub total: u64,
}

/// Lists the caller's assets.
///
/// # Errors
/// When not logged in, or when the node refuses or does not answer.
pub async fn assets(args: AssetsArgs) -> anyhow::Result<()> {
    let api = Api::open(args.url.as_deref(), Progress::new(false))?;
    let mut query = vec![("page", args.page.to_string()), ("limit", args.limit.to_string())];
    query.push(("sort", "created_at:desc".to_owned()));
    query.extend(args.kind.clone().map(|kind| ("file_type", kind)));
    query.extend(args.status.clone().map(|status| ("status", status)));
    let body = api.get(PATH, &query).await?;
    if args.json {
        out::line(String::from_utf8_lossy(&body).trim_end());
        return Ok(());
    }
    let page: AssetPage = api.read(PATH, &body)?;
    if !page.assets.is_empty() {
        for line in table(&page.assets) {
            out::line(&line);
        }
    }
    api.progress().note(&hint(&args, &page));
    Ok(())
}

impl Api {
    /// One page of the caller's assets.
    pub async fn asset_page(&self, query: &[(&str, String)]) -> Result<AssetPage, CallError> {
        self.read(PATH, &self.get(PATH, query).await?)
    }
}

fn table(rows: &[AssetRow]) -> Vec<String> {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let name = shorten(row.shown_name(), NAME_CHARS_MAX);
            let size = human_size(row.file_size);
            vec![row.id.clone(), name, row.file_type.clone(), size, row.status.clone(), row.created()]
        })
        .collect();
    columns(&["ID", "NAME", "TYPE", "SIZE", "STATUS", "CREATED (UTC)"], &cells, &[3])
}

/// What there is beside this page, and how to get to it.
fn hint(args: &AssetsArgs, page: &AssetPage) -> String {
    let pages = page.total.div_ceil(u64::from(args.limit)).max(1);
    let filtered = args.kind.is_some() || args.status.is_some();
    let count = match (page.total, filtered) {
        (0, false) => return "no assets yet: try `metastamp upload FILE`".to_owned(),
        (0, true) => return "no assets match".to_owned(),
        (1, _) => "1 asset".to_owned(),
        (many, _) => format!("{many} assets"),
    };
    let next = u64::from(args.page) + 1;
    match next <= pages {
        true => format!("page {} of {pages}, {count}; next: --page {next}", args.page),
        false => format!("page {} of {pages}, {count}", args.page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"assets":[
        {"id":"507f1f77bcf86cd799439011","file_name":"photo.png","file_type":"image","file_size":1536,
         "status":"ready","created_at":"2025-11-26T14:50:00.123Z","sha256":"ab","more":{"is":"ignored"}},
        {"id":"507f1f77bcf86cd799439012","file_name":"a-name-that-is-far-too-long-for-one-column-of-a-table.txt",
         "file_type":"text","file_size":12,"status":"processing","created_at":"2025-11-26T14:51:00.123Z"}],
        "total":5,"skip":0,"limit":2,"page":1,"hasMore":true}"#;

    fn args(page: u32) -> AssetsArgs {
        AssetsArgs { status: None, kind: None, page, limit: 2, json: false, url: None }
    }

    #[test]
    fn a_page_becomes_a_table() {
        let page = serde_json::from_str::<AssetPage>(BODY).unwrap();
        let lines = table(&page.assets);
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("507f1f77bcf86cd799439011  photo.png "), "{}", lines[1]);
        assert!(lines[1].ends_with("image  1.5 KiB  ready       2025-11-26 14:50"), "{}", lines[1]);
        assert!(lines[2].contains('…') && lines[2].contains("   12 B"), "{}", lines[2]);
        assert!(page.assets[0].is_final() && !page.assets[1].is_final());
    }

    #[test]
    fn the_hint_leads_to_the_next_page() {
        let mut page = serde_json::from_str::<AssetPage>(BODY).unwrap();
        assert_eq!(hint(&args(1), &page), "page 1 of 3, 5 assets; next: --page 2");
        assert_eq!(hint(&args(3), &page), "page 3 of 3, 5 assets");
        page.total = 0;
        assert!(hint(&args(1), &page).contains("metastamp upload"));
        assert_eq!(hint(&AssetsArgs { status: Some("failed".to_owned()), ..args(1) }, &page), "no assets match");
    }
}
