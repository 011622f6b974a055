//! Every recorded file of a format that is read here, with the counts that are known of it, where it
//! is present. Generated data covers the same behaviour elsewhere.

use super::*;
use crate::skipped::skipped;
use ringbuf_layout::{BookLevel, ExternalBar, Price};
use std::path::PathBuf;

/// The path of a recorded file; `None`, said aloud, where it is not there.
fn recorded(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if !path.exists() {
        skipped(format!("shared data not present ({name})"));
        return None;
    }
    Some(path.display().to_string())
}

/// An instrument of crypto: 8 digits of a size.
fn coin(symbol: &str) -> InstrumentDef {
    let spy = built_in("SPY").unwrap();
    InstrumentDef { symbol: symbol.to_string(), size_precision: 8, ..spy }
}

fn catalog() -> Catalog {
    let names = ["XBTUSD", "BTC-PERPETUAL", "BTC-USD", "BCHEUR", "XRPETH", "EURUSD", "NQ.202306"];
    Catalog { configured: names.map(coin).to_vec(), ..Catalog::default() }
}

/// How many of each kind a source gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Counts {
    trades: usize,
    quotes: usize,
    levels: usize,
    bars: usize,
}

fn counts(cells: &[InputCell]) -> Counts {
    let mut counts = Counts::default();
    for cell in cells {
        counts.trades += usize::from(cell.is::<Trade>());
        counts.quotes += usize::from(cell.is::<Quote>());
        counts.levels += usize::from(cell.is::<BookLevel>());
        counts.bars += usize::from(cell.is::<ExternalBar>());
    }
    counts
}

/// Reads a recorded file to its end.
fn read(format: &str, file: &str, change: impl Fn(&mut SourceConfig)) -> Option<Vec<InputCell>> {
    let path = recorded(file)?;
    let mut config = config(&format!("{format}:{path}"));
    change(&mut config);
    let began = std::time::Instant::now();
    let (cells, problem) = drain(gateways::open(&config, &catalog()).unwrap());
    assert_eq!(problem, None, "{file}");
    let rate = cells.len() as f64 / began.elapsed().as_secs_f64() / 1e6;
    println!("{format} {file}: {:?}, {rate:.2} M records/s", counts(&cells));
    Some(cells)
}

pub fn bar_columns() -> Columns {
    let mut columns = csv::columns("");
    columns.columns = [
        ("ts_event", "Timestamp"),
        ("open", "Open"),
        ("high", "High"),
        ("low", "Low"),
        ("close", "Close"),
        ("volume", "Volume"),
    ]
    .map(|(field, name)| (field.to_string(), Column::Name(name.to_string())))
    .to_vec();
    columns.symbol = Some("NQ.202306".to_string());
    columns.ts_unit = TimeUnit::Text;
    columns.ts_formats = ["%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M"].map(str::to_string).to_vec();
    columns.zone = "Asia/Jerusalem".to_string();
    columns.stamp = Some(Stamp::Open);
    columns.timeframe_s = Some(1_800);
    columns
}

/// The columns of the trades that are there as parquet and as HDF5.
fn pair_columns() -> Columns {
    let mut columns = csv::columns("price side");
    for (field, name) in [("ts_event", "timestamp"), ("size", "amount")] {
        columns.columns.push((field.to_string(), Column::Name(name.to_string())));
    }
    columns.symbol = Some("XRPETH".to_string());
    columns.ts_unit = TimeUnit::Milliseconds;
    columns
}

#[test]
fn every_recorded_file_gives_the_counts_that_are_known_of_it_if_present() {
    let none = Counts::default();
    let trades = |trades| Counts { trades, ..none };
    let quotes = |quotes| Counts { quotes, ..none };
    let bars = |bars| Counts { bars, ..none };
    let check = |format: &str, file: &str, change: &dyn Fn(&mut SourceConfig), expected| {
        if let Some(cells) = read(format, file, change) {
            assert_eq!(counts(&cells), expected, "{file}");
        }
    };
    let plain: &dyn Fn(&mut SourceConfig) = &|_| {};
    check("lean-trade", "lean/spy-20131007-trade.zip", plain, trades(250_601));
    check("lean-trade", "lean/spy-20131008-trade.zip", plain, trades(451_545));
    check("lean-trade", "lean/ibm-20131007-trade.zip", plain, trades(24_293));
    check("lean-trade", "lean/gc-20131007-trade.zip", plain, trades(40_192));
    check("lean-quote", "lean/ibm-20131007-quote.zip", plain, quotes(109_067));
    check("lean-quote", "lean/eurusd-20140501-quote.zip", plain, quotes(24_179));
    check("lean-bar", "lean/es-20131007-minute-trade.zip", plain, bars(1_344 + 325 + 2));
    let es = 1_410 + 1_243 + 699 + 283 + 272;
    check("lean-bar", "lean/es-20131007-minute-quote.zip", plain, quotes(es));
    let nq = |config: &mut SourceConfig| config.columns = Some(bar_columns());
    check("csv", "bars/nq-30min-20200629-20230630.csv.gz", &nq, bars(35_502));
    check("tardis", "misc/tardis-bitmex-trades.csv", plain, trades(10));
    check("tardis", "misc/tardis-huobi-quotes.csv", plain, quotes(10));
    // Fifteen levels, and a record that begins the snapshot.
    check("tardis", "misc/tardis-deribit-l2.csv", plain, Counts { levels: 16, ..none });
    let bch = |config: &mut SourceConfig| config.symbol = Some("BCHEUR".to_string());
    check("kraken", "misc/kraken-BCHEUR-trades.csv", &bch, trades(148));
    let pair = |config: &mut SourceConfig| config.columns = Some(pair_columns());
    check("parquet", "hdf5-parquet/freqtrade-XRP_ETH-trades.parquet", &pair, trades(12_477));
    #[cfg(feature = "hdf5")]
    check("hdf5", "hdf5-parquet/freqtrade-XRP_ETH-trades.h5", &pair, trades(12_477));
}

#[cfg(feature = "hdf5")]
#[test]
fn both_formats_give_the_same_ticks_if_present() {
    let pair = |config: &mut SourceConfig| config.columns = Some(pair_columns());
    let file = "hdf5-parquet/freqtrade-XRP_ETH-trades";
    let parquet = read("parquet", &format!("{file}.parquet"), pair);
    let hdf5 = read("hdf5", &format!("{file}.h5"), pair);
    let (Some(parquet), Some(hdf5)) = (parquet, hdf5) else { return };
    assert_eq!(parquet.len(), 12_477);
    assert_eq!(parquet.len(), hdf5.len());
    for (row, (one, other)) in parquet.iter().zip(&hdf5).enumerate() {
        assert_eq!(one.get::<Trade>(), other.get::<Trade>(), "row {row}");
    }
    // And as journals, byte for byte.
    let dir = tempfile::tempdir().unwrap();
    let frames = |format: &str, extension: &str| {
        let path = recorded(&format!("{file}.{extension}")).unwrap();
        let mut source = config(&format!("{format}:{path}"));
        pair(&mut source);
        let dir = dir.path().join(format);
        hdf5::journaled(&dir, &source, &coin("XRPETH"))
    };
    let (one, other) = (frames("parquet", "parquet"), frames("hdf5", "h5"));
    assert!(one.len() > 12_477);
    let differs = one.iter().zip(&other).position(|(one, other)| one != other);
    assert_eq!((differs, one.len()), (None, other.len()));
}

#[test]
fn the_pair_of_2019_has_exact_prices_sizes_and_sides_if_present() {
    let pair = |config: &mut SourceConfig| config.columns = Some(pair_columns());
    let Some(cells) = read("parquet", "hdf5-parquet/freqtrade-XRP_ETH-trades.parquet", pair) else {
        return;
    };
    let first = cells[0].get::<Trade>().unwrap();
    assert_eq!(first.head.ts_event, 1_570_752_011_620_000_000);
    assert_eq!((first.price, first.size.0, first.tail.side), (Price(1_413_420), 2_300_000_000, 2));
    let last = cells[12_476].get::<Trade>().unwrap();
    assert_eq!((last.price, last.size.0), (Price(1_527_870), 13_000_000_000));
}

#[test]
fn the_best_quote_of_ibm_is_rarely_crossed_if_present() {
    let Some(cells) = read("lean-quote", "lean/ibm-20131007-quote.zip", |_| {}) else { return };
    let crossed = |quote: &Quote| quote.ask.is_defined() && quote.bid > quote.ask;
    let quotes: Vec<Quote> = cells.iter().map(quote).collect();
    let crossed = quotes.iter().filter(|quote| quote.bid.is_defined() && crossed(quote)).count();
    let share = 100.0 * crossed as f64 / quotes.len() as f64;
    println!("{crossed} of {} crossed, {share:.3} %", quotes.len());
    assert_eq!(crossed, 89);
    assert!(share < 0.1);
    assert!(!quotes[0].bid.is_defined() && quotes[0].ask == Price(183_630_000_000));
    assert_eq!(quotes[1].bid, Price(180_010_000_000));
    assert!(quotes.is_sorted_by_key(|quote| quote.head.ts_event));
}

#[test]
fn a_bar_of_nq_opens_where_jerusalem_says_and_lies_in_its_market_if_present() {
    let change = |config: &mut SourceConfig| config.columns = Some(bar_columns());
    let Some(cells) = read("csv", "bars/nq-30min-20200629-20230630.csv.gz", change) else { return };
    let bar = |cell: &InputCell| *cell.get::<ExternalBar>().unwrap();
    let first = bar(&cells[0]);
    assert_eq!(first.ts_open, ns("2020-06-28T22:00:00Z"));
    assert_eq!(first.head.ts_event, ns("2020-06-28T22:30:00Z"));
    assert_eq!((first.open, first.volume.0), (Price(9_785_500_000_000), 512_200_000_000));
    let last = bar(&cells[35_501]);
    assert_eq!(last.head.ts_event, ns("2023-06-30T21:00:00Z"));
    // The market is shut from 17:00 to 18:00 in New York, whatever the season: a zone without its
    // clock changes would put bars there.
    let zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
    let shut = |cell: &InputCell| {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(bar(cell).ts_open)).unwrap();
        stamp.to_zoned(zone.clone()).hour() == 17
    };
    let shut = cells.iter().filter(|cell| shut(cell)).count();
    println!("{shut} of {} bars open while the market is shut", cells.len());
    assert!(shut * 100 < cells.len(), "{shut}");
}

#[test]
fn a_back_month_without_bids_has_an_absent_side_if_present() {
    let Some(cells) = read("lean-bar", "lean/es-20131007-minute-quote.zip", |_| {}) else { return };
    let quotes: Vec<Quote> = cells.iter().map(quote).collect();
    let absent = quotes.iter().filter(|quote| !quote.bid.is_defined()).count();
    let sizes = |quote: &&Quote| !quote.bid.is_defined() && quote.bid_size.0 != 0;
    assert_eq!(quotes.iter().find(sizes), None);
    println!("{absent} of {} without a bid", quotes.len());
    assert!(absent > 100);
    // A bar of the minute at midnight is complete a minute later.
    assert_eq!(quotes[0].head.ts_event, ns("2013-10-07T00:01:00Z"));
    assert!(quotes.is_sorted_by_key(|quote| quote.head.ts_event));
}

#[test]
fn a_bar_of_lean_comes_at_its_close_if_present() {
    let Some(cells) = read("lean-bar", "lean/es-20131007-minute-trade.zip", |_| {}) else { return };
    let first = cells[0].get::<ExternalBar>().unwrap();
    assert_eq!(first.ts_open, ns("2013-10-07T00:00:00Z"));
    assert_eq!(first.head.ts_event, ns("2013-10-07T00:01:00Z"));
    assert_eq!((first.open, first.volume.0), (Price(1_676_500_000_000), 9));
    assert_eq!(first.timeframe_s, 60);
}
