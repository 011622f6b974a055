//! DBN files made by Databento's own encoder.

use super::*;
use dbn::encode::DbnMetadataEncoder;
use dbn::{
    BidAskPair, FlagSet, MappingInterval, MboMsg, Mbp1Msg, Mbp10Msg, Metadata, RecordHeader, SType,
    Schema, SymbolMapping, TradeMsg, UNDEF_PRICE, rtype,
};
use ringbuf_layout::{BookLevel, ExternalBar};

/// Noon of 2020-12-28, ns UTC.
pub const NOON: u64 = 1_609_156_800_000_000_000;
/// A day, ns.
pub const DAY: u64 = 86_400_000_000_000;
pub const ESH1: u32 = 5_482;
pub const LAST: u8 = dbn::flags::LAST;

/// The number stands for the symbol on so many days from the 28th on.
pub struct Mapped(pub u32, pub &'static str, pub core::ops::Range<u64>);

/// Metadata of a version: what stands before the records.
pub fn front(version: u8, schema: Schema, mapped: &[Mapped]) -> Vec<u8> {
    let build = |start: u64, mappings| {
        Metadata::builder()
            .version(version)
            .dataset("GLBX.MDP3")
            .schema(Some(schema))
            .start(start)
            .stype_in(Some(SType::RawSymbol))
            .stype_out(SType::InstrumentId)
            .mappings(mappings)
            .build()
    };
    let date = |day: u64| build(NOON + day * DAY, Vec::new()).start().date();
    let mappings = mapped.iter().map(|Mapped(id, symbol, days)| SymbolMapping {
        raw_symbol: (*symbol).to_string(),
        intervals: vec![MappingInterval {
            start_date: date(days.start),
            end_date: date(days.end),
            symbol: id.to_string(),
        }],
    });
    let mut bytes = Vec::new();
    let metadata = build(NOON, mappings.collect());
    DbnMetadataEncoder::new(&mut bytes).encode(&metadata).unwrap();
    bytes
}

/// A file of ESH1 in version 3.
pub fn file(schema: Schema, records: &[&[u8]]) -> Vec<u8> {
    [front(3, schema, &[Mapped(ESH1, "ESH1", 0..1)]), records.concat()].concat()
}

/// Writes, opens and reads a file; records and how it ended.
pub fn read(bytes: &[u8]) -> (Vec<InputCell>, Option<Problem>) {
    let dir = tempfile::tempdir().unwrap();
    drain(open(&write(dir.path(), "databento", "a", bytes)).unwrap_or_else(|p| panic!("{p}")))
}

/// The records of a file that ends well.
pub fn cells(bytes: &[u8]) -> Vec<InputCell> {
    let (cells, problem) = read(bytes);
    assert_eq!(problem, None);
    cells
}

/// Every field of a market record, by name.
pub fn fields(cell: &InputCell) -> String {
    let trade = cell.get::<Trade>().map(|record| format!("{record:?}"));
    let quote = || cell.get::<Quote>().map(|record| format!("{record:?}"));
    let level = || cell.get::<BookLevel>().map(|record| format!("{record:?}"));
    let bar = || cell.get::<ExternalBar>().map(|record| format!("{record:?}"));
    trade.or_else(quote).or_else(level).or_else(bar).expect("a market record")
}

/// Every field of every record.
pub fn all_fields(cells: &[InputCell]) -> Vec<String> {
    cells.iter().map(fields).collect()
}

/// A header of the record `T`, at `at` ns after noon.
pub fn header<T: dbn::HasRType>(record_type: u8, id: u32, at: u64) -> RecordHeader {
    RecordHeader::new::<T>(record_type, 1, id, NOON + at)
}

pub fn trade(id: u32, at: u64, price: i64, size: u32, side: char) -> TradeMsg {
    TradeMsg {
        hd: header::<TradeMsg>(rtype::MBP_0, id, at),
        price,
        size,
        action: b'T' as i8,
        side: side as i8,
        flags: FlagSet::new(LAST),
        ts_recv: NOON + at + 7,
        ..TradeMsg::default()
    }
}

/// Bid and ask as price and size; a size of 0 is an absent side.
pub fn pair(bid: (i64, u32), ask: (i64, u32)) -> BidAskPair {
    let price = |(price, size)| if size == 0 { UNDEF_PRICE } else { price };
    BidAskPair {
        bid_px: price(bid),
        ask_px: price(ask),
        bid_sz: bid.1,
        ask_sz: ask.1,
        bid_ct: 1,
        ask_ct: 1,
    }
}

pub fn top(at: u64, action: char, level: BidAskPair) -> Mbp1Msg {
    Mbp1Msg {
        hd: header::<Mbp1Msg>(rtype::MBP_1, ESH1, at),
        price: level.ask_px,
        size: 3,
        action: action as i8,
        side: b'B' as i8,
        flags: FlagSet::new(LAST),
        ts_recv: NOON + at + 7,
        levels: [level],
        ..Mbp1Msg::default()
    }
}

pub fn levels(at: u64, action: char, pairs: &[BidAskPair]) -> Mbp10Msg {
    let none = pair((0, 0), (0, 0));
    Mbp10Msg {
        hd: header::<Mbp10Msg>(rtype::MBP_10, ESH1, at),
        price: 5,
        size: 3,
        action: action as i8,
        side: b'A' as i8,
        flags: FlagSet::new(LAST),
        ts_recv: NOON + at + 7,
        levels: core::array::from_fn(|i| pairs.get(i).unwrap_or(&none).clone()),
        ..Mbp10Msg::default()
    }
}

/// An order's change: number, side, price, size.
pub fn order(at: u64, action: char, of: (u64, char, i64, u32), flags: u8) -> MboMsg {
    let (order_id, side, price, size) = of;
    MboMsg {
        hd: header::<MboMsg>(rtype::MBO, ESH1, at),
        order_id,
        price,
        size,
        action: action as i8,
        side: side as i8,
        flags: FlagSet::new(flags),
        ts_recv: NOON + at + 7,
        ..MboMsg::default()
    }
}
