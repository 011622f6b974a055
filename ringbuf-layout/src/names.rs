//! Small codes of the records and the words for them, in one place: the same words stand in exports,
//! summaries and messages.

/// Buy or sell; of a print: the aggressor's; of a book level: bid or ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Side {
    /// Not known, or not applicable.
    #[default]
    None = 0,
    /// Buy, bid, long.
    Buy = 1,
    /// Sell, ask, short.
    Sell = 2,
}

impl Side {
    /// `buy`, `sell` or empty.
    pub fn name(byte: u8) -> &'static str {
        match byte {
            1 => "buy",
            2 => "sell",
            _ => "",
        }
    }
}

macro_rules! bits {
    ($(#[$meta:meta])* $name:ident($int:ty) { $( $(#[$fmeta:meta])* $flag:ident = $bit:literal => $word:literal ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct $name(pub $int);
        impl $name {
            $( $(#[$fmeta])* pub const $flag: Self = Self(1 << $bit); )*
            /// Every flag with its word, in bit order.
            pub const WORDS: &'static [(Self, &'static str)] = &[ $( (Self::$flag, $word) ),* ];
            /// No flag.
            pub const NONE: Self = Self(0);

            /// True if every bit of `other` is set here.
            pub fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
            /// True if any bit of `other` is set here.
            pub fn any(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }
            /// These and those.
            #[must_use]
            pub fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
            /// The words of the flags that are set, in bit order.
            pub fn words(self) -> impl Iterator<Item = &'static str> {
                Self::WORDS.iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, word)| *word)
            }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                for (i, word) in self.words().enumerate() {
                    write!(f, "{}{word}", if i > 0 { "+" } else { "" })?;
                }
                Ok(())
            }
        }
    };
}

pub(crate) use bits;

bits! {
    /// Why `validate` flags or rejects an input. Bits 0–15 reject by default, bits 16–31 only flag.
    Reasons(u32) {
        /// Price zero or negative, or a quote without a price.
        PRICE = 0 => "price",
        /// Negative size.
        SIZE = 1 => "size",
        /// Before the last released boundary of its instrument.
        LATE = 2 => "late",
        /// Names no instrument of the table.
        UNKNOWN_INSTRUMENT = 3 => "unknown_instrument",
        /// A sum would not fit.
        OVERFLOW = 4 => "overflow",
        /// Outside every session of the venue.
        CLOSED_SESSION = 5 => "closed_session",
        /// A vendor's bar that makes bars, of another length than the first of its instrument, or whose close is
        /// not its open plus its length.
        TIMEFRAME = 6 => "timeframe",
        /// Not a multiple of the instrument's tick.
        OFF_GRID = 16 => "off_grid",
        /// Further from the last accepted price than `jump_pct`.
        JUMP = 17 => "jump",
        /// Bid above ask. A locked book (bid equal to ask) is legal and common, and is not flagged.
        CROSSED = 18 => "crossed",
        /// Size zero.
        ZERO_SIZE = 19 => "zero_size",
        /// Before or after the regular hours.
        EXTENDED_HOURS = 20 => "extended_hours",
        /// The venue itself calls it suspicious.
        SUSPICIOUS = 21 => "suspicious",
        /// Before its predecessor of the same instrument.
        DISORDER = 22 => "disorder",
        /// Older than `stale_after_ms` when it came.
        STALE = 23 => "stale",
        /// A condition of the print keeps it from setting prices, by the table of its instrument: its size counts,
        /// unless the table says otherwise, its price does not.
        CONDITION = 24 => "condition",
    }
}

impl Reasons {
    /// The reasons that reject whatever the config says.
    pub const REJECTING: Self = Self(0xFFFF);
    /// The reasons that lie in the time of a record, not in what it says.
    pub const OF_TIME: Self = Self(
        Self::LATE.0
            | Self::CLOSED_SESSION.0
            | Self::EXTENDED_HOURS.0
            | Self::DISORDER.0
            | Self::STALE.0,
    );

    /// The flag with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, w)| *w == word).map(|(flag, _)| *flag)
    }
}

bits! {
    /// Flags of a bar.
    BarFlags(u8) {
        /// At least one bucket of the same session before it had no bar.
        GAP = 0 => "gap",
        /// Closed because the finite source ended, by the timers up to the next boundary.
        END_OF_SOURCE = 1 => "end_of_source",
        /// Closed by the end of the session, before its nominal end.
        SESSION_END = 2 => "session_end",
        /// Made from the middle of quotes.
        MID = 3 => "mid",
        /// Nothing traded in its bucket: the gap policy made it, of the last close.
        FILLED = 4 => "filled",
        /// A vendor's bar, or made of such bars.
        EXTERNAL = 5 => "external",
    }
}

/// `Trade` flag bit: the venue marks the print suspicious.
pub const TRADE_SUSPICIOUS: u8 = 1;
/// `Trade` flag bit: the print of a cross, such as an auction: it has no aggressor.
pub const TRADE_CROSS: u8 = 2;
/// `BookLevel` flag bit: the last record of one update. Only then does the book stand as it stood at the
/// venue: between the records of an update it may be crossed, or short of a level.
pub const BOOK_UPDATE_END: u8 = 1;
/// `SourceStatus` flag bit, of a gap: what was lost are prints alone, so the book is whole.
pub const GAP_OF_TRADES: u8 = 1;
/// `Timer` flag bit: injected because a finite source ended.
pub const TIMER_END_OF_SOURCE: u8 = 1;
/// `Footer` flag bit: the journal was closed here, so no segment follows.
pub const FOOTER_FINAL: u8 = 1;

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $( $(#[$fmeta:meta])* $code:ident = $value:literal => $word:literal ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum $name { $( $(#[$fmeta])* $code = $value ),* }
        impl $name {
            /// The code with this number.
            pub fn from_byte(byte: u8) -> Option<Self> {
                match byte { $( $value => Some(Self::$code), )* _ => None }
            }
            /// Its word.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$code => $word ),* }
            }
        }
    };
}

codes! {
    /// What became of a source.
    SourceState {
        /// It delivers.
        Up = 1 => "up",
        /// It ended or was lost.
        Down = 2 => "down",
        /// Records are missing.
        Gap = 3 => "gap",
        /// What the front of a future is, told to each of its contracts: at the beginning, and when it has changed.
        Roll = 4 => "roll",
        /// The venue halts trading.
        Halt = 5 => "halt",
        /// The venue takes quotes again, and trades nothing yet.
        Quoting = 6 => "quoting",
        /// The venue trades again.
        Resume = 7 => "resume",
    }
}

codes! {
    /// What a `BookLevel` does to its side of the book. The level beside it is where the price stands in the
    /// side, best = 0: after a set, before a delete.
    BookAction {
        /// The price has this size now, whether it was there or not.
        Set = 0 => "set",
        /// The price is gone.
        Delete = 1 => "delete",
        /// The side is empty; without a side: both.
        Clear = 2 => "clear",
        /// The whole book follows; what was known of it is void. A book begins with it, and again after a gap.
        Snapshot = 3 => "snapshot",
    }
}

codes! {
    /// What ends a bar.
    BarKind {
        /// Its length in time.
        Time = 0 => "time",
        /// So many prints.
        Tick = 1 => "tick",
        /// So much traded size.
        Volume = 2 => "volume",
        /// So much traded money.
        Notional = 3 => "notional",
    }
}

codes! {
    /// What the bars of an instrument are made from: `bar_price` of its record.
    BarSource {
        /// Its prints.
        Trades = 0 => "trades",
        /// The middle of its quotes.
        Mid = 1 => "mid",
        /// Bars that a vendor made.
        External = 2 => "external",
    }
}

codes! {
    /// Phase of a trading session.
    SessionPhase {
        /// No trading: prints are rejected.
        Closed = 0 => "closed",
        /// Before or after regular hours: prints are flagged.
        Extended = 1 => "extended",
        /// Regular hours.
        Regular = 2 => "regular",
    }
}

codes! {
    /// Why a run ended.
    EndReason {
        /// Every source ended.
        SourceEnded = 1 => "source_ended",
        /// SIGINT or SIGTERM: drained.
        Interrupted = 2 => "interrupted",
        /// A source failed; what came before it is journaled.
        SourceFailed = 3 => "source_failed",
        /// A part of the engine panicked: the inputs before this one may be unprocessed.
        Panicked = 4 => "panicked",
        /// A second SIGINT: ended without draining, so the inputs before this one may be unprocessed.
        Aborted = 5 => "aborted",
    }
}

codes! {
    /// What an operator can command.
    Command {
        /// No order leaves, working orders are cancelled, `oms` denies.
        Halt = 1 => "halt",
        /// Only orders that reduce a position.
        Reduce = 2 => "reduce",
        /// Back to trading.
        Resume = 3 => "resume",
        /// Close the position.
        Flatten = 4 => "flatten",
        /// Cancel what works.
        CancelAll = 5 => "cancel-all",
    }
}

codes! {
    /// What a policy wants to hold: the target position is action × size.
    Action {
        /// A short position.
        Short = 0 => "short",
        /// What is held already.
        Hold = 1 => "hold",
        /// A long position.
        Long = 2 => "long",
    }
}

impl Action {
    /// In a record: nobody said anything.
    pub const NONE: u8 = 255;

    /// −1 short, 0 hold, +1 long.
    pub fn direction(self) -> i8 {
        self as i8 - 1
    }

    /// The action towards a direction: hold for 0.
    pub fn towards(direction: i8) -> Self {
        match direction.signum() {
            -1 => Self::Short,
            1 => Self::Long,
            _ => Self::Hold,
        }
    }
}

codes! {
    /// Why a decision is to hold where the policy had to.
    DecisionReason {
        /// It did not have to.
        None = 0 => "",
        /// A confidence that is not a number.
        ConfidenceNan = 1 => "confidence_nan",
        /// A confidence below 0 or above 1.
        ConfidenceRange = 2 => "confidence_range",
        /// The vote stayed below its threshold.
        BelowThreshold = 3 => "below_threshold",
        /// The strategic actors want the opposite.
        Disagreement = 4 => "disagreement",
        /// A weight of the agents is not finite.
        WeightsNotFinite = 5 => "weights_not_finite",
        /// A matrix has another shape than the agents read.
        MatrixShape = 6 => "matrix_shape",
        /// A cell of a matrix is not finite.
        InputNotFinite = 7 => "input_not_finite",
        /// What an agent says is not finite.
        OutputNotFinite = 8 => "output_not_finite",
    }
}

codes! {
    /// Who decided.
    PolicyCode {
        /// The rule baseline.
        Rule = 1 => "rule",
        /// The Burn agents.
        Burn = 2 => "burn",
        /// A user's own policy.
        Own = 3 => "own",
    }
}

codes! {
    /// Where an order is in its life.
    OrderState {
        /// Made and approved: it leaves as soon as its slot is journaled.
        New = 0 => "new",
        /// The venue has it.
        Accepted = 1 => "accepted",
        /// Some of it is filled.
        PartiallyFilled = 2 => "partially_filled",
        /// All of it is filled.
        Filled = 3 => "filled",
        /// A request to cancel it leaves.
        CancelRequested = 4 => "cancel_requested",
        /// Cancelled.
        Cancelled = 5 => "cancelled",
        /// Rejected by the venue, or held back at the exit.
        Rejected = 6 => "rejected",
        /// Its time in force is over.
        Expired = 7 => "expired",
        /// Never left `oms`: trading was halted, or a check failed.
        Denied = 8 => "denied",
    }
}

impl OrderState {
    /// True if nothing more can happen to the order.
    pub fn is_final(self) -> bool {
        use OrderState::{Cancelled, Denied, Expired, Filled, Rejected};
        matches!(self, Filled | Cancelled | Rejected | Expired | Denied)
    }
}

codes! {
    /// What an execution report says.
    Exec {
        /// The venue has the order.
        Accepted = 0 => "accepted",
        /// Some of it traded.
        PartialFill = 1 => "partial_fill",
        /// The rest of it traded.
        Fill = 2 => "fill",
        /// Cancelled.
        Cancelled = 3 => "cancelled",
        /// Rejected.
        Rejected = 4 => "rejected",
        /// Expired.
        Expired = 5 => "expired",
        /// An earlier report was wrong.
        Correction = 6 => "correction",
    }
}

codes! {
    /// Why an order was not let out, was sent back, or ended before it was filled.
    OrderReason {
        /// Nothing to say.
        None = 0 => "",
        /// It waited longer than `order_max_age_ms` at the exit.
        TooOld = 1 => "too_old",
        /// Trading is halted.
        Halted = 2 => "halted",
        /// The list at the exit was full.
        EgressFull = 3 => "egress_full",
        /// More would have gone out than was approved.
        Comparator = 4 => "comparator",
        /// The broker did not take it.
        Broker = 5 => "broker",
        /// Only orders that reduce a position are let out, and this one does not.
        Reducing = 6 => "reducing",
        /// 64 orders of its instrument work already.
        BookFull = 7 => "book_full",
        /// More order events wait than an order's index can count.
        OutputsFull = 8 => "outputs_full",
        /// An operator cancelled it.
        Operator = 9 => "operator",
        /// The other order of its bracket was filled or triggered.
        OneCancelsOther = 10 => "one_cancels_other",
        /// A newer target took its place.
        Superseded = 11 => "superseded",
        /// Its session ended.
        SessionEnd = 12 => "session_end",
        /// A price that is not above 0, not on the grid of ticks, or there where none belongs.
        Price = 13 => "price",
        /// A size that is not a positive multiple of the lot.
        Size = 14 => "size",
        /// A price, size or value that would not fit.
        Overflow = 15 => "overflow",
        /// The instrument is not defined.
        UnknownInstrument = 16 => "unknown_instrument",
        /// No position is left that it could reduce.
        NothingToReduce = 17 => "nothing_to_reduce",
        /// The run was ending.
        Closing = 18 => "closing",
        /// It would open something, and the day's loss has reached its limit.
        DailyLoss = 19 => "daily_loss_pct",
        /// Its contract is the front of its future no longer.
        Roll = 20 => "roll",
        /// It would open something, and its contract is not the front of its future.
        NotFront = 21 => "not_front",
    }
}

codes! {
    /// What an order asks for.
    OrderType {
        /// The next price that there is.
        Market = 0 => "market",
        /// A price, or a better one.
        Limit = 1 => "limit",
        /// The next price after the market has come to a price.
        Stop = 2 => "stop",
    }
}

codes! {
    /// How long an order works.
    TimeInForce {
        /// Until its session ends.
        Day = 0 => "day",
        /// Until it is filled or cancelled.
        GoodTillCancelled = 1 => "gtc",
    }
}

codes! {
    /// Which side of a trade an order was on.
    Liquidity {
        /// It rested, and the market came to it.
        Added = 1 => "added",
        /// It came to the market.
        Took = 2 => "took",
    }
}

bits! {
    /// Why `risk` denied a decision or made it smaller: the limits that spoke. Bits 0–15 say why there is
    /// nothing to size, bits 16–31 name the limits that bound the size.
    RiskReasons(u32) {
        /// Trading is halted.
        HALTED = 0 => "halted",
        /// Only orders that reduce a position are let out.
        REDUCING = 1 => "reducing",
        /// The instrument is not defined.
        UNKNOWN_INSTRUMENT = 2 => "unknown_instrument",
        /// No average true range yet, so no size.
        NO_ATR = 3 => "no_atr",
        /// No price yet.
        NO_PRICE = 4 => "no_price",
        /// A number would not fit.
        OVERFLOW = 5 => "overflow",
        /// No equity is left to risk.
        NO_EQUITY = 6 => "no_equity",
        /// The size by ATR is below one lot.
        BELOW_ONE_LOT = 7 => "below_one_lot",
        /// The instrument is a contract of a future, and not its front: only what reduces is let out.
        NOT_FRONT = 8 => "not_front",
        /// The rate of the instrument's currency is not known yet, or too old.
        NO_RATE = 9 => "no_rate",
        /// The instrument is there to convert money only: what is held of it is reduced.
        RATE_ONLY = 10 => "rate_only",
        /// `max_instrument_pct`: notional of the instrument.
        INSTRUMENT_NOTIONAL = 16 => "max_instrument_pct",
        /// `max_gross_pct`: notional of everything held.
        GROSS_EXPOSURE = 17 => "max_gross_pct",
        /// `max_position_lots`: lots of the instrument.
        POSITION = 18 => "max_position_lots",
        /// `daily_loss_pct`: what is left of the day's loss, or the day is over.
        DAILY_LOSS = 19 => "daily_loss_pct",
    }
}

codes! {
    /// Why trading is halted until a new run begins.
    Latch {
        /// The exit comparator found more going out than was approved.
        Comparator = 1 => "comparator_mismatch",
        /// The list at the exit and its reserve were full.
        EgressOverflow = 2 => "egress_overflow",
        /// The broker's connection panicked.
        Broker = 3 => "broker_panicked",
        /// A sync of the journal failed: nothing can be known to be on the disk any more.
        SyncFailed = 4 => "sync_failed",
        /// The journal's disk is nearly full.
        DiskLow = 5 => "disk_low",
    }
}

codes! {
    /// The parts of the engine that can fail, in the order in which an input meets them.
    Part {
        /// The only producer.
        Sequencer = 0 => "sequencer",
        /// Stage 1.
        Validate = 1 => "validate",
        /// Stage 2.
        Bar = 2 => "bar",
        /// Stage 3.
        Indicator = 3 => "indicator",
        /// Stage 4.
        Matrix = 4 => "matrix",
        /// Stage 5.
        Synergy = 5 => "synergy",
        /// Stage 6.
        Marl = 6 => "marl",
        /// Stage 7.
        Risk = 7 => "risk",
        /// Stage 8.
        Oms = 8 => "oms",
        /// Stage 9.
        Portfolio = 9 => "portfolio",
        /// First sink.
        Journal = 10 => "journal",
        /// Second sink.
        Egress = 11 => "egress",
    }
}

impl Part {
    /// All parts, in order.
    pub const ALL: [Self; 12] = [
        Self::Sequencer,
        Self::Validate,
        Self::Bar,
        Self::Indicator,
        Self::Matrix,
        Self::Synergy,
        Self::Marl,
        Self::Risk,
        Self::Oms,
        Self::Portfolio,
        Self::Journal,
        Self::Egress,
    ];

    /// True for the nine pure stages: their panics are reproduced by a replay.
    pub fn is_stage(self) -> bool {
        !matches!(self, Self::Sequencer | Self::Journal | Self::Egress)
    }
}
