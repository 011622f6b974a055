//! LEAN's symbol properties: a CSV with a row a symbol, by market and type of security.
//!
//! Prices are as LEAN has them: where the exchange quotes in cents, `price_magnifier` says so and the
//! row's tick and multiplier are for dollars. Databento's prices of those are in cents.

use crate::files::{self, Fault};
use crate::lines::{LINE_MAX, LineError, Lines};
use crate::row_fields::Fields;
use engine::Problem;
use ringbuf_layout::units::{DecimalError, PRICE_DIGITS, parse_decimal};
use std::path::Path;

/// One row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Properties {
    /// Symbol, or `[*]` for every symbol of the market and type.
    pub symbol: String,
    pub security_type: String,
    pub currency: String,
    /// 1e-9.
    pub multiplier: i64,
    /// 1e-9.
    pub tick: i64,
    /// In 10^-`size_precision`.
    pub lot: i64,
    pub size_precision: u8,
    /// Line in the file.
    pub line: u64,
}

/// The columns that are read.
const COLUMNS: [&str; 7] = [
    "market",
    "symbol",
    "type",
    "quote_currency",
    "contract_multiplier",
    "minimum_price_variation",
    "lot_size",
];

/// Symbol of the row that stands for all of its market and type.
pub(crate) const EVERY: &str = "[*]";

/// The rows of a market that `wanted` accepts by symbol and type.
///
/// # Errors
/// A file that cannot be read, lacks a column, or holds a wanted row with a bad field.
pub(crate) fn read(
    path: &Path,
    market: &str,
    wanted: impl Fn(&str, &str) -> bool,
) -> Result<Vec<Properties>, Problem> {
    let place = path.display().to_string();
    let mut lines = Lines::new(Box::new(files::open_file(path)?));
    let mut fields = Fields::new(b',');
    let mut columns: Option<[usize; 7]> = None;
    let mut found = Vec::new();
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(LineError::Io(e)) => return Err(files::unreadable(&e, &place)),
            Err(LineError::TooLong) => {
                let what = format!("no line end in {LINE_MAX} bytes");
                return Err(Fault::new("", what).at(&place, lines.number(), "check the file"));
            }
        };
        if line.starts_with(b"#") {
            continue;
        }
        let at = |fault: Fault, number| fault.at(&place, number, "correct the row");
        if let Err(fault) = fields.split(line) {
            return Err(at(fault, lines.number()));
        }
        let Some(columns) = &columns else {
            columns = Some(header(&fields).map_err(|fault| at(fault, lines.number()))?);
            continue;
        };
        let text = |column: usize| fields.get(columns[column]).unwrap_or_default();
        let (symbol, kind) = (upper(text(1)), lower(text(2)));
        if lower(text(0)) != market || !wanted(&symbol, &kind) {
            continue;
        }
        let row = row(symbol, kind, [text(3), text(4), text(5), text(6)], lines.number());
        found.push(row.map_err(|fault| at(fault, lines.number()))?);
    }
    Ok(found)
}

fn header(fields: &Fields) -> Result<[usize; 7], Fault> {
    let mut columns = [0; 7];
    for (place, name) in columns.iter_mut().zip(COLUMNS) {
        let at = (0..fields.len()).find(|at| fields.get(*at) == Some(name.as_bytes()));
        *place = at.ok_or_else(|| Fault::new(name, "the header has no such column"))?;
    }
    Ok(columns)
}

fn row(
    symbol: String,
    security_type: String,
    [currency, multiplier, tick, lot]: [&[u8]; 4],
    line: u64,
) -> Result<Properties, Fault> {
    let number = |column: &str, text: &[u8], digits: u32| {
        let value = decimal(text, digits)
            .map_err(|error| Fault::new(column, format!("{} {error}", files::quoted(text))))?;
        if value > 0 { Ok(value) } else { Err(Fault::new(column, "must be above 0")) }
    };
    let multiplier = number(COLUMNS[4], multiplier, PRICE_DIGITS)?;
    let tick = number(COLUMNS[5], tick, PRICE_DIGITS)?;
    let lot_in_billionths = number(COLUMNS[6], lot, PRICE_DIGITS)?;
    // As many digits as the lot has, and no more.
    let (mut lot, mut size_precision) = (lot_in_billionths, PRICE_DIGITS as u8);
    while size_precision > 0 && lot % 10 == 0 {
        (lot, size_precision) = (lot / 10, size_precision - 1);
    }
    Ok(Properties {
        symbol,
        security_type,
        currency: upper(currency),
        multiplier,
        tick,
        lot,
        size_precision,
        line,
    })
}

/// A decimal that may have an exponent, such as `5e-05`, in 10^-`digits`; exact.
fn decimal(text: &[u8], digits: u32) -> Result<i64, DecimalError> {
    let Some(at) = text.iter().position(|b| matches!(b, b'e' | b'E')) else {
        return parse_decimal(text, digits);
    };
    let exponent = core::str::from_utf8(&text[at + 1..]).ok().and_then(|e| e.parse::<i32>().ok());
    let exponent = exponent.filter(|e| (-18..=18).contains(e)).ok_or(DecimalError::NotANumber)?;
    // A shifted point is a decimal in a unit that is shifted as much.
    match digits as i32 + exponent {
        shifted @ 0.. => parse_decimal(&text[..at], shifted as u32),
        below => {
            let value = parse_decimal(&text[..at], 0)?;
            let unit = 10_i64.pow(below.unsigned_abs());
            if value % unit == 0 { Ok(value / unit) } else { Err(DecimalError::TooFine) }
        }
    }
}

fn upper(text: &[u8]) -> String {
    String::from_utf8_lossy(text).to_uppercase()
}

fn lower(text: &[u8]) -> String {
    String::from_utf8_lossy(text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::read as read_market;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exponents_are_exact() {
        let check = |text: &str, expected: Result<i64, DecimalError>| {
            assert_eq!(decimal(text.as_bytes(), 9), expected, "{text}");
        };
        check("5e-05", Ok(50_000));
        check("2.5e-05", Ok(25_000));
        check("5E-07", Ok(500));
        check("1.25e+2", Ok(125_000_000_000));
        check("0.00390625", Ok(3_906_250));
        check("10e-10", Ok(1));
        check("1e-10", Err(DecimalError::TooFine));
        check("1e99", Err(DecimalError::NotANumber));
        check("1e", Err(DecimalError::NotANumber));
        check("e5", Err(DecimalError::NotANumber));
        check("9e18", Err(DecimalError::TooLarge));
    }

    #[test]
    fn rows_are_read_by_the_names_of_their_columns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_market(&path, "cme", |symbol, _| symbol != "SKIPPED")
        };
        let header = "type,market,symbol,quote_currency,lot_size,contract_multiplier,\
                      minimum_price_variation\n";
        let rows = read(&format!(
            "{header}\n# a comment\nfuture,CME,6e,usd,1.0,125000.0,5e-05\nfuture,ice,CC,USD,1,1,1\n\
             future,cme,SKIPPED,,,,\ncrypto,cme,BTCUSD,USD,0.00010,1,0.01,,\n"
        ))
        .unwrap();
        assert_eq!(rows.len(), 2);
        let first = &rows[0];
        assert_eq!((first.symbol.as_str(), first.currency.as_str(), first.line), ("6E", "USD", 4));
        assert_eq!((first.multiplier, first.tick), (125_000_000_000_000, 50_000));
        assert_eq!((first.lot, first.size_precision), (1, 0));
        assert_eq!((rows[1].lot, rows[1].size_precision), (1, 4));
        let check = |text: &str, what: &str, place: &str| {
            let problem = read(text).unwrap_err();
            assert!(problem.what.contains(what) && problem.place.contains(place), "{problem}");
        };
        check("market,symbol\n", "no such column", "column type");
        check(&format!("{header}future,cme,ES,USD,1,50,x\n"), "`x`", "line 2, column minimum");
        check(&format!("{header}future,cme,ES,USD,1,50,0\n"), "above 0", "line 2");
        check(&format!("{header}future,cme,ES,USD,1,50,1e-12\n"), "decimal digits", "line 2");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_decimal_or_an_error(text in "[0-9.eE+-]{0,24}", digits in 0_u32..10) {
            let _ = decimal(text.as_bytes(), digits);
        }
    }
}
