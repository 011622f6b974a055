//! Vendors' files without a declaration: what is in the header or the name is read, what is in
//! neither is asked for.

use super::*;
use ringbuf_layout::{BookLevel, ExternalBar, Price};

fn coins(names: &[&str]) -> Catalog {
    let coin = |name: &&str| InstrumentDef {
        symbol: (*name).to_string(),
        size_precision: 8,
        ..built_in("SPY").unwrap()
    };
    Catalog { configured: names.iter().map(coin).collect(), ..Catalog::default() }
}

/// Opens files of a format, by a glob over them.
fn open_files(
    format: &str,
    files: &[(&str, &[u8])],
    change: impl FnOnce(&mut SourceConfig),
    catalog: &Catalog,
) -> (tempfile::TempDir, Result<Source, Problem>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        write(dir.path(), "", name, bytes);
    }
    let mut config = config(&format!("{format}:{}/*", dir.path().display()));
    change(&mut config);
    let source = gateways::open(&config, catalog);
    (dir, source)
}

fn cells(
    format: &str,
    file: (&str, &str),
    change: impl FnOnce(&mut SourceConfig),
    catalog: &Catalog,
) -> Vec<InputCell> {
    let (_dir, source) = open_files(format, &[(file.0, file.1.as_bytes())], change, catalog);
    let (cells, problem) = drain(source.unwrap());
    assert_eq!(problem, None);
    cells
}

#[test]
fn tardis_trades_have_both_clocks_and_the_aggressor() {
    let text = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n\
                bitmex,XBTUSD,1583020803145000,1583020803307160,x,sell,8531.5,2152\n\
                bitmex,XBTUSD,1583020803145001,1583020803307161,y,unknown,8531.5,1\n";
    let cells = cells("tardis", ("a.csv", text), |_| {}, &coins(&["XBTUSD"]));
    let trade = cells[0].get::<Trade>().unwrap();
    assert_eq!(trade.head.ts_event, ns("2020-03-01T00:00:03.145Z"));
    assert_eq!(trade.head.ts_recv, ns("2020-03-01T00:00:03.30716Z"));
    assert_eq!((trade.price, trade.tail.side), (Price(8_531_500_000_000), 2));
    assert_eq!(trade.size.0, 2_152 * 100_000_000);
    assert_eq!(cells[1].get::<Trade>().unwrap().tail.side, 0);
}

#[test]
fn tardis_quotes_levels_and_snapshots_are_told_apart_by_the_header() {
    let catalog = coins(&["BTC-USD"]);
    let text = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n\
                h,BTC-USD,1588291201099000,1588291201234268,5494,8629.3,8629.2,806\n\
                h,BTC-USD,1588291201099000,1588291201234268,,,8629.2,806\n";
    let quotes: Vec<_> = cells("tardis", ("a", text), |_| {}, &catalog).iter().map(quote).collect();
    let got = (quotes[0].bid, quotes[0].ask, quotes[0].bid_size.0 / 100_000_000);
    assert_eq!(got, (Price(8_629_200_000_000), Price(8_629_300_000_000), 806));
    assert!(!quotes[1].ask.is_defined() && quotes[1].bid.is_defined());
    let text = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n\
                h,BTC-USD,1585699200245000,1585699200355684,true,ask,6421.5,18640\n";
    let levels = cells("tardis", ("a", text), |_| {}, &catalog);
    assert!(levels.len() == 2 && levels.iter().all(InputCell::is::<BookLevel>));
    let text = "exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,\
                bids[0].price,bids[0].amount,asks[1].price\n\
                h,BTC-USD,1588291201099000,1588291201234268,8629.3,1,8629.2,2,8630\n";
    let quotes = cells("tardis", ("a", text), |_| {}, &catalog);
    assert_eq!(quote(&quotes[0]).ask, Price(8_629_300_000_000));
    let funding: &[u8] = b"exchange,symbol,timestamp,local_timestamp,funding_rate\n";
    let (_dir, source) = open_files("tardis", &[("a", funding)], |_| {}, &catalog);
    check_problem(&source.unwrap_err(), "no data type of Tardis", "line 1", "trades, quotes");
}

#[test]
fn kraken_takes_its_symbol_from_the_name_or_is_told() {
    let text = "1672531436,90.540000,1.10448420\n1672531436,90.450000,1.00000000\n";
    let catalog = coins(&["BCHEUR", "XBTUSD"]);
    let named = cells("kraken", ("bcheur.csv", text), |_| {}, &catalog);
    let trade = named[0].get::<Trade>().unwrap();
    assert_eq!(trade.head.ts_event, ns("2023-01-01T00:03:56Z"));
    assert_eq!((trade.price, trade.size.0), (Price(90_540_000_000), 110_448_420));
    let told = |config: &mut SourceConfig| config.symbol = Some("BCHEUR".to_string());
    assert_eq!(cells("kraken", ("x-y.csv", text), told, &catalog).len(), 2);
    let renamed = |config: &mut SourceConfig| {
        config.rename = [("X-Y".to_string(), "BCHEUR".to_string())].into();
    };
    assert_eq!(cells("kraken", ("x-y.csv", text), renamed, &catalog).len(), 2);
    let bytes = text.as_bytes();
    let (_dir, source) = open_files("kraken", &[("x-y.csv", bytes)], |_| {}, &catalog);
    check_problem(&source.unwrap_err(), "`X-Y`", "kraken:", "[[semantic.instrument]]");
}

#[test]
fn files_of_several_symbols_are_several_sources_unless_one_is_chosen() {
    let files = [("BCHEUR.csv", &b"1,2,3\n"[..]), ("XBTUSD.csv", b"1,2,3\n")];
    let catalog = coins(&["BCHEUR", "XBTUSD"]);
    let (_dir, source) = open_files("kraken", &files, |_| {}, &catalog);
    check_problem(&source.unwrap_err(), "2 symbols: BCHEUR, XBTUSD", "kraken:", "[[source]]");
    let one = |config: &mut SourceConfig| config.symbols = vec!["XBTUSD".to_string()];
    let (_dir, source) = open_files("kraken", &files, one, &catalog);
    assert_eq!(trades(source.unwrap()).len(), 1);
    let other = |config: &mut SourceConfig| config.symbols = vec!["DOGE".to_string()];
    let (_dir, source) = open_files("kraken", &files, other, &catalog);
    check_problem(&source.unwrap_err(), "no file is of a symbol", "kraken:", "`symbols`");
}

#[test]
fn binance_vision_tells_milliseconds_from_microseconds_and_a_header_from_a_row() {
    let catalog = coins(&["BTCUSDT"]);
    let agg = "26129,0.01633102,4.70443515,27781,27781,1498793709153,true,true\n\
               26130,0.01633102,1,27781,27781,1735689600000123,False,true\n";
    let header =
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n";
    for text in [agg.to_string(), format!("{header}{agg}")] {
        let file = ("BTCUSDT-aggTrades-2024-12.csv", text.as_str());
        let cells = cells("binance-vision", file, |_| {}, &catalog);
        let trades: Vec<_> = cells.iter().map(|cell| *cell.get::<Trade>().unwrap()).collect();
        assert_eq!(trades[0].head.ts_event, ns("2017-06-30T03:35:09.153Z"));
        assert_eq!(trades[1].head.ts_event, ns("2025-01-01T00:00:00.000123Z"));
        // The buyer waited, so a seller took the price.
        assert_eq!(trades.iter().map(|t| t.tail.side).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((trades[0].price, trades[0].size.0), (Price(16_331_020), 470_443_515));
    }
    let zip = zip_bytes(&[("x.csv", "1,10.5,2,21,1498793709153,true,true\n")]);
    let file = [("BTCUSDT-trades-2017-06.zip", &zip[..])];
    let (_dir, source) = open_files("binance-vision", &file, |_| {}, &catalog);
    assert_eq!(trades(source.unwrap())[0].tail.side, 2);
}

#[test]
fn binance_vision_klines_have_the_length_that_their_name_says() {
    let catalog = coins(&["BTCUSDT"]);
    let text = "1499040000000,0.01634790,0.80000000,0.01575800,0.01577100,148976.11427815,\
                1499644799999,2434.19055334,308,1756.87402397,28.46694368,0\n";
    let cells = cells("binance-vision", ("BTCUSDT-5m-2017-07.csv", text), |_| {}, &catalog);
    let bar = cells[0].get::<ExternalBar>().unwrap();
    assert_eq!(bar.ts_open, ns("2017-07-03T00:00:00Z"));
    assert_eq!(bar.head.ts_event, ns("2017-07-03T00:05:00Z"));
    assert_eq!((bar.timeframe_s, bar.ticks), (300, 308));
    assert_eq!((bar.open, bar.close), (Price(16_347_900), Price(15_771_000)));
    for name in ["BTCUSDT-1mo-2017.csv", "BTCUSDT.csv"] {
        let file = [(name, text.as_bytes())];
        let (_dir, source) = open_files("binance-vision", &file, |_| {}, &catalog);
        check_problem(&source.unwrap_err(), "says nothing", name, "SYMBOL-1m-DATE");
    }
    let files = [("BTCUSDT-1m-a.csv", text.as_bytes()), ("BTCUSDT-5m-a.csv", text.as_bytes())];
    let (_dir, source) = open_files("binance-vision", &files, |_| {}, &catalog);
    check_problem(&source.unwrap_err(), "several kinds", "5m", "[[source]]");
}

const MBP: &str = "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,\
                   flags,ts_in_delta,sequence,bid_px_00,ask_px_00,bid_sz_00,ask_sz_00,bid_ct_00,\
                   ask_ct_00,symbol\n";

#[test]
fn databento_csv_wants_to_know_the_unit_of_integer_prices() {
    let catalog = coins(&["ESH1"]);
    let row = "1609160400006136329,1609160400006001487,1,1,5482,A,A,0,3720500000000,1,128,17214,\
               1170352,3720250000000,9223372036854775807,24,0,15,0,ESH1\n\
               1609160400006246513,1609160400006146661,1,1,5482,T,A,0,3720500000000,1,128,18858,\
               1170353,3720250000000,3720500000000,24,12,15,10,ESH1\n";
    let text = format!("{MBP}{row}");
    let file = [("a.csv", text.as_bytes())];
    let (_dir, source) = open_files("databento-csv", &file, |_| {}, &catalog);
    check_problem(&source.unwrap_err(), "integers", "line 2, column price", "0.000000001");
    let nano = |config: &mut SourceConfig| config.price_scale = Some("0.000000001".to_string());
    let cells = cells("databento-csv", ("a.csv", &text), nano, &catalog);
    assert_eq!(cells.len(), 3, "a quote, a trade and its quote");
    let first = quote(&cells[0]);
    assert_eq!((first.bid, first.ask), (Price(3_720_250_000_000), Price::UNDEFINED));
    assert_eq!(first.head.ts_event, 1_609_160_400_006_001_487);
    assert_eq!(first.head.ts_recv, 1_609_160_400_006_136_329);
    let trade = cells[1].get::<Trade>().unwrap();
    assert_eq!((trade.price, trade.tail.side), (Price(3_720_500_000_000), 2));
    assert_eq!(quote(&cells[2]).ask, Price(3_720_500_000_000));
}

#[test]
fn databento_csv_in_its_pretty_form_declares_itself() {
    let catalog = coins(&["ESH1"]);
    let text = "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume\n\
                2020-12-28T13:00:00.000000000Z,33,1,5482,372.025,372.05,372.0,372.05,353\n";
    let mapped = |config: &mut SourceConfig| {
        config.rename = [("5482".to_string(), "ESH1".to_string())].into();
    };
    let cells = cells("databento-csv", ("a.csv", text), mapped, &catalog);
    let bar = cells[0].get::<ExternalBar>().unwrap();
    assert_eq!(bar.ts_open, ns("2020-12-28T13:00:00Z"));
    assert_eq!((bar.timeframe_s, bar.open), (60, Price(372_025_000_000)));
    let files = [("a", text.replace(",33,", ",99,"))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_bytes()));
    let (_dir, source) = open_files("databento-csv", &files, |_| {}, &catalog);
    check_problem(&source.unwrap_err(), "rtype `99`", "line 2", "ohlcv-1m");
}
