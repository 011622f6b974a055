//! `csv`: trades and quotes in rows of declared columns.
//!
//! A row with a price gives a trade, a row with a bid or an ask a quote, a row with both the trade
//! and then the quote; a row with neither gives a quote without sides, which `validate` rejects.
//! Several files follow one another in name order, each with its own header. Symbols are
//! upper-cased; a symbol that no `[[semantic.instrument]]` defines goes on without an instrument
//! and is rejected by name. Stdin is live: its header is read with its first row, and where no
//! `ts_recv` is declared the receive time is the wall clock.

use crate::csv_fields::Fields;
use crate::csv_plan::{Declared, EXAMPLE, Field, Plan};
use crate::csv_row::{Found, RowReader};
use crate::csv_symbols::Symbols;
use crate::files::{self, Bytes};
use crate::lines::{LINE_MAX, LineError, Lines};
use crate::spec;
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Decoder, Feed, Source, SourceConfig};
use ringbuf_layout::{InputCell, Quote};
use std::path::PathBuf;

const FIX_ROW: &str = "correct the row or the declared columns; everything before it was delivered";

/// Opens the files that `pattern` names, or stdin.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let place = spec::place(&config.spec);
    let Some(csv) = &config.csv else {
        return Err(Problem::new(
            "the columns of this `csv` source are not declared",
            place,
            EXAMPLE,
        ));
    };
    let declared = Declared::new(csv, &place)?;
    let symbols = Symbols::new(&declared, catalog, &place)?;
    let live = pattern == "-";
    let uses = symbols.uses(declared.has(Field::Price));
    let fields = Fields::new(declared.delimiter);
    let paths = if live { Vec::new() } else { files::expand(&config.spec, pattern)? };
    // A corrected scale or column makes other records of the same bytes.
    let identity = files::identity(&[&config.name, &declared.canonical()], &paths)?;
    let inputs =
        if live { vec![Input::Stdin] } else { paths.into_iter().rev().map(Input::File).collect() };
    let mut rows =
        CsvRows { declared, symbols, fields, inputs, current: None, waiting: None, live };
    if !live {
        rows.check_headers()?;
    }
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity,
        live,
        symbols: uses,
        records_hint: None,
        feed: Feed::Decoder(Box::new(rows)),
    })
}

enum Input {
    File(PathBuf),
    Stdin,
    #[cfg(test)]
    Memory(Vec<u8>),
}

impl Input {
    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "stdin".to_string(),
            #[cfg(test)]
            Self::Memory(_) => "memory".to_string(),
        }
    }

    fn bytes(&self) -> Result<Bytes, Problem> {
        let bytes = match self {
            Self::File(path) => files::gunzipped(files::open_file(path)?),
            Self::Stdin => files::gunzipped(std::io::stdin()),
            #[cfg(test)]
            Self::Memory(bytes) => files::gunzipped(std::io::Cursor::new(bytes.clone())),
        };
        bytes.map_err(|e| files::unreadable(&e, &self.place()))
    }
}

/// A file being read.
struct Current {
    lines: Lines,
    plan: Plan,
    place: String,
}

#[cold]
fn broken(lines: &Lines, place: &str, error: &LineError) -> Problem {
    let what = match error {
        LineError::Io(e) => format!("the file cannot be read or unpacked any further: {e}"),
        LineError::TooLong => format!("no line end in {LINE_MAX} bytes"),
    };
    let fix = "check that the file is whole and is CSV; the rows before were delivered";
    Problem::new(what, format!("{place}, line {}", lines.number()), fix)
}

/// The rows of all files.
struct CsvRows {
    declared: Declared,
    symbols: Symbols,
    fields: Fields,
    /// Not yet opened, the first last.
    inputs: Vec<Input>,
    current: Option<Current>,
    /// The quote of a row whose trade was given out.
    waiting: Option<Quote>,
    live: bool,
}

impl CsvRows {
    /// Finds the declared columns in every file before the run starts.
    fn check_headers(&mut self) -> Result<(), Problem> {
        let inputs = std::mem::take(&mut self.inputs);
        for input in inputs.iter().rev() {
            self.start(input)?;
        }
        self.inputs = inputs;
        Ok(())
    }

    fn start(&mut self, input: &Input) -> Result<Current, Problem> {
        let place = input.place();
        let mut lines = Lines::new(input.bytes()?);
        if !self.declared.header {
            let plan = self.declared.find(None, &place)?;
            return Ok(Current { lines, plan, place });
        }
        let header = match lines.next() {
            Ok(header) => header.unwrap_or_default(),
            Err(error) => return Err(broken(&lines, &place, &error)),
        };
        self.fields.split(header).map_err(|fault| fault.at(&place, 1, FIX_ROW))?;
        let plan = self.declared.find(Some(&self.fields), &place)?;
        Ok(Current { lines, plan, place })
    }

    /// The next row's trade and quote; `None` at the end of the last file.
    fn row(&mut self) -> Result<Option<Found>, Problem> {
        loop {
            let current = match &mut self.current {
                Some(current) => current,
                None => match self.inputs.pop() {
                    None => return Ok(None),
                    Some(input) => {
                        let current = self.start(&input)?;
                        self.current.insert(current)
                    }
                },
            };
            let line = match current.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => {
                    self.current = None;
                    continue;
                }
                Err(error) => return Err(broken(&current.lines, &current.place, &error)),
            };
            let mut reader = RowReader {
                declared: &self.declared,
                symbols: &self.symbols,
                fields: &mut self.fields,
                plan: &current.plan,
                live: self.live,
            };
            return match reader.read(line) {
                Ok(found) => Ok(Some(found)),
                Err(fault) => Err(fault.at(&current.place, current.lines.number(), FIX_ROW)),
            };
        }
    }
}

impl Decoder for CsvRows {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if let Some(quote) = self.waiting.take() {
            cell.put(&quote);
            return Ok(true);
        }
        let Some(Found { trade, quote }) = self.row()? else { return Ok(false) };
        match (trade, quote) {
            (Some(trade), quote) => {
                cell.put(&trade);
                self.waiting = quote;
            }
            (None, Some(quote)) => cell.put(&quote),
            (None, None) => unreachable!("Invariant: a row gives a trade or a quote"),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csv_row::wall_clock;
    use engine::source::{Column, CsvColumns, TimeUnit};

    fn rows(text: &str, live: bool, fields: &[&str]) -> CsvRows {
        let csv = CsvColumns {
            header: true,
            delimiter: b',',
            symbol: Some("SPY".to_string()),
            columns: fields
                .iter()
                .map(|field| ((*field).to_string(), Column::Name((*field).to_string())))
                .collect(),
            ts_unit: TimeUnit::Nanoseconds,
            zone: "UTC".to_string(),
            ts_format: String::new(),
            price_scale: "1".to_string(),
        };
        let declared = Declared::new(&csv, "test").unwrap();
        let symbols = Symbols::new(&declared, &Catalog::default(), "test").unwrap();
        let fields = Fields::new(b',');
        let inputs = vec![Input::Memory(text.as_bytes().to_vec())];
        CsvRows { declared, symbols, fields, inputs, current: None, waiting: None, live }
    }

    #[test]
    fn a_live_row_is_received_when_it_comes_unless_it_says_when() {
        let mut cell = InputCell::default();
        let mut plain = rows("ts_event,price,size\n5,1,1\n", true, &["ts_event", "price", "size"]);
        let before = wall_clock();
        assert_eq!(plain.next(&mut cell), Ok(true));
        assert_eq!(cell.head().ts_event, 5);
        assert!((before..=wall_clock()).contains(&cell.head().ts_recv));
        let fields = ["ts_event", "ts_recv", "price", "size"];
        let mut stamped = rows("ts_event,ts_recv,price,size\n5,7,1,1\n", true, &fields);
        assert_eq!(stamped.next(&mut cell), Ok(true));
        assert_eq!(cell.head().ts_recv, 7);
        assert_eq!(stamped.next(&mut cell), Ok(false));
    }

    #[test]
    fn a_live_header_is_checked_with_the_first_row() {
        let mut rows = rows("time,price,size\n", true, &["ts_event", "price", "size"]);
        let problem = rows.next(&mut InputCell::default()).unwrap_err();
        assert!(problem.what.contains("no `ts_event`"), "{problem}");
    }
}
