//! `csv`: trades, quotes, bars or book levels in rows of declared columns.
//!
//! A row with a price gives a trade, a row with a bid or an ask a quote, a row with both the trade
//! and then the quote; a row with neither gives a quote without sides, which `validate` rejects.
//! Several files follow one another in name order, each with its own header. Symbols are
//! upper-cased; without `symbols`, a symbol that no `[[semantic.instrument]]` defines goes on
//! without an instrument and is rejected by name. A bar's `ts_event` is its close. Rows are
//! delivered as they stand: order and repeated stamps are for `validate` to judge. Stdin is live:
//! its header is read with its first row, and where no `ts_recv` is declared the receive time is
//! the wall clock.

use crate::files::{self, Bytes};
use crate::lines::{LINE_MAX, LineError, Lines};
use crate::naming::Naming;
use crate::packed;
use crate::row_fields::Fields;
use crate::row_plan::{Declared, EXAMPLE, Plan};
use crate::row_reader::{Memory, RowReader};
use crate::row_symbols::{NOT_CHOSEN, Symbols};
use crate::spec;
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Decoder, Feed, Source, SourceConfig};
use ringbuf_layout::InputCell;
use std::path::{Path, PathBuf};

const FIX_ROW: &str = "correct the row or the declared columns; everything before it was delivered";

/// Opens the files that `pattern` names, or stdin.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let place = spec::place(&config.spec);
    let Some(columns) = &config.columns else {
        return Err(Problem::new(
            "the columns of this `csv` source are not declared",
            place,
            EXAMPLE,
        ));
    };
    let declared = Declared::new(columns, &place)?;
    if pattern == "-" {
        return source(config, declared, None, catalog);
    }
    source(config, declared, Some(files::expand(&config.spec, pattern)?), catalog)
}

/// A source of these files, or of stdin, as declared.
pub(crate) fn source(
    config: &SourceConfig,
    declared: Declared,
    paths: Option<Vec<PathBuf>>,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let symbols = Symbols::new(config, &declared, catalog, &spec::place(&config.spec))?;
    let live = paths.is_none();
    let uses = symbols.uses(declared.gives_trades(), declared.bars_s());
    let fields = Fields::new(declared.delimiter);
    // A corrected scale or column makes other records of the same bytes.
    let identity = identity(config, &declared, paths.as_deref().unwrap_or_default())?;
    let inputs = match paths {
        None => vec![Input::Stdin],
        Some(paths) => paths.into_iter().rev().map(Input::File).collect(),
    };
    let memory = Memory::default();
    let mut rows = CsvRows { declared, symbols, fields, inputs, current: None, memory, live };
    if !live {
        rows.check_headers()?;
    }
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity,
        live,
        symbols: uses,
        front: None,
        records_hint: None,
        feed: Feed::Decoder(Box::new(rows)),
    })
}

/// Identity of a source of declared rows.
pub(crate) fn identity(
    config: &SourceConfig,
    declared: &Declared,
    paths: &[PathBuf],
) -> Result<[u8; 32], Problem> {
    let (rows, names) = (declared.canonical(), Naming::canonical(config));
    let texts = [config.name.as_str(), &rows, &names];
    files::identity(if names.is_empty() { &texts[..2] } else { &texts }, paths)
}

/// The first lines of a file, for those who choose the columns by them; fewer at its end.
pub(crate) fn first_lines<const N: usize>(path: &Path) -> Result<[String; N], Problem> {
    let (bytes, place) = packed::open(path)?;
    let mut lines = Lines::new(bytes);
    let mut out = [const { String::new() }; N];
    for text in &mut out {
        match lines.next() {
            Ok(Some(line)) => *text = String::from_utf8_lossy(line).into_owned(),
            Ok(None) => break,
            Err(error) => return Err(broken(&lines, &place, &error)),
        }
    }
    Ok(out)
}

enum Input {
    File(PathBuf),
    Stdin,
    #[cfg(test)]
    Memory(Vec<u8>),
}

impl Input {
    /// The bytes, and how messages name them.
    fn open(&self) -> Result<(Bytes, String), Problem> {
        let (bytes, place) = match self {
            Self::File(path) => return packed::open(path),
            Self::Stdin => (packed::unpacked(std::io::stdin()), "stdin"),
            #[cfg(test)]
            Self::Memory(bytes) => {
                (packed::unpacked(std::io::Cursor::new(bytes.clone())), "memory")
            }
        };
        Ok((bytes.map_err(|e| files::unreadable(&e, place))?, place.to_string()))
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
    memory: Memory,
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
        let (bytes, place) = input.open()?;
        let mut lines = Lines::new(bytes);
        if !self.declared.header {
            let plan = self.declared.find(None, &place)?;
            return Ok(Current { lines, plan, place });
        }
        let header = match lines.next() {
            // A row in its place: the file is read again from its begin.
            Ok(Some([b'0'..=b'9', ..])) if self.declared.optional_header => {
                let plan = self.declared.find(None, &place)?;
                return Ok(Current { lines: Lines::new(input.open()?.0), plan, place });
            }
            Ok(header) => header.unwrap_or_default(),
            Err(error) => return Err(broken(&lines, &place, &error)),
        };
        self.fields.split(header).map_err(|fault| fault.at(&place, 1, FIX_ROW))?;
        let names: Vec<String> = (0..self.fields.len())
            .filter_map(|index| self.fields.get(index))
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        let plan = self.declared.find(Some(&names), &format!("{place}, line 1"))?;
        Ok(Current { lines, plan, place })
    }

    /// The next wanted row's record; false at the end of the last file.
    fn row(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        loop {
            let current = match &mut self.current {
                Some(current) => current,
                None => match self.inputs.pop() {
                    None => return Ok(false),
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
            let fault = |fault: files::Fault, current: &Current| {
                fault.at(&current.place, current.lines.number(), FIX_ROW)
            };
            if let Err(split) = self.fields.split(line) {
                return Err(fault(split, current));
            }
            let mut reader = RowReader {
                declared: &self.declared,
                symbols: &mut self.symbols,
                fields: &self.fields,
                plan: &current.plan,
                memory: &mut self.memory,
                live: self.live,
            };
            match reader.read(cell) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(read) => return Err(fault(read, current)),
            }
        }
    }
}

impl Decoder for CsvRows {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if let Some(waiting) = self.memory.waiting.take() {
            cell.copy_from(&waiting);
            return Ok(true);
        }
        self.row(cell)
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![(NOT_CHOSEN, self.symbols.unwanted)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row_reader::wall_clock;
    use engine::source::{Column, Columns, TimeUnit};

    fn rows(text: &str, live: bool, fields: &[&str]) -> CsvRows {
        let columns = Columns {
            header: true,
            delimiter: b',',
            symbol: Some("SPY".to_string()),
            columns: fields
                .iter()
                .map(|field| ((*field).to_string(), Column::Name((*field).to_string())))
                .collect(),
            ts_unit: TimeUnit::Nanoseconds,
            zone: "UTC".to_string(),
            ts_formats: Vec::new(),
            price_scale: "1".to_string(),
            stamp: None,
            timeframe_s: None,
        };
        let declared = Declared::new(&columns, "test").unwrap();
        let config = SourceConfig::of("csv:test");
        let symbols = Symbols::new(&config, &declared, &Catalog::default(), "test").unwrap();
        let fields = Fields::new(b',');
        let inputs = vec![Input::Memory(text.as_bytes().to_vec())];
        CsvRows {
            declared,
            symbols,
            fields,
            inputs,
            current: None,
            memory: Memory::default(),
            live,
        }
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
