//! Time on the wire: RFC 3339 in UTC, milliseconds, always with a `Z`.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub fn now() -> Self {
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        Self(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    pub fn millis(self) -> i64 {
        self.0
    }

    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The calendar day in UTC, `YYYY-MM-DD`.
    pub fn day(self) -> String {
        self.date_time().format("%Y-%m-%d").to_string()
    }

    /// Reads RFC 3339 with any offset.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read_wire(text).or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.timestamp_millis())))
    }

    /// The first instant of a calendar day in UTC, `YYYY-MM-DD`.
    pub fn of_day(text: &str) -> Option<Self> {
        Self::read_wire(&format!("{text}T00:00:00.000Z"))
    }

    /// The last millisecond of the calendar day in UTC.
    pub fn day_end(self) -> Self {
        Self(self.0 - self.0.rem_euclid(DAY_MS) + DAY_MS - 1)
    }

    /// The first instant of the calendar month in UTC.
    pub fn month_start(self) -> Self {
        let (year, month, _) = civil_from_days(self.0.div_euclid(DAY_MS));
        Self(days_from_civil(year, month, 1) * DAY_MS)
    }

    fn date_time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut wire = *TEMPLATE;
        match self.write_wire(&mut wire) {
            Some(text) => f.write_str(text),
            None => f.write_str(&self.date_time().to_rfc3339_opts(SecondsFormat::Millis, true)),
        }
    }
}

/// Lists hold several instants a row, so the usual form, with a year of four digits, is written and read by hand.
const TEMPLATE: &[u8; 24] = b"0000-00-00T00:00:00.000Z";
const DAY_MS: i64 = 86_400_000;
/// 0000-01-01 and 10000-01-01, in days since 1970-01-01.
const USUAL_DAYS: std::ops::Range<i64> = -719_528..2_932_897;
/// Where the numbers of [`TEMPLATE`] stand: offset and digits.
const PLACES: [(usize, usize); 7] = [(0, 4), (5, 2), (8, 2), (11, 2), (14, 2), (17, 2), (20, 3)];

impl Timestamp {
    fn write_wire<'a>(&self, wire: &'a mut [u8; 24]) -> Option<&'a str> {
        let (days, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        if !USUAL_DAYS.contains(&days) {
            return None;
        }
        let (year, month, day) = civil_from_days(days);
        let numbers = [year, month, day, ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000];
        for (mut number, (at, digits)) in numbers.into_iter().zip(PLACES) {
            for place in wire[at..at + digits].iter_mut().rev() {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        std::str::from_utf8(wire).ok()
    }

    /// Reads the form that [`Timestamp::write_wire`] writes; `None` for anything else, however valid.
    fn read_wire(text: &str) -> Option<Self> {
        let wire: &[u8; 24] = text.as_bytes().try_into().ok()?;
        let fixed = [4, 7, 10, 13, 16, 19, 23];
        if fixed.iter().any(|&at| wire[at] != TEMPLATE[at]) {
            return None;
        }
        let mut numbers = [0_i64; 7];
        for (number, (at, digits)) in numbers.iter_mut().zip(PLACES) {
            for byte in &wire[at..at + digits] {
                *number = *number * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
            }
        }
        let [year, month, day, hour, minute, second, ms] = numbers;
        let days = days_from_civil(year, month, day);
        // Turning it back refuses the 31st of June.
        let valid = civil_from_days(days) == (year, month, day) && hour < 24 && minute < 60 && second < 60;
        valid.then_some(Self(days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms))
    }
}

/// Year, month and day of a day number. Algorithm: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.write_wire(&mut TEMPLATE.clone()) {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if let Some(timestamp) = Self::read_wire(&text) {
            return Ok(timestamp);
        }
        let parsed = DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(parsed.timestamp_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_ends_in_z_and_round_trips() {
        let at = Timestamp(1_764_168_600_123);
        let wire = serde_json::to_string(&at).unwrap_or_default();
        assert_eq!(wire, "\"2025-11-26T14:50:00.123Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&wire).ok(), Some(at));
        assert_eq!(at.day(), "2025-11-26");
    }

    #[test]
    fn the_quick_form_is_what_the_library_says() {
        let spread = (-62_000_000_000_000..253_000_000_000_000_i64).step_by(86_399_999_777 / 7);
        for ms in spread.chain([0, -1, 951_782_400_000, 1_709_164_800_000, 253_402_300_799_999]) {
            let at = Timestamp(ms);
            let library = at.date_time().to_rfc3339_opts(SecondsFormat::Millis, true);
            assert_eq!(at.to_string(), library, "{ms}");
            if library.len() == 24 {
                assert_eq!(Timestamp::read_wire(&library), Some(at), "{library}");
            }
        }
    }

    #[test]
    fn days_and_months_begin_and_end_in_utc() {
        let at = Timestamp(1_764_168_600_123);
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        assert_eq!(text(Timestamp::of_day("2025-11-26")).as_deref(), Some("2025-11-26T00:00:00.000Z"));
        assert_eq!(text(Some(at.day_end())).as_deref(), Some("2025-11-26T23:59:59.999Z"));
        assert_eq!(text(Some(at.month_start())).as_deref(), Some("2025-11-01T00:00:00.000Z"));
        assert_eq!(
            text(Timestamp::parse("2025-11-26T16:50:00.123+02:00")).as_deref(),
            Some("2025-11-26T14:50:00.123Z")
        );
        for text in ["2025-02-30", "2025-1-1", "20250101", "", "yesterday", "2025-01-01T00:00:00Z"] {
            assert_eq!(Timestamp::of_day(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "2025-06-31T00:00:00.000Z",
            "2025-13-01T00:00:00.000Z",
            "2025-01-01T24:00:00.000Z",
            "2025-1-01T00:00:00.0000Z",
        ] {
            assert!(serde_json::from_str::<Timestamp>(&format!("\"{text}\"")).is_err(), "{text}");
        }
        let other = serde_json::from_str::<Timestamp>("\"2025-01-01T01:00:00+01:00\"").ok();
        assert_eq!(other, serde_json::from_str("\"2025-01-01T00:00:00.000Z\"").ok());
    }
}
