//! What all records share: a 32-byte header in front and 8 bytes at the end of the first line.
//!
//! ```text
//!        0       1       2       3       4       5       6       7
//!    ┌───────────────────────────────┬───────┬───────┬───────────────┐
//!  0 │ crc32c                        │ kind  │ index │ len           │
//!    ├───────────────────────────────┴───────┴───────┴───────────────┤
//!  8 │ seq                                                           │
//! 16 │ ts_event                                                      │
//! 24 │ ts_recv                                                       │
//!    ├───────────────────────────────────────────────────────────────┤
//! 32 │ 24 bytes of the record's own                                  │
//!    ├───────────────────────────────┬───────────────┬───────┬───────┤
//! 56 │ instrument                    │ source        │ side  │ flags │
//!    ├───────────────────────────────┴───────────────┴───────┴───────┤
//! 64 │ further lines of 64 bytes, for longer records                 │
//! ```
//!
//! The same bytes lie in the ring and in the journal. In the journal `crc32c` covers bytes 4..len,
//! seeded with epoch and segment, and bit 7 of `flags` marks the last frame of a slot. In the
//! ring both are 0.

use bytemuck::{Pod, Zeroable};

/// Bytes of a cache line; every record is a multiple of it.
pub const LINE: usize = 64;
/// Bit 7 of the byte at offset 63: the last frame of its slot. Set by the journal in its copy.
pub const LAST: u8 = 0x80;
/// Where the flags byte lies in every kind.
pub const FLAGS_OFFSET: usize = 63;
/// `instrument` of a record that concerns none.
pub const NO_INSTRUMENT: u32 = u32::MAX;

/// The first 32 bytes of every record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// CRC32C of bytes 4..len in the journal; 0 in the ring.
    pub crc32c: u32,
    /// [`Kind`] as a byte.
    pub kind: u8,
    /// 0 for an input, 1, 2, … for the outputs of the same sequence.
    pub index: u8,
    /// Length of the record in bytes: a multiple of 64.
    pub len: u16,
    /// Sequence of the input, from 0, without gaps over all epochs of a journal.
    pub seq: u64,
    /// When it happened, ns UTC.
    pub ts_event: i64,
    /// When it was received, ns UTC; equal to `ts_event` where the source does not say.
    pub ts_recv: i64,
}

/// The last 8 bytes of the first line of every record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Tail {
    /// Instrument number, [`NO_INSTRUMENT`] if none.
    pub instrument: u32,
    /// Number of the source that delivered it; 0 for what the engine itself made.
    pub source: u16,
    /// [`Side`](crate::Side) as a byte, or a small code of the record's own.
    pub side: u8,
    /// Flags of the record in bits 0–6; bit 7 is [`LAST`].
    pub flags: u8,
}

/// What a record is. Inputs are below 32, outputs from 32 on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// [`crate::RunStart`]
    RunStart = 1,
    /// [`crate::Instrument`]
    Instrument = 2,
    /// [`crate::Trade`]
    Trade = 3,
    /// [`crate::Quote`]
    Quote = 4,
    /// [`crate::BookLevel`]
    BookLevel = 5,
    /// [`crate::ExternalBar`]
    ExternalBar = 6,
    /// [`crate::ExecutionReport`]
    ExecutionReport = 7,
    /// [`crate::Timer`]
    Timer = 8,
    /// [`crate::Heartbeat`]
    Heartbeat = 9,
    /// [`crate::SourceStatus`]
    SourceStatus = 10,
    /// [`crate::Operator`]
    Operator = 11,
    /// [`crate::Session`]
    Session = 12,
    /// [`crate::RunEnd`]
    RunEnd = 13,
    /// [`crate::Verdict`]
    Verdict = 32,
    /// [`crate::Bar`]
    Bar = 33,
    /// [`crate::Indicator`]
    Indicator = 34,
    /// [`crate::Matrix`]
    Matrix = 35,
    /// [`crate::Synergy`]
    Synergy = 36,
    /// [`crate::Decision`]
    Decision = 37,
    /// [`crate::Risk`]
    Risk = 38,
    /// [`crate::Order`]
    Order = 39,
    /// [`crate::Fill`]
    Fill = 40,
    /// [`crate::Portfolio`]
    Portfolio = 41,
    /// [`crate::StateHash`]
    StateHash = 42,
    /// [`crate::Panic`]
    Panic = 43,
    /// [`crate::Unprocessed`]
    Unprocessed = 44,
    /// [`crate::Footer`]: seals a segment; never in the ring.
    Footer = 63,
}

impl Kind {
    /// All kinds, in number order.
    pub const ALL: [Self; 27] = [
        Self::RunStart,
        Self::Instrument,
        Self::Trade,
        Self::Quote,
        Self::BookLevel,
        Self::ExternalBar,
        Self::ExecutionReport,
        Self::Timer,
        Self::Heartbeat,
        Self::SourceStatus,
        Self::Operator,
        Self::Session,
        Self::RunEnd,
        Self::Verdict,
        Self::Bar,
        Self::Indicator,
        Self::Matrix,
        Self::Synergy,
        Self::Decision,
        Self::Risk,
        Self::Order,
        Self::Fill,
        Self::Portfolio,
        Self::StateHash,
        Self::Panic,
        Self::Unprocessed,
        Self::Footer,
    ];

    /// The kind with this number.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// True for what enters the engine, false for what its stages and sinks say about it.
    pub fn is_input(self) -> bool {
        (self as u8) < 32
    }

    /// The kind's name in dumps and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::RunStart => "run_start",
            Self::Instrument => "instrument",
            Self::Trade => "trade",
            Self::Quote => "quote",
            Self::BookLevel => "book_level",
            Self::ExternalBar => "external_bar",
            Self::ExecutionReport => "execution_report",
            Self::Timer => "timer",
            Self::Heartbeat => "heartbeat",
            Self::SourceStatus => "source_status",
            Self::Operator => "operator",
            Self::Session => "session",
            Self::RunEnd => "run_end",
            Self::Verdict => "verdict",
            Self::Bar => "bar",
            Self::Indicator => "indicator",
            Self::Matrix => "matrix",
            Self::Synergy => "synergy",
            Self::Decision => "decision",
            Self::Risk => "risk",
            Self::Order => "order",
            Self::Fill => "fill",
            Self::Portfolio => "portfolio",
            Self::StateHash => "state_hash",
            Self::Panic => "panic",
            Self::Unprocessed => "unprocessed",
            Self::Footer => "footer",
        }
    }
}

/// A record: plain bytes with the shared header and tail, a fixed kind and a fixed length.
pub trait Frame: Pod {
    /// What it is.
    const KIND: Kind;
    /// The names of its fields, with what lies where; `replay` names the field that differs.
    const FIELDS: &'static [Field];

    /// The shared header.
    fn head(&self) -> &Header {
        bytemuck::from_bytes(&bytemuck::bytes_of(self)[..size_of::<Header>()])
    }

    /// The shared header, to fill.
    fn head_mut(&mut self) -> &mut Header {
        bytemuck::from_bytes_mut(&mut bytemuck::bytes_of_mut(self)[..size_of::<Header>()])
    }

    /// The shared tail.
    fn tail(&self) -> &Tail {
        bytemuck::from_bytes(&bytemuck::bytes_of(self)[56..LINE])
    }

    /// A header for this kind: `crc32c`, `index` and `seq` are filled in later, by the one who knows.
    fn header(ts_event: i64, ts_recv: i64) -> Header {
        Header {
            kind: Self::KIND as u8,
            len: size_of::<Self>() as u16,
            ts_event,
            ts_recv,
            ..Header::default()
        }
    }
}

/// One field of a record: its name, where it lies and how to print it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Name as in the struct.
    pub name: &'static str,
    /// First byte.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
    /// Type as written in the struct.
    pub type_name: &'static str,
}

/// The header's and tail's fields, the same in every kind.
pub const SHARED_FIELDS: &[Field] = &[
    Field { name: "crc32c", offset: 0, size: 4, type_name: "u32" },
    Field { name: "kind", offset: 4, size: 1, type_name: "u8" },
    Field { name: "index", offset: 5, size: 1, type_name: "u8" },
    Field { name: "len", offset: 6, size: 2, type_name: "u16" },
    Field { name: "seq", offset: 8, size: 8, type_name: "u64" },
    Field { name: "ts_event", offset: 16, size: 8, type_name: "i64" },
    Field { name: "ts_recv", offset: 24, size: 8, type_name: "i64" },
    Field { name: "instrument", offset: 56, size: 4, type_name: "u32" },
    Field { name: "source", offset: 60, size: 2, type_name: "u16" },
    Field { name: "side", offset: 62, size: 1, type_name: "u8" },
    Field { name: "flags", offset: 63, size: 1, type_name: "u8" },
];

/// Declares a record: `repr(C)`, Pod, no padding, header at 0, tail at 56, length a multiple of 64,
/// all checked at compile time, with its field table for dumps and for naming differences.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $name:ident = $len:literal {
            $( $(#[$fmeta:meta])* $field:ident : $type:ty ),* $(,)?
        } tail {
            $( $(#[$mmeta:meta])* $more:ident : $mtype:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        pub struct $name {
            /// Shared header: kind, length, sequence, times.
            pub head: $crate::Header,
            $( $(#[$fmeta])* pub $field: $type, )*
            /// Shared tail: instrument, source, side, flags.
            pub tail: $crate::Tail,
            $( $(#[$mmeta])* pub $more: $mtype, )*
        }
        const _: () = {
            assert!(size_of::<$name>() == $len);
            assert!($len % $crate::frame::LINE == 0 && $len <= 4096);
            assert!(core::mem::offset_of!($name, head) == 0);
            assert!(core::mem::offset_of!($name, tail) == 56);
        };
        impl $crate::Frame for $name {
            const KIND: $crate::Kind = $crate::Kind::$name;
            const FIELDS: &'static [$crate::frame::Field] = &[
                $( $crate::frame::Field {
                    name: stringify!($field),
                    offset: core::mem::offset_of!($name, $field),
                    size: size_of::<$type>(),
                    type_name: stringify!($type),
                }, )*
                $( $crate::frame::Field {
                    name: stringify!($more),
                    offset: core::mem::offset_of!($name, $more),
                    size: size_of::<$mtype>(),
                    type_name: stringify!($mtype),
                }, )*
            ];
        }
    };
}
pub(crate) use record;

/// The own fields of a kind (without [`SHARED_FIELDS`]) and its length.
pub fn fields_of(kind: Kind) -> (&'static [Field], usize) {
    macro_rules! table {
        ($($name:ident),*) => {
            match kind { $( Kind::$name => (crate::$name::FIELDS, size_of::<crate::$name>()), )* }
        };
    }
    table!(
        RunStart,
        Instrument,
        Trade,
        Quote,
        BookLevel,
        ExternalBar,
        ExecutionReport,
        Timer,
        Heartbeat,
        SourceStatus,
        Operator,
        Session,
        RunEnd,
        Verdict,
        Bar,
        Indicator,
        Matrix,
        Synergy,
        Decision,
        Risk,
        Order,
        Fill,
        Portfolio,
        StateHash,
        Panic,
        Unprocessed,
        Footer
    )
}
