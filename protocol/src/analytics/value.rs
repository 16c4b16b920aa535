//! The formula, exact from the decimal text of its inputs to the one rounding at its end.

use std::str::FromStr;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, Signed as _};

use crate::Currency;
use crate::money::{Amount, AmountError, decimal};

/// Longest text that is read as a score.
const SCORE_BYTES_MAX: usize = 30;

/// `earnings x (contribution / 100) x (exposure / 100) x 0.25`, rounded half up, once, to the minor unit.
///
/// # Errors
/// [`AmountError::Negative`] for an input below zero, [`AmountError::TooLarge`] beyond 15 digits.
pub fn value(
    earnings: &BigDecimal,
    contribution: &BigDecimal,
    exposure: &BigDecimal,
    currency: Currency,
) -> Result<Amount, AmountError> {
    if [earnings, contribution, exposure].into_iter().any(BigDecimal::is_negative) {
        return Err(AmountError::Negative);
    }
    // 0.25 / 100 / 100
    let factor = BigDecimal::new(BigInt::from(25), 6);
    Amount::round_half_up(&(earnings * contribution * exposure * factor), currency)
}

/// The score of an asset: the geometric mean of the two scores, with one decimal.
pub fn touch_score(contribution: f64, exposure: f64) -> f64 {
    ((contribution * exposure).max(0.0).sqrt() * 10.0).round() / 10.0
}

/// A number from 0 to 100, exact.
#[derive(Debug, Clone, PartialEq)]
pub struct Score(BigDecimal);

/// Why a text is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    #[error("must be a decimal number")]
    NotANumber,
    #[error("must be from 0 to 100")]
    OutOfRange,
    #[error("must have at most 30 characters")]
    TooLong,
}

impl Score {
    /// Two decimals, within 0 to 100: what heuristics give.
    pub fn rounded(number: f64) -> Self {
        let text = format!("{:.2}", number.clamp(0.0, 100.0));
        // No number at all counts as nothing.
        Self(BigDecimal::from_str(&text).unwrap_or_default())
    }

    pub fn exact(&self) -> &BigDecimal {
        &self.0
    }

    pub fn number(&self) -> f64 {
        // By its text: the nearest double.
        self.0.to_string().parse().unwrap_or_default()
    }
}

impl FromStr for Score {
    type Err = ScoreError;
    fn from_str(text: &str) -> Result<Self, ScoreError> {
        let text = text.trim();
        let number = match decimal(text) {
            Ok(_) if text.len() > SCORE_BYTES_MAX => return Err(ScoreError::TooLong),
            Ok(number) => number,
            Err(AmountError::NotANumber) => return Err(ScoreError::NotANumber),
            Err(_) => return Err(ScoreError::OutOfRange),
        };
        let bounds = BigDecimal::from(0)..=BigDecimal::from(100);
        bounds.contains(&number).then_some(Self(number)).ok_or(ScoreError::OutOfRange)
    }
}

/// What one value is computed of.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// As given, not rounded; not negative.
    pub earnings: BigDecimal,
    pub contribution: Score,
    pub exposure: Score,
    pub currency: Currency,
}

impl Terms {
    /// Reads earnings from decimal text.
    ///
    /// # Errors
    /// When they are no number, negative, or of more than 15 digits once rounded.
    pub fn of(earnings: &str, contribution: Score, exposure: Score, currency: Currency) -> Result<Self, AmountError> {
        let terms = Self { earnings: decimal(earnings)?, contribution, exposure, currency };
        terms.amounts().map(|_| terms)
    }

    /// The earnings rounded to the minor unit, and the value of the earnings as given.
    ///
    /// # Errors
    /// See [`value`].
    pub fn amounts(&self) -> Result<(Amount, Amount), AmountError> {
        let Self { earnings, contribution, exposure, currency } = self;
        let value = value(earnings, contribution.exact(), exposure.exact(), *currency)?;
        Ok((Amount::round_half_up(earnings, *currency)?, value))
    }
}

/// Plain decimal text with thousands separators and the sign of the currency.
pub(super) fn grouped(text: &str, currency: Currency) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let unit = if currency == Currency::Usd { "$".to_owned() } else { format!("{currency} ") };
    let places = currency.places() as usize;
    // Older records may have fewer decimals, or more.
    let fraction = if fraction.len() < places { format!("{fraction:0<places$}") } else { fraction.to_owned() };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{unit}{grouped}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worth(earnings: &str, contribution: &str, exposure: &str, currency: Currency) -> Result<String, AmountError> {
        let terms = Terms::of(earnings, contribution.parse().unwrap(), exposure.parse().unwrap(), currency)?;
        terms.amounts().map(|(_, value)| value.text(currency))
    }

    #[test]
    fn the_formula_gives_the_known_values() {
        for (earnings, contribution, exposure, expected) in [
            ("1000000", "75", "60", "112500.00"),
            ("10000", "75", "80", "1500.00"),
            ("0.1", "33.3", "33.3", "0.00"),
            ("0", "100", "100", "0.00"),
            // the half goes up, and what is just below does not
            ("0.02", "100", "100", "0.01"),
            ("0.019999999999999999", "100", "100", "0.00"),
            ("9999999999999.99", "100", "100", "2500000000000.00"),
            ("1e3", "5e1", "5.0e1", "62.50"),
        ] {
            let found = worth(earnings, contribution, exposure, Currency::Usd);
            assert_eq!(found.as_deref(), Ok(expected), "{earnings} {contribution} {exposure}");
        }
        assert_eq!(worth("1001", "50", "50", Currency::Jpy).as_deref(), Ok("63"));
    }

    #[test]
    fn nothing_is_rounded_on_the_way() {
        // 1.005 as a double is below the half.
        assert_eq!(worth("4.02", "100", "100", Currency::Usd).as_deref(), Ok("1.01"));
        // 0.005 exactly; cents in between would lose it.
        assert_eq!(worth("200", "0.1", "10", Currency::Usd).as_deref(), Ok("0.01"));
        assert_eq!(worth("0.0000002", "100", "100", Currency::Usd).as_deref(), Ok("0.00"));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        assert_eq!(worth("-1", "50", "50", Currency::Usd), Err(AmountError::Negative));
        for earnings in ["1e16", "1e400", "123456789012345678901234567890", "9999999999999.995"] {
            assert_eq!(worth(earnings, "1", "1", Currency::Usd), Err(AmountError::TooLarge), "{earnings}");
        }
        assert_eq!(worth("NaN", "1", "1", Currency::Usd), Err(AmountError::NotANumber));
        let (hundred, minus) = (BigDecimal::from(100), BigDecimal::from(-1));
        assert_eq!(value(&hundred, &minus, &minus, Currency::Usd), Err(AmountError::Negative));
    }

    #[test]
    fn scores_are_from_0_to_100() {
        for text in ["0", "100", "1e2", "33.333333333333333333", "99.99", "+5", "0.0000001", "-0"] {
            assert!(text.parse::<Score>().is_ok(), "{text}");
        }
        for text in ["101", "-1", "100.0000000000000000001", "1e3", "1e400", "-1e-7"] {
            assert_eq!(text.parse::<Score>(), Err(ScoreError::OutOfRange), "{text}");
        }
        for text in ["", "NaN", "inf", "fifty", "1,5", "0x10"] {
            assert_eq!(text.parse::<Score>(), Err(ScoreError::NotANumber), "{text}");
        }
        assert_eq!("33.33333333333333333333333333333".parse::<Score>(), Err(ScoreError::TooLong));
    }

    #[test]
    fn an_assets_score_is_the_geometric_mean() {
        for (contribution, exposure, expected) in
            [(75.0, 80.0, 77.5), (100.0, 100.0, 100.0), (0.0, 100.0, 0.0), (57.52, 79.23, 67.5)]
        {
            assert_eq!(touch_score(contribution, exposure), expected);
        }
    }
}
