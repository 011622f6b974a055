//! `FORMAT:PATH`: which format, which files.

use engine::Problem;
use engine::config::walk::nearest;

/// Every format of this version: name and one line for `--help`.
pub const FORMATS: &[(&str, &str)] = &[
    ("lean-trade", "LEAN trade ticks, zipped CSV: equities and futures; a glob is one source"),
    (
        "databento",
        "Databento's DBN files, versions 1 to 3, plain, .zst or .frag; a glob is one source",
    ),
    ("csv", "rows of declared columns, plain or gzip; `-` is stdin, live"),
    ("synthetic", "seeded market: synthetic[:seed=1,days=5,ticks=200000,instruments=4]"),
    (
        "synthetic:bench",
        "one instrument, made before the run: synthetic:bench[,ticks=20000000,seed=1]",
    ),
    ("journal", "the market data of a journal directory, run again or imported: what-if"),
];

/// Formats of the design that are not in this version.
const LATER: &[&str] =
    &["lean-quote", "lean-bar", "parquet", "hdf5", "binance-jsonl", "lobster", "tardis", "kraken"];

/// A specification, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spec<'a> {
    /// Zips, by path or glob.
    LeanTrade(&'a str),
    /// DBN files, by path or glob.
    Databento(&'a str),
    /// Rows, by path or glob, or `-`.
    Csv(&'a str),
    /// A journal's directory.
    Journal(&'a str),
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
pub(crate) fn parse(spec: &str) -> Result<Spec<'_>, Problem> {
    let (format, rest) = spec.split_once(':').unwrap_or((spec, ""));
    let path_needed = || {
        let fix = format!("name a file or a glob: `{format}:PATH`");
        Err(Problem::new(format!("`{format}` has no path"), place(spec), fix))
    };
    match format {
        "lean-trade" | "databento" | "csv" | "journal" if rest.is_empty() => path_needed(),
        "lean-trade" if rest == "-" => Err(Problem::new(
            "`lean-trade` cannot read stdin: a zip is read from its end",
            place(spec),
            "give the path of the zip; rows from stdin are `csv:-`",
        )),
        "lean-trade" => Ok(Spec::LeanTrade(rest)),
        "databento" if rest == "-" => Err(Problem::new(
            "`databento` cannot read stdin: a file is looked through for its symbols first",
            place(spec),
            "write it to a file and give its path",
        )),
        "databento" => Ok(Spec::Databento(rest)),
        "csv" => Ok(Spec::Csv(rest)),
        "journal" => Ok(Spec::Journal(rest)),
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
    parse(spec) == Ok(Spec::Csv("-"))
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
        check("csv:-", Spec::Csv("-"));
        check("csv:a:b.csv", Spec::Csv("a:b.csv"));
        check("journal:journal/1", Spec::Journal("journal/1"));
        check("synthetic", Spec::Synthetic(""));
        check("synthetic:seed=2,days=1", Spec::Synthetic("seed=2,days=1"));
        check("synthetic:bench", Spec::Bench(""));
        check("synthetic:bench,ticks=5", Spec::Bench("ticks=5"));
    }

    #[test]
    fn only_rows_from_a_dash_are_stdin() {
        assert!(is_stdin("csv:-"));
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
        check("lean-quote:a.zip", "not in this version yet", "convert");
        check("databanto:a", "no format", "did you mean `databento`?");
        check("spy.zip", "names no format", "lean-trade, databento, csv, synthetic");
        check("lean-trade:", "has no path", "lean-trade:PATH");
        check("lean-trade:-", "cannot read stdin", "csv:-");
        check("databento:-", "cannot read stdin", "to a file");
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
