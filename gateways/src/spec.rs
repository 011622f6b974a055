//! `FORMAT:PATH`: which format, which files.

use engine::Problem;
use engine::config::walk::nearest;

/// Every format of this version: name and one line for `--help`.
pub const FORMATS: &[(&str, &str)] = &[
    ("lean-trade", "LEAN trade ticks, zipped CSV; a glob is one source"),
    ("lean-quote", "LEAN quote ticks"),
    ("lean-bar", "LEAN bars of a minute or a second, of trades or quotes"),
    ("databento", "Databento's DBN files, v1 to v3, plain, .zst or .frag"),
    ("binance-jsonl", "raw Binance streams, `<ns> <json>` lines; `-` is stdin, live"),
    ("lobster", "LOBSTER message files, with the order book where it lies beside"),
    ("csv", "rows of declared columns, plain, gzip, zstd or zip; `-` is stdin, live"),
    ("parquet", "the same, columnar"),
    ("hdf5", "a pandas table; needs a build with the feature `hdf5`"),
    ("tardis", "Tardis CSV: trades, quotes, incremental_book_L2, book_snapshot_N"),
    ("kraken", "Kraken time and sales: unix_seconds,price,volume"),
    ("binance-vision", "Binance's public archive: trades, aggTrades, klines"),
    ("databento-csv", "Databento's CSV: trades, tbbo, mbp-1, ohlcv"),
    ("synthetic", "seeded market: synthetic[:seed=1,days=5,ticks=200000,instruments=4]"),
    (
        "synthetic:bench",
        "one instrument, made before the run: synthetic:bench[,ticks=20000000,seed=1]",
    ),
];

/// Formats of the design that are not in this version.
const LATER: &[&str] = &["journal"];

/// A specification, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spec<'a> {
    /// Zips, by path or glob.
    LeanTrade(&'a str),
    /// DBN files, by path or glob.
    Databento(&'a str),
    /// Zips, by path or glob.
    LeanQuote(&'a str),
    /// Zips, by path or glob.
    LeanBar(&'a str),
    /// Rows, by path or glob, or `-`.
    Csv(&'a str),
    /// Files, by path or glob.
    Parquet(&'a str),
    /// `FILE`, or `FILE#GROUP` for one of its tables.
    Hdf5(&'a str),
    /// Files, by path or glob.
    Tardis(&'a str),
    /// Files, by path or glob.
    Kraken(&'a str),
    /// Files, by path or glob.
    BinanceVision(&'a str),
    /// Files, by path or glob.
    DatabentoCsv(&'a str),
    /// Raw streams of Binance, by path or glob, or `-`.
    BinanceJsonl(&'a str),
    /// LOBSTER's message files, by path or glob.
    Lobster(&'a str),
    /// `key=value,…` of the synthetic market.
    Synthetic(&'a str),
    /// `key=value,…` of the bench's market.
    Bench(&'a str),
}

/// Where a specification stands, for messages.
pub(crate) fn place(spec: &str) -> String {
    format!("source `{spec}`")
}

/// Takes `FORMAT:PATH` apart.
pub(crate) fn parse<'a>(spec: &'a str) -> Result<Spec<'a>, Problem> {
    let (format, rest) = spec.split_once(':').unwrap_or((spec, ""));
    let path_needed = || {
        let fix = format!("name a file or a glob: `{format}:PATH`");
        Err(Problem::new(format!("`{format}` has no path"), place(spec), fix))
    };
    let files = |of: fn(&'a str) -> Spec<'a>| {
        if rest.is_empty() {
            return path_needed();
        }
        if rest == "-" && !["csv", "binance-jsonl"].contains(&format) {
            return Err(Problem::new(
                format!("`{format}` cannot read stdin: it reads a file more than once"),
                place(spec),
                "give the path of the file; rows from stdin are `csv:-`",
            ));
        }
        Ok(of(rest))
    };
    match format {
        "lean-trade" => files(Spec::LeanTrade),
        "lean-quote" => files(Spec::LeanQuote),
        "lean-bar" => files(Spec::LeanBar),
        "databento" => files(Spec::Databento),
        "binance-jsonl" => files(Spec::BinanceJsonl),
        "lobster" => files(Spec::Lobster),
        "csv" => files(Spec::Csv),
        "parquet" => files(Spec::Parquet),
        "hdf5" => files(Spec::Hdf5),
        "tardis" => files(Spec::Tardis),
        "kraken" => files(Spec::Kraken),
        "binance-vision" => files(Spec::BinanceVision),
        "databento-csv" => files(Spec::DatabentoCsv),
        "synthetic" => Ok(match rest.strip_prefix("bench") {
            Some("") => Spec::Bench(""),
            Some(after) if after.starts_with(',') => Spec::Bench(&after[1..]),
            _ => Spec::Synthetic(rest),
        }),
        _ => Err(unknown(spec, format)),
    }
}

/// Whether a specification names stdin, which only one source of a run can read.
pub fn is_stdin(spec: &str) -> bool {
    matches!(parse(spec), Ok(Spec::Csv("-") | Spec::BinanceJsonl("-")))
}

fn unknown(spec: &str, format: &str) -> Problem {
    let have = FORMATS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let later = LATER.join(", ");
    let all = format!("this version reads {have}; not in this version yet: {later}");
    if LATER.contains(&format) {
        return Problem::new(
            format!("the format `{format}` is not in this version yet"),
            place(spec),
            format!("convert the data to `csv`; {all}"),
        );
    }
    let names: Vec<&str> =
        FORMATS.iter().map(|(name, _)| *name).chain(LATER.iter().copied()).collect();
    let nearest = nearest(&shortened(format).to_lowercase(), &names);
    let what = if spec.contains(':') {
        format!("there is no format `{}`", shortened(format))
    } else {
        format!("`{}` names no format: a source is FORMAT:PATH", shortened(spec))
    };
    let fix = match nearest {
        Some(name) => format!("did you mean `{name}`? {all}"),
        None => all,
    };
    Problem::new(what, place(spec), fix)
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_format_is_told_apart() {
        let check = |spec, expected| assert_eq!(parse(spec), Ok(expected), "{spec}");
        check("lean-trade:a.zip", Spec::LeanTrade("a.zip"));
        check("databento:a.dbn.zst", Spec::Databento("a.dbn.zst"));
        check("lean-quote:a.zip", Spec::LeanQuote("a.zip"));
        check("lean-bar:*.zip", Spec::LeanBar("*.zip"));
        check("parquet:a", Spec::Parquet("a"));
        check("hdf5:a.h5#XRP/ETH", Spec::Hdf5("a.h5#XRP/ETH"));
        check("tardis:a", Spec::Tardis("a"));
        check("kraken:a", Spec::Kraken("a"));
        check("binance-vision:a", Spec::BinanceVision("a"));
        check("databento-csv:a", Spec::DatabentoCsv("a"));
        check("csv:-", Spec::Csv("-"));
        check("csv:a:b.csv", Spec::Csv("a:b.csv"));
        check("binance-jsonl:*.gz", Spec::BinanceJsonl("*.gz"));
        check("lobster:AAPL_*_message_10.csv", Spec::Lobster("AAPL_*_message_10.csv"));
        check("synthetic", Spec::Synthetic(""));
        check("synthetic:seed=2,days=1", Spec::Synthetic("seed=2,days=1"));
        check("synthetic:bench", Spec::Bench(""));
        check("synthetic:bench,ticks=5", Spec::Bench("ticks=5"));
    }

    #[test]
    fn only_lines_from_a_dash_are_stdin() {
        assert!(is_stdin("csv:-") && is_stdin("binance-jsonl:-"));
        for spec in ["csv:./-", "csv:-.csv", "csv:", "lean-trade:-", "synthetic:-", "-", ""] {
            assert!(!is_stdin(spec), "{spec}");
        }
    }

    #[test]
    fn an_unknown_format_gets_the_nearest_name_and_the_list() {
        let check = |spec: &str, what: &str, fix: &str| {
            let problem = parse(spec).unwrap_err();
            assert!(problem.what.contains(what), "{problem}");
            assert!(problem.fix.contains(fix), "{problem}");
            assert!(problem.place.contains(spec), "{problem}");
        };
        check("lean_trade:a.zip", "no format `lean_trade`", "did you mean `lean-trade`?");
        check("CSV:a", "no format `CSV`", "did you mean `csv`?");
        check("databanto:a", "no format", "did you mean `databento`?");
        check("spy.zip", "names no format", "lean-trade, lean-quote, lean-bar, databento");
        check("lean-trade:", "has no path", "lean-trade:PATH");
        check("lean-trade:-", "cannot read stdin", "csv:-");
        check("databento:-", "cannot read stdin", "path of the file");
        check("lobster:-", "cannot read stdin", "path of the file");
        check("binance-jsonl", "has no path", "binance-jsonl:PATH");
    }

    proptest! {
        #[test]
        fn any_text_is_a_specification_or_a_problem(text in ".{0,200}") {
            if let Err(problem) = parse(&text) {
                prop_assert!(!problem.what.is_empty() && !problem.fix.is_empty());
            }
        }
    }
}
