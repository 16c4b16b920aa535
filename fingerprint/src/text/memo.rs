//! Remembers what was found out about characters: a text has few different ones.

/// Characters that are remembered, more than most alphabets have.
const PLACES: usize = 1024;

/// What was found out about the last character at each place.
#[derive(Debug)]
pub(super) struct Memo<T>(Box<[Option<(char, T)>]>);

impl<T: Copy> Memo<T> {
    /// What `find_out` says about `c`, or said.
    #[inline]
    pub(super) fn get(&mut self, c: char, find_out: impl FnOnce(char) -> T) -> T {
        let place = &mut self.0[c as usize % PLACES];
        match *place {
            Some((remembered, found)) if remembered == c => found,
            _ => {
                let found = find_out(c);
                *place = Some((c, found));
                found
            }
        }
    }
}

impl<T: Copy> Default for Memo<T> {
    fn default() -> Self {
        Self(vec![None; PLACES].into())
    }
}
