//! Scores that are guessed from a creator's audience, where nobody knows them: method `heuristic_v1`.

use serde::{Deserialize, Serialize};

use super::Score;

/// A creator's audience.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreatorMetrics {
    pub followers: u64,
    /// Hours of content, finite and not negative.
    pub content_hours: f64,
    pub total_views: u64,
    /// Any name; those that nobody knows count as `other`.
    pub platform: String,
}

impl CreatorMetrics {
    /// Name of the method, as calculations tell it.
    pub const METHOD: &'static str = "heuristic_v1";

    /// How much there is to learn from: hours of content, the kind of platform, and hours for each follower.
    pub fn contribution(&self) -> Score {
        let Self { followers, content_hours: hours, .. } = *self;
        let points = match self.platform().as_str() {
            "youtube" | "github" | "wikipedia" => 30.0,
            "twitter" | "x" => 28.0,
            "reddit" => 27.0,
            "medium" => 25.0,
            "tiktok" => 22.0,
            "instagram" => 20.0,
            "vimeo" => 18.0,
            "twitch" => 16.0,
            "spotify" | "linkedin" => 15.0,
            "soundcloud" => 14.0,
            "pinterest" => 12.0,
            _ => 15.0,
        };
        let engagement = match followers {
            0 => 10.0,
            followers => (hours / (followers as f64 / 1_000.0) / 10.0).min(1.0) * 20.0,
        };
        Score::rounded((hours / 1_000.0).min(1.0) * 50.0 + points + engagement)
    }

    /// How many get to see it: followers, views, and the kind of platform.
    pub fn exposure(&self) -> Score {
        let points = match self.platform().as_str() {
            "youtube" => 20.0,
            "tiktok" => 19.0,
            "instagram" => 18.0,
            "twitter" | "x" => 17.0,
            "facebook" => 16.0,
            "reddit" => 15.0,
            "spotify" | "twitch" => 14.0,
            "github" => 13.0,
            "linkedin" => 12.0,
            "medium" => 11.0,
            "vimeo" | "pinterest" => 10.0,
            "soundcloud" => 9.0,
            _ => 10.0,
        };
        Score::rounded(reach(self.followers, 6.0) + reach(self.total_views, 7.0) + points)
    }

    fn platform(&self) -> String {
        self.platform.trim().to_lowercase()
    }
}

/// Up to 40 points, all of them for ten to the power of `magnitude` people.
fn reach(people: u64, magnitude: f64) -> f64 {
    if people == 0 { 0.0 } else { ((people as f64).log10() / magnitude * 40.0).min(40.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(followers: u64, content_hours: f64, total_views: u64, platform: &str) -> (f64, f64) {
        let metrics = CreatorMetrics { followers, content_hours, total_views, platform: platform.to_owned() };
        (metrics.contribution().number(), metrics.exposure().number())
    }

    #[test]
    fn the_known_creators_get_their_scores() {
        assert_eq!(scores(10_000, 150.5, 500_000, "youtube"), (57.52, 79.23));
        assert_eq!(scores(0, 0.0, 0, "other"), (25.0, 10.0));
        assert_eq!(scores(1_000_000, 2_000.0, 100_000_000, "tiktok"), (76.0, 99.0));
    }

    #[test]
    fn names_of_platforms_are_not_minded_closely() {
        assert_eq!(scores(5, 1.0, 5, "X"), scores(5, 1.0, 5, " twitter "));
        assert_eq!(scores(5, 1.0, 5, "a place of tomorrow"), scores(5, 1.0, 5, "other"));
    }

    #[test]
    fn scores_stay_within_their_bounds() {
        for platform in ["youtube", "github", "other"] {
            for people in [0, 1, u64::MAX] {
                for hours in [0.0, 1e-300, 1e300] {
                    let (contribution, exposure) = scores(people, hours, people, platform);
                    for score in [contribution, exposure] {
                        assert!((0.0..=100.0).contains(&score), "{people} {hours} {platform}: {score}");
                    }
                }
            }
        }
    }
}
