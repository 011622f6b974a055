//! `databento`: every schema that is market data, in the engine's terms.

use super::dbn_files::{
    ESH1, LAST, NOON, cells, file, header, levels, order, pair, read, top, trade,
};
use super::*;
use dbn::{BboMsg, FlagSet, OhlcvMsg, Schema, StatMsg, StatusMsg, UNDEF_PRICE, rtype};
use ringbuf_layout::{BookLevel, Conditions, ExternalBar, Price, Side, Size};

/// A line a record, short enough to compare.
fn told(cells: &[InputCell]) -> Vec<String> {
    let at = |ns: i64| ns - NOON as i64;
    let tell = |cell: &InputCell| {
        let head = cell.head();
        let tail = cell.tail();
        let (event, received) = (at(head.ts_event), at(head.ts_recv));
        let what = if let Some(t) = cell.get::<Trade>() {
            let (price, size) = (t.price.0, t.size.0);
            assert_eq!(t.conditions(), Conditions::NONE, "DBN's flags are no conditions");
            format!("trade {price}x{size} {}", Side::name(tail.side))
        } else if let Some(q) = cell.get::<Quote>() {
            let side = |price: Price, size: Size| match price {
                Price::UNDEFINED => format!("-x{}", size.0),
                price => format!("{}x{}", price.0, size.0),
            };
            format!("quote {} {}", side(q.bid, q.bid_size), side(q.ask, q.ask_size))
        } else if let Some(l) = cell.get::<BookLevel>() {
            let action = ["set", "delete", "clear", "snapshot"][(l.source_seq >> 56) as usize];
            let number = l.source_seq >> 48 & 0xff;
            let (side, price, size) = (Side::name(tail.side), l.price.0, l.size.0);
            format!("{action} {side} {number}: {price}x{size}")
        } else {
            panic!("{cell:?}")
        };
        assert_eq!((tail.instrument, tail.flags), (0, 0));
        format!("{event}+{} {what}", received - event)
    };
    cells.iter().map(tell).collect()
}

#[test]
fn a_print_keeps_price_size_aggressor_both_times_and_flags() {
    let undefined = trade(ESH1, 3, UNDEF_PRICE, 0, 'N');
    let records = [trade(ESH1, 1, 3_720_250_000_000, 5, 'A'), trade(ESH1, 2, -7, u32::MAX, 'B')];
    let bytes =
        file(Schema::Trades, &[records[0].as_ref(), records[1].as_ref(), undefined.as_ref()]);
    let cells = cells(&bytes);
    assert_eq!(
        told(&cells),
        [
            "1+7 trade 3720250000000x5 sell".to_string(),
            "2+7 trade -7x4294967295 buy".to_string(),
            format!("3+7 trade {}x0 ", i64::MAX),
        ]
    );
}

#[test]
fn sizes_are_in_the_unit_of_the_instrument() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = file(Schema::Trades, &[trade(ESH1, 1, 1, u32::MAX, 'A').as_ref()]);
    let spec = write(dir.path(), "databento", "a", &bytes);
    let mut definition = built_in("ESH1").unwrap();
    definition.size_precision = 9;
    let catalog = Catalog::of(vec![definition]);
    let trades = trades(gateways::open(&config(&spec), &catalog).unwrap());
    assert_eq!(trades[0].size, Size(i64::from(u32::MAX) * 1_000_000_000));
}

#[test]
fn the_best_before_a_print_comes_before_it_and_only_where_it_is_news() {
    let (one, two) = (pair((10, 1), (11, 2)), pair((10, 1), (12, 9)));
    let records = [
        top(1, 'A', one.clone()),
        top(2, 'T', one.clone()),
        top(3, 'M', one),
        top(4, 'T', two),
        top(5, 'C', pair((0, 0), (12, 9))),
        top(6, 'R', pair((0, 0), (0, 0))),
    ];
    let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        told(&cells(&file(Schema::Mbp1, &records))),
        [
            "1+7 quote 10x1 11x2",
            "2+7 trade 11x3 buy",
            "3+7 quote 10x1 11x2",
            "4+7 quote 10x1 12x9",
            "4+7 trade 12x3 buy",
            "5+7 quote -x0 12x9",
            "6+7 quote -x0 -x0",
        ]
    );
}

#[test]
fn a_sampled_best_is_of_the_end_of_its_interval() {
    let record = BboMsg {
        // The last trade's time: there was none.
        hd: dbn::RecordHeader::new::<BboMsg>(rtype::BBO_1S, 1, ESH1, u64::MAX),
        ts_recv: NOON + 9,
        levels: [pair((10, 1), (11, 2))],
        flags: FlagSet::new(LAST),
        ..BboMsg::default_for_schema(Schema::Bbo1S)
    };
    let cells = cells(&file(Schema::Bbo1S, &[record.as_ref()]));
    assert_eq!(told(&cells), ["9+0 quote 10x1 11x2"]);
}

#[test]
fn of_ten_levels_only_those_that_changed_are_told() {
    let records = [
        levels(1, 'A', &[pair((10, 1), (11, 2)), pair((9, 3), (12, 4))]),
        levels(2, 'M', &[pair((10, 1), (11, 2)), pair((9, 5), (12, 4))]),
        levels(3, 'T', &[pair((10, 1), (11, 2)), pair((9, 5), (12, 4))]),
        levels(4, 'C', &[pair((9, 5), (11, 2)), pair((0, 0), (12, 4))]),
        levels(5, 'R', &[]),
    ];
    let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        told(&cells(&file(Schema::Mbp10, &records))),
        [
            "1+7 set buy 0: 10x1",
            "1+7 set buy 1: 9x3",
            "1+7 set sell 0: 11x2",
            "1+7 set sell 1: 12x4",
            "1+7 quote 10x1 11x2",
            "2+7 set buy 1: 9x5",
            "3+7 trade 5x3 sell",
            "4+7 delete buy 0: 10x0",
            "4+7 quote 9x5 11x2",
            "5+7 clear buy 0: 0x0",
            "5+7 clear sell 0: 0x0",
            "5+7 quote -x0 -x0",
        ]
    );
}

#[test]
fn orders_are_told_as_levels_when_their_event_is_over() {
    let snapshot = dbn::flags::SNAPSHOT;
    let records = [
        // A snapshot: its orders are older than it.
        order(1, 'R', (0, 'N', UNDEF_PRICE, 0), snapshot),
        order(1, 'A', (1, 'B', 10, 5), snapshot),
        order(1, 'A', (2, 'B', 10, 2), snapshot),
        order(1, 'A', (3, 'A', 11, 4), snapshot | LAST),
        // A seller hits order 1: one print, told before the book changes; its fill is no second one.
        order(2, 'T', (0, 'A', 10, 5), 0),
        order(2, 'F', (1, 'B', 10, 5), 0),
        order(2, 'C', (1, 'B', 10, 5), LAST),
        // To a better price.
        order(3, 'M', (3, 'A', 11, 9), LAST),
        // Never seen: a cancel is passed over, a change is an arrival.
        order(4, 'C', (77, 'A', 11, 1), LAST),
        order(5, 'M', (78, 'A', 12, 1), LAST),
        order(6, 'R', (0, 'N', UNDEF_PRICE, 0), LAST),
    ];
    let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        told(&cells(&file(Schema::Mbo, &records))),
        [
            "8+0 snapshot  0: 0x0",
            "8+0 clear buy 0: 0x0",
            "8+0 clear sell 0: 0x0",
            "8+0 set buy 0: 10x7",
            "8+0 set sell 0: 11x4",
            "8+0 quote 10x7 11x4",
            "2+7 trade 10x5 sell",
            "2+7 set buy 0: 10x2",
            "2+7 quote 10x2 11x4",
            "3+7 set sell 0: 11x9",
            "3+7 quote 10x2 11x9",
            "5+7 set sell 1: 12x1",
            "6+7 clear buy 0: 0x0",
            "6+7 clear sell 0: 0x0",
            "6+7 quote -x0 -x0",
        ]
    );
}

#[test]
fn a_book_of_orders_tells_ten_levels_and_those_that_come_up_behind_them() {
    let mut records: Vec<_> = (0..12_u64)
        .map(|i| order(1, 'A', (i, 'B', 100 - i as i64, 1), if i == 11 { LAST } else { 0 }))
        .collect();
    records.push(order(2, 'C', (0, 'B', 100, 1), LAST));
    let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
    let told = told(&cells(&file(Schema::Mbo, &records)));
    assert_eq!(told.len(), 10 + 1 + 3, "{told:?}");
    assert_eq!(told[9], "1+7 set buy 9: 91x1");
    assert_eq!(
        told[11..],
        ["2+7 delete buy 0: 100x0", "2+7 set buy 9: 90x1", "2+7 quote 99x1 -x0"]
    );
}

#[test]
fn the_top_of_a_venue_takes_the_place_of_the_one_before() {
    let flags = LAST | dbn::flags::TOB;
    let records = [
        order(1, 'A', (0, 'B', 10, 5), flags),
        order(2, 'A', (0, 'B', 11, 6), flags),
        order(3, 'A', (0, 'B', UNDEF_PRICE, 0), flags),
    ];
    let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
    let told = told(&cells(&file(Schema::Mbo, &records)));
    let quotes: Vec<_> = told.iter().filter(|line| line.contains("quote")).collect();
    assert_eq!(quotes, ["1+7 quote 10x5 -x0", "2+7 quote 11x6 -x0", "3+7 quote -x0 -x0"]);
}

#[test]
fn a_bar_is_stamped_by_its_open_in_the_file_and_by_its_close_here() {
    let bar = |record_type: u8, _schema: Schema| OhlcvMsg {
        hd: header::<OhlcvMsg>(record_type, ESH1, 0),
        open: 2,
        high: 4,
        low: 1,
        close: 3,
        volume: 77,
    };
    let bars = [
        (1, bar(rtype::OHLCV_1S, Schema::Ohlcv1S)),
        (60, bar(rtype::OHLCV_1M, Schema::Ohlcv1M)),
        (3_600, bar(rtype::OHLCV_1H, Schema::Ohlcv1H)),
        (86_400, bar(rtype::OHLCV_1D, Schema::Ohlcv1D)),
    ];
    for (seconds, bar) in bars {
        let cells = cells(&file(Schema::Ohlcv1S, &[bar.as_ref()]));
        let bar = cells[0].get::<ExternalBar>().unwrap();
        assert_eq!((bar.ts_open, bar.timeframe_s), (NOON as i64, seconds));
        assert_eq!(bar.head.ts_event, NOON as i64 + i64::from(seconds) * 1_000_000_000);
        assert_eq!(bar.head.ts_recv, bar.head.ts_event);
        let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.0);
        assert_eq!((prices, bar.volume), ([2, 4, 1, 3], Size(77)));
    }
    // A volume that does not fit is named.
    let mut bar = bar(rtype::OHLCV_1S, Schema::Ohlcv1S);
    bar.volume = u64::MAX;
    let (_, problem) = read(&file(Schema::Ohlcv1S, &[bar.as_ref()]));
    check_problem(&problem.unwrap(), "volume does not fit", "record 1, volume", "check");
}

#[test]
fn what_is_no_market_data_is_skipped_and_counted() {
    let status =
        StatusMsg { hd: header::<StatusMsg>(rtype::STATUS, 99, 1), ..StatusMsg::default() };
    let statistics =
        StatMsg { hd: header::<StatMsg>(rtype::STATISTICS, 98, 1), ..StatMsg::default() };
    let records =
        [status.as_ref(), trade(ESH1, 1, 5, 1, 'A').as_ref(), statistics.as_ref(), status.as_ref()]
            .concat();
    let bytes = file(Schema::Trades, &[&records]);
    assert_eq!(told(&cells(&bytes)), ["1+7 trade 5x1 sell"]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    std::fs::write(&path, &bytes).unwrap();
    let held = gateways::inventory(&path).unwrap();
    assert_eq!(held.records, [("mbp-0", 1), ("status", 2), ("statistics", 1)]);
    assert_eq!((held.version, held.schema, held.packed), (Some(3), Some("trades"), false));
    assert_eq!((held.mappings, held.len(), held.is_empty()), (1, 4, false));
    assert_eq!(left_out(&bytes), [("no_market_data", 3)]);
}

/// Why records gave nothing, and how many.
fn left_out(bytes: &[u8]) -> Vec<(&'static str, u64)> {
    let dir = tempfile::tempdir().unwrap();
    let source = open(&write(dir.path(), "databento", "a", bytes)).unwrap();
    let Feed::Decoder(mut decoder) = source.feed else { panic!("a decoder") };
    let mut cell = InputCell::default();
    while decoder.next(&mut cell).unwrap() {}
    decoder.left_out().into_iter().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn every_order_that_gives_no_record_is_counted_by_why() {
    let records = [
        order(1, 'A', (1, 'B', 10, 5), LAST),
        // Of an event whose last record tells the book.
        order(2, 'A', (2, 'A', 12, 5), 0),
        order(2, 'A', (3, 'A', 13, 5), LAST),
        // Never seen; a fill beside its cancel; an order that changes nothing of the best ten.
        order(3, 'C', (77, 'A', 11, 1), LAST),
        order(4, 'F', (1, 'B', 10, 5), 0),
        order(5, 'M', (1, 'B', 10, 5), LAST),
    ];
    let bytes = file(Schema::Mbo, &records.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let expected = [
        ("unknown_order", 1),
        ("fill_told_as_trade_and_cancel", 1),
        ("told_at_the_end_of_its_event", 1),
        ("book_unchanged", 1),
    ];
    assert_eq!(left_out(&bytes), expected);
}
