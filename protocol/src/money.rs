//! Exact money: whole numbers of the minor unit of one currency. Nothing in here is a float.

use std::fmt;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// Longest text that is read as a number: nothing that means money is longer.
const TEXT_BYTES_MAX: usize = 64;
/// Places before or after the point beyond which a number is no amount.
const PLACES_MAX: i64 = 40;

/// ISO 4217 codes that wallets are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    #[default]
    Usd,
    Eur,
    Gbp,
    Cad,
    Aud,
    Jpy,
    Chf,
}

impl Currency {
    pub const ALL: [Currency; 7] =
        [Currency::Usd, Currency::Eur, Currency::Gbp, Currency::Cad, Currency::Aud, Currency::Jpy, Currency::Chf];

    pub fn code(self) -> &'static str {
        match self {
            Currency::Usd => "USD",
            Currency::Eur => "EUR",
            Currency::Gbp => "GBP",
            Currency::Cad => "CAD",
            Currency::Aud => "AUD",
            Currency::Jpy => "JPY",
            Currency::Chf => "CHF",
        }
    }

    /// The currency of an ISO 4217 code, in upper case.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.code() == code)
    }

    /// Decimal places of the minor unit: 2 for cents, 0 for yen.
    pub fn places(self) -> u32 {
        if self == Currency::Jpy { 0 } else { 2 }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in the minor unit of a currency that is kept beside it. At most 15 digits either way, so that it is exact
/// as a JSON number in every client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Amount(i64);

/// Why a text or a sum is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("must be a decimal number")]
    NotANumber,
    #[error("must be at most 9999999999999.99")]
    TooLarge,
    #[error("must not be finer than the smallest coin of the currency")]
    TooFine,
    #[error("must not be negative")]
    Negative,
    #[error("must be greater than zero")]
    Zero,
}

impl Amount {
    pub const ZERO: Amount = Amount(0);
    /// Largest magnitude, in minor units: 15 digits.
    pub const MINOR_MAX: i64 = 999_999_999_999_999;

    /// `None` beyond [`Amount::MINOR_MAX`].
    pub fn from_minor(minor: i64) -> Option<Self> {
        (minor.unsigned_abs() <= Self::MINOR_MAX.unsigned_abs()).then_some(Self(minor))
    }

    /// At the bound, for what is beyond it: for sums that are only shown.
    pub fn clamped(minor: i128) -> Self {
        let bound = i128::from(Self::MINOR_MAX);
        i64::try_from(minor.clamp(-bound, bound)).ok().and_then(Self::from_minor).unwrap_or_default()
    }

    pub fn minor(self) -> i64 {
        self.0
    }

    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }

    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    pub fn negated(self) -> Self {
        Self(-self.0)
    }

    /// `None` beyond the bounds.
    pub fn plus(self, other: Amount) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_minor)
    }

    /// `None` beyond the bounds.
    pub fn minus(self, other: Amount) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(Self::from_minor)
    }

    /// Reads decimal text exactly: `12`, `12.30`, `-0.5`, `1e3`.
    ///
    /// # Errors
    /// See [`AmountError`]; nothing is ever rounded.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, AmountError> {
        let number = decimal(text)?;
        let scaled = &number * unit(currency);
        if !scaled.is_integer() {
            return Err(AmountError::TooFine);
        }
        whole(&scaled)
    }

    /// The amount nearest to `number`, halves away from zero.
    ///
    /// # Errors
    /// [`AmountError::TooLarge`].
    pub fn round_half_up(number: &BigDecimal, currency: Currency) -> Result<Self, AmountError> {
        whole(&(number * unit(currency)).with_scale_round(0, RoundingMode::HalfUp))
    }

    /// As plain decimal text with the places of the currency: `-12.30`.
    pub fn text(self, currency: Currency) -> String {
        let places = currency.places() as usize;
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.0.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if places == 0 { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }

    /// As a JSON number. Exact: 15 digits survive the trip through a double.
    pub fn number(self, currency: Currency) -> Number {
        let as_double = self.text(currency).parse::<f64>().ok().and_then(Number::from_f64);
        as_double.unwrap_or_else(|| Number::from(self.0))
    }

    /// The exact value.
    pub fn decimal(self, currency: Currency) -> BigDecimal {
        BigDecimal::new(BigInt::from(self.0), i64::from(currency.places()))
    }
}

/// Nothing beyond the bounds comes in from outside.
impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let minor = i64::deserialize(deserializer)?;
        Self::from_minor(minor).ok_or_else(|| serde::de::Error::custom("an amount of more than 15 digits"))
    }
}

/// Reads decimal text, with or without an exponent.
///
/// # Errors
/// [`AmountError::NotANumber`], also for `NaN` and infinities; [`AmountError::TooLarge`] and
/// [`AmountError::TooFine`] beyond 40 places before and after the point.
pub fn decimal(text: &str) -> Result<BigDecimal, AmountError> {
    let text = text.trim();
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if text.is_empty() || !text.bytes().all(plain) {
        return Err(AmountError::NotANumber);
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(AmountError::TooLarge);
    }
    // The exponent first: expanding a huge one would be the attack.
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
        mantissa.parse::<BigDecimal>().map_err(|_| AmountError::NotANumber)?;
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AmountError::NotANumber);
        }
        let places = digits.parse::<i64>().unwrap_or(i64::MAX);
        if places > PLACES_MAX {
            return Err(if exponent.starts_with('-') { AmountError::TooFine } else { AmountError::TooLarge });
        }
    }
    text.parse().map_err(|_| AmountError::NotANumber)
}

fn unit(currency: Currency) -> BigDecimal {
    BigDecimal::from(10_i64.pow(currency.places()))
}

fn whole(number: &BigDecimal) -> Result<Amount, AmountError> {
    number.to_i64().and_then(Amount::from_minor).ok_or(AmountError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Result<i64, AmountError> {
        Amount::parse(text, Currency::Usd).map(Amount::minor)
    }

    #[test]
    fn decimal_text_is_read_exactly_or_not_at_all() {
        for (text, minor) in
            [("0", 0), ("12", 1_200), ("12.3", 1_230), ("-0.05", -5), ("1e3", 100_000), ("10.00", 1_000)]
        {
            assert_eq!(usd(text), Ok(minor), "{text}");
        }
        assert_eq!(usd("9999999999999.99"), Ok(Amount::MINOR_MAX));
        assert_eq!(usd("10000000000000"), Err(AmountError::TooLarge));
        assert_eq!(usd("123456789012345678901234567890"), Err(AmountError::TooLarge));
        assert_eq!(usd("1e400"), Err(AmountError::TooLarge));
        assert_eq!(usd("1e999999999999999999999"), Err(AmountError::TooLarge));
        assert_eq!(usd("0.001"), Err(AmountError::TooFine));
        assert_eq!(usd("1e-400"), Err(AmountError::TooFine));
        for text in ["", "-", ".", "NaN", "inf", "1,000", "1.2.3", "$1", "1e", "e5", "0x10", "1 2"] {
            assert_eq!(usd(text), Err(AmountError::NotANumber), "{text}");
        }
        assert_eq!(Amount::parse("1.5", Currency::Jpy), Err(AmountError::TooFine));
        assert_eq!(Amount::parse("150", Currency::Jpy).map(Amount::minor), Ok(150));
    }

    #[test]
    fn amounts_are_written_with_the_places_of_their_currency() {
        let text = |minor, currency| Amount::from_minor(minor).map(|amount| amount.text(currency));
        assert_eq!(text(5, Currency::Usd).as_deref(), Some("0.05"));
        assert_eq!(text(-1_230, Currency::Eur).as_deref(), Some("-12.30"));
        assert_eq!(text(150, Currency::Jpy).as_deref(), Some("150"));
        assert_eq!(text(0, Currency::Chf).as_deref(), Some("0.00"));
    }

    #[test]
    fn json_numbers_are_exact_to_the_largest_amount() {
        for minor in [1, 7, 10, 99, 12_345, 999_999_999_999_999, 999_999_999_999_998, 123_456_789_012_345] {
            let number = Amount(minor).number(Currency::Usd).to_string();
            assert_eq!(usd(&number), Ok(minor), "{number}");
        }
    }

    #[test]
    fn halves_go_away_from_zero() {
        let cents =
            |text: &str| Amount::round_half_up(&decimal(text).unwrap_or_default(), Currency::Usd).map(Amount::minor);
        assert_eq!(cents("75.625"), Ok(7_563));
        assert_eq!(cents("0.005"), Ok(1));
        assert_eq!(cents("0.0049999"), Ok(0));
        assert_eq!(cents("-0.005"), Ok(-1));
        assert_eq!(Amount::round_half_up(&decimal("0.5").unwrap_or_default(), Currency::Jpy).map(Amount::minor), Ok(1));
    }
}
