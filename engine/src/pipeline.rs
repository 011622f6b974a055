//! The whole machine on one page.
//!
//! ```text
//!                  ┌───────────────── one ring of slots: input cell, validate cell ─────────────────┐
//!  sequencer ─(1)─▶│ validate ▶ bar ▶ indicator ▶ matrix ▶ synergy ▶ decide ▶ journal ▶ egress       │
//!                  │    (2)     (3)      (4)        (5)      (6)       (7)      (8)       (9)        │
//!                  └────────────────────────────────────────────────────────────────────────────────┘
//!                        └── each stage leaves rare outputs in a lane of its own, read downstream ──┘
//! ```
//!
//! decide is marl, risk, oms and portfolio: one thread in every layout. A layout cuts the row of eight
//! handlers into contiguous groups; a group is a thread, and a cut changes no byte of any output.

use crate::accounting::Rates;
use crate::config::Semantic;
use crate::earlier::{
    AfterBar, AfterIndicator, AfterMarl, AfterMatrix, AfterOms, AfterPortfolio, AfterRisk,
    AfterSynergy, AfterValidate,
};
use crate::indicators::matrices::MATRICES;
use crate::policy::Policies;
use crate::runtime::egress::{Egress, Outlet};
use crate::runtime::exposure::Exposure;
use crate::runtime::group::{Group, Poller};
use crate::runtime::handler::{DecideHandler, Handler, Seat, ValidateHandler};
use crate::runtime::sink::{Progress, Recorder, Sink};
use crate::stages::bar::BarStage;
use crate::stages::indicator::IndicatorStage;
use crate::stages::marl::MarlStage;
use crate::stages::matrix::MatrixStage;
use crate::stages::oms::OmsStage;
use crate::stages::portfolio::PortfolioStage;
use crate::stages::risk::RiskStage;
use crate::stages::synergy::SynergyStage;
use crate::stages::validate::Validate;
use disruptor::{BusySpin, SingleConsumerBarrier, SingleProducer, build_single_producer};
use ringbuf_layout::lane::{DigestReader, DigestWriter, digest_lane};
use ringbuf_layout::output::{ORDERS_MAX, TIMEFRAMES_MAX};
use ringbuf_layout::{Slot, lane, verdict_cell};
use std::sync::Arc;

/// The handlers in order: what a layout cuts into groups.
pub const HANDLERS: [&str; 8] =
    ["validate", "bar", "indicator", "matrix", "synergy", "decide", "journal", "egress"];

/// The ring's only producer: the sequencer's end.
pub type Producer = SingleProducer<Slot, SingleConsumerBarrier>;

/// A wired machine: the producer, and the groups behind it in order.
pub struct Pipeline<'r> {
    /// Where the sequencer publishes.
    pub producer: Producer,
    /// One a thread.
    pub groups: Vec<Group<'r>>,
    /// How far the journal sink has come.
    pub progress: Arc<Progress>,
}

/// Wires the machine: `cuts` are the handlers (by position) that begin a further group, none for `fused`;
/// without an `outlet` egress only counts. `policies` decide.
///
/// # Panics
/// If `slots` is not a power of two; the config refuses such a ring.
pub fn build<'r, R: Recorder + 'r>(
    semantic: &Semantic,
    instruments: usize,
    slots: usize,
    cuts: &[usize],
    recorder: R,
    outlet: Option<Outlet>,
    policies: Policies,
) -> Pipeline<'r> {
    let (digest_writers, digests) = digest_lanes(slots);
    let [d0, d1, d2, d3, d4, d5, d6, d7, d8] = digest_writers;

    // 2. validate: a verdict in the slot itself, for every input.
    let (cells, verdict) = verdict_cell();
    let stage = Validate::new(&semantic.validate, instruments);
    let validate = ValidateHandler::new(stage, cells, d0);

    // 3. bar: closes at most one bar a timeframe and input.
    let before_bar = AfterValidate { verdict };
    let (bars_out, bars) = lane(slots, TIMEFRAMES_MAX as u8);
    let stage = BarStage::new(&semantic.bars, instruments);
    let bar = Seat::new(stage, before_bar.clone(), bars_out, d1);

    // 4. indicator: features of each closed bar.
    let before_indicator = AfterBar::new(before_bar, bars);
    let (indicators_out, indicators) = lane(slots, TIMEFRAMES_MAX as u8);
    let stage = IndicatorStage::new(semantic, instruments);
    let indicator = Seat::new(stage, before_indicator.clone(), indicators_out, d2);

    // 5. matrix: windows over features.
    let before_matrix = AfterIndicator::new(before_indicator, indicators);
    let (matrices_out, matrices) = lane(slots, MATRICES.len() as u8);
    let stage = MatrixStage::new(semantic, instruments);
    let matrix = Seat::new(stage, before_matrix.clone(), matrices_out, d3);

    // 6. synergy: ordered signal sequences.
    let before_synergy = AfterMatrix::new(before_matrix, matrices);
    let (synergies_out, synergies) = lane(slots, 1);
    let stage = SynergyStage::new(semantic, instruments);
    let synergy = Seat::new(stage, before_synergy.clone(), synergies_out, d4);

    // 7. decide: policy, limits, orders and account on one thread, as plain fields of each other.
    let before_marl = AfterSynergy::new(before_synergy, synergies);
    let (decisions_out, decisions) = lane(slots, 1);
    let before_risk = AfterMarl::new(before_marl.clone(), decisions);
    let (risks_out, risks) = lane(slots, 1);
    let before_oms = AfterRisk::new(before_risk.clone(), risks);
    let (orders_out, orders) = lane(slots, 2 * ORDERS_MAX as u8);
    let before_portfolio = AfterOms::new(before_oms.clone(), orders);
    let (accounts_out, accounts) = lane(slots, 1 + ORDERS_MAX as u8);
    let portfolio = PortfolioStage::new(semantic, instruments);
    let marl = MarlStage::new(semantic, instruments, policies);
    let decide = DecideHandler {
        marl: Seat::new(marl, before_marl, decisions_out, d5),
        risk: Seat::new(RiskStage::new(semantic, instruments), before_risk, risks_out, d6),
        oms: Seat::new(OmsStage::new(semantic, instruments), before_oms, orders_out, d7),
        portfolio: Seat::new(portfolio, before_portfolio.clone(), accounts_out, d8),
    };

    // 8. journal: every frame of the slot, in order, behind one watermark.
    let all = AfterPortfolio::new(before_portfolio, accounts);
    let progress = Arc::new(Progress::new(instruments));
    let held = Exposure::new(Rates::new(semantic, instruments), instruments);
    let journal = Sink::new(recorder, all.clone(), digests, held, Arc::clone(&progress));

    // 9. egress: orders on their way out.
    let egress = Egress::new(all, outlet);

    let handlers: [Box<dyn Handler + 'r>; 8] = [
        Box::new(validate),
        Box::new(bar),
        Box::new(indicator),
        Box::new(matrix),
        Box::new(synergy),
        Box::new(decide),
        Box::new(journal),
        Box::new(egress),
    ];
    // 1. the ring, with the sequencer in front of it.
    ring(slots, handlers, cuts, progress)
}

fn digest_lanes(slots: usize) -> ([DigestWriter; 9], [DigestReader; 9]) {
    let (writers, readers): (Vec<_>, Vec<_>) = (0..9).map(|_| digest_lane(slots)).unzip();
    let nine = "Invariant: nine stages, nine digests";
    (writers.try_into().expect(nine), readers.try_into().expect(nine))
}

/// One ring; each group behind the one before it, the producer behind the last.
fn ring<'r>(
    slots: usize,
    handlers: [Box<dyn Handler + 'r>; 8],
    cuts: &[usize],
    progress: Arc<Progress>,
) -> Pipeline<'r> {
    let mut rows: Vec<Vec<Box<dyn Handler + 'r>>> = vec![Vec::new()];
    for (i, handler) in handlers.into_iter().enumerate() {
        if cuts.contains(&i) {
            rows.push(Vec::new());
        }
        rows.last_mut().expect("Invariant: there is a first row").push(handler);
    }
    let mut rows = rows.into_iter().filter(|row| !row.is_empty());
    let first = rows.next().expect("Invariant: eight handlers make a group");
    // The wait strategy is the library's; we only poll, and wait in our own runtime.
    let builder = build_single_producer(slots, Slot::default, BusySpin);
    let (poller, builder) = builder.new_event_poller();
    let mut groups = vec![Group::new(Poller::First(poller), first)];
    let Some(second) = rows.next() else {
        return Pipeline { producer: builder.build(), groups, progress };
    };
    let (poller, mut later) = builder.and_then().new_event_poller();
    groups.push(Group::new(Poller::Later(poller), second));
    for row in rows {
        let (poller, next) = later.and_then().new_event_poller();
        groups.push(Group::new(Poller::Later(poller), row));
        later = next;
    }
    Pipeline { producer: later.build(), groups, progress }
}

impl core::fmt::Debug for Pipeline<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.groups.fmt(f)
    }
}
