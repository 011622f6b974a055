//! Which features weights were made for.

use crate::shape::LEVELS;
use engine::indicators::FEATURES;
use engine::indicators::matrices::MATRICES;
use sha2::{Digest, Sha256};

/// How a matrix is normalised, by name: each column a z-score over its own window, population deviation, 0 where
/// it is constant, clipped to ±3; see [`engine::indicators::matrices::MatrixWindow`].
pub const NORMALISER: &str = "window_z_score_clip_3";

const _: () = assert!(engine::indicators::matrices::CLIP == 3.0);

/// Everything that gives the cells of a matrix their meaning, as text: the features in order, every matrix with
/// its rows and columns in order, and who reads which.
pub fn description() -> String {
    let mut text = format!("features {}\n", FEATURES.join(","));
    for shape in MATRICES {
        let columns: Vec<_> = shape.columns.iter().map(|feature| feature.name()).collect();
        let timeframe = if shape.slow { "slow" } else { "fast" };
        text +=
            &format!("matrix {} {timeframe} {} {}\n", shape.name, shape.rows, columns.join(","));
    }
    for level in LEVELS {
        text += &format!("reads {} {}\n", level.name, MATRICES[level.matrix].name);
    }
    text
}

/// SHA-256 of a description of features, as lower-case hex.
pub fn hash_of(description: &str) -> String {
    hex(&Sha256::digest(description).into())
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_a_moved_and_a_missing_feature_are_other_lists() {
        let text = description();
        assert!(text.starts_with("features mlmi_value,mlmi_signal,"), "{text}");
        assert!(text.contains("\nmatrix 5m fast 60 fvg_bullish_active,fvg_bearish_active,"));
        assert!(text.ends_with("reads strategic 30m\nreads tactical 5m\n"));
        for other in [
            text.replace("fvg_age", "fvg_years"),
            text.replace("mlmi_value,mlmi_signal", "mlmi_signal,mlmi_value"),
            text.replace(",volume_ratio\n", "\n"),
            text.replace("fast 60", "fast 61"),
        ] {
            assert_ne!(hash_of(&other), hash_of(&text));
        }
    }
}
