//! Dates of PDF documents (ISO 32000-1, 7.9.4).

/// `D:YYYYMMDDHHmmSSOHH'mm'` as RFC 3339 in UTC (`2024-02-29T23:30:00Z`). Everything after the
/// year is optional, a missing offset is UTC. `None` when it is no such date.
pub(super) fn to_rfc3339(date: &str) -> Option<String> {
    let date = date.trim().strip_prefix("D:").unwrap_or(date.trim());
    let split = date.find(|c: char| !c.is_ascii_digit()).unwrap_or(date.len());
    let (digits, offset) = date.split_at(split);
    if !matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14) {
        return None;
    }
    let field = |at: usize, default: i64| digits.get(at..at + 2).map_or(Some(default), |text| text.parse().ok());
    let (year, month, day) = (digits[..4].parse::<i64>().ok()?, field(4, 1)?, field(6, 1)?);
    let (hour, minute, second) = (field(8, 0)?, field(10, 0)?, field(12, 0)?);
    let valid = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    format_utc(seconds - offset_seconds(offset)?)
}

/// `Z`, `+HH'mm'` or `-HH'mm'`, with or without apostrophes and minutes; empty is UTC.
fn offset_seconds(offset: &str) -> Option<i64> {
    let sign = match offset.chars().next() {
        None | Some('Z' | 'z') => return Some(0),
        Some('+') => 1,
        Some('-') => -1,
        Some(_) => return None,
    };
    let digits: String = offset[1..].chars().filter(|c| !matches!(c, '\'' | ':')).collect();
    if !digits.is_ascii() || !matches!(digits.len(), 2 | 4) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years start in March, so that the
/// leap day is the last of its year, and 400 years are one cycle of 146,097 days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Inverse of [`days_from_civil`], with the time of day.
fn format_utc(seconds: i64) -> Option<String> {
    let (days, time) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    (0..=9_999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

#[cfg(test)]
mod tests {
    use super::to_rfc3339;

    #[test]
    fn dates_become_utc() {
        let cases = [
            ("D:20240229233000+01'30'", Some("2024-02-29T22:00:00Z")),
            ("D:20231231233000-05'00", Some("2024-01-01T04:30:00Z")),
            ("D:20000101000000Z00'00'", Some("2000-01-01T00:00:00Z")),
            ("D:19700101", Some("1970-01-01T00:00:00Z")),
            ("D:199812231952", Some("1998-12-23T19:52:00Z")),
            ("2024", Some("2024-01-01T00:00:00Z")),
            (" D:20240229000000 ", Some("2024-02-29T00:00:00Z")),
            ("D:20230229000000", None),
            ("D:20241301", None),
            ("D:20240101250000", None),
            ("D:20240101000000+9", None),
            ("D:20240101000000é", None),
            ("D:00000101000000+01", None),
            ("yesterday", None),
            ("", None),
        ];
        for (date, expected) in cases {
            assert_eq!(to_rfc3339(date).as_deref(), expected, "{date}");
        }
    }
}
