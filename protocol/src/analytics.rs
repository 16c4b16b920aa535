//! AI Touch Value: what a creator is owed of a model's earnings, and the calculations that are kept.

mod heuristics;
mod projection;
mod value;

pub use heuristics::CreatorMetrics;
pub use projection::{Growth, GrowthError, Period, Projection, project};
use serde::{Deserialize, Serialize};
pub use value::{Score, ScoreError, Terms, touch_score, value};

use crate::money::AmountError;
use crate::{Currency, Object, ObjectId, Timestamp};

/// The creator's fixed part of what is attributed to a work.
pub const EQUITY_FACTOR: f64 = 0.25;

/// One stored calculation. Amounts are decimal text here and Decimal128 at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calculation {
    pub id: ObjectId,
    pub user_id: ObjectId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<ObjectId>,
    /// Rounded to the minor unit.
    pub model_earnings: String,
    #[serde(default)]
    pub currency: Currency,
    /// 0 to 100.
    pub training_contribution_score: f64,
    /// 0 to 100.
    pub usage_exposure_score: f64,
    pub equity_factor: f64,
    pub calculated_value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followers_count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_hours: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_views: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    pub calculation_method: String,
    pub version: String,
    /// `manual`, `predicted` or `verified`.
    pub calculation_type: String,
    /// Of usage that partners report: `pending`, `settled` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default)]
    pub metadata: Object,
    pub timestamp: Timestamp,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Calculation {
    /// A calculation of now, `manual`, of no asset; set what differs.
    ///
    /// # Errors
    /// When earnings or value are no amount of money, see [`value`].
    pub fn of(id: ObjectId, user_id: ObjectId, terms: &Terms, now: Timestamp) -> Result<Self, AmountError> {
        let (earnings, value) = terms.amounts()?;
        Ok(Self {
            id,
            user_id,
            asset_id: None,
            model_earnings: earnings.text(terms.currency),
            currency: terms.currency,
            training_contribution_score: terms.contribution.number(),
            usage_exposure_score: terms.exposure.number(),
            equity_factor: EQUITY_FACTOR,
            calculated_value: value.text(terms.currency),
            followers_count: None,
            content_hours: None,
            total_views: None,
            platform: None,
            calculation_method: "standard".to_owned(),
            version: "1.0".to_owned(),
            calculation_type: "manual".to_owned(),
            status: None,
            metadata: Object::new(),
            timestamp: now,
            created_at: now,
            expires_at: None,
        })
    }

    /// Remembers what the creator's audience was, as far as it was told.
    pub fn note_metrics(&mut self, metrics: CreatorMetrics) {
        let CreatorMetrics { followers, content_hours, total_views, platform } = metrics;
        self.followers_count = Some(followers);
        self.content_hours = Some(content_hours);
        self.total_views = Some(total_views);
        self.platform = Some(platform);
    }

    /// The score that this calculation gives its asset.
    pub fn touch_score(&self) -> f64 {
        touch_score(self.training_contribution_score, self.usage_exposure_score)
    }

    /// The calculation written out: `$10,000.00 x (75.0/100) x (80.0/100) x 0.25 = $1,500.00`.
    pub fn breakdown(&self) -> String {
        let Self { training_contribution_score: contribution, usage_exposure_score: exposure, .. } = self;
        let money = |text: &str| value::grouped(text, self.currency);
        let (earnings, value) = (money(&self.model_earnings), money(&self.calculated_value));
        format!("{earnings} x ({contribution:?}/100) x ({exposure:?}/100) x {} = {value}", self.equity_factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calculation(earnings: &str, contribution: &str, exposure: &str, currency: Currency) -> Calculation {
        let terms = Terms::of(earnings, contribution.parse().unwrap(), exposure.parse().unwrap(), currency).unwrap();
        Calculation::of(ObjectId::generate(), ObjectId::generate(), &terms, Timestamp(0)).unwrap()
    }

    #[test]
    fn a_calculation_is_written_out_as_people_read_it() {
        let text = |c: &Calculation| c.breakdown();
        let usd = calculation("10000", "75", "80", Currency::Usd);
        assert_eq!(text(&usd), "$10,000.00 x (75.0/100) x (80.0/100) x 0.25 = $1,500.00");
        let small = calculation("0.1", "33.3", "33.3", Currency::Usd);
        assert_eq!(text(&small), "$0.10 x (33.3/100) x (33.3/100) x 0.25 = $0.00");
        let euro = calculation("1234567.89", "100", "0", Currency::Eur);
        assert_eq!(text(&euro), "EUR 1,234,567.89 x (100.0/100) x (0.0/100) x 0.25 = EUR 0.00");
        let yen = calculation("100000", "100", "100", Currency::Jpy);
        assert_eq!(text(&yen), "JPY 100,000 x (100.0/100) x (100.0/100) x 0.25 = JPY 25,000");
    }

    #[test]
    fn a_calculation_survives_its_json_form() {
        let mut calculation = calculation("10000", "75", "80", Currency::Usd);
        calculation.note_metrics(CreatorMetrics {
            followers: 1,
            content_hours: 0.5,
            total_views: 7,
            platform: "vimeo".to_owned(),
        });
        calculation.asset_id = Some(ObjectId::generate());
        let json = serde_json::to_string(&calculation).unwrap();
        assert_eq!(serde_json::from_str::<Calculation>(&json).unwrap(), calculation);
        assert_eq!(
            (calculation.model_earnings.as_str(), calculation.calculated_value.as_str()),
            ("10000.00", "1500.00")
        );
        assert_eq!(calculation.touch_score(), 77.5);
    }
}
