//! What usage is worth to the creator: earnings x (contribution/100) x (exposure/100) x 0.25, exact, rounded once.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, ToPrimitive as _};

use crate::money::{AmountError, decimal};
use crate::{Amount, Currency};

/// A number from 0 to 100, to the last digit that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score(BigDecimal);

impl Score {
    /// # Errors
    /// Says what it must be.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be a number from 0 to 100";
        let number = decimal(text).map_err(|_| RULE)?;
        let is_score = number >= BigDecimal::from(0) && number <= BigDecimal::from(100);
        is_score.then_some(Self(number)).ok_or(RULE)
    }

    /// The nearest double: how it is kept.
    pub fn double(&self) -> f64 {
        self.0.to_f64().unwrap_or_default()
    }

    /// The same text for the same number, however it was written.
    pub fn canonical(&self) -> String {
        self.0.normalized().to_plain_string()
    }
}

/// Halves of the smallest coin go up.
///
/// # Errors
/// [`AmountError::TooLarge`], for earnings beyond the bounds.
pub fn worth(
    earnings: Amount,
    contribution: &Score,
    exposure: &Score,
    currency: Currency,
) -> Result<Amount, AmountError> {
    // 0.25 / (100 x 100)
    let factor = BigDecimal::new(BigInt::from(25), 6);
    let value = earnings.decimal(currency) * &contribution.0 * &exposure.0 * factor;
    Amount::round_half_up(&value, currency)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(earnings: &str, contribution: &str, exposure: &str, currency: Currency) -> i64 {
        let earnings = Amount::parse(earnings, currency).unwrap();
        let [contribution, exposure] = [contribution, exposure].map(|text| Score::parse(text).unwrap());
        worth(earnings, &contribution, &exposure, currency).unwrap().minor()
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(minor("1000000", "75", "60", Currency::Usd), 11_250_000);
        assert_eq!(minor("10000", "75", "80", Currency::Usd), 150_000);
        assert_eq!(minor("0.1", "33.3", "33.3", Currency::Usd), 0);
        assert_eq!(minor("1", "100", "2", Currency::Usd), 1, "half a cent goes up");
        assert_eq!(minor("200", "100", "1", Currency::Jpy), 1, "half a yen goes up");
        assert_eq!(minor("9999999999999.99", "100", "100", Currency::Usd), 250_000_000_000_000);
        assert_eq!(minor("0.04", "99.99999999999999999999999999", "50", Currency::Usd), 0, "just below half a cent");
        assert_eq!(minor("0.04", "100", "50", Currency::Usd), 1);
    }

    #[test]
    fn a_score_is_a_number_from_0_to_100() {
        for text in ["0", "100", "-0", "1e2", "33.3", "100.0"] {
            assert!(Score::parse(text).is_ok(), "{text}");
        }
        for text in ["101", "-1", "100.0000000001", "NaN", "1e400", "", "x", "-1e-30"] {
            assert!(Score::parse(text).is_err(), "{text}");
        }
        let canonical = |text| Score::parse(text).unwrap().canonical();
        assert_eq!([canonical("75"), canonical("75.00"), canonical("7.5e1")], ["75", "75", "75"]);
        let double = Score::parse("-0").unwrap().double();
        assert!(double == 0.0 && double.is_sign_positive());
    }
}
