//! What the name of a file inside a LEAN zip says: date, symbol, market.

use jiff::civil::Date;

/// The two shapes, for messages.
pub(crate) const SHAPES: &str =
    "`YYYYMMDD_symbol_Trade_Tick.csv` (equity) and `YYYYMMDD_root_tick_trade_YYYYMM.csv` (future)";

/// Which of the two layouts the rows have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Market {
    /// Price × 10,000, New York time.
    Equity,
    /// Plain price, UTC.
    Future,
}

/// What a name says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LeanName {
    /// The day whose midnight the rows count from.
    pub date: Date,
    /// `SPY`, `GC.201312`.
    pub symbol: String,
    /// The layout of the rows.
    pub market: Market,
}

/// Reads the name of a file inside a zip, without its folders; `None` for any other shape.
pub(crate) fn parse(name: &str) -> Option<LeanName> {
    let lower = name.rsplit('/').next()?.to_ascii_lowercase();
    let (date, rest) = lower.strip_suffix(".csv")?.split_once('_')?;
    let date = parse_date(date)?;
    if let Some(symbol) = rest.strip_suffix("_trade_tick") {
        let symbol = is_symbol(symbol).then(|| symbol.to_ascii_uppercase())?;
        return Some(LeanName { date, symbol, market: Market::Equity });
    }
    let (before, month) = rest.rsplit_once('_')?;
    let root = before.strip_suffix("_tick_trade")?;
    let month_is_valid = month.len() == 6
        && month.bytes().all(|b| b.is_ascii_digit())
        && ("01"..="12").contains(&&month[4..]);
    if !month_is_valid || !is_symbol(root) {
        return None;
    }
    let symbol = format!("{}.{month}", root.to_ascii_uppercase());
    Some(LeanName { date, symbol, market: Market::Future })
}

fn is_symbol(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

fn parse_date(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year = text[..4].parse().ok().filter(|year| (1971..2200).contains(year))?;
    Date::new(year, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_shapes_are_read_in_any_case() {
        let check = |name: &str, symbol: &str, market| {
            let parsed = parse(name).unwrap();
            assert_eq!((parsed.symbol.as_str(), parsed.market), (symbol, market), "{name}");
            assert_eq!(parsed.date, jiff::civil::date(2013, 10, 7));
        };
        check("20131007_spy_Trade_Tick.csv", "SPY", Market::Equity);
        check("20131007_SPY_TRADE_TICK.CSV", "SPY", Market::Equity);
        check("a/b/20131007_brk.b_trade_tick.csv", "BRK.B", Market::Equity);
        check("20131007_gc_tick_trade_201312.csv", "GC.201312", Market::Future);
        check("20131007_GC_Tick_Trade_201512.csv", "GC.201512", Market::Future);
    }

    #[test]
    fn other_names_are_not_guessed() {
        for name in [
            "",
            "readme.txt",
            "20131007_spy_Quote_Tick.csv",
            "20131007_gc_tick_quote_201312.csv",
            "20131007_es_minute_trade_201312.csv",
            "20131007_gc_tick_trade_201313.csv",
            "20131007_gc_tick_trade_2013.csv",
            "20131307_spy_Trade_Tick.csv",
            "20130229_spy_Trade_Tick.csv",
            "2013107_spy_Trade_Tick.csv",
            "20131007__Trade_Tick.csv",
            "20131007_spy_Trade_Tick.csv.gz",
            "20131007_ä_Trade_Tick.csv",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_read_or_refused(
            name in ".{0,40}", shaped in "[0-9]{8}_.{0,5}_tick_trade_[0-9é]{4,6}\\.csv"
        ) {
            let _ = (parse(&name), parse(&shaped));
        }
    }
}
