//! What one algorithm has to say about two works.

use serde::Serialize;

/// What one algorithm says about two works.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Id of the algorithm behind both values (`pdq/pdqhash@1`), or of both where they differ.
    pub algorithm: String,
    /// The field of the report that was compared: `phash`, `pdq`, `chromaprint`, …
    pub field: &'static str,
    /// Absent when nothing could be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance: Option<Distance>,
    /// The usual threshold, and whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    pub verdict: Verdict,
    /// Where and how the works meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
    /// The finding in one plain sentence.
    pub explanation: String,
}

/// How far apart two works are, or how much of one is in the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distance {
    pub value: f64,
    pub unit: Unit,
}

/// What a [`Distance`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Bits of 256 that differ: 0 the same, 128 what chance gives.
    #[serde(rename = "bits of 256")]
    BitsOf256,
    /// Bits of 64 that differ: 0 the same, 32 what chance gives.
    #[serde(rename = "bits of 64")]
    BitsOf64,
    /// Share of the bits that differ over the matching stretch: 0 the same, 0.5 what chance gives.
    #[serde(rename = "bit error rate")]
    BitErrorRate,
    /// Share of the shorter work that is found in the other: 1 all of it, 0 nothing.
    #[serde(rename = "share of the shorter")]
    Share,
    /// 0 equal, 1 not.
    #[serde(rename = "not equal")]
    NotEqual,
}

impl Unit {
    /// As it is printed and serialised.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BitsOf256 => "bits of 256",
            Self::BitsOf64 => "bits of 64",
            Self::BitErrorRate => "bit error rate",
            Self::Share => "share of the shorter",
            Self::NotEqual => "not equal",
        }
    }
}

/// From where on two works count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Threshold {
    /// In the unit of the distance.
    pub value: f64,
    pub direction: Direction,
    /// Who recommends it.
    pub source: &'static str,
}

/// On which side of a threshold works are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Distances: the threshold and less is a match.
    AtMost,
    /// Shares: the threshold and more is a match.
    AtLeast,
}

/// What an algorithm concludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the usual threshold: a copy, or a part of the other, as far as this algorithm can tell.
    Same,
    /// Nearer than strangers use to be, but not within the usual threshold.
    Similar,
    /// As far apart as strangers are.
    Different,
    /// The values can't be compared: other algorithms, too little content, or only one of the two has it.
    NotComparable,
}

impl Verdict {
    /// As it is printed and serialised.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Similar => "similar",
            Self::Different => "different",
            Self::NotComparable => "not_comparable",
        }
    }
}

/// Where and how two works meet.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Detail {
    /// The first picture turned or mirrored so looks like the second.
    Transform {
        /// `original`, `rotate_90`, … as the dihedral forms of PDQ are named.
        form: &'static str,
        /// The first picture was compared without its border.
        trimmed_a: bool,
        /// The second picture was compared without its border.
        trimmed_b: bool,
    },
    /// A stretch of time in both works, in seconds from their starts.
    Stretch {
        a_start: f64,
        b_start: f64,
        /// In the time of the first work.
        seconds: f64,
        /// How much faster the second work plays: 1.02 is two per cent faster.
        speed: f64,
    },
    /// The same passages in both texts, in characters from their starts, in the order of the first; at most 16.
    Passages { passages: Vec<Passage> },
}

/// One passage that both texts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Passage {
    pub a_start: u64,
    pub b_start: u64,
    /// In characters of the first text.
    pub length: u64,
}
