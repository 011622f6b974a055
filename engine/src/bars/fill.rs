//! Buckets in which nothing traded.

use bytemuck::Zeroable;
use ringbuf_layout::{Bar, BarFlags, Price, Size};

/// What becomes of a bucket within a session in which nothing traded. Closed hours and breaks have no buckets,
/// whatever the policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Gap {
    /// No bar; the next one carries a gap flag.
    #[default]
    None,
    /// From the session's first bar on, a bar at the last close, flagged as filled.
    Flat,
    /// As `Flat`, and before the session's first bar at the last close of the session before.
    Carry,
}

impl Gap {
    /// All of them, by their word in the config.
    pub const WORDS: [(&str, Self); 3] =
        [("none", Self::None), ("flat", Self::Flat), ("carry", Self::Carry)];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, gap)| *gap == self).map_or("", |(word, _)| word)
    }

    /// True if empty buckets become bars.
    pub fn fills(self) -> bool {
        self != Self::None
    }
}

/// Open, high, low and close of a bar in which nothing traded.
pub fn flat(close: i64) -> Bar {
    let price = Price(close);
    let mut bar = Bar { open: price, high: price, low: price, close: price, ..Bar::zeroed() };
    (bar.volume, bar.vwap) = (Size(0), Price::UNDEFINED);
    bar.tail.flags = BarFlags::FILLED.0;
    bar
}
