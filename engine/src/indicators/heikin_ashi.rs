//! Heikin-Ashi bars.

use crate::indicators::ClosedBar;
use crate::stage::Digest;
use crate::state::state;

/// Heikin-Ashi: C = (O + H + L + C) / 4; O = (O₋₁ + C₋₁) / 2 of the Heikin-Ashi bar before, the first
/// O = (O + C) / 2; H = max(H, O, C); L = min(L, O, C). Volume and time stay. Applied once to a raw bar.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeikinAshi {
    /// Open and close of the bar before.
    previous: Option<(f64, f64)>,
}

impl HeikinAshi {
    /// The Heikin-Ashi bar of the next raw bar.
    pub fn on_bar(&mut self, raw: &ClosedBar) -> ClosedBar {
        let close = (raw.open + raw.high + raw.low + raw.close) / 4.0;
        let (open, previous_close) = self.previous.unwrap_or((raw.open, raw.close));
        let open = f64::midpoint(open, previous_close);
        self.previous = Some((open, close));
        let high = raw.high.max(open).max(close);
        let low = raw.low.min(open).min(close);
        ClosedBar { open, high, low, close, ..*raw }
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.previous.is_some()));
        let (open, close) = self.previous.unwrap_or((0.0, 0.0));
        digest.float(open);
        digest.float(close);
    }
}

state!(HeikinAshi { previous });
