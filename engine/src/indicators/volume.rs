//! Volume against its average, and the skew of volumes.

use crate::indicators::average::Smoothed;
use crate::indicators::statistics::skewness;
use crate::indicators::window::Window;
use crate::stage::Digest;
use crate::state::state;

/// Bars of the average and of the skew.
pub const VOLUME_BARS: usize = 20;

/// State of the two volume features.
#[derive(Clone, Copy, Debug)]
pub struct Volume {
    average: Smoothed,
    volumes: Window<VOLUME_BARS>,
}

impl Default for Volume {
    fn default() -> Self {
        Self { average: Smoothed::exponential(VOLUME_BARS as u32), volumes: Window::default() }
    }
}

/// Its values after a bar.
#[derive(Clone, Copy, Debug, Default)]
pub struct VolumeValues {
    /// `volume_ratio`: volume / EMA(20) of volume, the bar itself included, so at most 10.5. `None` where
    /// nothing has traded (quote-only instruments): a ratio to nothing is not 0.
    pub ratio: Option<f64>,
    /// `volume_profile_skew`: population skewness of the last 20 volumes. `None` where all are equal.
    pub skew: Option<f64>,
}

impl Volume {
    /// Takes the next bar's volume.
    pub fn on_volume(&mut self, volume: f64) -> VolumeValues {
        self.volumes.push(volume);
        let average = self.average.push(volume).filter(|average| *average > 0.0);
        VolumeValues {
            ratio: average.map(|average| volume / average),
            skew: self.volumes.full().and_then(skewness),
        }
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        self.average.digest(digest);
        self.volumes.digest(digest);
    }
}

state!(Volume { average, volumes });
