//! Marks of time along the lower edge.

use super::canvas::Canvas;

/// Pixels the marks take below the picture.
pub(super) const HEIGHT: usize = 24;
/// Fewest pixels between two marks.
const APART: f64 = 90.0;
/// Seconds between two marks.
const STEPS: [f64; 18] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
/// Pixels of a dot of a digit.
const SCALE: usize = 2;

/// Draws marks with their times for a sound of `seconds`. `each` is told the column of every mark.
pub(super) fn draw(canvas: &mut Canvas, seconds: f64, mark: u8, text: u8, mut each: impl FnMut(&mut Canvas, usize)) {
    let width = canvas.width as f64;
    let top = canvas.height - HEIGHT;
    let enough = |step: &f64| step * width / seconds >= APART;
    let step = STEPS.into_iter().find(enough).unwrap_or_else(|| (seconds * APART / width / 3600.0).ceil() * 3600.0);
    for i in 0..(width / APART) as usize + 1 {
        let at = i as f64 * step;
        if at >= seconds {
            break;
        }
        let x = (at * width / seconds) as usize;
        each(canvas, x);
        canvas.column(x, top, top + 6, mark);
        let label = label(at, step);
        let centred = x.saturating_sub(Canvas::text_width(&label, SCALE) / 2).max(2);
        let last = canvas.width.saturating_sub(Canvas::text_width(&label, SCALE) + 1);
        canvas.text(&label, centred.min(last), top + 9, SCALE, text);
    }
}

/// `0:05`, `1:02:00`, or with decimals where the step has them.
fn label(seconds: f64, step: f64) -> String {
    if step < 0.1 {
        return format!("{seconds:.2}");
    }
    if step < 1.0 {
        return format!("{seconds:.1}");
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn labels() {
        assert_eq!(super::label(0.05, 0.05), "0.05");
        assert_eq!(super::label(1.5, 0.5), "1.5");
        assert_eq!(super::label(65.0, 5.0), "1:05");
        assert_eq!(super::label(7320.0, 60.0), "2:02:00");
    }
}
