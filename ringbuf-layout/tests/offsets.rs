//! Every byte of every record, as literals: what a journal written today holds is what any later build
//! reads. A change here is a change of the format and belongs in the format's version.

use bytemuck::Zeroable;
use core::mem::offset_of;
use ringbuf_layout::frame::{FLAGS_OFFSET, LAST, LINE, SHARED_FIELDS, fields_of};
use ringbuf_layout::{
    Bar, BookLevel, Decision, Execution, ExecutionReport, ExternalBar, Fill, Footer, Frame, Header,
    Heartbeat, Indicator, InputCell, Instrument, Kind, Matrix, Operator, Order, Panic, Portfolio,
    Quote, Risk, RunEnd, RunStart, Session, Slot, SourceStatus, StateHash, Synergy, Tail, Timer,
    Trade, Unprocessed, Verdict,
};

/// A field as the compiler places it: name, offset, size.
type Placed = (&'static str, usize, usize);

/// A record: its literal table, and what the compiler makes of the same names.
struct Record {
    name: &'static str,
    kind: Kind,
    literal_kind: u8,
    literal_len: usize,
    compiled_kind: Kind,
    compiled_len: usize,
    align: usize,
    literal: Vec<Placed>,
    compiled: Vec<Placed>,
}

fn size_of_field<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! records {
    ($( $name:ident = $kind:literal, $len:literal {
        $( $field:ident: $offset:literal, $size:literal; )*
    } )*) => {
        vec![ $( Record {
            name: stringify!($name),
            kind: Kind::$name,
            literal_kind: $kind,
            literal_len: $len,
            compiled_kind: <$name as Frame>::KIND,
            compiled_len: size_of::<$name>(),
            align: align_of::<$name>(),
            literal: vec![ $( (stringify!($field), $offset, $size) ),* ],
            compiled: vec![ $( (
                stringify!($field),
                offset_of!($name, $field),
                size_of_field(|record: &$name| &record.$field),
            ) ),* ],
        } ),* ]
    };
}

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "a table")]
fn records() -> Vec<Record> {
    records! {
        RunStart = 1, 128 {
            semantic_hash: 32, 8;
            epoch: 40, 4;
            format: 44, 2;
            reserved: 46, 2;
            base_seq: 48, 8;
            manifest: 64, 32;
            build: 96, 32;
        }
        Instrument = 2, 128 {
            tick: 32, 8;
            multiplier: 40, 8;
            lot: 48, 8;
            symbol: 64, 24;
            fee: 88, 8;
            currency: 96, 4;
            size_precision: 100, 1;
            bar_price: 101, 1;
            no_price: 102, 2;
            calendar: 104, 16;
            no_volume: 120, 2;
            reserved2: 122, 6;
        }
        Trade = 3, 64 {
            price: 32, 8;
            size: 40, 8;
            source_seq: 48, 8;
        }
        Quote = 4, 128 {
            bid: 32, 8;
            ask: 40, 8;
            source_seq: 48, 8;
            bid_size: 64, 8;
            ask_size: 72, 8;
            reserved: 80, 48;
        }
        BookLevel = 5, 64 {
            price: 32, 8;
            size: 40, 8;
            source_seq: 48, 8;
        }
        ExternalBar = 6, 128 {
            ts_open: 32, 8;
            volume: 40, 8;
            source_seq: 48, 8;
            open: 64, 8;
            high: 72, 8;
            low: 80, 8;
            close: 88, 8;
            timeframe_s: 96, 4;
            ticks: 100, 4;
            reserved: 104, 24;
        }
        ExecutionReport = 7, 128 {
            order_seq: 32, 8;
            order_epoch: 40, 4;
            order_index: 44, 1;
            exec: 45, 1;
            reason: 46, 2;
            source_seq: 48, 8;
            exec_id: 64, 24;
            price: 88, 8;
            qty: 96, 8;
            cum_qty: 104, 8;
            fee: 112, 16;
        }
        Timer = 8, 64 {
            closes: 32, 1;
            reserved: 33, 7;
            reserved2: 40, 16;
        }
        Heartbeat = 9, 64 {
            count: 32, 8;
            reserved: 40, 16;
        }
        SourceStatus = 10, 64 {
            first_source_seq: 32, 8;
            lost: 40, 8;
            identity: 48, 8;
        }
        Operator = 11, 64 {
            argument: 32, 8;
            uid: 40, 4;
            pid: 44, 4;
            reserved: 48, 8;
        }
        Session = 12, 64 {
            open: 32, 8;
            close: 40, 8;
            trading_date: 48, 4;
            utc_offset_s: 52, 4;
        }
        RunEnd = 13, 64 {
            inputs: 32, 8;
            ticks: 40, 8;
            reserved: 48, 8;
        }
        Verdict = 32, 64 {
            reasons: 32, 4;
            reserved: 36, 4;
            price: 40, 8;
            size: 48, 8;
        }
        Bar = 33, 192 {
            ts_open: 32, 8;
            ts_close: 40, 8;
            timeframe_s: 48, 4;
            ticks: 52, 4;
            open: 64, 8;
            high: 72, 8;
            low: 80, 8;
            close: 88, 8;
            volume: 96, 8;
            vwap: 104, 8;
            ts_first: 112, 8;
            ts_last: 120, 8;
            micro_count: 128, 4;
            timeframe_index: 132, 4;
            micro_vwap: 136, 8;
            micro_change: 144, 8;
            micro_volatility: 152, 8;
            kind: 160, 1;
            reserved1: 161, 7;
            length: 168, 8;
            reserved: 176, 16;
        }
        Indicator = 34, 576 {
            valid: 32, 8;
            ts_close: 40, 8;
            timeframe_s: 48, 4;
            count: 52, 4;
            values: 64, 512;
        }
        Matrix = 35, 64 {
            hash: 32, 8;
            rows: 40, 4;
            cols: 44, 4;
            name: 48, 4;
            reserved: 52, 4;
        }
        Synergy = 36, 64 {
            strength: 32, 8;
            kind: 40, 4;
            bars_to_complete: 44, 4;
            reserved: 48, 8;
        }
        Decision = 37, 128 {
            confidence: 32, 8;
            action: 40, 1;
            strategic_action: 41, 1;
            tactical_action: 42, 1;
            shadow: 43, 1;
            policy: 44, 2;
            reason: 46, 2;
            shadow_reason: 48, 2;
            reserved: 50, 6;
            strategic_confidence: 64, 8;
            tactical_confidence: 72, 8;
            shadow_confidence: 80, 8;
            weights: 88, 8;
            reserved2: 96, 32;
        }
        Risk = 38, 256 {
            size: 32, 8;
            reason: 40, 4;
            approved: 44, 1;
            reserved: 45, 3;
            total_risk: 48, 8;
            position_risk: 64, 8;
            portfolio_risk: 72, 8;
            correlation_risk: 80, 8;
            var: 88, 8;
            kelly: 96, 8;
            atr: 104, 8;
            price: 112, 8;
            position: 120, 8;
            equity: 128, 16;
            day_loss: 144, 16;
            gross: 160, 16;
            target: 176, 8;
            atr_size: 184, 8;
            instrument_room: 192, 8;
            gross_room: 200, 8;
            position_room: 208, 8;
            loss_room: 216, 8;
            lot: 224, 8;
            trading_date: 232, 4;
            rate_instrument: 236, 4;
            at_risk: 240, 16;
        }
        Order = 39, 192 {
            order_seq: 32, 8;
            order_epoch: 40, 4;
            order_index: 44, 1;
            order_type: 45, 1;
            state: 46, 1;
            tif: 47, 1;
            qty: 48, 8;
            price: 64, 8;
            filled: 72, 8;
            limit_price: 80, 8;
            stop_price: 88, 8;
            parent_seq: 96, 8;
            parent_epoch: 104, 4;
            parent_index: 108, 1;
            reserved: 109, 1;
            reason: 110, 2;
            venue: 112, 4;
            reserved2: 116, 4;
            good_till: 120, 8;
            client_id: 128, 32;
            reserved3: 160, 32;
        }
        Fill = 40, 128 {
            order_seq: 32, 8;
            order_epoch: 40, 4;
            order_index: 44, 1;
            liquidity: 45, 1;
            reserved: 46, 2;
            qty: 48, 8;
            price: 64, 8;
            reserved2: 72, 8;
            fee: 80, 16;
            exec_id: 96, 24;
            reserved3: 120, 8;
        }
        Portfolio = 41, 128 {
            position: 32, 8;
            avg_price: 40, 8;
            max_drawdown: 48, 8;
            realized_pnl: 64, 16;
            unrealized_pnl: 80, 16;
            cash: 96, 16;
            equity: 112, 16;
        }
        StateHash = 42, 192 {
            hash: 32, 8;
            reserved: 40, 16;
            stages: 64, 72;
            reserved2: 136, 56;
        }
        Panic = 43, 64 {
            message_hash: 32, 8;
            part: 40, 4;
            reserved: 44, 4;
            at_seq: 48, 8;
        }
        Unprocessed = 44, 64 {
            part: 32, 4;
            reserved: 36, 4;
            reserved2: 40, 16;
        }
        Footer = 63, 128 {
            frames: 32, 8;
            first_seq: 40, 8;
            last_seq: 48, 8;
            digest: 64, 8;
            bytes: 72, 8;
            reserved: 80, 48;
        }
    }
}

#[test]
fn every_field_of_every_record_lies_where_the_table_says() {
    let mut fields = 0;
    for record in records() {
        let name = record.name;
        assert_eq!(record.literal, record.compiled, "{name}");
        assert_eq!((record.literal_len, record.align % 8), (record.compiled_len, 0), "{name}");
        let (table, len) = fields_of(record.kind);
        let table: Vec<Placed> = table.iter().map(|f| (f.name, f.offset, f.size)).collect();
        assert_eq!((table, len), (record.literal.clone(), record.literal_len), "{name}");
        fields += record.literal.len();
    }
    println!("{} records, {fields} fields of their own", records().len());
}

#[test]
fn kind_numbers_and_names_are_stable() {
    let names = [
        (1, "run_start"),
        (2, "instrument"),
        (3, "trade"),
        (4, "quote"),
        (5, "book_level"),
        (6, "external_bar"),
        (7, "execution_report"),
        (8, "timer"),
        (9, "heartbeat"),
        (10, "source_status"),
        (11, "operator"),
        (12, "session"),
        (13, "run_end"),
        (32, "verdict"),
        (33, "bar"),
        (34, "indicator"),
        (35, "matrix"),
        (36, "synergy"),
        (37, "decision"),
        (38, "risk"),
        (39, "order"),
        (40, "fill"),
        (41, "portfolio"),
        (42, "state_hash"),
        (43, "panic"),
        (44, "unprocessed"),
        (63, "footer"),
    ];
    let ours: Vec<_> = Kind::ALL.iter().map(|kind| (*kind as u8, kind.name())).collect();
    assert_eq!(ours, names);
    for record in records() {
        assert_eq!(record.kind as u8, record.literal_kind, "{}", record.name);
        assert_eq!(record.kind, record.compiled_kind, "{}", record.name);
        assert_eq!(record.kind.is_input(), record.literal_kind < 32, "{}", record.name);
    }
    assert_eq!(records().len(), Kind::ALL.len(), "the table names every kind");
    for byte in 0..=u8::MAX {
        let known = names.iter().any(|(number, _)| *number == byte);
        assert_eq!(Kind::from_byte(byte).is_some(), known, "kind {byte}");
    }
}

#[test]
fn the_shared_header_and_tail_are_the_same_in_every_record() {
    let literal: [(&str, usize, usize); 11] = [
        ("crc32c", 0, 4),
        ("kind", 4, 1),
        ("index", 5, 1),
        ("len", 6, 2),
        ("seq", 8, 8),
        ("ts_event", 16, 8),
        ("ts_recv", 24, 8),
        ("instrument", 56, 4),
        ("source", 60, 2),
        ("side", 62, 1),
        ("flags", 63, 1),
    ];
    let compiled = [
        ("crc32c", offset_of!(Header, crc32c), size_of_field(|h: &Header| &h.crc32c)),
        ("kind", offset_of!(Header, kind), size_of_field(|h: &Header| &h.kind)),
        ("index", offset_of!(Header, index), size_of_field(|h: &Header| &h.index)),
        ("len", offset_of!(Header, len), size_of_field(|h: &Header| &h.len)),
        ("seq", offset_of!(Header, seq), size_of_field(|h: &Header| &h.seq)),
        ("ts_event", offset_of!(Header, ts_event), size_of_field(|h: &Header| &h.ts_event)),
        ("ts_recv", offset_of!(Header, ts_recv), size_of_field(|h: &Header| &h.ts_recv)),
        ("instrument", 56 + offset_of!(Tail, instrument), size_of_field(|t: &Tail| &t.instrument)),
        ("source", 56 + offset_of!(Tail, source), size_of_field(|t: &Tail| &t.source)),
        ("side", 56 + offset_of!(Tail, side), size_of_field(|t: &Tail| &t.side)),
        ("flags", 56 + offset_of!(Tail, flags), size_of_field(|t: &Tail| &t.flags)),
    ];
    let table: Vec<Placed> = SHARED_FIELDS.iter().map(|f| (f.name, f.offset, f.size)).collect();
    assert_eq!(literal, compiled);
    assert_eq!(table, literal);
    assert_eq!(
        (size_of::<Header>(), size_of::<Tail>(), LINE, FLAGS_OFFSET, LAST),
        (32, 8, 64, 63, 128)
    );
}

#[test]
fn the_fields_tile_every_record_without_gap_or_overlap() {
    for record in records() {
        let shared = SHARED_FIELDS.iter().map(|f| (f.name, f.offset, f.size));
        let mut fields: Vec<Placed> = shared.chain(record.literal.iter().copied()).collect();
        fields.sort_by_key(|(_, offset, _)| *offset);
        let mut end = 0;
        for (field, offset, size) in fields {
            assert_eq!(
                offset, end,
                "{}.{field} does not begin where the one before ends",
                record.name
            );
            assert!(size > 0, "{}.{field}", record.name);
            end += size;
        }
        assert_eq!(end, record.literal_len, "{}", record.name);
        assert!(end.is_multiple_of(64) && end <= 4096, "{} fits no page", record.name);
    }
}

#[test]
fn slots_and_cells_have_their_sizes_and_every_input_fits_the_cell() {
    assert_eq!((size_of::<Slot>(), align_of::<Slot>()), (192, 64));
    assert_eq!((size_of::<InputCell>(), align_of::<InputCell>()), (128, 64));
    assert_eq!(offset_of!(Slot, input), 0);
    assert_eq!(size_of::<Execution>(), size_of::<Order>());
    for record in records().iter().filter(|record| record.kind.is_input()) {
        assert!(record.literal_len <= 128, "{}", record.name);
    }
}

#[test]
fn a_trade_has_its_documented_bytes() {
    let mut trade = Trade {
        head: Trade::header(0x0807_0605_0403_0201, 0x1817_1615_1413_1211),
        price: ringbuf_layout::Price(0x2827_2625_2423_2221),
        size: ringbuf_layout::Size(0x3837_3635_3433_3231),
        source_seq: 0x4847_4645_4443_4241,
        ..Trade::zeroed()
    };
    trade.head.seq = 0x5857_5655_5453_5251;
    trade.head.index = 9;
    trade.tail = Tail { instrument: 0x6463_6261, source: 0x6665, side: 0x67, flags: 0x68 };
    let mut bytes = vec![0, 0, 0, 0, 3, 9, 64, 0];
    for first in [0x51, 0x01, 0x11, 0x21, 0x31, 0x41, 0x61] {
        bytes.extend(first..first + 8);
    }
    assert_eq!(bytemuck::bytes_of(&trade), bytes);
    assert_eq!((trade.source_sequence(), trade.conditions().0), (0x4645_4443_4241, 0x4847));
}
