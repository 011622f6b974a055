//! Instruments: what a price step, a contract and a session of a symbol are.

use ringbuf_layout::input::{fixed_text, text_of};
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Frame, Instrument, Price, Size, Tail};

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
    /// Fee a unit (share or contract), in 1e-9 of the account currency.
    pub fee: i64,
    /// ISO 4217.
    pub currency: String,
    /// Name of its calendar, see [`crate::calendar`].
    pub calendar: String,
}

/// Fee of a US share: 0.005.
pub const FEE_PER_SHARE: i64 = PRICE_ONE / 200;
/// Fee of a futures contract: 2.25.
pub const FEE_PER_CONTRACT: i64 = PRICE_ONE * 9 / 4;
/// Longest symbol that the instrument record holds.
pub const SYMBOL_MAX: usize = 24;

/// Root, tick and multiplier of the built-in futures and of the synthetic market.
// The synthetic ones are of the size of micro contracts: a default account holds several.
const FUTURES: [(&str, i64, i64, &str); 9] = [
    ("GC", PRICE_ONE / 10, 100, "METALS"),
    ("ES", PRICE_ONE / 4, 50, "CMES"),
    ("NQ", PRICE_ONE / 4, 20, "CMES"),
    ("MES", PRICE_ONE / 4, 5, "CMES"),
    ("MNQ", PRICE_ONE / 4, 2, "CMES"),
    ("SYN1", PRICE_ONE / 4, 5, "SYNTH"),
    ("SYN2", PRICE_ONE / 4, 2, "SYNTH"),
    ("SYN3", PRICE_ONE / 10, 10, "SYNTH"),
    ("SYN4", PRICE_ONE / 100, 100, "SYNTH"),
];

/// The built-in definition of `symbol`: SPY, IBM, futures months such as `GC.201312`, and the synthetic
/// instruments `SYN1` … `SYN64`.
pub fn built_in(symbol: &str) -> Option<InstrumentDef> {
    let def = |tick, multiplier: i64, fee, calendar: &str| InstrumentDef {
        symbol: symbol.to_string(),
        tick: Price(tick),
        multiplier: multiplier * PRICE_ONE,
        lot: Size(1),
        size_precision: 0,
        fee,
        currency: "USD".to_string(),
        calendar: calendar.to_string(),
    };
    if matches!(symbol, "SPY" | "IBM") {
        return Some(def(PRICE_ONE / 100, 1, FEE_PER_SHARE, "XNYS"));
    }
    if let Some(number) = symbol.strip_prefix("SYN").and_then(|n| n.parse::<usize>().ok()) {
        if !(1..=64).contains(&number) || symbol != format!("SYN{number}") {
            return None;
        }
        // SYN5 is of SYN1's kind, and so on.
        let (_, tick, multiplier, calendar) = FUTURES[5 + (number - 1) % 4];
        return Some(def(tick, multiplier, FEE_PER_CONTRACT, calendar));
    }
    let (root, month) = symbol.split_once('.')?;
    let month_is_valid = month.len() == 6
        && month.bytes().all(|b| b.is_ascii_digit())
        && (1..=12).contains(&month[4..].parse::<u32>().ok()?);
    let (_, tick, multiplier, calendar) = FUTURES[..5].iter().find(|(r, ..)| *r == root)?;
    month_is_valid.then(|| def(*tick, *multiplier, FEE_PER_CONTRACT, calendar))
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
            reserved: [0; 2],
            calendar: fixed_text(&self.calendar),
            reserved2: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_comes_back_from_its_record() {
        for symbol in ["SPY", "GC.201312", "SYN8"] {
            let def = built_in(symbol).unwrap();
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
        let tick = |symbol: &str| built_in(symbol).map(|def| (def.tick.to_string(), def.calendar));
        assert_eq!(tick("SPY"), Some(("0.01".into(), "XNYS".into())));
        assert_eq!(tick("GC.201312"), Some(("0.1".into(), "METALS".into())));
        assert_eq!(tick("ES.201312"), Some(("0.25".into(), "CMES".into())));
        assert_eq!(tick("SYN8"), Some(("0.01".into(), "SYNTH".into())));
        for unknown in ["spy", "GC", "GC.201313", "GC.2013", "GC.20131x", "SYN0", "SYN65", "SYN01"]
        {
            assert_eq!(tick(unknown), None, "{unknown}");
        }
    }
}
