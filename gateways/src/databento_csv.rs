//! `databento-csv`: Databento's CSV encoding of `trades`, `tbbo`, `mbp-1` and `ohlcv-*`, told apart
//! by the header.
//!
//! Times are nanoseconds, or ISO 8601 text where `pretty_ts` was asked for. Prices with a decimal
//! point are plain; integers may be units of 1e-9 or a plain price without a fraction, so they need
//! `price_scale = "0.000000001"` (or `"1"`). A bar's stamp is its open and its length follows from
//! `rtype`. The symbol is the `symbol` column, or, in files without one, the number in
//! `instrument_id`: `rename = ["4916=ESH1"]`. A row of `mbp-1` gives the quote, and before it the
//! trade if its action is `T`.

use crate::presets::{columns, named, source};
use crate::{csv_rows, files};
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Source, SourceConfig, Stamp, TimeUnit};
use std::path::Path;

/// Databento's undefined price, as integer text.
const UNDEFINED: &str = "9223372036854775807";
/// ISO 8601 in UTC.
const ISO: &str = "%Y-%m-%dT%H:%M:%S%.fZ";
/// `rtype` of bars, and their lengths in seconds.
const BARS: [(&str, u32); 4] = [("32", 1), ("33", 60), ("34", 3_600), ("35", 86_400)];

/// Header and first row of a file.
struct Head {
    names: Vec<String>,
    values: Vec<String>,
}

impl Head {
    fn of(path: &Path) -> Result<Self, Problem> {
        let texts = csv_rows::first_lines::<2>(path)?;
        let [names, values] =
            texts.map(|line| line.split(',').map(|text| text.trim().to_string()).collect());
        Ok(Self { names, values })
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    /// The first row's value of a column; empty if there is none.
    fn value(&self, name: &str) -> &str {
        let at = self.names.iter().position(|n| n == name);
        at.and_then(|at| self.values.get(at)).map_or("", String::as_str)
    }
}

/// Opens the files that `pattern` names: all of one schema.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let paths = files::expand(&config.spec, pattern)?;
    let head = Head::of(&paths[0])?;
    let place = paths[0].display().to_string();
    let is_text = head.value("ts_event").contains('T');
    let unit = if is_text { TimeUnit::Text } else { TimeUnit::Nanoseconds };
    let mut rows = columns(unit, None);
    rows.ts_formats = vec![ISO.to_string()];
    let symbol = if head.has("symbol") { "symbol" } else { "instrument_id" };
    let mut pairs = vec![("ts_event", "ts_event"), ("symbol", symbol)];
    let mut price = "price";
    if head.has("ts_recv") {
        pairs.push(("ts_recv", "ts_recv"));
    }
    if head.has("open") {
        price = "open";
        rows.stamp = Some(Stamp::Open);
        rows.timeframe_s = Some(length(&paths, &head, &place)?);
        pairs.extend(["open", "high", "low", "close", "volume"].map(|name| (name, name)));
    } else if head.has("price") && head.has("action") && !head.has("order_id") {
        pairs.extend(["price", "size", "side", "action"].map(|name| (name, name)));
        if head.has("bid_px_00") {
            pairs.extend([
                ("bid", "bid_px_00"),
                ("ask", "ask_px_00"),
                ("bid_size", "bid_sz_00"),
                ("ask_size", "ask_sz_00"),
            ]);
        }
    } else {
        return Err(Problem::new(
            "the header is of no schema that is read",
            format!("{place}, line 1"),
            "give trades, tbbo, mbp-1 or ohlcv as CSV, or the DBN file to `databento`",
        ));
    }
    rows.columns = named(&pairs);
    match &config.price_scale {
        Some(scale) => rows.price_scale.clone_from(scale),
        None if head.value(price).contains('.') || head.value(price).is_empty() => {}
        None => {
            return Err(Problem::new(
                "the prices are integers: of 1e-9, or plain ones without a fraction?",
                format!("{place}, line 2, column {price}"),
                "declare price_scale = \"0.000000001\" (what Databento writes unless pretty_px was \
                 asked for), or price_scale = \"1\"",
            ));
        }
    }
    source(config, &rows, paths, catalog, |declared| declared.undefined = Some(UNDEFINED))
}

/// The length of the bars, the same in all files.
fn length(paths: &[impl AsRef<Path>], head: &Head, place: &str) -> Result<u32, Problem> {
    let of = |head: &Head, place: &str| {
        let rtype = head.value("rtype");
        BARS.iter().find(|(code, _)| *code == rtype).map(|(_, seconds)| *seconds).ok_or_else(|| {
            Problem::new(
                format!("rtype {} is no bar of one length", files::quoted(rtype.as_bytes())),
                format!("{place}, line 2"),
                "give ohlcv-1s, ohlcv-1m, ohlcv-1h or ohlcv-1d",
            )
        })
    };
    let first = of(head, place)?;
    for path in &paths[1..] {
        let place = path.as_ref().display().to_string();
        if of(&Head::of(path.as_ref())?, &place)? != first {
            return Err(Problem::new(
                "the files of one source hold bars of several lengths",
                place,
                "give each length a [[source]] of its own",
            ));
        }
    }
    Ok(first)
}
