//! Inputs: what enters the engine. The sequencer numbers them; the stages are a pure function of
//! them. Every input fits the ring's 128-byte cell, so no input needs a side ring.

use crate::conditions::Conditions;
use crate::frame::{Frame, NO_INSTRUMENT, Tail, record};
use crate::names::{BOOK_UPDATE_END, BookAction, SourceState};
use crate::units::{Money, Price, Size};

record! {
    /// A run begins. Outside every hash: it differs between two runs of the same inputs.
    ///
    /// ```text
    /// 32 │ semantic_hash [0..8]                                          │
    /// 40 │ epoch                         │ format        │ reserved      │
    /// 48 │ base_seq                                                      │
    /// 56 │ tail                                                          │
    /// 64 │ manifest (SHA-256 of the manifest object)            32 bytes │
    /// 96 │ build (commit and SIMD level as text)                32 bytes │
    /// ```
    RunStart = 128 {
        /// First 8 bytes of the SHA-256 of the resolved `[semantic]` config.
        semantic_hash: [u8; 8],
        /// Life of the journal directory that this run writes, from 1.
        epoch: u32,
        /// Version of this record format.
        format: u16,
        /// Zero.
        reserved: u16,
        /// First sequence of the run (its own).
        base_seq: u64,
    } tail {
        /// SHA-256 of `DIR/objects/<manifest>`, which names config, instruments and calendars.
        manifest: [u8; 32],
        /// Build identity, UTF-8, zero-padded.
        build: [u8; 32],
    }
}

record! {
    /// What an instrument is. The full definition lies in the instrument table object.
    ///
    /// ```text
    /// 32 │ tick                                                          │
    /// 40 │ multiplier (1e-9)                                             │
    /// 48 │ lot                                                           │
    /// 56 │ tail: instrument = its number                                 │
    /// 64 │ symbol (UTF-8, zero-padded)                          24 bytes │
    /// 88 │ fee (1e-9 a unit)                                             │
    /// 96 │ currency (ISO 4217)           │ prec  │ price │ no_price      │
    /// 104│ calendar (UTF-8, zero-padded)                        16 bytes │
    /// 120│ no_volume     │ reserved                                      │
    /// ```
    Instrument = 128 {
        /// Smallest price step.
        tick: Price,
        /// Money a price point of one unit is worth, in 1e-9 (futures: GC 100, shares: 1).
        multiplier: i64,
        /// Smallest size step.
        lot: Size,
    } tail {
        /// Symbol, UTF-8, zero-padded.
        symbol: [u8; 24],
        /// Fee a unit, in 1e-9 of its currency.
        fee: i64,
        /// Currency of price and fee.
        currency: [u8; 4],
        /// Decimal digits of a size.
        size_precision: u8,
        /// What bars are made from: [`BarSource`](crate::names::BarSource).
        bar_price: u8,
        /// [`Conditions`] of a print that keep it from setting prices.
        no_price: u16,
        /// Name of its calendar, UTF-8, zero-padded.
        calendar: [u8; 16],
        /// [`Conditions`] of a print whose size is in no volume: other prints have told it.
        no_volume: u16,
        /// Zero.
        reserved2: [u16; 3],
    }
}

record! {
    /// A print. `tail.side` is the aggressor's, where known; `tail.flags` are
    /// [`crate::names::TRADE_SUSPICIOUS`] and the like.
    ///
    /// ```text
    /// 32 │ price                                                         │
    /// 40 │ size                                                          │
    /// 48 │ source_seq (48 bits)                          │ conditions    │
    /// 56 │ tail                                                          │
    /// ```
    Trade = 64 {
        /// Traded price.
        price: Price,
        /// Traded size.
        size: Size,
        /// Low 48 bits: sequence within its source; high 16 bits: [`Conditions`].
        source_seq: u64,
    } tail {}
}

record! {
    /// The best bid and ask. An absent side has [`Price::UNDEFINED`] and size 0.
    ///
    /// ```text
    /// 32 │ bid                                                           │
    /// 40 │ ask                                                           │
    /// 48 │ source_seq (48 bits)                          │ zero          │
    /// 56 │ tail                                                          │
    /// 64 │ bid_size                                                      │
    /// 72 │ ask_size                                                      │
    /// 80 │ reserved                                             48 bytes │
    /// ```
    Quote = 128 {
        /// Best bid.
        bid: Price,
        /// Best ask.
        ask: Price,
        /// Low 48 bits: sequence within its source; the others are zero.
        source_seq: u64,
    } tail {
        /// Size at the bid.
        bid_size: Size,
        /// Size at the ask.
        ask_size: Size,
        /// Zero.
        reserved: [u64; 6],
    }
}

record! {
    /// One level of a book changed. `tail.side` is the side of the book; size 0 deletes the level. Levels go by
    /// their price; the action is a [`BookAction`](crate::names::BookAction). The last record of an update has the
    /// flag [`BOOK_UPDATE_END`](crate::names::BOOK_UPDATE_END).
    ///
    /// ```text
    /// 32 │ price                                                         │
    /// 40 │ size                                                          │
    /// 48 │ source_seq (48 bits)                          │ level │action │
    /// 56 │ tail                                                          │
    /// ```
    BookLevel = 64 {
        /// Price of the level.
        price: Price,
        /// Its size now.
        size: Size,
        /// Low 48 bits: sequence within its source; bits 48–55: level, best = 0; bits 56–63: action
        /// (0 set, 1 delete, 2 clear the side, 3 snapshot begins).
        source_seq: u64,
    } tail {}
}

record! {
    /// A bar that a vendor made, as an input. `ts_event` is its close.
    ///
    /// ```text
    /// 32 │ ts_open                                                       │
    /// 40 │ volume                                                        │
    /// 48 │ source_seq                                                    │
    /// 56 │ tail                                                          │
    /// 64 │ open                                                          │
    /// 72 │ high                                                          │
    /// 80 │ low                                                           │
    /// 88 │ close                                                         │
    /// 96 │ timeframe_s                   │ ticks                         │
    /// 104│ reserved                                             24 bytes │
    /// ```
    ExternalBar = 128 {
        /// Start of the bar, ns UTC.
        ts_open: i64,
        /// Traded size.
        volume: Size,
        /// Sequence within its source.
        source_seq: u64,
    } tail {
        /// First price.
        open: Price,
        /// Highest price.
        high: Price,
        /// Lowest price.
        low: Price,
        /// Last price.
        close: Price,
        /// Length in seconds.
        timeframe_s: u32,
        /// Prints in it, 0 if the vendor does not say.
        ticks: u32,
        /// Zero.
        reserved: [u64; 3],
    }
}

record! {
    /// What a venue says about an order. `tail.side` is the order's.
    ///
    /// ```text
    /// 32 │ order_seq                                                     │
    /// 40 │ order_epoch                   │ index │ exec  │ reason        │
    /// 48 │ source_seq                                                    │
    /// 56 │ tail                                                          │
    /// 64 │ exec_id (UTF-8, zero-padded)                         24 bytes │
    /// 88 │ price                                                         │
    /// 96 │ qty (of this execution)                                       │
    /// 104│ cum_qty                                                       │
    /// 112│ fee                                                  16 bytes │
    /// ```
    ExecutionReport = 128 {
        /// Order id: sequence of the input that made the order.
        order_seq: u64,
        /// Order id: epoch.
        order_epoch: u32,
        /// Order id: index of the order among the outputs of that sequence.
        order_index: u8,
        /// What happened: 0 accepted, 1 partial fill, 2 fill, 3 cancelled, 4 rejected, 5 expired,
        /// 6 correction.
        exec: u8,
        /// Reason code of a rejection.
        reason: u16,
        /// Sequence within its source.
        source_seq: u64,
    } tail {
        /// The venue's identity of this execution: a repeated one is booked once.
        exec_id: [u8; 24],
        /// Price of this execution.
        price: Price,
        /// Size of this execution.
        qty: Size,
        /// Size filled so far: booking on it survives a lost report.
        cum_qty: Size,
        /// Fee of this execution.
        fee: Money,
    }
}

record! {
    /// A bar boundary of one instrument has passed. `ts_event` is the boundary, where a vendor makes the bars 1 ns
    /// after it: a vendor's bar that ends at a boundary belongs before it.
    ///
    /// ```text
    /// 32 │ closes │ reserved                                             │
    /// 40 │ reserved                                             16 bytes │
    /// 56 │ tail: flags = END_OF_SOURCE                                   │
    /// ```
    Timer = 64 {
        /// Bit i: the bucket of bar i of the config (timeframes, then extra bars) ends here, and had an input or
        /// may be filled.
        closes: u8,
        /// Zero.
        reserved: [u8; 7],
        /// Zero.
        reserved2: [u64; 2],
    } tail {}
}

record! {
    /// Event time went on without any input: at most 60 in a row. `ts_event` is its instant.
    ///
    /// ```text
    /// 32 │ count (in this row, from 1)                                   │
    /// 40 │ reserved                                             16 bytes │
    /// 56 │ tail: no instrument                                           │
    /// ```
    Heartbeat = 64 {
        /// How many in a row, from 1.
        count: u64,
        /// Zero.
        reserved: [u64; 2],
    } tail {}
}

record! {
    /// A source came up, went down or lost data, or a future rolled. `tail.side` is the [`SourceState`] code.
    ///
    /// One that the source itself found in its data names the instrument, has its event time and its place among
    /// the source's records: the low 48 bits at `identity` are its source sequence, as in [`Trade`], and
    /// `first_source_seq` is the vendor's own number of what follows.
    ///
    /// A roll is the sequencer's, of no source: one for each contract of the future, `tail.instrument`. The first two
    /// words are instrument numbers: see [`SourceStatus::roll`].
    ///
    /// ```text
    /// 32 │ first_source_seq; of a roll: the future's first contract      │
    /// 40 │ lost (records, if known); of a roll: the front                │
    /// 48 │ identity (first 8 bytes of the SHA-256); of a roll: zero      │
    /// 56 │ tail: source = its number; of a roll: 0                       │
    /// ```
    ///
    /// [`SourceState`]: crate::names::SourceState
    SourceStatus = 64 {
        /// First source sequence that follows. Of a roll: the number of the contract that names the future.
        first_source_seq: u64,
        /// Records known to be lost. Of a roll: the number of the front, [`NO_INSTRUMENT`] where there is none yet.
        lost: u64,
        /// First 8 bytes of the source's identity (name and content). Of a roll: zero.
        identity: [u8; 8],
    } tail {}
}

record! {
    /// A command of a person. `tail.side` is the code; a command for all instruments is expanded.
    ///
    /// ```text
    /// 32 │ argument                                                      │
    /// 40 │ uid                           │ pid                           │
    /// 48 │ reserved                                                      │
    /// 56 │ tail                                                          │
    /// ```
    Operator = 64 {
        /// Argument of the command.
        argument: i64,
        /// User who gave it.
        uid: u32,
        /// Process that gave it.
        pid: u32,
        /// Zero.
        reserved: u64,
    } tail {}
}

record! {
    /// The trading session of one instrument changed phase. `ts_event` is the instant; `tail.side` is
    /// the phase from then on ([`SessionPhase`](crate::names::SessionPhase)). Stages learn sessions and
    /// UTC offsets from here, never from a calendar.
    ///
    /// ```text
    /// 32 │ open                                                          │
    /// 40 │ close                                                         │
    /// 48 │ trading_date (yyyymmdd)       │ utc_offset_s                  │
    /// 56 │ tail                                                          │
    /// ```
    Session = 64 {
        /// Start of the session, ns UTC: bars are counted from here.
        open: i64,
        /// End of the session, ns UTC.
        close: i64,
        /// The trading date as yyyymmdd.
        trading_date: i32,
        /// Offset of the venue's local time at this instant, seconds east of UTC.
        utc_offset_s: i32,
    } tail {}
}

record! {
    /// The run ends: everything before it is complete. `tail.side` is the reason
    /// ([`EndReason`](crate::names::EndReason)).
    ///
    /// ```text
    /// 32 │ inputs (of this run, this one included)                       │
    /// 40 │ ticks                                                         │
    /// 48 │ reserved                                                      │
    /// 56 │ tail                                                          │
    /// ```
    RunEnd = 64 {
        /// Inputs of the run, this one included.
        inputs: u64,
        /// Trades and quotes among them.
        ticks: u64,
        /// Zero.
        reserved: u64,
    } tail {}
}

impl BookLevel {
    /// `source_seq` of a level and an action, before the source sequence is put in.
    pub const fn place(level: u8, action: BookAction) -> u64 {
        (level as u64) << 48 | (action as u64) << 56
    }

    /// What it does to its side; `None` for a code of another version.
    pub fn action(&self) -> Option<BookAction> {
        BookAction::from_byte((self.source_seq >> 56) as u8)
    }

    /// Where the price stands in its side, best = 0.
    pub fn level(&self) -> u8 {
        (self.source_seq >> 48) as u8
    }

    /// True for the last record of an update.
    pub fn ends_update(&self) -> bool {
        self.tail.flags & BOOK_UPDATE_END != 0
    }
}

impl SourceStatus {
    /// True if the source found it in its data, of one instrument. The others tell of the source as a whole, or are
    /// rolls.
    pub fn is_of_its_data(&self) -> bool {
        self.tail.instrument != NO_INSTRUMENT && !self.is_roll()
    }

    /// True for a roll.
    pub fn is_roll(&self) -> bool {
        self.tail.side == SourceState::Roll as u8
    }

    /// What a contract is told of its future, which another contract of it names: the front, [`NO_INSTRUMENT`] for
    /// none.
    pub fn roll(at: i64, contract: u32, future: u32, front: u32) -> Self {
        Self {
            head: Self::header(at, at),
            first_source_seq: future.into(),
            lost: front.into(),
            identity: [0; 8],
            tail: Tail { instrument: contract, side: SourceState::Roll as u8, ..Tail::default() },
        }
    }

    /// Of a roll: the contract that names the future, and the front ([`NO_INSTRUMENT`] for none).
    pub fn rolled(&self) -> Option<(u32, u32)> {
        // What is no number of an instrument is none.
        let number = |word: u64| u32::try_from(word).unwrap_or(NO_INSTRUMENT);
        self.is_roll().then(|| (number(self.first_source_seq), number(self.lost)))
    }
}

impl Trade {
    /// Low 48 bits of `source_seq`.
    pub fn source_sequence(&self) -> u64 {
        self.source_seq & SOURCE_SEQ_MASK
    }

    /// How it came about.
    #[inline]
    pub fn conditions(&self) -> Conditions {
        Conditions((self.source_seq >> 48) as u16)
    }

    /// `source_seq` of these conditions, before the source sequence is put in.
    pub const fn with_conditions(conditions: Conditions) -> u64 {
        (conditions.0 as u64) << 48
    }
}

/// The bits of `source_seq` that count; a source of one record a nanosecond fills them in 78 hours.
pub const SOURCE_SEQ_MASK: u64 = (1 << 48) - 1;

/// Zero-padded text of a fixed field; text that is too long is cut at a character boundary.
pub fn fixed_text<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
    bytes
}

/// The text of a zero-padded field.
pub fn text_of(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    core::str::from_utf8(&bytes[..end]).unwrap_or("?")
}
