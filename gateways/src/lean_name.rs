//! What the name of a file inside a LEAN zip says: date, symbol, market, resolution, kind.
//!
//! ```text
//! 20131007_spy_Trade_Tick.csv             equity, ticks
//! 20131007_spy_minute_trade.csv           equity, forex, cfd or crypto: the name does not say
//! 20140501_eurusd_tick_quote.csv          forex, cfd or crypto, ticks
//! 20131007_gc_tick_trade_201312.csv       future; a last trading date may follow the month
//! 20131007_es_minute_quote_201312.csv
//! ```

use crate::decimals::Scale;
use crate::lean_day::Day;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::path::Path;

/// Which of the layouts the rows have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Market {
    /// Price × 10,000, New York time.
    Equity,
    /// Plain price, UTC; quotes name one side.
    Future,
    /// Plain price, UTC; quotes name both sides: forex, cfd, crypto.
    Spot,
}

impl Market {
    /// What a price of 1 is worth.
    pub(crate) fn scale(self) -> Scale {
        if self == Self::Equity { Scale::TEN_THOUSANDTH } else { Scale::ONE }
    }

    /// A date in the market's zone.
    pub(crate) fn day(self, date: Date) -> Result<Day, String> {
        let zone = match self {
            Self::Equity => {
                engine::calendar::zone("America/New_York").ok_or("no zone America/New_York")?
            }
            Self::Future | Self::Spot => TimeZone::UTC,
        };
        Day::new(date, zone)
    }
}

/// What a row is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resolution {
    Tick,
    Second,
    Minute,
}

impl Resolution {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "tick" => Some(Self::Tick),
            "second" => Some(Self::Second),
            "minute" => Some(Self::Minute),
            _ => None,
        }
    }
}

/// What was recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Trade,
    Quote,
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "trade" => Some(Self::Trade),
            "quote" => Some(Self::Quote),
            _ => None,
        }
    }
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
    pub resolution: Resolution,
    pub kind: Kind,
}

impl LeanName {
    /// Whether the file holds prints.
    pub(crate) fn is_trade_ticks(&self) -> bool {
        self.resolution == Resolution::Tick && self.kind == Kind::Trade
    }
}

/// Why a name is not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NameFault {
    /// It has none of the shapes.
    Other,
    /// It is that of an equity or of something else.
    Security,
}

/// What LEAN's folders say of a zip's instruments: `equity/usa/minute/spy/20131007_trade.zip`.
pub(crate) fn folder(path: &Path) -> Option<&str> {
    let names: Vec<_> = path.iter().rev().take(5).filter_map(|name| name.to_str()).collect();
    let [_, _symbol, resolution, _market, security] = names[..] else { return None };
    let is_known = ["equity", "forex", "cfd", "crypto"].contains(&security);
    (is_known && Resolution::parse(resolution).is_some()).then_some(security)
}

/// Reads the name of a file inside a zip, without its folders; `security` is what is known of it
/// otherwise.
pub(crate) fn parse(name: &str, security: Option<&str>) -> Result<LeanName, NameFault> {
    shape(name, security).unwrap_or(Err(NameFault::Other))
}

fn shape(name: &str, security: Option<&str>) -> Option<Result<LeanName, NameFault>> {
    let lower = name.rsplit('/').next()?.to_ascii_lowercase();
    let (date, rest) = lower.strip_suffix(".csv")?.split_once('_')?;
    let date = parse_date(date)?;
    let found = |symbol: &str, market, resolution, kind| {
        let symbol = is_symbol(symbol).then(|| symbol.to_ascii_uppercase())?;
        Some(Ok(LeanName { date, symbol, market, resolution, kind }))
    };
    for (end, kind) in [("_trade_tick", Kind::Trade), ("_quote_tick", Kind::Quote)] {
        if let Some(symbol) = rest.strip_suffix(end) {
            return found(symbol, Market::Equity, Resolution::Tick, kind);
        }
    }
    // From the end: the symbol may hold anything.
    let mut words = rest.rsplitn(5, '_').collect::<Vec<_>>().into_iter().peekable();
    let digits =
        |n: usize| move |word: &&str| word.len() == n && word.bytes().all(|b| b.is_ascii_digit());
    let expires = words.next_if(digits(8)).is_some();
    let month = words.next_if(digits(6));
    if (expires && month.is_none()) || month.is_some_and(|m| !("01"..="12").contains(&&m[4..])) {
        return None;
    }
    let kind = Kind::parse(words.next()?)?;
    let resolution = Resolution::parse(words.next()?)?;
    let before: Vec<&str> = words.collect();
    let symbol = before.into_iter().rev().collect::<Vec<_>>().join("_");
    if let Some(month) = month {
        if !is_symbol(&symbol) {
            return None;
        }
        return found(&format!("{symbol}.{month}"), Market::Future, resolution, kind);
    }
    match (resolution, security) {
        (Resolution::Tick, _) => found(&symbol, Market::Spot, resolution, kind),
        (_, Some("equity")) => found(&symbol, Market::Equity, resolution, kind),
        (_, Some(_)) => found(&symbol, Market::Spot, resolution, kind),
        (_, None) => Some(Err(NameFault::Security)),
    }
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
    use super::Market::{Equity, Future, Spot};
    use super::Resolution::{Minute, Second, Tick};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_shape_is_read_in_any_case() {
        let check = |name: &str, symbol: &str, market, resolution, kind| {
            let parsed = parse(name, Some("equity")).unwrap();
            let got = (parsed.symbol.as_str(), parsed.market, parsed.resolution, parsed.kind);
            assert_eq!(got, (symbol, market, resolution, kind), "{name}");
            assert_eq!(parsed.date, jiff::civil::date(2013, 10, 7));
        };
        check("20131007_spy_Trade_Tick.csv", "SPY", Equity, Tick, Kind::Trade);
        check("20131007_SPY_QUOTE_TICK.CSV", "SPY", Equity, Tick, Kind::Quote);
        check("a/b/20131007_brk.b_trade_tick.csv", "BRK.B", Equity, Tick, Kind::Trade);
        check("20131007_gc_tick_trade_201312.csv", "GC.201312", Future, Tick, Kind::Trade);
        check("20131007_GC_Tick_Quote_201512.csv", "GC.201512", Future, Tick, Kind::Quote);
        check("20131007_es_minute_quote_201312.csv", "ES.201312", Future, Minute, Kind::Quote);
        check(
            "20131007_es_second_trade_201312_20131220.csv",
            "ES.201312",
            Future,
            Second,
            Kind::Trade,
        );
        check("20131007_eurusd_tick_quote.csv", "EURUSD", Spot, Tick, Kind::Quote);
        check("20131007_spy_minute_trade.csv", "SPY", Equity, Minute, Kind::Trade);
    }

    #[test]
    fn a_minute_without_a_month_needs_to_be_told_what_it_is_of() {
        let name = "20131007_spy_minute_trade.csv";
        assert_eq!(parse(name, None), Err(NameFault::Security));
        assert_eq!(parse(name, Some("forex")).unwrap().market, Spot);
        let at = |path: &str| folder(Path::new(path)).map(str::to_string);
        assert_eq!(at("data/equity/usa/minute/spy/20131007_trade.zip").as_deref(), Some("equity"));
        assert_eq!(at("/d/forex/oanda/second/eurusd/a.zip").as_deref(), Some("forex"));
        for path in ["a.zip", "equity/a.zip", "equity/usa/hour/spy/a.zip", "x/y/minute/z/a.zip"] {
            assert_eq!(at(path), None, "{path}");
        }
    }

    #[test]
    fn other_names_are_not_guessed() {
        for name in [
            "",
            "readme.txt",
            "20131007_es_hour_trade_201312.csv",
            "20131007_gc_tick_openinterest_201312.csv",
            "20131007_gc_tick_trade_201313.csv",
            "20131007_gc_tick_trade_2013.csv",
            "20131007_gc_tick_trade_20131220.csv",
            "20131307_spy_Trade_Tick.csv",
            "20130229_spy_Trade_Tick.csv",
            "2013107_spy_Trade_Tick.csv",
            "20131007__Trade_Tick.csv",
            "20131007__tick_trade_201312.csv",
            "20131007_spy_Trade_Tick.csv.gz",
            "20131007_ä_Trade_Tick.csv",
        ] {
            assert_eq!(parse(name, Some("equity")), Err(NameFault::Other), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_read_or_refused(
            name in ".{0,40}", shaped in "[0-9]{8}_.{0,5}_(tick|minute)_trade_[0-9é]{4,8}\\.csv"
        ) {
            let _ = (parse(&name, None), parse(&shaped, None));
        }
    }
}
