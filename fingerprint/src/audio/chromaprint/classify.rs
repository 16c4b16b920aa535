//! Chroma vectors to items: 16 filters over an integral image, each quantised to two bits.

/// Notes of an octave.
pub(super) const NOTES: usize = 12;
/// Width of the widest filter, in rows of the image.
const WIDTH_MAX: usize = 16;
/// Rows of sums that are kept: the widest filter and the row before it.
const ROWS: usize = WIDTH_MAX + 1;

/// Which cells of a rectangle count for and which against.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// All for.
    Whole,
    /// The upper notes for, the lower against.
    Notes,
    /// The later half for, the earlier against.
    Time,
    /// A checkerboard of two by two.
    Checkers,
    /// The middle third of the notes for.
    MiddleNotes,
    /// The middle third of the time for.
    MiddleTime,
}

/// A filter with the thresholds between its four levels.
#[derive(Debug, Clone, Copy)]
struct Classifier {
    shape: Shape,
    /// First note, notes, rows.
    note: usize,
    notes: usize,
    rows: usize,
    levels: [f64; 3],
}

const fn classifier(shape: Shape, note: usize, notes: usize, rows: usize, levels: [f64; 3]) -> Classifier {
    Classifier { shape, note, notes, rows, levels }
}

/// The trained filters of Chromaprint's algorithm 2 (`CHROMAPRINT_ALGORITHM_TEST2`).
const CLASSIFIERS: [Classifier; 16] = [
    classifier(Shape::Whole, 4, 3, 15, [1.98215, 2.35817, 2.63523]),
    classifier(Shape::MiddleNotes, 4, 6, 15, [-1.03809, -0.651211, -0.282167]),
    classifier(Shape::Notes, 0, 4, 16, [-0.298702, 0.119262, 0.558497]),
    classifier(Shape::Checkers, 8, 2, 12, [-0.105439, 0.0153946, 0.135898]),
    classifier(Shape::Checkers, 4, 4, 8, [-0.142891, 0.0258736, 0.200632]),
    classifier(Shape::MiddleNotes, 0, 3, 5, [-0.826319, -0.590612, -0.368214]),
    classifier(Shape::Notes, 2, 2, 9, [-0.557409, -0.233035, 0.0534525]),
    classifier(Shape::Time, 7, 3, 4, [-0.0646826, 0.00620476, 0.0784847]),
    classifier(Shape::Time, 6, 2, 16, [-0.192387, -0.029699, 0.215855]),
    classifier(Shape::Time, 1, 3, 2, [-0.0397818, -0.00568076, 0.0292026]),
    classifier(Shape::MiddleTime, 10, 1, 15, [-0.53823, -0.369934, -0.190235]),
    classifier(Shape::Checkers, 6, 2, 10, [-0.124877, 0.0296483, 0.139239]),
    classifier(Shape::Time, 1, 1, 14, [-0.101475, 0.0225617, 0.231971]),
    classifier(Shape::Checkers, 5, 6, 4, [-0.0799915, -0.00729616, 0.063262]),
    classifier(Shape::Notes, 9, 2, 12, [-0.272556, 0.019424, 0.302559]),
    classifier(Shape::Checkers, 4, 2, 14, [-0.164292, -0.0321188, 0.0846339]),
];

/// Sums of all cells above and to the left, for the last [`ROWS`] rows of an endless image.
#[derive(Debug)]
pub(super) struct Image {
    rows: usize,
    sums: [[f64; NOTES]; ROWS],
}

impl Image {
    pub(super) fn new() -> Self {
        Self { rows: 0, sums: [[0.0; NOTES]; ROWS] }
    }

    /// Adds a row; an item, once there are enough rows for the widest filter.
    pub(super) fn push(&mut self, row: &[f64; NOTES]) -> Option<u32> {
        // Summed along the row first, then on top of the row above: the order shows in the last bits.
        let mut sums = [0.0; NOTES];
        let mut sum = 0.0;
        for (total, value) in sums.iter_mut().zip(row) {
            sum += value;
            *total = sum;
        }
        if self.rows > 0 {
            let above = self.sums[(self.rows - 1) % ROWS];
            for (total, value) in sums.iter_mut().zip(above) {
                *total += value;
            }
        }
        self.sums[self.rows % ROWS] = sums;
        self.rows += 1;
        let first = self.rows.checked_sub(WIDTH_MAX)?;
        Some(CLASSIFIERS.iter().fold(0, |item, classifier| (item << 2) | gray(self.level(classifier, first))))
    }

    /// Sum of the cells of rows `r0..r1` and notes `n0..n1`.
    fn area(&self, r0: usize, n0: usize, r1: usize, n1: usize) -> f64 {
        if r0 == r1 || n0 == n1 {
            return 0.0;
        }
        let below = &self.sums[(r1 - 1) % ROWS];
        match (r0, n0) {
            (0, 0) => below[n1 - 1],
            (0, _) => below[n1 - 1] - below[n0 - 1],
            (_, 0) => below[n1 - 1] - self.sums[(r0 - 1) % ROWS][n1 - 1],
            _ => {
                let above = &self.sums[(r0 - 1) % ROWS];
                below[n1 - 1] - above[n1 - 1] - below[n0 - 1] + above[n0 - 1]
            }
        }
    }

    /// 0 to 3.
    fn level(&self, classifier: &Classifier, x: usize) -> u32 {
        let Classifier { shape, note: y, notes: h, rows: w, levels } = *classifier;
        let (right, top) = (x + w, y + h);
        let (plus, minus) = match shape {
            Shape::Whole => (self.area(x, y, right, top), 0.0),
            Shape::Notes => {
                let middle = y + h / 2;
                (self.area(x, middle, right, top), self.area(x, y, right, middle))
            }
            Shape::Time => {
                let middle = x + w / 2;
                (self.area(middle, y, right, top), self.area(x, y, middle, top))
            }
            Shape::Checkers => {
                let (mx, my) = (x + w / 2, y + h / 2);
                (
                    self.area(x, my, mx, top) + self.area(mx, y, right, my),
                    self.area(x, y, mx, my) + self.area(mx, my, right, top),
                )
            }
            Shape::MiddleNotes => {
                let (a, b) = (y + h / 3, y + 2 * (h / 3));
                (self.area(x, a, right, b), self.area(x, y, right, a) + self.area(x, b, right, top))
            }
            Shape::MiddleTime => {
                let (a, b) = (x + w / 3, x + 2 * (w / 3));
                (self.area(a, y, b, top), self.area(x, y, a, top) + self.area(b, y, right, top))
            }
        };
        let value = ((1.0 + plus) / (1.0 + minus)).ln();
        if value < levels[1] { u32::from(value >= levels[0]) } else { 2 + u32::from(value >= levels[2]) }
    }
}

/// Neighbouring levels differ in one bit.
fn gray(level: u32) -> u32 {
    level ^ (level >> 1)
}
