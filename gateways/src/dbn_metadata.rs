//! Metadata of a DBN file: its schema, and which instrument numbers stand for which symbols, when.

use dbn::decode::DbnMetadataDecoder;
use dbn::{Metadata, SType};
use engine::Problem;
use ringbuf_layout::units::SECOND;

/// What is taken from the metadata.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The schema's name, where the file holds one.
    pub schema: Option<&'static str>,
    /// By number, then by time.
    pub mappings: Vec<Mapping>,
}

/// From `from` (inclusive) to `until` (exclusive), ns UTC, the number stands for the symbol.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Mapping {
    pub id: u32,
    pub from: u64,
    pub until: u64,
    /// As it was asked for: a raw symbol, or a continuous one such as `ES.c.0`.
    pub symbol: String,
}

/// Reads metadata, prelude included.
pub(crate) fn parse(bytes: &[u8], place: &str) -> Result<Taken, Problem> {
    let metadata = DbnMetadataDecoder::new(bytes).decode().map_err(|e| {
        Problem::new(
            format!("the metadata is damaged: {e}"),
            place,
            "fetch or copy the file again; nothing of it was delivered",
        )
    })?;
    let mut mappings = mappings(&metadata, place)?;
    mappings.sort();
    Ok(Taken { schema: metadata.schema.map(|schema| schema.as_str()), mappings })
}

fn mappings(metadata: &Metadata, place: &str) -> Result<Vec<Mapping>, Problem> {
    let by_number = metadata.stype_in == Some(SType::InstrumentId);
    if !by_number && metadata.stype_out != SType::InstrumentId && !metadata.mappings.is_empty() {
        return Err(Problem::new(
            format!(
                "the metadata maps symbols to {}, not to instrument numbers",
                metadata.stype_out
            ),
            place,
            "ask Databento for the data with stype_out = \"instrument_id\", which is the default",
        ));
    }
    let mut found = Vec::new();
    for mapping in &metadata.mappings {
        for interval in &mapping.intervals {
            // The first symbology wrote an empty symbol for a time without one.
            if interval.symbol.is_empty() {
                continue;
            }
            let (number, symbol) = if by_number {
                (&mapping.raw_symbol, &interval.symbol)
            } else {
                (&interval.symbol, &mapping.raw_symbol)
            };
            let id = number.parse().map_err(|_| {
                let number: String = number.chars().take(40).collect();
                Problem::new(
                    format!("the metadata maps to `{}`, no number", number.escape_debug()),
                    place,
                    "fetch or copy the file again; nothing of it was delivered",
                )
            })?;
            found.push(Mapping {
                id,
                from: midnight(interval.start_date.to_julian_day()),
                until: midnight(interval.end_date.to_julian_day()),
                symbol: symbol.clone(),
            });
        }
    }
    Ok(found)
}

/// Start of a UTC day, ns; days before 1970 begin at 0, days out of reach never.
fn midnight(julian_day: i32) -> u64 {
    const DAY_OF_1970: i32 = 2_440_588;
    let days = u64::try_from(julian_day - DAY_OF_1970).unwrap_or_default();
    days.saturating_mul(86_400 * SECOND as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(midnight(2_440_588), 0);
        assert_eq!(midnight(2_440_587), 0);
        // 2020-12-28.
        assert_eq!(midnight(2_459_212), 1_609_113_600_000_000_000);
    }
}
