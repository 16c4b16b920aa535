//! What a value would grow to, were the model's earnings to grow by the same rate in every period.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

use super::{Terms, value};
use crate::Amount;
use crate::money::{AmountError, decimal};

/// Growth from one period to the next, as a part of the whole: from -1, which leaves nothing, to 10.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth(BigDecimal);

/// A text is no growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a decimal number from -1 to 10")]
pub struct GrowthError;

/// A tenth.
impl Default for Growth {
    fn default() -> Self {
        Self(BigDecimal::new(BigInt::from(1), 1))
    }
}

impl FromStr for Growth {
    type Err = GrowthError;
    fn from_str(text: &str) -> Result<Self, GrowthError> {
        let number = decimal(text).map_err(|_| GrowthError)?;
        let within = BigDecimal::from(-1)..=BigDecimal::from(10);
        within.contains(&number).then_some(Self(number)).ok_or(GrowthError)
    }
}

/// One period of a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From 1.
    pub number: u32,
    pub earnings: Amount,
    pub value: Amount,
    /// Of this period and all before it.
    pub cumulative: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    pub periods: Vec<Period>,
    pub total: Amount,
}

impl Projection {
    /// Most periods of one projection.
    pub const PERIODS_MAX: u32 = 120;
    /// Periods when nobody says how many.
    pub const PERIODS: u32 = 12;
}

/// The first period earns what `terms` say; each further one `1 + growth` times the one before, rounded to the minor
/// unit. Values are rounded in each period, and the rounded ones summed up.
///
/// # Errors
/// [`AmountError::TooLarge`] when a sum outgrows what is an amount; else see [`value`].
pub fn project(terms: &Terms, periods: u32, growth: &Growth) -> Result<Projection, AmountError> {
    let Terms { contribution, exposure, currency, .. } = terms;
    let (mut exact, factor) = (terms.earnings.clone(), BigDecimal::from(1) + &growth.0);
    let mut projection = Projection { periods: Vec::new(), total: Amount::ZERO };
    for number in 1..=periods {
        if number > 1 {
            exact *= &factor;
            exact = Amount::round_half_up(&exact, *currency)?.decimal(*currency);
        }
        let earnings = Amount::round_half_up(&exact, *currency)?;
        let value = value(&exact, contribution.exact(), exposure.exact(), *currency)?;
        projection.total = projection.total.plus(value).ok_or(AmountError::TooLarge)?;
        projection.periods.push(Period { number, earnings, value, cumulative: projection.total });
    }
    Ok(projection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Currency;

    fn projected(earnings: &str, periods: u32, growth: &str) -> Result<Projection, AmountError> {
        let terms = Terms::of(earnings, "50".parse().unwrap(), "50".parse().unwrap(), Currency::Usd).unwrap();
        project(&terms, periods, &growth.parse().unwrap())
    }

    #[test]
    fn the_known_projection() {
        let Projection { periods, total } = projected("1000", 3, "0.1").unwrap();
        let minor: Vec<_> =
            periods.iter().map(|p| (p.number, p.earnings.minor(), p.value.minor(), p.cumulative.minor())).collect();
        assert_eq!(minor, [(1, 100_000, 6_250, 6_250), (2, 110_000, 6_875, 13_125), (3, 121_000, 7_563, 20_688)]);
        assert_eq!(total.text(Currency::Usd), "206.88");
    }

    #[test]
    fn earnings_may_shrink_vanish_and_stay() {
        let values = |growth: &str| {
            let projection = projected("1000", 3, growth).unwrap();
            projection.periods.iter().map(|period| period.value.minor()).collect::<Vec<_>>()
        };
        assert_eq!(values("0"), [6_250, 6_250, 6_250]);
        assert_eq!(values("-0.5"), [6_250, 3_125, 1_563]);
        assert_eq!(values("-1"), [6_250, 0, 0]);
    }

    #[test]
    fn growth_has_its_bounds() {
        assert_eq!("0.1".parse(), Ok(Growth::default()));
        for text in ["-1", "10", "0", "1e-3"] {
            assert!(text.parse::<Growth>().is_ok(), "{text}");
        }
        for text in ["-1.0001", "10.1", "1e400", "NaN", ""] {
            assert_eq!(text.parse::<Growth>(), Err(GrowthError), "{text}");
        }
    }

    #[test]
    fn what_outgrows_an_amount_is_refused() {
        assert_eq!(projected("1000", 120, "10"), Err(AmountError::TooLarge));
        assert_eq!(projected("9999999999999.99", 120, "0"), Err(AmountError::TooLarge), "the sum");
        assert_eq!(projected("1000", 120, "0.1").map(|p| p.periods.len()), Ok(120));
    }
}
