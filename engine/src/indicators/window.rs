//! The newest N values.

use crate::stage::Digest;
use crate::state::{Codec, State, StateError, checked};

/// The newest `N` values in order of time. It shifts instead of wrapping: a bar's worth of bytes to move (at
/// most 480) costs less than the two halves of a wrapped ring would cost every reader.
#[derive(Clone, Copy, Debug)]
pub struct Window<const N: usize> {
    values: [f64; N],
    len: usize,
}

impl<const N: usize> Default for Window<N> {
    fn default() -> Self {
        Self { values: [0.0; N], len: 0 }
    }
}

impl<const N: usize> Window<N> {
    /// Appends a value; the oldest leaves a full window.
    pub fn push(&mut self, value: f64) {
        if self.len == N {
            self.values.copy_within(1.., 0);
            self.values[N - 1] = value;
        } else {
            self.values[self.len] = value;
            self.len += 1;
        }
    }

    /// The newest `count` values, oldest first, once there are so many.
    pub fn newest(&self, count: usize) -> Option<&[f64]> {
        self.values[..self.len].get(self.len.checked_sub(count)?..)
    }

    /// All `N` values, oldest first, once there are so many.
    pub fn full(&self) -> Option<&[f64]> {
        self.newest(N)
    }

    /// Feeds its values to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(self.len as u64);
        self.values[..self.len].iter().for_each(|value| digest.float(*value));
    }
}

impl<const N: usize> State for Window<N> {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { values, len } = self;
        len.state(codec)?;
        checked(len, codec, |len| *len <= N)?;
        values[..*len].iter_mut().try_for_each(|value| value.state(codec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_keeps_the_newest_values_oldest_first() {
        let mut window = Window::<3>::default();
        assert_eq!(window.newest(1), None);
        window.push(1.0);
        window.push(2.0);
        assert_eq!((window.full(), window.newest(1)), (None, Some(&[2.0][..])));
        window.push(3.0);
        window.push(4.0);
        assert_eq!(window.full(), Some(&[2.0, 3.0, 4.0][..]));
        assert_eq!(window.newest(2), Some(&[3.0, 4.0][..]));
        assert_eq!(window.newest(4), None);
    }
}
