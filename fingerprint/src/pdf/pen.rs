//! Where the pen is: a string that begins away from the end of the one before is another word (ISO 32000-1, 9.4).

/// Part of the font's size that a gap between two words is wide at least.
const SPACE_EM: f32 = 0.2;
/// Part of the font's size that a string begins before the end of the last one where it is not of the same word.
const BACK_EM: f32 = 0.5;

/// The state of text that moves the pen.
#[derive(Debug, Clone)]
pub(super) struct Pen {
    /// Text to user space, at the start of the line.
    line: [f32; 6],
    /// From there along the line, in text space.
    advance: f32,
    /// Where the last string ended, in user space.
    end: Option<[f32; 2]>,
    /// Moved since.
    moved: bool,
    pub(super) size: f32,
    pub(super) char_space: f32,
    /// Horizontal scaling, 1 for none.
    pub(super) scale: f32,
    pub(super) leading: f32,
}

impl Default for Pen {
    fn default() -> Self {
        Self {
            line: [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            advance: 0.0,
            end: None,
            moved: false,
            size: 1.0,
            char_space: 0.0,
            scale: 1.0,
            leading: 0.0,
        }
    }
}

impl Pen {
    /// `Tm`, and `BT` with the matrix that changes nothing.
    pub(super) fn set(&mut self, matrix: [f32; 6]) {
        (self.line, self.advance, self.moved) = (matrix, 0.0, true);
    }

    /// `BT`.
    pub(super) fn begin(&mut self) {
        self.set(Self::default().line);
    }

    /// `Td`.
    pub(super) fn move_line(&mut self, x: f32, y: f32) {
        let [a, b, c, d, e, f] = self.line;
        self.set([a, b, c, d, e + x * a + y * c, f + x * b + y * d]);
    }

    /// `T*`.
    pub(super) fn next_line(&mut self) {
        self.move_line(0.0, -self.leading);
    }

    /// A number within `TJ`: moves the pen back by so many thousandths.
    pub(super) fn kern(&mut self, thousandths: f32) {
        self.advance -= thousandths / 1_000.0 * self.size * self.scale;
    }

    /// Whether the string that comes next is another word than the last.
    pub(super) fn is_apart(&mut self) -> bool {
        let [a, b, ..] = self.line;
        let (Some([x, y]), true) = (self.end, std::mem::take(&mut self.moved)) else { return false };
        let [start_x, start_y] = self.at();
        // Along the line, in text space.
        let gap = ((start_x - x) * a + (start_y - y) * b) / (a * a + b * b);
        let em = (self.size * self.scale).abs();
        gap > SPACE_EM * em || gap < -BACK_EM * em
    }

    /// A string of `codes` codes was shown that is `thousandths` wide.
    pub(super) fn show(&mut self, thousandths: f32, codes: usize) {
        let width = thousandths / 1_000.0 * self.size + self.char_space * codes as f32;
        self.advance += width * self.scale;
        self.end = Some(self.at());
    }

    fn at(&self) -> [f32; 2] {
        let [a, b, _, _, e, f] = self.line;
        [e + self.advance * a, f + self.advance * b]
    }
}
