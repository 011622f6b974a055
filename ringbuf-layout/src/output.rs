//! Outputs: what stages and sinks say about an input. They carry its sequence and an index from 1.

use crate::frame::{Field, Frame, Kind, record};
use crate::units::{Money, Price, Size};

/// Features an indicator record can hold.
pub const FEATURES_MAX: usize = 64;
/// Timeframes and extra bars an instrument can have.
pub const TIMEFRAMES_MAX: usize = 4;
/// Order events, and fills, that one slot can hold.
pub const ORDERS_MAX: usize = 16;

record! {
    /// What `validate` found. In the ring for every input that is market data; journaled unless `ok`.
    ///
    /// ```text
    /// 32 │ reasons                       │ reserved                      │
    /// 40 │ price (normalised)                                            │
    /// 48 │ size (normalised)                                             │
    /// 56 │ tail: instrument as in the input                              │
    /// ```
    Verdict = 64 {
        /// [`Reasons`](crate::Reasons): why it is flagged or rejected.
        reasons: u32,
        /// Zero.
        reserved: u32,
        /// The price that bars, features and venue use: the print's, or the middle of the quote.
        price: Price,
        /// The size they use; 0 for a quote.
        size: Size,
    } tail {}
}

record! {
    /// A closed bar. `ts_event` is that of the input that closed it: a timer; the print that completes a tick,
    /// volume or notional bar; a vendor's bar.
    ///
    /// ```text
    /// 32 │ ts_open                                                       │
    /// 40 │ ts_close (= ts_open + timeframe)                              │
    /// 48 │ timeframe_s                   │ ticks                         │
    /// 56 │ tail: flags = BarFlags                                        │
    /// 64 │ open                                                          │
    /// 72 │ high                                                          │
    /// 80 │ low                                                           │
    /// 88 │ close                                                         │
    /// 96 │ volume                                                        │
    /// 104│ vwap (UNDEFINED where volume is 0)                            │
    /// 112│ ts_first                                                      │
    /// 120│ ts_last                                                       │
    /// 128│ micro_count                   │ timeframe_index               │
    /// 136│ micro_vwap                                                    │
    /// 144│ micro_change                                                  │
    /// 152│ micro_volatility (f64)                                        │
    /// 160│ kind  │ reserved1                                             │
    /// 168│ length                                                        │
    /// 176│ reserved                                             16 bytes │
    /// ```
    Bar = 192 {
        /// Start of the bucket, ns UTC; of a bar that no length in time ends, its first print.
        ts_open: i64,
        /// Nominal end of the bucket, ns UTC: a session may end before it. Of a bar that no length in time ends,
        /// when it was closed.
        ts_close: i64,
        /// Length in seconds; 0 where no length in time ends it.
        timeframe_s: u32,
        /// Accepted prints in it; of a vendor's bars what they say, 0 if they do not.
        ticks: u32,
    } tail {
        /// First price.
        open: Price,
        /// Highest price.
        high: Price,
        /// Lowest price.
        low: Price,
        /// Last price.
        close: Price,
        /// Sum of sizes.
        volume: Size,
        /// Volume-weighted average price, rounded half to even; undefined without volume and for a vendor's bars,
        /// which do not tell.
        vwap: Price,
        /// Time of its first print; start of the first vendor's bar in it; 0 if it is filled.
        ts_first: i64,
        /// Time of its last print; end of the last vendor's bar in it; 0 if it is filled.
        ts_last: i64,
        /// Prints of the last complete micro-batch (0: none yet).
        micro_count: u32,
        /// Which of the configured bars: the timeframes, then the extra ones.
        timeframe_index: u32,
        /// VWAP of that micro-batch; undefined without volume.
        micro_vwap: Price,
        /// Last price minus first price of that micro-batch.
        micro_change: i64,
        /// Population standard deviation of its print-to-print simple returns.
        micro_volatility: f64,
        /// [`BarKind`](crate::names::BarKind): what ends it.
        kind: u8,
        /// Zero.
        reserved1: [u8; 7],
        /// What ends a tick bar, in prints; a volume bar, in 1e-9 units; a notional bar, in 1e-9 of the account's
        /// money. 0 for a time bar.
        length: i64,
        /// Zero.
        reserved: [u64; 2],
    }
}

record! {
    /// The features of one instrument and timeframe after a bar. A feature is valid where its bit is
    /// set; the others are 0.
    ///
    /// ```text
    /// 32 │ valid (bit a feature)                                         │
    /// 40 │ ts_close                                                      │
    /// 48 │ timeframe_s                   │ count                         │
    /// 56 │ tail                                                          │
    /// 64 │ values, f64                                         512 bytes │
    /// ```
    Indicator = 576 {
        /// Bit i: feature i is ready.
        valid: u64,
        /// Close of the bar they belong to.
        ts_close: i64,
        /// Timeframe of that bar.
        timeframe_s: u32,
        /// How many features are configured.
        count: u32,
    } tail {
        /// The features, in the order of the feature list.
        values: [f64; FEATURES_MAX],
    }
}

record! {
    /// A matrix is ready: its shape and the hash of its values.
    ///
    /// ```text
    /// 32 │ hash (XXH3-64 of the f32 values, row by row)                  │
    /// 40 │ rows                          │ cols                          │
    /// 48 │ name                          │ reserved                      │
    /// 56 │ tail                                                          │
    /// ```
    Matrix = 64 {
        /// XXH3-64 of the little-endian f32 values, oldest row first.
        hash: u64,
        /// Rows.
        rows: u32,
        /// Columns.
        cols: u32,
        /// Which matrix of the matrix list.
        name: u32,
        /// Zero.
        reserved: u32,
    } tail {}
}

record! {
    /// An ordered sequence of signals is complete. `tail.side` is its direction.
    ///
    /// ```text
    /// 32 │ strength (f64)                                                │
    /// 40 │ kind                          │ bars_to_complete              │
    /// 48 │ reserved                                                      │
    /// 56 │ tail                                                          │
    /// ```
    Synergy = 64 {
        /// Mean strength of its signals, 0 to 1.
        strength: f64,
        /// Type 1 to 4.
        kind: u32,
        /// Fast bars from the first signal to the last.
        bars_to_complete: u32,
        /// Zero.
        reserved: u64,
    } tail {}
}

record! {
    /// What the policy decided, hold included. Actions are 0 short, 1 hold, 2 long.
    ///
    /// ```text
    /// 32 │ confidence (f64)                                              │
    /// 40 │ action│strat. │tact.  │shadow │ policy        │ reason        │
    /// 48 │ shadow_reason │ reserved                                      │
    /// 56 │ tail                                                          │
    /// 64 │ strategic_confidence (f64)                                    │
    /// 72 │ tactical_confidence (f64)                                     │
    /// 80 │ shadow_confidence (f64)                                       │
    /// 88 │ weights (first 8 bytes of the SHA-256)                        │
    /// 96 │ reserved                                             32 bytes │
    /// ```
    Decision = 128 {
        /// Confidence of the action, 0 to 1.
        confidence: f64,
        /// The action taken.
        action: u8,
        /// What the strategic actors said.
        strategic_action: u8,
        /// What the tactical actors said.
        tactical_action: u8,
        /// What the shadow policy would have done; 255 if there is none.
        shadow: u8,
        /// Which policy decided.
        policy: u16,
        /// Why it held, where it had to.
        reason: u16,
        /// Why the shadow held, where it had to.
        shadow_reason: u16,
        /// Zero.
        reserved: [u16; 3],
    } tail {
        /// Confidence of the strategic action.
        strategic_confidence: f64,
        /// Confidence of the tactical action.
        tactical_confidence: f64,
        /// Confidence of the shadow's action.
        shadow_confidence: f64,
        /// First 8 bytes of the SHA-256 of the weights that ran.
        weights: [u8; 8],
        /// Zero.
        reserved2: [u64; 4],
    }
}

record! {
    /// The risk verdict on a decision that is not hold, with every number it used. Sizes are in units of the
    /// instrument, prices in 1e-9, money in 1e-9 of the account currency; a room is the largest position that
    /// a limit leaves. Approved with a target of 0: what is held is closed, and the other side is not
    /// opened for the reasons named.
    ///
    /// ```text
    /// 32 │ size                                                          │
    /// 40 │ reason                        │ approv│ reserved              │
    /// 48 │ total_risk (f64)                                              │
    /// 56 │ tail                                                          │
    /// 64 │ position_risk (f64)                                           │
    /// 72 │ portfolio_risk (f64)                                          │
    /// 80 │ correlation_risk (f64)                                        │
    /// 88 │ var (f64)                                                     │
    /// 96 │ kelly (f64)                                                   │
    /// 104│ atr                                                           │
    /// 112│ price                                                         │
    /// 120│ position (signed, before)                                     │
    /// 128│ equity                                               16 bytes │
    /// 144│ day_loss                                             16 bytes │
    /// 160│ gross (of the other instruments, working orders in)  16 bytes │
    /// 176│ target (signed)                                               │
    /// 184│ atr_size                                                      │
    /// 192│ instrument_room                                               │
    /// 200│ gross_room                                                    │
    /// 208│ position_room                                                 │
    /// 216│ loss_room                                                     │
    /// 224│ lot                                                           │
    /// 232│ trading_date                  │ rate_instrument               │
    /// 240│ at_risk (of the other instruments)                   16 bytes │
    /// ```
    Risk = 256 {
        /// Approved size of the position: the target without its sign; 0 if denied.
        size: Size,
        /// [`RiskReasons`](crate::names::RiskReasons): what made the size what it is.
        reason: u32,
        /// 1 approved, 0 denied.
        approved: u8,
        /// Zero.
        reserved: [u8; 3],
        /// The largest of the three risks.
        total_risk: f64,
    } tail {
        /// Notional of the target against `max_instrument_pct`.
        position_risk: f64,
        /// Gross notional with the target against `max_gross_pct`, or the day's loss against its limit,
        /// whichever is larger; value at risk joins them with the risk issue.
        portfolio_risk: f64,
        /// Correlation with what is held; 0 until the risk issue.
        correlation_risk: f64,
        /// Value at risk after the order, account currency; 0 until the risk issue.
        var: f64,
        /// Kelly fraction; 0 until the risk issue.
        kelly: f64,
        /// Average true range of the fast timeframe, rounded; 0 if not known.
        atr: Price,
        /// Price that the notionals are taken at: the close of the bar.
        price: Price,
        /// Position before, signed, with what is still to be filled at the market.
        position: Size,
        /// Equity as of the previous input.
        equity: Money,
        /// Loss since the trading date began; negative is a profit.
        day_loss: Money,
        /// Notional of the other instruments at the marks: of each what it holds, or what its working orders can
        /// take it to, whichever is larger. As of the previous input, as everything here.
        gross: Money,
        /// The position that `oms` shall reach, signed; the position before if denied.
        target: Size,
        /// Size that a move of two ATR makes `size_pct_per_2atr` of equity, before lots.
        atr_size: Size,
        /// Room under `max_instrument_pct`.
        instrument_room: Size,
        /// Room under `max_gross_pct`.
        gross_room: Size,
        /// Room under `max_position_lots`.
        position_room: Size,
        /// Room under `daily_loss_pct`: what a move of two ATR may still cost today, less `at_risk`.
        loss_room: Size,
        /// Lot that the size is rounded down to.
        lot: Size,
        /// Trading date of the account, yyyymmdd.
        trading_date: u32,
        /// Number, and one, of the instrument whose last close converted price and ATR to the account's currency; 0 where
        /// they are in it.
        rate_instrument: u32,
        /// What a move of two ATR against each of the other instruments costs.
        at_risk: Money,
    }
}

record! {
    /// An order after an event of its life. `tail.side` is buy or sell.
    ///
    /// ```text
    /// 32 │ order_seq                                                     │
    /// 40 │ order_epoch                   │ index │ type  │ state │ tif   │
    /// 48 │ qty                                                           │
    /// 56 │ tail                                                          │
    /// 64 │ price                                                         │
    /// 72 │ filled                                                        │
    /// 80 │ limit_price                                                   │
    /// 88 │ stop_price                                                    │
    /// 96 │ parent_seq                                                    │
    /// 104│ parent_epoch                  │ pindex│ reason                │
    /// 112│ venue                         │ reserved                      │
    /// 120│ good_till                                                     │
    /// 128│ client_id (UTF-8, zero-padded)                       32 bytes │
    /// 160│ reserved                                             32 bytes │
    /// ```
    Order = 192 {
        /// Order id: sequence of the input that made it.
        order_seq: u64,
        /// Order id: epoch.
        order_epoch: u32,
        /// Order id: index among the outputs of that sequence.
        order_index: u8,
        /// [`OrderType`](crate::names::OrderType).
        order_type: u8,
        /// Where in its life it is.
        state: u8,
        /// [`TimeInForce`](crate::names::TimeInForce).
        tif: u8,
        /// Ordered size.
        qty: Size,
    } tail {
        /// Average fill price so far; undefined without fills.
        price: Price,
        /// Filled size so far.
        filled: Size,
        /// Limit; undefined if none.
        limit_price: Price,
        /// Stop; undefined if none.
        stop_price: Price,
        /// Parent's id: sequence.
        parent_seq: u64,
        /// Parent's id: epoch; 0 if it is a parent itself.
        parent_epoch: u32,
        /// Parent's id: index.
        parent_index: u8,
        /// Zero.
        reserved: u8,
        /// [`OrderReason`](crate::names::OrderReason): why it was rejected, cancelled or denied.
        reason: u16,
        /// Venue number.
        venue: u32,
        /// Zero.
        reserved2: u32,
        /// Deadline, ns UTC; 0 if none.
        good_till: i64,
        /// The name that the venue knows it by.
        client_id: [u8; 32],
        /// Zero.
        reserved3: [u64; 4],
    }
}

record! {
    /// An execution as booked. `tail.side` is buy or sell.
    ///
    /// ```text
    /// 32 │ order_seq                                                     │
    /// 40 │ order_epoch                   │ index │ liq   │ reserved      │
    /// 48 │ qty                                                           │
    /// 56 │ tail                                                          │
    /// 64 │ price                                                         │
    /// 72 │ reserved                                                      │
    /// 80 │ fee                                                  16 bytes │
    /// 96 │ exec_id (UTF-8, zero-padded)                         24 bytes │
    /// 120│ reserved                                                      │
    /// ```
    Fill = 128 {
        /// Order id: sequence of the input that made it.
        order_seq: u64,
        /// Order id: epoch.
        order_epoch: u32,
        /// Order id: index among the outputs of that sequence.
        order_index: u8,
        /// 1 added liquidity, 2 took it.
        liquidity: u8,
        /// Zero.
        reserved: u16,
        /// Size of this fill.
        qty: Size,
    } tail {
        /// Price of this fill.
        price: Price,
        /// Zero.
        reserved2: u64,
        /// Fee of this fill, in the instrument's currency as its price.
        fee: Money,
        /// The venue's identity of it; empty for the paper venue.
        exec_id: [u8; 24],
        /// Zero.
        reserved3: u64,
    }
}

record! {
    /// Account and position after a change. The opening account has no instrument.
    ///
    /// ```text
    /// 32 │ position                                                      │
    /// 40 │ avg_price (UNDEFINED when flat)                               │
    /// 48 │ max_drawdown (1e-9 of the highest equity)                     │
    /// 56 │ tail                                                          │
    /// 64 │ realized_pnl                                         16 bytes │
    /// 80 │ unrealized_pnl                                       16 bytes │
    /// 96 │ cash                                                 16 bytes │
    /// 112│ equity                                               16 bytes │
    /// ```
    Portfolio = 128 {
        /// Signed position of the instrument.
        position: Size,
        /// Average price of it; undefined when flat.
        avg_price: Price,
        /// Largest fall of equity from its highest value so far, in 1e-9 of that value, the opening included;
        /// the largest `i64` where it is more.
        max_drawdown: i64,
    } tail {
        /// Realised profit of the account, fees included.
        realized_pnl: Money,
        /// Unrealised profit of the account at the marks.
        unrealized_pnl: Money,
        /// Cash of the account: opening cash and what is realised, less the cost of what was paid for in full
        /// (multiplier 1: shares and coins). Futures move no notional.
        cash: Money,
        /// Opening cash, realised and unrealised profit: cash and positions at the marks.
        equity: Money,
    }
}

record! {
    /// The hash of the engine's whole state after an input, and of each stage, in stage order: where two
    /// runs part, the first stage that differs is named.
    ///
    /// ```text
    /// 32 │ hash                                                          │
    /// 40 │ reserved                                             16 bytes │
    /// 56 │ tail                                                          │
    /// 64 │ stages[0..8]                                         64 bytes │
    /// 128│ stages[8]                                                     │
    /// 136│ reserved                                             56 bytes │
    /// ```
    StateHash = 192 {
        /// XXH3-64 over the nine digests.
        hash: u64,
        /// Zero.
        reserved: [u64; 2],
    } tail {
        /// Digest of each pure stage, validate … portfolio.
        stages: [u64; 9],
        /// Zero.
        reserved2: [u64; 7],
    }
}

record! {
    /// A part of the engine panicked. An output of the run end that follows the unprocessed inputs.
    ///
    /// ```text
    /// 32 │ message_hash (XXH3-64)                                        │
    /// 40 │ part                          │ reserved                      │
    /// 48 │ at_seq                                                        │
    /// 56 │ tail                                                          │
    /// ```
    Panic = 64 {
        /// XXH3-64 of the message.
        message_hash: u64,
        /// Which part: see [`Part`](crate::names::Part).
        part: u32,
        /// Zero.
        reserved: u32,
        /// Sequence of the input that it was at.
        at_seq: u64,
    } tail {}
}

record! {
    /// This input was accepted into the ring but never ran through all stages.
    ///
    /// ```text
    /// 32 │ part                          │ reserved             20 bytes │
    /// 56 │ tail                                                          │
    /// ```
    Unprocessed = 64 {
        /// The part that stopped.
        part: u32,
        /// Zero.
        reserved: u32,
        /// Zero.
        reserved2: [u64; 2],
    } tail {}
}

record! {
    /// Seals a segment: nothing but zeros follows. `tail.flags` bit 0 is
    /// [`FOOTER_FINAL`](crate::names::FOOTER_FINAL): the journal was closed here. Without it the journal
    /// goes on in the next segment.
    ///
    /// ```text
    /// 32 │ frames                                                        │
    /// 40 │ first_seq                                                     │
    /// 48 │ last_seq                                                      │
    /// 56 │ tail: flags = FOOTER_FINAL or 0                               │
    /// 64 │ digest (XXH3-64 of header page and frames)                    │
    /// 72 │ bytes (offset of this footer)                                 │
    /// 80 │ reserved                                             48 bytes │
    /// ```
    Footer = 128 {
        /// Frames in the segment, without this one.
        frames: u64,
        /// First sequence in it.
        first_seq: u64,
        /// Last sequence in it.
        last_seq: u64,
    } tail {
        /// XXH3-64 of all bytes before the footer.
        digest: u64,
        /// Offset of the footer: bytes before it.
        bytes: u64,
        /// Zero.
        reserved: [u64; 6],
    }
}

/// An entry of the oms lane: an order event or a fill, in the order of their index. The header says
/// which of the two, and how many of the 192 bytes count.
#[derive(Clone, Copy, PartialEq, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Execution {
    words: [u64; 24],
}

impl Frame for Execution {
    const KIND: Kind = Kind::Order;
    const FIELDS: &'static [Field] = &[];
}

impl From<Order> for Execution {
    fn from(order: Order) -> Self {
        bytemuck::cast(order)
    }
}

impl From<Fill> for Execution {
    fn from(fill: Fill) -> Self {
        let mut words = [0; 24];
        bytemuck::cast_slice_mut(&mut words)[..size_of::<Fill>()]
            .copy_from_slice(bytemuck::bytes_of(&fill));
        Self { words }
    }
}

impl Execution {
    /// The order event, if it is one.
    pub fn order(&self) -> Option<Order> {
        (self.head().kind == Kind::Order as u8).then(|| bytemuck::cast(*self))
    }

    /// The fill, if it is one.
    pub fn fill(&self) -> Option<Fill> {
        let bytes = &bytemuck::bytes_of(self)[..size_of::<Fill>()];
        (self.head().kind == Kind::Fill as u8).then(|| bytemuck::pod_read_unaligned(bytes))
    }
}
