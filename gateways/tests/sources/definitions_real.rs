//! Definitions out of recorded files, where they are present.

use super::*;
use crate::skipped::skipped;
use engine::config::InstrumentsFrom;
use gateways::definitions::load;
use ringbuf_layout::Price;
use std::path::PathBuf;

/// A recorded file; `None`, said aloud, where it is not there.
fn recorded(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    skipped("shared data not present");
    None
}

fn from(path: &Path, market: Option<&str>, symbols: &[&str]) -> InstrumentsFrom {
    InstrumentsFrom {
        file: path.display().to_string(),
        market: market.map(str::to_string),
        symbols: symbols.iter().map(ToString::to_string).collect(),
        ..InstrumentsFrom::default()
    }
}

/// Symbol, tick and multiplier of each.
fn told(definitions: &[InstrumentDef]) -> Vec<(String, String, String)> {
    let tell =
        |d: &InstrumentDef| (d.symbol.clone(), d.tick.to_string(), Price(d.multiplier).to_string());
    definitions.iter().map(tell).collect()
}

#[test]
fn the_usual_futures_of_the_symbol_properties_are_usable_as_they_are_if_present() {
    let Some(path) = recorded("calendars/symbol-properties-database.csv") else { return };
    let check = |market: &str, symbol: &str, multiplier: &str, tick: &str| {
        let definitions = load(&from(&path, Some(market), &[symbol])).unwrap();
        let expected = (symbol.to_string(), tick.to_string(), multiplier.to_string());
        assert_eq!(told(&definitions), [expected]);
        // The built-in table says the same.
        assert_eq!(definitions[0], built_in(symbol).unwrap());
    };
    check("cme", "ES.202103", "50", "0.25");
    check("cme", "ESH1", "50", "0.25");
    check("cme", "NQ.202103", "20", "0.25");
    check("cme", "MES.202103", "5", "0.25");
    check("cme", "MNQ.202103", "2", "0.25");
    check("cme", "RTYH1", "50", "0.1");
    check("cme", "M2KH1", "5", "0.1");
    check("cme", "6E.202103", "125000", "0.00005");
    check("cme", "6JH1", "12500000", "0.0000005");
    check("cme", "6BH1", "62500", "0.0001");
    check("cme", "6CH1", "100000", "0.00005");
    check("cme", "6SH1", "125000", "0.00005");
    check("cme", "M6EH1", "12500", "0.0001");
    check("cme", "BTCH1", "5", "5");
    check("cme", "MBTH1", "0.1", "5");
    check("nymex", "CLF5", "1000", "0.01");
    check("nymex", "NGF5", "10000", "0.001");
    check("nymex", "BZF5", "1000", "0.01");
    check("nymex", "HOF5", "42000", "0.0001");
    check("nymex", "RBF5", "42000", "0.0001");
    check("nymex", "MCLF5", "100", "0.01");
    check("comex", "GC.201312", "100", "0.1");
    check("comex", "SIH1", "5000", "0.005");
    check("comex", "SILH1", "1000", "0.005");
    check("comex", "MGCJ1", "10", "0.1");
    check("comex", "HGH1", "25000", "0.0005");
    check("cbot", "ZNH1", "1000", "0.015625");
    check("cbot", "ZBH1", "1000", "0.03125");
    check("cbot", "UBH1", "1000", "0.03125");
    check("cbot", "TNH1", "1000", "0.015625");
    check("cbot", "ZFH1", "1000", "0.0078125");
    check("cbot", "ZTH1", "2000", "0.00390625");
    check("cbot", "YMH1", "5", "1");
    check("cbot", "MYMH1", "0.5", "1");
}

#[test]
fn every_share_is_listed_once_and_is_built_in_alike_if_present() {
    let Some(path) = recorded("calendars/symbol-properties-database.csv") else { return };
    let shares = InstrumentsFrom {
        security_type: Some("equity".into()),
        ..from(&path, Some("usa"), &["AAPL", "SPY"])
    };
    let expected = ["AAPL", "SPY"].map(|symbol| built_in(symbol).unwrap());
    assert_eq!(load(&shares).unwrap(), expected);
}

#[test]
fn other_markets_of_the_symbol_properties_say_what_else_they_need_if_present() {
    let Some(path) = recorded("calendars/symbol-properties-database.csv") else { return };
    let refused = |of: &InstrumentsFrom| load(of).unwrap_err();
    // No built-in kind: a calendar must be named.
    let nikkei = from(&path, Some("cme"), &["NKD.202103"]);
    check_problem(&refused(&nikkei), "when NKD.202103 is traded", "symbol-properties", "calendar");
    let nikkei = InstrumentsFrom { calendar: Some("CMES".into()), fee: Some(1), ..nikkei };
    let definition = &load(&nikkei).unwrap()[0];
    assert_eq!((definition.calendar.as_str(), definition.fee), ("CMES", 1));
    let absent = from(&path, Some("cme"), &["CLF5"]);
    check_problem(&refused(&absent), "no CLF5 in the market `cme`", "symbol-", "root");
    let twice = from(&path, Some("binance"), &["BTCUSDT"]);
    check_problem(&refused(&twice), "as crypto", "lines", "type =");
    let spot = InstrumentsFrom { security_type: Some("crypto".into()), ..twice };
    check_problem(&refused(&spot), "BTCUSDT is in `USDT`", "symbol-", "by hand");
    let spot = InstrumentsFrom {
        security_type: Some("crypto".into()),
        ..from(&path, Some("coinbase"), &["BTCUSD"])
    };
    let definition = &load(&spot).unwrap()[0];
    assert_eq!((definition.calendar.as_str(), definition.currency.as_str()), ("24/7", "USD"));
    assert_eq!((definition.size_precision, definition.lot), (8, ringbuf_layout::Size(1)));
}

#[test]
fn definitions_of_every_version_and_wrapping_are_the_same_if_present() {
    for name in [
        "definition.dbn",
        "definition.v1.dbn.zst",
        "definition.v2.dbn.zst",
        "definition.v3.dbn.zst",
    ] {
        let Some(path) = recorded(&format!("databento/test_data.{name}")) else { return };
        assert_eq!(load(&from(&path, None, &[])).unwrap(), [built_in("MSFT").unwrap()], "{name}");
    }
    // The fragments hold options, which are taken only by name, and whose names no record holds.
    for name in [
        "test_data.definition.dbn.frag.zst",
        "test_data.definition.v1.dbn.frag",
        "test_data.definition.v1.dbn.frag.zst",
        "test_data.definition.v2.dbn.frag",
        "test_data.definition.v3.dbn.frag",
        "test_data.definition.v3.dbn.frag.zst",
        "multi-frame.definition.v1.dbn.frag.zst",
    ] {
        let Some(path) = recorded(&format!("databento/{name}")) else { return };
        assert_eq!(load(&from(&path, None, &[])).unwrap(), [], "{name}");
        let put = from(&path, None, &["ESH1 P2250"]);
        if !name.starts_with("multi") {
            check_problem(&load(&put).unwrap_err(), "no smallest price step", "record 2", "file");
        }
    }
}
