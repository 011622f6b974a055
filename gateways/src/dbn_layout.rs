//! Where the fields of a DBN record lie. Offsets and lengths are those of the `dbn` crate's structs;
//! fields are read as little-endian integers from checked lengths, so no bytes are ever taken for a
//! struct that they are not.

use crate::files::Fault;
use dbn::{
    BboMsg, BidAskPair, CbboMsg, Cmbp1Msg, ConsolidatedBidAskPair, MboMsg, Mbp1Msg, Mbp10Msg,
    OhlcvMsg, RecordHeader, TradeMsg, rtype, v1, v2, v3,
};
use ringbuf_layout::Side;
use ringbuf_layout::units::SECOND;

/// Bytes of the header that every record begins with.
pub(crate) const HEADER: usize = size_of::<RecordHeader>();
/// Longest record: its length is a byte that counts words of four.
pub(crate) const RECORD_MAX: usize = 4 * u8::MAX as usize;
/// Bytes of the time of sending that a live stream may append to every record.
const TS_OUT: usize = 8;

/// An integer of a record: the offset is known when this is compiled.
macro_rules! field {
    ($bytes:expr, $record:ty, $field:ident, $int:ty) => {{
        const AT: usize = core::mem::offset_of!($record, $field);
        const LENGTH: usize = size_of::<$int>();
        let mut raw = [0; LENGTH];
        raw.copy_from_slice(&$bytes[AT..AT + LENGTH]);
        <$int>::from_le_bytes(raw)
    }};
}
pub(crate) use field;

/// What a record is to us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// A print.
    Trade,
    /// The best bid and ask after a change, or a print and the best before it (`mbp-1`, `tbbo`).
    Top,
    /// The same over several venues (`cmbp-1`, `tcbbo`).
    ConsolidatedTop,
    /// Ten levels a side.
    Levels,
    /// The best bid and ask at the end of an interval.
    Sampled,
    /// The same over several venues.
    ConsolidatedSampled,
    /// What happened to one order.
    Order,
    /// A bar of so many seconds.
    Bar(u32),
    /// What an instrument is.
    Definition,
    /// Which instrument a number stands for from here on.
    Mapping,
    /// Known, and nothing that this engine takes in: `statistics`, `status`, `imbalance`, bars of a
    /// session or of no stated length, words of the gateway.
    Other,
}

impl Kind {
    /// What records of this type are; `None` for a type that DBN 1 to 3 do not have.
    #[inline]
    pub(crate) fn of(record_type: u8) -> Option<Self> {
        Some(match record_type {
            rtype::MBP_0 => Self::Trade,
            rtype::MBP_1 => Self::Top,
            rtype::CMBP_1 | rtype::TCBBO => Self::ConsolidatedTop,
            rtype::MBP_10 => Self::Levels,
            rtype::BBO_1S | rtype::BBO_1M => Self::Sampled,
            rtype::CBBO_1S | rtype::CBBO_1M => Self::ConsolidatedSampled,
            rtype::MBO => Self::Order,
            rtype::OHLCV_1S => Self::Bar(1),
            rtype::OHLCV_1M => Self::Bar(60),
            rtype::OHLCV_1H => Self::Bar(3_600),
            rtype::OHLCV_1D => Self::Bar(86_400),
            rtype::INSTRUMENT_DEF => Self::Definition,
            rtype::SYMBOL_MAPPING => Self::Mapping,
            rtype::OHLCV_DEPRECATED
            | rtype::OHLCV_EOD
            | rtype::STATUS
            | rtype::IMBALANCE
            | rtype::STATISTICS
            | rtype::ERROR
            | rtype::SYSTEM => Self::Other,
            _ => return None,
        })
    }

    /// Bytes of such a record in any of the three versions.
    fn lengths(self) -> &'static [usize] {
        match self {
            Self::Trade => &[size_of::<TradeMsg>()],
            Self::Top | Self::ConsolidatedTop | Self::Sampled | Self::ConsolidatedSampled => {
                &[size_of::<Mbp1Msg>()]
            }
            Self::Levels => &[size_of::<Mbp10Msg>()],
            Self::Order | Self::Bar(_) => &[size_of::<MboMsg>()],
            Self::Definition => &[
                size_of::<v1::InstrumentDefMsg>(),
                size_of::<v2::InstrumentDefMsg>(),
                size_of::<v3::InstrumentDefMsg>(),
            ],
            Self::Mapping => {
                &[size_of::<v1::SymbolMappingMsg>(), size_of::<v2::SymbolMappingMsg>()]
            }
            Self::Other => &[],
        }
    }

    /// True if a record of `length` bytes can be one of these.
    pub(crate) fn fits(self, length: usize) -> bool {
        let lengths = self.lengths();
        lengths.is_empty() || lengths.iter().any(|l| length == *l || length == l + TS_OUT)
    }
}

// The kinds that share a length and a front share their offsets too.
const _: () = {
    use core::mem::offset_of;
    let top = size_of::<Mbp1Msg>();
    assert!(top == size_of::<Cmbp1Msg>() && top == size_of::<BboMsg>());
    assert!(top == size_of::<CbboMsg>() && size_of::<MboMsg>() == size_of::<OhlcvMsg>());
    let (price, side) = (offset_of!(TradeMsg, price), offset_of!(TradeMsg, side));
    assert!(price == offset_of!(Mbp1Msg, price) && price == offset_of!(Mbp10Msg, price));
    assert!(price == offset_of!(Cmbp1Msg, price));
    assert!(side == offset_of!(Mbp1Msg, side) && side == offset_of!(Mbp10Msg, side));
    assert!(side == offset_of!(Cmbp1Msg, side));
    let received = offset_of!(TradeMsg, ts_recv);
    assert!(received == offset_of!(Mbp1Msg, ts_recv) && received == offset_of!(Mbp10Msg, ts_recv));
    assert!(received == offset_of!(Cmbp1Msg, ts_recv) && received == offset_of!(BboMsg, ts_recv));
    assert!(received == offset_of!(CbboMsg, ts_recv));
    let levels = offset_of!(Mbp1Msg, levels);
    assert!(levels == offset_of!(Cmbp1Msg, levels) && levels == offset_of!(BboMsg, levels));
    assert!(levels == offset_of!(CbboMsg, levels) && levels == offset_of!(Mbp10Msg, levels));
    let pair = offset_of!(BidAskPair, ask_sz);
    assert!(pair == offset_of!(ConsolidatedBidAskPair, ask_sz));
    assert!(size_of::<BidAskPair>() == size_of::<ConsolidatedBidAskPair>());
};

/// Every record type of DBN 1 to 3, by number, and its name.
pub(crate) const RECORD_TYPES: [(u8, &str); 23] = [
    (rtype::MBP_0, "mbp-0"),
    (rtype::MBP_1, "mbp-1"),
    (rtype::MBP_10, "mbp-10"),
    (rtype::OHLCV_DEPRECATED, "ohlcv-deprecated"),
    (rtype::STATUS, "status"),
    (rtype::INSTRUMENT_DEF, "instrument-def"),
    (rtype::IMBALANCE, "imbalance"),
    (rtype::ERROR, "error"),
    (rtype::SYMBOL_MAPPING, "symbol-mapping"),
    (rtype::SYSTEM, "system"),
    (rtype::STATISTICS, "statistics"),
    (rtype::OHLCV_1S, "ohlcv-1s"),
    (rtype::OHLCV_1M, "ohlcv-1m"),
    (rtype::OHLCV_1H, "ohlcv-1h"),
    (rtype::OHLCV_1D, "ohlcv-1d"),
    (rtype::OHLCV_EOD, "ohlcv-eod"),
    (rtype::MBO, "mbo"),
    (rtype::CMBP_1, "cmbp-1"),
    (rtype::CBBO_1S, "cbbo-1s"),
    (rtype::CBBO_1M, "cbbo-1m"),
    (rtype::TCBBO, "tcbbo"),
    (rtype::BBO_1S, "bbo-1s"),
    (rtype::BBO_1M, "bbo-1m"),
];

/// Bytes of a `trades` record, of the front of every `mbp` record.
pub(crate) type TradeBytes = [u8; size_of::<TradeMsg>()];
/// Bytes of a record with one level.
pub(crate) type TopBytes = [u8; size_of::<Mbp1Msg>()];
/// Bytes of a record with ten levels.
pub(crate) type LevelsBytes = [u8; size_of::<Mbp10Msg>()];
/// Bytes of an `mbo` record.
pub(crate) type OrderBytes = [u8; size_of::<MboMsg>()];
/// Bytes of an `ohlcv` record.
pub(crate) type BarBytes = [u8; size_of::<OhlcvMsg>()];

/// The number of the instrument that a record is of.
#[inline]
pub(crate) fn instrument_id(bytes: &[u8]) -> u32 {
    field!(bytes, RecordHeader, instrument_id, u32)
}

/// The time that decides which mapping of symbols is in force: of receipt, where the record has one.
#[inline]
pub(crate) fn index_time(kind: Kind, bytes: &[u8]) -> u64 {
    match kind {
        Kind::Order => field!(bytes, MboMsg, ts_recv, u64),
        Kind::Bar(_) => field!(bytes, RecordHeader, ts_event, u64),
        _ => field!(bytes, TradeMsg, ts_recv, u64),
    }
}

/// An instant, ns UTC.
#[inline]
pub(crate) fn instant(column: &str, ns: u64) -> Result<i64, Fault> {
    i64::try_from(ns).map_err(|_| no_instant(column, ns))
}

#[cold]
fn no_instant(column: &str, ns: u64) -> Fault {
    let what = if ns == u64::MAX { "undefined".to_string() } else { ns.to_string() };
    Fault::new(column, format!("the time is {what}, which is no instant"))
}

/// What an update does, as DBN writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Add,
    Cancel,
    Modify,
    Clear,
    Trade,
    /// A resting order was filled: the print of it is another record.
    Fill,
    None,
}

impl Action {
    #[inline]
    pub(crate) fn of(code: u8) -> Result<Self, Fault> {
        Ok(match code {
            b'A' => Self::Add,
            b'C' => Self::Cancel,
            b'M' => Self::Modify,
            b'R' => Self::Clear,
            b'T' => Self::Trade,
            b'F' => Self::Fill,
            b'N' => Self::None,
            other => return Err(no_code("action", other, "A, C, M, R, T, F and N")),
        })
    }
}

/// The side of an order, or the aggressor's of a print: `A` is a seller, `B` a buyer.
#[inline]
pub(crate) fn side(code: u8) -> Result<Side, Fault> {
    match code {
        b'A' => Ok(Side::Sell),
        b'B' => Ok(Side::Buy),
        b'N' => Ok(Side::None),
        other => Err(no_code("side", other, "A, B and N")),
    }
}

#[cold]
fn no_code(column: &str, code: u8, known: &str) -> Fault {
    Fault::new(column, format!("the code {} is none of {known}", char::from(code).escape_debug()))
}

/// Zero-padded text of a record.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// What a mapping in the stream says: the number stands for this symbol from here on.
pub(crate) fn mapped_symbol(bytes: &[u8]) -> String {
    use core::mem::offset_of;
    let (at, length) = if bytes.len() < size_of::<v2::SymbolMappingMsg>() {
        (offset_of!(v1::SymbolMappingMsg, stype_out_symbol), v1::SYMBOL_CSTR_LEN)
    } else {
        (offset_of!(v2::SymbolMappingMsg, stype_out_symbol), v2::SYMBOL_CSTR_LEN)
    };
    text(&bytes[at..at + length])
}

/// Start of a bar and its end.
pub(crate) fn bar_times(open: u64, seconds: u32) -> Result<(i64, i64), Fault> {
    let open = instant("ts_event", open)?;
    let close = open.checked_add(i64::from(seconds) * SECOND);
    Ok((open, close.ok_or_else(|| no_instant("ts_event", open as u64))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_each_version_and_of_live_records_fit_and_others_do_not() {
        let check = |kind: Kind, length: usize, expected: bool| {
            assert_eq!(kind.fits(length), expected, "{kind:?} {length}");
        };
        for (kind, lengths) in [
            (Kind::Trade, &[48][..]),
            (Kind::Top, &[80]),
            (Kind::Levels, &[368]),
            (Kind::Order, &[56]),
            (Kind::Bar(60), &[56]),
            (Kind::Definition, &[360, 400, 520]),
            (Kind::Mapping, &[80, 176]),
        ] {
            for length in lengths {
                check(kind, *length, true);
                check(kind, length + 8, true);
                check(kind, length - 4, false);
                check(kind, length + 12, false);
            }
        }
        check(Kind::Other, 16, true);
    }

    #[test]
    fn every_type_that_is_something_to_us_has_a_name() {
        let named = |number: u8| RECORD_TYPES.iter().any(|(of, _)| *of == number);
        for number in 0..=u8::MAX {
            assert_eq!(Kind::of(number).is_some(), named(number), "{number:#x}");
        }
        assert!(RECORD_TYPES.is_sorted());
    }

    #[test]
    fn codes_times_and_texts_are_read_or_named() {
        assert_eq!(side(b'A'), Ok(Side::Sell));
        assert_eq!(side(b'B'), Ok(Side::Buy));
        assert_eq!(side(b'N'), Ok(Side::None));
        assert_eq!(side(b'x').unwrap_err().column, "side");
        assert_eq!(Action::of(b'R'), Ok(Action::Clear));
        assert_eq!(Action::of(0).unwrap_err().column, "action");
        assert_eq!(instant("t", 5), Ok(5));
        assert!(instant("t", u64::MAX).unwrap_err().what.contains("undefined"));
        assert_eq!(bar_times(1, 60), Ok((1, 1 + 60 * SECOND)));
        assert!(bar_times(i64::MAX as u64, 1).is_err());
        assert_eq!(text(b"ESH1\0\0x"), "ESH1");
        assert_eq!(text(b"ABC"), "ABC");
    }
}
