//! Bars that no length in time ends: after so many prints, so much size, so much money.
//!
//! The print that completes a bar belongs to it, whole: one print completes at most one bar, and what it has in
//! excess is not carried into the next. A session's end closes what is open, so no bar spans two sessions.

use crate::accounting::Terms;
use crate::bars::piece::Piece;
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::names::BarKind;
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::{PRICE_DIGITS, PRICE_ONE, parse_decimal};
use ringbuf_layout::{Instrument, Price};

/// One bar of the config's `extra`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtraBar {
    /// What ends it: prints, size or money.
    pub kind: BarKind,
    /// How many prints, or in 1e-9 how much size or money of the account.
    pub length: i64,
}

impl ExtraBar {
    /// `tick:1000`, `volume:50000` or `notional:1000000`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            let form = "tick:N, volume:SIZE or notional:MONEY";
            format!("\"{text}\" is not {form}, N whole and each above 0")
        };
        let (kind, length) = text.split_once(':').ok_or_else(wrong)?;
        let (kind, digits) = match kind {
            "tick" => (BarKind::Tick, 0),
            "volume" => (BarKind::Volume, PRICE_DIGITS),
            "notional" => (BarKind::Notional, PRICE_DIGITS),
            _ => return Err(wrong()),
        };
        let length = parse_decimal(length.as_bytes(), digits).map_err(|_| wrong())?;
        if length <= 0 {
            return Err(wrong());
        }
        Ok(Self { kind, length })
    }

    /// What completes a bar of an instrument: prints, size in its unit, or Σ price × size.
    fn threshold(&self, instrument: &Instrument) -> i128 {
        let (length, terms) = (i128::from(self.length), Terms::of(instrument));
        let up = |n: i128, d: i128| n.div_euclid(d) + i128::from(n.rem_euclid(d) > 0);
        match self.kind {
            BarKind::Time | BarKind::Tick => length,
            // A sum of whole units reaches a length that is finer when it reaches the next unit.
            BarKind::Volume => up(length * i128::from(terms.size_one), i128::from(PRICE_ONE)),
            BarKind::Notional => {
                let units = i128::from(PRICE_ONE) * i128::from(terms.size_one);
                let multiplier = i128::from(terms.multiplier);
                if multiplier > 0 {
                    up(length.saturating_mul(units), multiplier)
                } else {
                    i128::MAX
                }
            }
        }
    }

    fn measure(&self, piece: &Piece) -> i128 {
        match self.kind {
            BarKind::Time | BarKind::Tick => piece.ticks.into(),
            BarKind::Volume => piece.volume.into(),
            BarKind::Notional => piece.notional,
        }
    }
}

impl std::fmt::Display for ExtraBar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            BarKind::Time | BarKind::Tick => write!(f, "tick:{}", self.length),
            kind => write!(f, "{}:{}", kind.name(), Price(self.length)),
        }
    }
}

/// The open extra bars of one instrument.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    pieces: [Piece; TIMEFRAMES_MAX],
    thresholds: [i128; TIMEFRAMES_MAX],
}

/// The extra bars of all instruments; nothing where the config has none.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    bars: Vec<ExtraBar>,
    rows: Vec<Open>,
}

impl Extras {
    /// The extra bars of a config, for at most `instruments` instruments.
    pub fn new(bars: &[ExtraBar], instruments: usize) -> Self {
        let rows = if bars.is_empty() { 0 } else { instruments };
        Self { bars: bars.to_vec(), rows: vec![Open::default(); rows] }
    }

    /// True if the config has none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bars.is_empty()
    }

    /// Learns what an instrument's sizes and points are.
    pub fn define(&mut self, instrument: &Instrument) {
        let Some(row) = self.rows.get_mut(instrument.tail.instrument as usize) else { return };
        for (threshold, bar) in row.thresholds.iter_mut().zip(&self.bars) {
            *threshold = bar.threshold(instrument);
        }
    }

    /// A print, added to every open bar; those that it completes go to `closed` with their place. One that sets no
    /// price counts as well, with its size and its money.
    #[inline(never)]
    pub fn add(
        &mut self,
        instrument: u32,
        print: (i64, i64, i64, i64),
        sets_price: bool,
        mut closed: impl FnMut(usize, &ExtraBar, &Piece),
    ) {
        let Some(row) = self.rows.get_mut(instrument as usize) else { return };
        let (ts, ts_bucket, price, size) = print;
        for (i, bar) in self.bars.iter().enumerate() {
            let piece = &mut row.pieces[i];
            if sets_price {
                piece.add(ts, ts_bucket, price, size);
            } else {
                piece.add_aside(ts, ts_bucket, price, size);
            }
            if bar.measure(piece) >= row.thresholds[i] {
                closed(i, bar, piece);
                *piece = Piece::default();
            }
        }
    }

    /// Closes bar `i`, if it is open.
    pub fn close(&mut self, instrument: u32, i: usize) -> Option<(ExtraBar, Piece)> {
        let row = self.rows.get_mut(instrument as usize)?;
        let bar = *self.bars.get(i)?;
        let piece = std::mem::take(&mut row.pieces[i]);
        (piece.ticks > 0).then_some((bar, piece))
    }

    /// Feeds its state to the hash: nothing where the config has none.
    pub fn digest(&self, digest: &mut Digest) {
        for row in &self.rows {
            row.pieces[..self.bars.len()].iter().for_each(|piece| piece.digest(digest));
        }
    }
}

state!(Open { pieces, thresholds });

impl State for Extras {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { bars, rows } = self;
        same_bars(bars, codec)?;
        codec.rows(rows)
    }
}

/// Bars of other lengths are no state of these.
///
/// # Errors
/// Loading: they are others.
pub fn same_bars(bars: &[ExtraBar], codec: &mut Codec<'_>) -> Result<(), StateError> {
    let text: Vec<String> = bars.iter().map(ToString::to_string).collect();
    codec.same_text(&text.join(" "), "the extra bars")
}
