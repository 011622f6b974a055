//! The synthetic market: the same everywhere, whole, and like a market.

use super::*;
use ringbuf_layout::Frame;
use ringbuf_layout::units::SECOND;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

fn cells(spec: &str) -> Vec<InputCell> {
    let (cells, problem) = drain(open(spec).unwrap());
    assert_eq!(problem, None);
    cells
}

fn digest(cells: &[InputCell]) -> String {
    let mut hash = Sha256::new();
    for cell in cells {
        hash.update(cell.bytes());
    }
    hash.finalize()[..8].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A change of the generator changes every recorded run: it must be meant, and shows here.
#[test]
fn the_same_seed_gives_the_same_bytes_on_every_machine() {
    let spec = "synthetic:seed=1,days=2,ticks=20000,instruments=5";
    assert_eq!(digest(&cells(spec)), "69b151995136ee24");
    let other = "synthetic:seed=2,days=2,ticks=20000,instruments=5";
    assert_ne!(digest(&cells(other)), digest(&cells(spec)));
}

#[test]
fn every_day_has_exactly_the_ticks_asked_for_inside_its_session_in_time_order() {
    for (days, ticks, instruments) in [(6, 5_000, 4), (1, 1, 64), (7, 65, 64), (2, 100_000, 1)] {
        let spec = format!("synthetic:days={days},ticks={ticks},instruments={instruments}");
        let source = open(&spec).unwrap();
        assert_eq!(source.records_hint, Some(days * ticks));
        assert_eq!(source.symbols.len() as u64, instruments);
        let cells = cells(&spec);
        assert_eq!(cells.len() as u64, days * ticks, "{spec}");
        assert!(cells.is_sorted_by_key(|cell| cell.head().ts_event));
        for (day, cells) in (0_i64..).zip(cells.chunks(ticks as usize)) {
            let open = ns("2024-01-07T22:00:00Z") + (day / 5 * 7 + day % 5) * 86_400 * SECOND;
            let session = open + 1..open + 23 * 3_600 * SECOND;
            assert!(cells.iter().all(|cell| session.contains(&cell.head().ts_event)), "{spec}");
        }
    }
}

#[test]
fn prices_lie_on_the_grid_with_a_spread_of_one_to_three_ticks_and_a_quarter_are_quotes() {
    let cells = cells("synthetic:days=3,ticks=40000,instruments=8");
    let ticks: Vec<i64> = (1..=8).map(|n| built_in(&format!("SYN{n}")).unwrap().tick.0).collect();
    let (mut quotes, mut spreads) = (0, [0; 4]);
    for cell in &cells {
        assert_eq!(cell.head().ts_recv, cell.head().ts_event);
        let tick = ticks[cell.tail().instrument as usize];
        if let Some(trade) = cell.get::<Trade>() {
            assert!(trade.price.0 > 0 && trade.price.0 % tick == 0);
            assert!((1..=200).contains(&trade.size.0) && (1..=2).contains(&trade.tail.side));
        } else {
            let quote = quote(cell);
            quotes += 1;
            assert!(quote.bid.0 > 0 && quote.bid.0 % tick == 0);
            assert!(quote.bid_size.0 > 0 && quote.ask_size.0 > 0);
            let spread = quote.ask.0 - quote.bid.0;
            assert_eq!(spread % tick, 0);
            spreads[(spread / tick) as usize] += 1;
        }
    }
    let share = f64::from(quotes) / cells.len() as f64;
    assert!((0.24..0.26).contains(&share), "{share}");
    assert!(spreads[0] == 0 && spreads[1] > spreads[2] && spreads[2] > spreads[3]);
    assert!(spreads[3] > 0, "{spreads:?}");
}

#[test]
fn every_kind_of_instrument_starts_near_its_price() {
    let cells = cells("synthetic:days=1,ticks=4000,instruments=4");
    for (instrument, price) in [4_500.0, 16_000.0, 2_000.0, 75.0].into_iter().enumerate() {
        let first = cells.iter().filter_map(|c| c.get::<Trade>());
        let first = first.into_iter().find(|t| t.tail().instrument as usize == instrument);
        let ratio = first.unwrap().price.0 as f64 / 1e9 / price;
        assert!((0.95..1.05).contains(&ratio), "SYN{}: {ratio}", instrument + 1);
    }
}

#[test]
fn another_instrument_leaves_the_prices_of_the_others_as_they_are() {
    // Sampled at other times, the same path: hourly medians agree within some ticks.
    let hourly = |instruments: u32| {
        let cells = cells(&format!("synthetic:days=1,ticks={},instruments={instruments}", 40_000));
        let mut hours = vec![Vec::new(); 23];
        for trade in
            cells.iter().filter_map(|c| c.get::<Trade>()).filter(|t| t.tail.instrument == 0)
        {
            let hour = (trade.head.ts_event - ns("2024-01-07T22:00:00Z")) / (3_600 * SECOND);
            hours[hour as usize].push(trade.price.0);
        }
        let median = |mut prices: Vec<i64>| {
            prices.sort_unstable();
            prices[prices.len() / 2] as f64 / 1e9
        };
        hours.into_iter().map(median).collect::<Vec<_>>()
    };
    for (one, other) in hourly(1).into_iter().zip(hourly(6)) {
        assert!((one - other).abs() < 5.0, "{one} {other}");
    }
}

#[test]
fn the_identity_is_seed_and_parameters_however_they_are_written() {
    let identity = |spec: &str| open(spec).unwrap().identity;
    assert_eq!(identity("synthetic"), identity("synthetic:instruments=4,seed=1"));
    assert_ne!(identity("synthetic"), identity("synthetic:seed=2"));
    assert_ne!(identity("synthetic"), identity("synthetic:days=6"));
}

#[test]
fn unknown_keys_and_values_are_named_with_those_that_exist() {
    let check = |spec: &str, what: &str| {
        let problem = open(spec).unwrap_err();
        check_problem(&problem, what, spec, "seed (0 or more, default 1)");
    };
    check("synthetic:speed=1", "no key `speed`");
    check("synthetic:seed", "not key=value");
    check("synthetic:seed=x", "`x` is no value of `seed`");
    check("synthetic:seed=+1", "`+1`");
    check("synthetic:seed=1,seed=2", "twice");
    check("synthetic:instruments=65", "`65`");
    check("synthetic:instruments=0", "`0`");
    check("synthetic:days=0", "`0`");
    check("synthetic:ticks=", "``");
    check("synthetic:benchmark", "not key=value");
    check("synthetic:bench,days=1", "no key `days`");
}

#[test]
fn a_configured_instrument_sets_the_grid_and_a_senseless_one_is_refused() {
    let mut definition = built_in("SYN1").unwrap();
    definition.tick.0 = 500_000_000;
    let with = |definition: &InstrumentDef| {
        let catalog = Catalog::of(vec![definition.clone()]);
        gateways::open(&config("synthetic:days=1,ticks=1000,instruments=1"), &catalog)
    };
    let (cells, _) = drain(with(&definition).unwrap());
    let prices: Vec<_> = cells.iter().filter_map(|c| c.get::<Trade>()).map(|t| t.price.0).collect();
    assert!(prices.iter().all(|price| price % 500_000_000 == 0));
    for tick in [0, -1, i64::MAX] {
        definition.tick.0 = tick;
        check_problem(&with(&definition).unwrap_err(), "tick of `SYN1`", "synthetic", "built in");
    }
}

#[test]
fn the_bench_market_is_in_memory_before_the_run() {
    let source = open("synthetic:bench,ticks=1001,seed=3").unwrap();
    assert_eq!((source.symbols[0].symbol.as_str(), source.records_hint), ("SYN1", Some(1_001)));
    let Feed::Memory(trades) = source.feed else { panic!("a decoder") };
    assert_eq!(trades.len(), 1_001);
    assert!(trades.iter().all(|trade| trade.head.kind == Trade::KIND as u8));
}
