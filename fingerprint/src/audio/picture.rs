//! Sound to look at: a waveform and a mel spectrogram, of any length in constant memory.

mod canvas;
mod spectrogram;
mod timeline;
mod waveform;

pub(super) use self::spectrogram::Spectrogram;
pub(super) use self::waveform::Waveform;

/// Pixels across, of both pictures.
const WIDTH: usize = 1200;

/// A list of summaries of equal spans of time. When it is full neighbours are joined, and each covers twice the time:
/// the list never has fewer than [`WIDTH`] entries again, and never more than twice as many.
struct Buckets<T> {
    full: Vec<T>,
    /// How many pushed items make one bucket.
    per_bucket: u64,
    open: Option<(T, u64)>,
}

impl<T> Buckets<T> {
    fn new() -> Self {
        Self { full: Vec::new(), per_bucket: 1, open: None }
    }

    /// Adds an item; `join` puts the second into the first.
    fn push(&mut self, item: T, join: impl Fn(&mut T, T)) {
        let (bucket, count) = match self.open.take() {
            Some((mut bucket, count)) => {
                join(&mut bucket, item);
                (bucket, count + 1)
            }
            None => (item, 1),
        };
        if count < self.per_bucket {
            self.open = Some((bucket, count));
            return;
        }
        self.full.push(bucket);
        if self.full.len() >= 2 * WIDTH {
            let mut halved = Vec::with_capacity(2 * WIDTH);
            let mut all = std::mem::take(&mut self.full).into_iter();
            while let Some(mut first) = all.next() {
                if let Some(second) = all.next() {
                    join(&mut first, second);
                }
                halved.push(first);
            }
            self.full = halved;
            self.per_bucket *= 2;
        }
    }

    /// All buckets; the last may cover less than the others.
    fn finish(mut self) -> Vec<T> {
        self.full.extend(self.open.take().map(|(bucket, _)| bucket));
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, WIDTH};

    #[test]
    fn nothing_is_lost_and_the_list_stays_short() {
        for items in [0, 1, WIDTH, 2 * WIDTH - 1, 2 * WIDTH, 100_003_usize] {
            let mut buckets = Buckets::new();
            for _ in 0..items {
                buckets.push(1_u64, |sum, one| *sum += one);
            }
            let all = buckets.finish();
            assert_eq!(all.iter().sum::<u64>(), items as u64);
            assert!(all.len() <= 2 * WIDTH && (items < 2 * WIDTH || all.len() >= WIDTH));
        }
    }
}
