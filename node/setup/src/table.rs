//! Text laid out for a terminal.

/// Removes what could move the cursor, ring or recolour: names and messages come from elsewhere.
pub fn plain(text: &str) -> String {
    // Bidirectional overrides can make a name read as another one.
    let hidden = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || hidden(c) { ' ' } else { c }).collect()
}

/// At most `chars_max` characters; what was cut shows as an ellipsis.
pub fn shorten(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `1.2 MiB`; bytes below one KiB are exact.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1_024.0;
    let mut unit = 0;
    // 1023.95 would print as "1024.0", which is the next unit.
    while size >= 1_023.95 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// `key  value` lines with the values in one column.
pub fn pairs(rows: &[(String, String)]) -> Vec<String> {
    let width = rows.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(key, value)| format!("{key:width$}  {}", plain(value)).trim_end().to_owned()).collect()
}

/// A header and rows with aligned columns, two blanks apart. Columns named in `right` are flushed right.
pub fn columns(header: &[&str], rows: &[Vec<String>], right: &[usize]) -> Vec<String> {
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let all: Vec<Vec<String>> =
        std::iter::once(&header).chain(rows).map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let render = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match right.contains(&at) {
            true => format!("{cell:>width$}"),
            false => format!("{cell:width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.iter().map(render).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_hangs_over() {
        let rows = [vec!["a".to_owned(), "1 B".to_owned()], vec!["naïve".to_owned(), "12.0 KiB".to_owned()]];
        assert_eq!(columns(&["name", "size"], &rows, &[1]), ["name       size", "a           1 B", "naïve  12.0 KiB"]);
        assert_eq!(columns(&["name", "size"], &rows, &[]), ["name   size", "a      1 B", "naïve  12.0 KiB"]);
        assert_eq!(columns(&["name"], &[], &[]), ["name"]);
    }

    #[test]
    fn pairs_are_aligned() {
        let rows = [("id".to_owned(), "x".to_owned()), ("status".to_owned(), "ready".to_owned())];
        assert_eq!(pairs(&rows), ["id      x", "status  ready"]);
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (10_485_759, "10.0 MiB"),
            (1_048_575, "1.0 MiB"),
            (524_288_000, "500.0 MiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(human_size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn strangers_can_not_steer_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\nc\u{202e}d"), "a [2Jb c d");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("äöü", 3), "äöü");
    }
}
