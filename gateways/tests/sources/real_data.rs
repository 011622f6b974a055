//! Recorded data, where it is present. Generated data covers the same behaviour elsewhere.

use super::*;
use crate::skipped::skipped;
use std::path::PathBuf;

/// The specification of a recorded file; `None`, said aloud, where it is not there.
fn recorded(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/lean").join(name);
    if !path.exists() {
        skipped("shared data not present");
        return None;
    }
    Some(format!("lean-trade:{}", path.display()))
}

fn check_count(name: &str, symbols: usize, rows: usize) -> Vec<Trade> {
    let Some(spec) = recorded(name) else { return Vec::new() };
    let source = open(&spec).unwrap();
    assert_eq!(source.symbols.len(), symbols);
    let trades = trades(source);
    assert_eq!(trades.len(), rows, "{name}");
    assert!(trades.is_sorted_by_key(|trade| trade.head.ts_event));
    trades
}

#[test]
fn spy_of_2013_10_07_has_every_row_if_present() {
    if let Some(first) = check_count("spy-20131007-trade.zip", 1, 250_601).first() {
        assert_eq!(first.head.ts_event, ns("2013-10-07T08:00:00.464Z"));
        assert_eq!((first.price.to_string().as_str(), first.size.0), ("167.41", 100));
    }
}

#[test]
fn spy_of_2013_10_08_has_every_row_if_present() {
    check_count("spy-20131008-trade.zip", 1, 451_545);
}

#[test]
fn two_days_of_spy_by_glob_are_one_source_if_present() {
    let (Some(one), Some(_)) =
        (recorded("spy-20131007-trade.zip"), recorded("spy-20131008-trade.zip"))
    else {
        return;
    };
    let both = one.replace("spy-20131007", "spy-2013100[78]");
    assert_eq!(trades(open(&both).unwrap()).len(), 250_601 + 451_545);
}

#[test]
fn ibm_has_every_row_if_present() {
    check_count("ibm-20131007-trade.zip", 1, 24_293);
}

#[test]
fn gold_has_every_row_of_ten_months_merged_by_time_if_present() {
    let trades = check_count("gc-20131007-trade.zip", 10, 40_192);
    if !trades.is_empty() {
        let front = trades.iter().filter(|trade| trade.tail.instrument == 2).count();
        assert_eq!(front, 39_702);
        let zero = trades.iter().filter(|trade| trade.size.0 == 0).count();
        assert_eq!(zero, 147);
    }
}

#[test]
fn quotes_in_place_of_trades_are_refused_by_name_if_present() {
    if let Some(spec) = recorded("ibm-20131007-quote.zip") {
        let problem = open(&spec).unwrap_err();
        check_problem(&problem, "no trade ticks", "20131007_ibm_Quote_Tick.csv", "Trade_Tick.csv");
    }
}
