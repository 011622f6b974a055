//! `journal`: the market data of a journal, run again or imported, as a source with new sequences.
//!
//! Its instruments are all that the journal defines, in the order of their numbers, so that the run
//! numbers them alike; where the config defines one otherwise, sizes are converted exactly or not
//! at all. The journal itself is read by the engine.

use crate::naming::Naming;
use crate::spec;
use engine::Problem;
use engine::instrument::{Catalog, InstrumentDef};
use engine::market_tape::{self, MarketTape};
use engine::source::{Decoder, Feed, Source, SourceConfig};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::{BookLevel, ExternalBar, InputCell, Quote, Size, Trade};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The definitions that a journal brings, under our names; only those that are wanted.
pub(crate) fn definitions(config: &SourceConfig, dir: &str) -> Result<Vec<InstrumentDef>, Problem> {
    let naming = Naming::of(config);
    let all = market_tape::definitions(Path::new(dir))?;
    let ours =
        |def: InstrumentDef| Some(InstrumentDef { symbol: naming.ours(&def.symbol)?, ..def });
    Ok(all.into_iter().filter_map(ours).collect())
}

/// Opens the journal in `dir`.
pub(crate) fn open(config: &SourceConfig, dir: &str, catalog: &Catalog) -> Result<Source, Problem> {
    let survey = market_tape::survey(Path::new(dir))?;
    let place = spec::place(&config.spec);
    let mut naming = Naming::of(config);
    let mut numbers = Vec::new();
    for held in &survey.instruments {
        let theirs = held.def.size_precision;
        let met = naming.meet(&held.def.symbol, held.trades, dir, catalog);
        let met = met.map(|(number, ours)| (number, Rescale::of(theirs, ours.size_precision)));
        if let Some((number, _)) = met
            && held.bars_s > 0
        {
            naming.has_bars(number, held.bars_s);
        }
        numbers.push(met);
    }
    let symbols = naming.finish(&place)?;
    let mut identity = Sha256::new();
    identity.update((config.name.len() as u64).to_le_bytes());
    identity.update(&config.name);
    identity.update(survey.content);
    if !(config.symbols.is_empty() && config.rename.is_empty()) {
        identity.update(format!("{:?} {:?}", config.symbols, config.rename));
    }
    let decoder = Records {
        tape: MarketTape::open(Path::new(dir))?,
        numbers,
        keep_unknown: config.symbols.is_empty(),
        dir: dir.to_string(),
        count: 0,
    };
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity: identity.finalize().into(),
        live: false,
        symbols,
        front: None,
        records_hint: Some(survey.records),
        feed: Feed::Decoder(Box::new(decoder)),
    })
}

/// From the size unit of the journal to that of the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Rescale {
    /// Decimal digits of the journal, and of the run.
    from: u8,
    to: u8,
}

impl Rescale {
    fn of(from: u8, to: u8) -> Self {
        Self { from, to }
    }

    fn size(self, size: Size) -> Option<Size> {
        if self.to >= self.from {
            let times = 10_i64.checked_pow(u32::from(self.to - self.from))?;
            return size.0.checked_mul(times).map(Size);
        }
        let parts = 10_i64.checked_pow(u32::from(self.from - self.to))?;
        (size.0 % parts == 0).then_some(Size(size.0 / parts))
    }

    /// Converts all sizes of a record; `None` where one does not fit.
    fn record(self, cell: &mut InputCell) -> Option<()> {
        if self.from == self.to {
            return Some(());
        }
        if let Some(trade) = cell.get::<Trade>() {
            let size = self.size(trade.size)?;
            cell.put(&Trade { size, ..*trade });
        } else if let Some(quote) = cell.get::<Quote>() {
            let (bid_size, ask_size) = (self.size(quote.bid_size)?, self.size(quote.ask_size)?);
            cell.put(&Quote { bid_size, ask_size, ..*quote });
        } else if let Some(level) = cell.get::<BookLevel>() {
            let size = self.size(level.size)?;
            cell.put(&BookLevel { size, ..*level });
        } else if let Some(bar) = cell.get::<ExternalBar>() {
            let volume = self.size(bar.volume)?;
            cell.put(&ExternalBar { volume, ..*bar });
        }
        Some(())
    }
}

/// The wanted records.
struct Records {
    tape: MarketTape,
    /// Our number of each instrument of the journal; `None` for those that are not wanted.
    numbers: Vec<Option<(u32, Rescale)>>,
    /// True if records without an instrument go on without one.
    keep_unknown: bool,
    dir: String,
    /// Market records read.
    count: u64,
}

impl Decoder for Records {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        while self.tape.next(cell)? {
            self.count += 1;
            match self.numbers.get(cell.tail().instrument as usize) {
                Some(Some((number, rescale))) => {
                    cell.tail_mut().instrument = *number;
                    if rescale.record(cell).is_none() {
                        return Err(self.unfit(*rescale));
                    }
                    return Ok(true);
                }
                None if self.keep_unknown => {
                    cell.tail_mut().instrument = NO_INSTRUMENT;
                    return Ok(true);
                }
                Some(None) | None => {}
            }
        }
        Ok(false)
    }
}

impl Records {
    #[cold]
    fn unfit(&self, Rescale { from, to }: Rescale) -> Problem {
        Problem::new(
            format!("a size of {from} decimal digits does not fit into {to}"),
            format!("{}, market record {}", self.dir, self.count),
            format!("give the instrument size_precision = {from}, as the journal has it"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_converted_exactly_or_not_at_all() {
        let check = |from, to, size, expected: Option<i64>| {
            assert_eq!(Rescale::of(from, to).size(Size(size)), expected.map(Size));
        };
        check(0, 2, 7, Some(700));
        check(2, 0, 700, Some(7));
        check(2, 0, 701, None);
        check(0, 9, i64::MAX / 2, None);
        check(9, 0, -3_000_000_000, Some(-3));
    }
}
