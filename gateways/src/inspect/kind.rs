//! What a file was found to be.

/// A value of TOML, as it is written.
pub(super) fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04X}", c as u32),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// A format and what it needs to be told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Kind {
    /// As in `FORMAT:PATH`.
    pub(super) format: &'static str,
    /// How the file is packed.
    pub(super) packing: Option<&'static str>,
    /// Keys of `[[source]]` beside `spec`, with their values as TOML.
    pub(super) keys: Vec<(&'static str, String)>,
    /// Declared columns: keys of `[source.csv]`.
    pub(super) csv: Vec<(&'static str, String)>,
    /// Keys of `[source.csv.columns]`.
    pub(super) columns: Vec<(&'static str, String)>,
    /// Symbols that stand in its rows and must be configured before it can be read.
    pub(super) symbols: Vec<String>,
    /// What was inferred, and from what.
    pub(super) inferred: Vec<String>,
    /// What only a person can say, with the evidence.
    pub(super) asked: Vec<String>,
    /// Length of its bars in seconds, 0 where it has none.
    pub(super) bars_s: u32,
    /// The zone that the format itself counts in, other than UTC.
    pub(super) venue_zone: Option<&'static str>,
    /// True if its times are of a wall clock whose zone the file does not say.
    pub(super) zone_is_open: bool,
}

impl Kind {
    pub(super) fn of(format: &'static str) -> Self {
        Self { format, ..Self::default() }
    }

    /// The zone of its wall clock, where one was declared or the format has one.
    pub(super) fn zone(&self) -> Option<String> {
        let declared = self.csv.iter().find(|(key, _)| *key == "zone").map(|(_, zone)| zone);
        let declared = declared.map(|zone| zone.trim_matches('"').to_string());
        declared.or_else(|| self.venue_zone.map(str::to_string))
    }

    pub(super) fn inferred(&mut self, what: impl Into<String>) {
        self.inferred.push(what.into());
    }

    /// The symbol of every row, from the file's name.
    pub(super) fn symbol_from_name(&mut self, symbol: &str) {
        self.inferred(format!("symbol {symbol}, from the file's name"));
        let value = quoted(symbol);
        if self.format == "csv" {
            self.csv.push(("symbol", value));
        } else {
            self.keys.push(("symbol", value));
        }
    }
}

/// Words of file names that are no symbols.
const WORDS: [&str; 26] = [
    "trade",
    "trades",
    "tick",
    "ticks",
    "quote",
    "quotes",
    "book",
    "books",
    "bars",
    "bar",
    "csv",
    "data",
    "sample",
    "kraken",
    "tardis",
    "binance",
    "freqtrade",
    "bitmex",
    "deribit",
    "huobi",
    "spot",
    "minute",
    "hour",
    "daily",
    "aggtrades",
    "klines",
];

/// A symbol out of a file's name: what is left without the words of vendors, dates and lengths.
pub(super) fn symbol_of(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    let is_word = |part: &&str| {
        let lower = part.to_lowercase();
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && !WORDS.contains(&lower.as_str())
    };
    let parts: Vec<&str> = stem.split('-').filter(is_word).collect();
    let joined = parts.first().copied().unwrap_or(stem);
    // `EURUSD_15M` is a symbol and a length, `XRP_ETH` a symbol.
    let parts: Vec<&str> = joined.split('_').filter(is_word).collect();
    let symbol = if parts.is_empty() { joined.to_string() } else { parts.join("_") };
    let allowed = |c: &char| c.is_ascii_graphic() && *c != ',' && *c != '"';
    let symbol: String = symbol.to_uppercase().chars().filter(allowed).take(24).collect();
    if symbol.is_empty() { "SYMBOL".to_string() } else { symbol }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_symbol_is_what_is_left_of_a_file_name() {
        for (name, symbol) in [
            ("a/kraken-BCHEUR-trades.csv", "BCHEUR"),
            ("freqtrade-XRP_ETH-trades.parquet", "XRP_ETH"),
            ("nq-30min-20200629-20230630.csv.gz", "NQ"),
            ("EURUSD_15M.csv.gz", "EURUSD"),
            ("google.csv", "GOOGLE"),
            ("BTCUSDT-1m-2024-08.csv", "BTCUSDT"),
            ("20240101.csv", "20240101"),
            ("trades.csv", "TRADES"),
            (".csv", "SYMBOL"),
        ] {
            assert_eq!(symbol_of(Path::new(name)), symbol, "{name}");
        }
    }
}
