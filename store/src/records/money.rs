//! Amounts of money: Decimal128 today, a double or text in the original.

use mongodb::bson::Bson;

/// Places before or after the point beyond which something is no amount of money.
const PLACES_MAX: usize = 40;

/// An amount as decimal text, for example `-12.30`: an optional minus, digits, and perhaps a point with digits. Trailing
/// zeros are kept where they are stored. `None` for what is no amount.
pub fn read(value: &Bson) -> Option<String> {
    match value {
        Bson::Decimal128(amount) => plain(&amount.to_string()),
        // The shortest text that means this double: 0.1 is what was meant by it.
        Bson::Double(amount) => plain(&amount.to_string()),
        Bson::Int32(amount) => Some(amount.to_string()),
        Bson::Int64(amount) => Some(amount.to_string()),
        Bson::String(text) => plain(text.trim()),
        _ => None,
    }
}

/// Decimal text, which may have an exponent, without one.
fn plain(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > PLACES_MAX || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // Where the point goes, counted from the left of the digits.
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    if point.unsigned_abs() as usize > PLACES_MAX {
        return None;
    }
    let before = usize::try_from(point).unwrap_or(0);
    let padded = format!("{}{digits}", "0".repeat(usize::try_from(-point).unwrap_or(0)));
    let padded = format!("{padded:0<before$}");
    let (whole, fraction) = padded.split_at(before);
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let is_zero = padded.bytes().all(|digit| digit == b'0');
    Some(format!("{}{whole}{point}{fraction}", if is_zero { "" } else { sign }))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use mongodb::bson::Decimal128;

    use super::*;

    fn decimal(text: &str) -> Option<String> {
        read(&Bson::Decimal128(Decimal128::from_str(text).unwrap()))
    }

    #[test]
    fn amounts_of_every_kind_are_read() {
        assert_eq!(decimal("12.30").as_deref(), Some("12.30"));
        assert_eq!(decimal("-0.05").as_deref(), Some("-0.05"));
        assert_eq!(decimal("1.23E+4").as_deref(), Some("12300"));
        assert_eq!(decimal("1E-8").as_deref(), Some("0.00000001"));
        assert_eq!(decimal("-0").as_deref(), Some("0"));
        assert_eq!(read(&Bson::Double(0.1)).as_deref(), Some("0.1"));
        assert_eq!(read(&Bson::Double(-1_234.5)).as_deref(), Some("-1234.5"));
        assert_eq!(read(&Bson::Int32(-7)).as_deref(), Some("-7"));
        assert_eq!(read(&Bson::Int64(7)).as_deref(), Some("7"));
        assert_eq!(read(&Bson::String(" 0012.50 ".to_owned())).as_deref(), Some("12.50"));
        assert_eq!(read(&Bson::String(".5".to_owned())).as_deref(), Some("0.5"));
    }

    #[test]
    fn what_is_no_amount_is_not_read() {
        for text in ["", "-", ".", "1,234.50", "$1", "1.2.3", "1e", "1e99", "NaN", "--1"] {
            assert_eq!(read(&Bson::String(text.to_owned())), None, "{text}");
        }
        assert_eq!(decimal("Infinity"), None);
        assert_eq!(decimal("1E+6000"), None);
        assert_eq!(read(&Bson::Double(f64::NAN)), None);
        assert_eq!(read(&Bson::Null), None);
        assert_eq!(read(&Bson::Boolean(true)), None);
    }

    #[test]
    fn an_exponent_moves_the_point() {
        for exponent in -12..=12_i32 {
            let text = plain(&format!("123.45e{exponent}")).unwrap();
            let (read, meant): (f64, f64) = (text.parse().unwrap(), 123.45 * 10_f64.powi(exponent));
            assert!((read / meant - 1.0).abs() < 1e-9, "{text}");
        }
    }
}
