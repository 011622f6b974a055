//! Instruments: what a price step, a contract and a session of a symbol are.

use ringbuf_layout::input::{fixed_text, text_of};
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Conditions, Frame, Instrument, Price, Size, Tail};

/// Definition of one instrument, from the config or built in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstrumentDef {
    /// Symbol, upper case.
    pub symbol: String,
    /// Smallest price step.
    pub tick: Price,
    /// Money that one price point of one unit is worth, in 1e-9.
    pub multiplier: i64,
    /// Smallest size step.
    pub lot: Size,
    /// Decimal digits of a size.
    pub size_precision: u8,
    /// Fee a unit (share or contract), in 1e-9 of its currency.
    pub fee: i64,
    /// ISO 4217.
    pub currency: String,
    /// Name of its calendar, see [`crate::calendar`].
    pub calendar: String,
    /// The conditions of a print that keep it from setting prices, see [`crate::conditions`].
    pub no_price: Conditions,
    /// The conditions of a print whose size is in no volume.
    pub no_volume: Conditions,
}

/// Fee of a US share: 0.005.
pub const FEE_PER_SHARE: i64 = PRICE_ONE / 200;
/// Fee of a futures contract: 2.25.
pub const FEE_PER_CONTRACT: i64 = PRICE_ONE * 9 / 4;
/// Longest symbol that the instrument record holds.
pub const SYMBOL_MAX: usize = 24;

/// Root, tick, multiplier, both in 1e-9, and calendar of a kind of future.
type Future<'a> = (&'a str, i64, i64, &'a str);

/// The built-in futures, as CME Group's contract specifications have them. A price is as CME sends it: of a
/// bond in points of 1,000 (2,000 for ZT) with a fraction, never in thirty-seconds.
// COMEX and NYMEX keep the same hours; so do currencies, interest rates and crypto at CME and CBOT.
#[rustfmt::skip] // a table
const FUTURES: [Future<'static>; 33] = [
    ("ES",  PRICE_ONE / 4,          50 * PRICE_ONE, "CMES"),
    ("MES", PRICE_ONE / 4,           5 * PRICE_ONE, "CMES"),
    ("NQ",  PRICE_ONE / 4,          20 * PRICE_ONE, "CMES"),
    ("MNQ", PRICE_ONE / 4,           2 * PRICE_ONE, "CMES"),
    ("RTY", PRICE_ONE / 10,         50 * PRICE_ONE, "CMES"),
    ("M2K", PRICE_ONE / 10,          5 * PRICE_ONE, "CMES"),
    ("YM",  PRICE_ONE,               5 * PRICE_ONE, "CMES"),
    ("MYM", PRICE_ONE,                   PRICE_ONE / 2, "CMES"),
    ("GC",  PRICE_ONE / 10,        100 * PRICE_ONE, "METALS"),
    ("MGC", PRICE_ONE / 10,         10 * PRICE_ONE, "METALS"),
    ("SI",  PRICE_ONE / 200,     5_000 * PRICE_ONE, "METALS"),
    ("SIL", PRICE_ONE / 200,     1_000 * PRICE_ONE, "METALS"),
    ("HG",  PRICE_ONE / 2_000,  25_000 * PRICE_ONE, "METALS"),
    ("CL",  PRICE_ONE / 100,     1_000 * PRICE_ONE, "METALS"),
    ("MCL", PRICE_ONE / 100,       100 * PRICE_ONE, "METALS"),
    ("BZ",  PRICE_ONE / 100,     1_000 * PRICE_ONE, "METALS"),
    ("NG",  PRICE_ONE / 1_000,  10_000 * PRICE_ONE, "METALS"),
    ("HO",  PRICE_ONE / 10_000, 42_000 * PRICE_ONE, "METALS"),
    ("RB",  PRICE_ONE / 10_000, 42_000 * PRICE_ONE, "METALS"),
    ("ZB",  PRICE_ONE / 32,      1_000 * PRICE_ONE, "GLBX"),
    ("UB",  PRICE_ONE / 32,      1_000 * PRICE_ONE, "GLBX"),
    ("ZN",  PRICE_ONE / 64,      1_000 * PRICE_ONE, "GLBX"),
    ("TN",  PRICE_ONE / 64,      1_000 * PRICE_ONE, "GLBX"),
    ("ZF",  PRICE_ONE / 128,     1_000 * PRICE_ONE, "GLBX"),
    ("ZT",  PRICE_ONE / 256,     2_000 * PRICE_ONE, "GLBX"),
    ("6E",  50_000,            125_000 * PRICE_ONE, "GLBX"),
    ("M6E", 100_000,            12_500 * PRICE_ONE, "GLBX"),
    ("6B",  100_000,            62_500 * PRICE_ONE, "GLBX"),
    ("6J",  500,                12_500_000 * PRICE_ONE, "GLBX"),
    ("6C",  50_000,            100_000 * PRICE_ONE, "GLBX"),
    ("6S",  50_000,            125_000 * PRICE_ONE, "GLBX"),
    ("BTC", 5 * PRICE_ONE,           5 * PRICE_ONE, "GLBX"),
    ("MBT", 5 * PRICE_ONE,               PRICE_ONE / 10, "GLBX"),
];

/// The kinds of the synthetic market: SYN5 is of SYN1's kind, and so on.
// Of the size of micro contracts: a default account holds several.
const SYNTHETIC: [Future<'static>; 4] = [
    ("SYN1", PRICE_ONE / 4, 5 * PRICE_ONE, "SYNTH"),
    ("SYN2", PRICE_ONE / 4, 2 * PRICE_ONE, "SYNTH"),
    ("SYN3", PRICE_ONE / 10, 10 * PRICE_ONE, "SYNTH"),
    ("SYN4", PRICE_ONE / 100, 100 * PRICE_ONE, "SYNTH"),
];

/// Shares and funds of New York that trade in cents, one a unit.
const SHARES: [&str; 13] = [
    "SPY", "IBM", "QQQ", "DIA", "IWM", "AAPL", "AMZN", "GOOG", "GOOGL", "META", "MSFT", "NVDA",
    "TSLA",
];

/// Letters of the delivery months, January first.
const MONTH_CODES: &str = "FGHJKMNQUVXZ";

/// The built-in definition of `symbol`: some shares, futures by month ([`future_root`]), and the synthetic
/// instruments `SYN1` … `SYN64`.
pub fn built_in(symbol: &str) -> Option<InstrumentDef> {
    if SHARES.contains(&symbol) {
        let (tick, calendar) = (PRICE_ONE / 100, "XNYS");
        return Some(usd(symbol, (symbol, tick, PRICE_ONE, calendar), FEE_PER_SHARE));
    }
    if let Some(number) = symbol.strip_prefix("SYN").and_then(|n| n.parse::<usize>().ok()) {
        if !(1..=64).contains(&number) || symbol != format!("SYN{number}") {
            return None;
        }
        return Some(usd(symbol, SYNTHETIC[(number - 1) % 4], FEE_PER_CONTRACT));
    }
    let kind = future(future_root(symbol)?)?;
    Some(usd(symbol, kind, FEE_PER_CONTRACT))
}

fn usd(symbol: &str, (_, tick, multiplier, calendar): Future<'_>, fee: i64) -> InstrumentDef {
    InstrumentDef {
        symbol: symbol.to_string(),
        tick: Price(tick),
        multiplier,
        lot: Size(1),
        size_precision: 0,
        fee,
        currency: "USD".to_string(),
        calendar: calendar.to_string(),
        no_price: Conditions::NONE,
        no_volume: Conditions::NONE,
    }
}

fn future(root: &str) -> Option<Future<'static>> {
    FUTURES.iter().find(|(known, ..)| *known == root).copied()
}

/// The calendar of a built-in kind of future.
pub fn future_calendar(root: &str) -> Option<&'static str> {
    future(root).map(|(.., calendar)| calendar)
}

/// The root of a future's symbol: `ES` of `ES.202103` (LEAN), `ESH1` and `ESH21` (exchanges) and the
/// continuous `ES.C.0` (by calendar; `N` by open interest, `V` by volume). Whether there is such a root, it
/// does not say.
///
/// ```
/// use engine::instrument::future_root;
/// for symbol in ["6E.202103", "6EH1", "6EH21", "6E.V.0"] {
///     assert_eq!(future_root(symbol), Some("6E"));
/// }
/// assert_eq!(future_root("6E.202113"), None);
/// ```
pub fn future_root(symbol: &str) -> Option<&str> {
    let digits = |text: &str, lengths: core::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    if let Some((root, rest)) = symbol.split_once('.') {
        let is_month = digits(rest, 6..=6)
            && rest.get(4..)?.parse::<u32>().is_ok_and(|month| (1..=12).contains(&month));
        let rank = ["C.", "N.", "V."].iter().find_map(|rule| rest.strip_prefix(rule));
        let is_continuous = rank.is_some_and(|rank| digits(rank, 1..=2));
        return (!root.is_empty() && (is_month || is_continuous)).then_some(root);
    }
    let contract = symbol.trim_end_matches(|c: char| c.is_ascii_digit());
    let year = symbol.len() - contract.len();
    let root = contract.strip_suffix(|code| MONTH_CODES.contains(code))?;
    (!root.is_empty() && (1..=2).contains(&year)).then_some(root)
}

/// The definitions that sources may ask for: the config's first, then the built-in ones.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Catalog {
    /// From `[[semantic.instrument]]`.
    pub configured: Vec<InstrumentDef>,
    /// What every symbol is that is not configured, built in or not: for a look at data before anything is defined.
    pub fallback: Option<InstrumentDef>,
}

impl Catalog {
    /// These, and the built-in ones.
    pub fn of(configured: Vec<InstrumentDef>) -> Self {
        Self { configured, fallback: None }
    }

    /// Every symbol, as something with the finest price step and sizes of so many decimal digits.
    pub fn permissive(size_precision: u8) -> Self {
        let fallback = InstrumentDef {
            symbol: String::new(),
            tick: Price(1),
            multiplier: PRICE_ONE,
            lot: Size(1),
            size_precision,
            fee: 0,
            currency: "USD".to_string(),
            calendar: "24/7".to_string(),
            no_price: Conditions::NONE,
            no_volume: Conditions::NONE,
        };
        Self { configured: Vec::new(), fallback: Some(fallback) }
    }

    /// The definition of `symbol`.
    pub fn get(&self, symbol: &str) -> Option<InstrumentDef> {
        if let Some(configured) = self.configured.iter().find(|def| def.symbol == symbol) {
            return Some(configured.clone());
        }
        match &self.fallback {
            Some(any) => Some(InstrumentDef { symbol: symbol.to_string(), ..any.clone() }),
            None => built_in(symbol),
        }
    }
}

impl InstrumentDef {
    /// The definition that an input record holds.
    pub fn of(record: &Instrument) -> Self {
        Self {
            symbol: text_of(&record.symbol).to_string(),
            tick: record.tick,
            multiplier: record.multiplier,
            lot: record.lot,
            size_precision: record.size_precision,
            fee: record.fee,
            currency: text_of(&record.currency).to_string(),
            calendar: text_of(&record.calendar).to_string(),
            no_price: Conditions(record.no_price),
            no_volume: Conditions(record.no_volume),
        }
    }

    /// The definition as an input record.
    pub fn record(&self, number: u32, bar_price: u8, engine_time: i64) -> Instrument {
        let mut currency = [0; 4];
        currency[..3].copy_from_slice(&self.currency.as_bytes()[..3]);
        Instrument {
            head: Instrument::header(engine_time, engine_time),
            tick: self.tick,
            multiplier: self.multiplier,
            lot: self.lot,
            tail: Tail { instrument: number, ..Tail::default() },
            symbol: fixed_text(&self.symbol),
            fee: self.fee,
            currency,
            size_precision: self.size_precision,
            bar_price,
            no_price: self.no_price.0,
            calendar: fixed_text(&self.calendar),
            no_volume: self.no_volume.0,
            reserved2: [0; 3],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_comes_back_from_its_record() {
        for symbol in ["SPY", "GC.201312", "SYN8"] {
            let mut def = built_in(symbol).unwrap();
            assert_eq!(def.no_price, Conditions::NONE);
            def.no_price = Conditions::ODD_LOT.with(Conditions::REOPENING);
            def.no_volume = Conditions::OFFICIAL_CLOSE;
            assert_eq!(InstrumentDef::of(&def.record(3, 1, 7)), def);
        }
    }

    #[test]
    fn a_permissive_catalog_knows_every_symbol_and_no_built_in_one_narrows_it() {
        let catalog = Catalog::permissive(9);
        for symbol in ["SPY", "XRP/ETH"] {
            let def = catalog.get(symbol).unwrap();
            assert_eq!((def.symbol.as_str(), def.tick, def.size_precision), (symbol, Price(1), 9));
        }
        assert_eq!(Catalog::default().get("XRP/ETH"), None);
    }

    #[test]
    fn built_in_symbols_are_exact_and_others_are_unknown() {
        let check = |symbol: &str, tick: &str, multiplier: &str, calendar: &str| {
            let def = built_in(symbol).unwrap_or_else(|| panic!("{symbol} is not built in"));
            let found = (def.tick.to_string(), Price(def.multiplier).to_string());
            assert_eq!(found, (tick.to_string(), multiplier.to_string()), "{symbol}");
            assert_eq!((def.symbol.as_str(), def.calendar.as_str()), (symbol, calendar));
        };
        check("SPY", "0.01", "1", "XNYS");
        check("QQQ", "0.01", "1", "XNYS");
        check("GC.201312", "0.1", "100", "METALS");
        check("ES.201312", "0.25", "50", "CMES");
        check("ESH1", "0.25", "50", "CMES");
        check("MYMZ24", "1", "0.5", "CMES");
        check("M2KU4", "0.1", "5", "CMES");
        check("CLF5", "0.01", "1000", "METALS");
        check("ZN.202503", "0.015625", "1000", "GLBX");
        check("ZTH5", "0.00390625", "2000", "GLBX");
        check("6E.C.0", "0.00005", "125000", "GLBX");
        check("6JM5", "0.0000005", "12500000", "GLBX");
        check("SYN8", "0.01", "100", "SYNTH");
        for unknown in [
            "spy",
            "GC",
            "GC.201313",
            "GC.2013",
            "GC.20131x",
            "SYN0",
            "SYN65",
            "SYN01",
            "ESH",
            "ESA1",
            "H1",
            "ESH123",
            "ES.C.",
            "ES.X.0",
            ".202103",
            "XXH1",
            "",
            "É1",
        ] {
            assert_eq!(built_in(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn every_built_in_calendar_and_share_is_there() {
        for (root, _, _, calendar) in FUTURES.iter().chain(&SYNTHETIC) {
            assert!(crate::calendar::names().any(|name| name == *calendar), "{root}");
        }
        assert!(SHARES.iter().all(|share| built_in(share).is_some()));
    }
}
