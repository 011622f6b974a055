//! The configuration: TOML in, every violation at once, an immutable [`Config`] out.
//!
//! `[semantic]` may change outputs and is hashed; `[host]` never changes them; `[[source]]` is recorded.

mod read;
mod read_source;
mod show;
pub mod walk;

use crate::bars::{ExtraBar, Gap};
use crate::calendar::user::UserCalendar;
use crate::conditions::ConditionTable;
use crate::instrument::{Catalog, InstrumentDef};
use crate::problem::Problem;
use crate::source::SourceConfig;
use ringbuf_layout::{Conditions, Reasons};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use walk::{Violation, Walk};

pub(crate) use read_source::not_among;
pub use show::TEMPLATE;

/// Everything that decides outputs.
#[derive(Clone, PartialEq, Debug)]
pub struct Semantic {
    /// `[semantic.bars]`
    pub bars: Bars,
    /// `[semantic.validate]`
    pub validate: Validate,
    /// `[semantic.clock]`
    pub clock: Clock,
    /// `[semantic.indicators]`
    pub indicators: Indicators,
    /// `[semantic.synergy]`
    pub synergy: Synergy,
    /// `[semantic.policy]`
    pub policy: Policy,
    /// `[semantic.risk]`
    pub risk: Risk,
    /// `[semantic.orders]`
    pub orders: Orders,
    /// `[semantic.venue]`
    pub venue: Venue,
    /// `[semantic.account]`
    pub account: Account,
    /// `[[semantic.rate]]`
    pub rates: Vec<Rate>,
    /// `[semantic.drill]`
    pub drill: Drill,
    /// `[[semantic.calendar]]`
    pub calendars: Vec<UserCalendar>,
    /// `[[semantic.condition_table]]`
    pub condition_tables: Vec<ConditionTable>,
    /// `[[semantic.instrument]]`
    pub instruments: Vec<InstrumentDef>,
    /// `[[semantic.instruments_from]]`: read, and put into `instruments`, before anything is hashed or
    /// journaled; empty from then on.
    pub instruments_from: Vec<InstrumentsFrom>,
}

/// Definitions out of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InstrumentsFrom {
    /// A DBN file, or LEAN's symbol properties as CSV.
    pub file: String,
    /// LEAN's market; none for a DBN file.
    pub market: Option<String>,
    /// LEAN's type of security, where a market has a symbol of several.
    pub security_type: Option<String>,
    /// Which instruments, upper case; all shares and futures of a DBN file if empty.
    pub symbols: Vec<String>,
    /// Their calendar, where it is not known by their kind.
    pub calendar: Option<String>,
    /// Fee a unit, in 1e-9, if it is not the usual one.
    pub fee: Option<i64>,
    /// The conditions of a print that keep it from setting prices, see [`crate::conditions`].
    pub no_price: Conditions,
    /// The conditions of a print whose size is in no volume.
    pub no_volume: Conditions,
}

/// Bars.
#[derive(Clone, PartialEq, Debug)]
pub struct Bars {
    /// Lengths in seconds, ascending.
    pub timeframes_s: Vec<u32>,
    /// What becomes of a bucket in which nothing traded.
    pub gap: Gap,
    /// Bars that no length in time ends; with the timeframes at most four.
    pub extra: Vec<ExtraBar>,
    /// What bars are made from.
    pub price: BarPrice,
}

/// What bars are made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BarPrice {
    /// Prints where a source delivers any, else a vendor's bars, else the middle of the quote.
    Auto,
    /// Prints.
    Trade,
    /// The middle of the quote.
    Mid,
    /// Bars that a vendor made.
    External,
}

/// Validation.
#[derive(Clone, PartialEq, Debug)]
pub struct Validate {
    /// Distance from the last accepted price that is flagged `jump`, in percent.
    pub jump_pct: f64,
    /// How long a source's records are held back to restore their order.
    pub reorder_ms: i64,
    /// Age on arrival from which a record is flagged `stale`.
    pub stale_after_ms: i64,
    /// Flags that reject as well.
    pub reject: Reasons,
}

/// Event time.
#[derive(Clone, PartialEq, Debug)]
pub struct Clock {
    /// Event time without input after which a heartbeat is injected.
    pub heartbeat_ms: i64,
    /// Wall time after which a live boundary is released though a source has not passed it.
    pub bar_close_delay_ms: i64,
}

/// Indicators.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Indicators {
    /// MLMI, NWRQK and LVN of the slow timeframe see Heikin-Ashi bars.
    pub heikin_ashi: bool,
}

/// Roles of the timeframes, and synergy detection.
#[derive(Clone, PartialEq, Debug)]
pub struct Synergy {
    /// Slow timeframe.
    pub slow_s: u32,
    /// Fast timeframe.
    pub fast_s: u32,
    /// Fast bars from first to last signal.
    pub window_bars: u32,
    /// Fast bars of silence after one.
    pub cooldown_bars: u32,
}

/// Who decides.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// Who decides.
    pub decide: String,
    /// Who runs in shadow.
    pub shadow: String,
    /// Weights of the agents: `embedded`, the path of a file, or, in the config that a journal names, the
    /// `sha256:` of an object.
    pub weights: String,
}

impl Policy {
    /// True if the agents decide or run in shadow.
    pub fn uses_weights(&self) -> bool {
        [&self.decide, &self.shadow].into_iter().any(|name| name == "burn")
    }
}

/// Limits.
#[derive(Clone, PartialEq, Debug)]
pub struct Risk {
    /// Part of equity risked for a move of two ATR.
    pub size_pct_per_2atr: f64,
    /// Largest notional of one instrument, percent of equity.
    pub max_instrument_pct: f64,
    /// Largest notional of all instruments, percent of equity.
    pub max_gross_pct: f64,
    /// Largest position of one instrument, in lots.
    pub max_position_lots: i64,
    /// Loss of a day that stops trading, percent of equity.
    pub daily_loss_pct: f64,
}

/// Orders.
#[derive(Clone, PartialEq, Debug)]
pub struct Orders {
    /// What follows an entry.
    pub bracket: Bracket,
    /// Distance of the stop, multiples of ATR.
    pub stop_atr: f64,
    /// Distance of the target, multiples of ATR.
    pub target_atr: f64,
    /// Positions are closed before their session ends.
    pub flat_at_close: bool,
    /// How long before.
    pub flat_before_close_s: i64,
}

/// What follows an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bracket {
    /// Nothing.
    None,
    /// A stop and a target at multiples of ATR, of which one cancels the other.
    Atr,
}

/// The venue.
#[derive(Clone, PartialEq, Debug)]
pub struct Venue {
    /// `paper` or `broker`.
    pub mode: String,
    /// Delay of the paper venue.
    pub latency_ms: i64,
    /// Slippage of the paper venue.
    pub slippage_ticks: i64,
}

/// The account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// ISO 4217.
    pub currency: String,
    /// Opening cash, in 1e-9.
    pub cash: i64,
}

/// What one currency is worth in the account's, see [`crate::accounting::rates`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rate {
    /// ISO 4217, not the account's.
    pub currency: String,
    /// The instrument whose closes say it, upper case: in the account's currency, or in this one.
    pub symbol: String,
    /// Age of its last close from which nothing is opened in the currency.
    pub max_age_s: i64,
    /// Policies trade the instrument too.
    pub trade: bool,
}

/// A drill in place of decisions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drill {
    /// An order every so many inputs; 0 is no drill.
    pub order_every: u64,
}

/// What never changes outputs.
#[derive(Clone, PartialEq, Debug)]
pub struct Host {
    /// Thread layout.
    pub layout: String,
    /// Journal directory; the next free `journal/<n>` if none is given.
    pub journal: Option<String>,
    /// What an order waits for.
    pub release: String,
    /// Who takes orders in broker mode.
    pub broker: Option<String>,
    /// Age from which an order at the exit goes back.
    pub order_max_age_ms: u64,
    /// Orders that may wait at the exit.
    pub egress_orders: usize,
    /// How long a run that ends waits for orders to leave or come back.
    pub drain_ms: u64,
    /// `SCHED_FIFO` priority of the spine's threads; 0 leaves them to the usual scheduler.
    pub fifo_priority: u8,
    /// Longest time between two syncs.
    pub sync_interval_ms: i64,
    /// How the journal is synced: `msync` or `io-uring`.
    pub sync_backend: String,
    /// Free space below which no new order leaves.
    pub free_floor_mib: u64,
    /// `keep`, or `drop`: closed segments go at once, and the journal cannot be rebuilt.
    pub retention: String,
    /// Days after which a closed segment before the newest snapshot goes; 0 keeps all.
    pub retention_days: u64,
    /// Size of the journal above which its oldest segments before the newest snapshot go; 0 keeps all.
    pub retention_gib: u64,
    /// Slots of the ring, a power of two.
    pub ring_slots: usize,
    /// Size of a journal segment.
    pub segment_mib: u64,
    /// Segments made ahead of the writer.
    pub ready_segments: usize,
}

/// Most slots that a ring may have.
pub const RING_SLOTS_MAX: u64 = 1 << 16;

/// The whole configuration, checked and immutable.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// Hashed.
    pub semantic: Semantic,
    /// Never hashed.
    pub host: Host,
    /// Recorded.
    pub sources: Vec<SourceConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self::parse("", "the embedded default").expect("Invariant: the embedded default is valid")
    }
}

impl Config {
    /// Reads a config; `file` is named in messages.
    ///
    /// # Errors
    /// One [`Problem`] that lists every violation with its line and key.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problem> {
        Self::check(text).map_err(|violations| {
            let count = violations.len();
            let list: Vec<String> = violations
                .iter()
                .map(|v| format!("line {}: {}: {}", v.line, v.key, v.what))
                .collect();
            let s = if count == 1 { "" } else { "s" };
            Problem::new(
                format!("the config has {count} violation{s}\n    {}", list.join("\n    ")),
                file,
                "correct them; `grandmodel config init` prints a commented example",
            )
        })
    }

    /// Reads a config.
    ///
    /// # Errors
    /// All violations, in the order of their lines.
    pub fn check(text: &str) -> Result<Self, Vec<Violation>> {
        let walk = Walk::new(text);
        let document = match text.parse::<toml_edit::Document<String>>() {
            Ok(document) => document,
            Err(error) => {
                walk.syntax_error(&error);
                return Err(walk.violations());
            }
        };
        let config = read::config(&walk, &document);
        let violations = walk.violations();
        if violations.is_empty() { Ok(config) } else { Err(violations) }
    }

    /// Reads the files that calendars name, and names them by their content from then on: what was resolved is what is
    /// hashed and journaled, wherever the file lay. Done again, it changes nothing.
    ///
    /// # Errors
    /// The first that cannot be read or understood.
    pub fn resolve(&mut self) -> Result<(), Problem> {
        self.semantic.calendars.iter_mut().try_for_each(UserCalendar::resolve)
    }

    /// The same for a config that a journal names: its calendars are objects there.
    ///
    /// # Errors
    /// One is missing or damaged.
    pub fn resolve_from(&mut self, dir: &Path) -> Result<(), Problem> {
        self.semantic.calendars.iter_mut().try_for_each(|calendar| calendar.resolve_from(dir))
    }

    /// SHA-256 of the resolved `[semantic]` text: what a journal names and a replay checks.
    pub fn semantic_hash(&self) -> [u8; 32] {
        Sha256::digest(self.semantic_text()).into()
    }

    /// Why no decision can ever come, if none can: bars alone are a use of their own, so it is no violation.
    pub fn never_decides(&self) -> Option<String> {
        let Synergy { slow_s, fast_s, .. } = self.semantic.synergy;
        let built = &self.semantic.bars.timeframes_s;
        let lacks = [("slow_s", slow_s), ("fast_s", fast_s)].into_iter();
        let lacks: Vec<String> = lacks
            .filter(|(_, role)| !built.contains(role))
            .map(|(key, role)| format!("{key} = {role}"))
            .collect();
        (!lacks.is_empty()).then(|| {
            format!(
                "no decision can come: {} not in semantic.bars.timeframes_s = {built:?}; \
                 set semantic.synergy slow_s and fast_s",
                lacks.join(", ")
            )
        })
    }

    /// The definitions that sources may ask for.
    pub fn catalog(&self) -> Catalog {
        Catalog::of(self.semantic.instruments.clone())
    }
}
