//! risk: limits on position, notional, exposure and the day's loss: approve with a size, or deny.
//!
//! It acts on a decision that is not hold, by positions and orders as they stood after the previous input,
//! and says every number that it used. Where many instruments decide at one boundary, each counts what those before
//! it were given: orders that work count as if they were filled. Value at risk, Kelly and correlation come with the risk issue: their
//! fields are 0.

use crate::config::Semantic;
use crate::earlier::{AfterMarl, Earlier as _};
use crate::indicators::features::Feature;
use crate::limits::{Facts, Limits, Others, Ruling, rule};
use crate::orders::desk::{Desk, Mode};
use crate::stage::{Digest, Emit, Stage};
use crate::stages::oms::OmsStage;
use crate::stages::portfolio::PortfolioStage;
use crate::state::{Codec, State, StateError, state};
use bytemuck::Zeroable;
use ringbuf_layout::names::{RiskReasons, SessionPhase};
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Decision, Frame, Money, Part, Price, Risk, Session, Side, Size, Slot, Tail};

/// The feature that sizes: `atr`, by its number in the feature list.
pub const ATR_FEATURE: usize = Feature::Atr as usize;

/// The account's trading date: the newest that the session of any instrument has begun.
#[derive(Clone, Copy, Debug, Default)]
struct Day {
    /// yyyymmdd; 0 before the first session.
    date: i32,
    /// Equity when it began.
    opening: i128,
    /// Its loss has reached the limit: nothing is opened until the next.
    is_over: bool,
}

/// The stage.
#[derive(Debug)]
pub struct RiskStage {
    limits: Limits,
    fast_s: u32,
    day: Day,
    /// Last known ATR of each instrument; 0 before the first.
    atrs: Vec<i64>,
}

impl RiskStage {
    /// The stage of a config, for at most `instruments` instruments.
    pub fn new(semantic: &Semantic, instruments: usize) -> Self {
        Self {
            limits: Limits::new(&semantic.risk),
            fast_s: semantic.synergy.fast_s,
            day: Day::default(),
            atrs: vec![0; instruments],
        }
    }

    /// True from when the day's loss has reached its limit until the next trading date.
    pub fn day_is_over(&self) -> bool {
        self.day.is_over
    }

    /// A new trading date, or a loss that ends this one.
    fn watch_day(&mut self, slot: &Slot, equity: i128) {
        if let Some(session) = slot.input.get::<Session>()
            && session.tail.side != SessionPhase::Closed as u8
            && session.trading_date > self.day.date
        {
            self.day = Day { date: session.trading_date, opening: equity, is_over: false };
        }
        if self.day.date == 0 {
            self.day.opening = equity;
        }
        let loss = self.day.opening.saturating_sub(equity);
        let limit = self.limits.loss_of_day(self.day.opening);
        self.day.is_over |= loss > 0 && limit.is_none_or(|limit| loss >= limit);
    }

    /// ATR of the fast timeframe after this slot's bar, in price units; 0 if it is not known.
    fn atr(&self, slot: &Slot, earlier: &AfterMarl) -> i64 {
        let mut records = earlier.indicators.read(slot.seq());
        let fast = records.find(|indicator| indicator.timeframe_s == self.fast_s);
        let known = fast.filter(|indicator| indicator.valid >> ATR_FEATURE & 1 == 1);
        // A cast saturates, and makes 0 of what is not a number.
        known.map_or(0, |indicator| {
            libm::round(indicator.values[ATR_FEATURE] * PRICE_ONE as f64) as i64
        })
    }

    /// Keeps the ATR that came with this slot, for the decisions of the others.
    fn note_atr(&mut self, slot: &Slot, atr: i64) {
        let known = self.atrs.get_mut(slot.input.tail().instrument as usize);
        if let Some(known) = known.filter(|_| atr > 0) {
            *known = atr;
        }
    }

    /// What the other instruments are good for at worst: of each what it holds, or what its working orders can
    /// take it to. What cannot be valued is no reason to go on.
    fn others(
        &self,
        account: &PortfolioStage,
        orders: &OmsStage,
        instrument: u32,
    ) -> Result<Others, RiskReasons> {
        let mut others = Others::default();
        let open = orders.desks().iter().filter(|desk| desk.instrument != instrument);
        for (desk, size) in open.map(|desk| (desk, desk.worst())).filter(|(_, size)| *size > 0) {
            let terms = desk.contract.ok_or(RiskReasons::UNKNOWN_INSTRUMENT)?.terms;
            let worth = account.account().rates().worth(desk.instrument);
            let worth = worth.ok_or(RiskReasons::NO_RATE)?;
            let mark = account.account().position(desk.instrument).mark;
            let atr = self.atrs.get(desk.instrument as usize).copied().unwrap_or(0);
            if mark <= 0 {
                return Err(RiskReasons::NO_PRICE);
            }
            if atr <= 0 {
                return Err(RiskReasons::NO_ATR);
            }
            let sum = |sum: i128, points: i128| {
                points
                    .checked_mul(size)
                    .and_then(|p| worth.convert(terms.money(p)?))
                    .and_then(|m| sum.checked_add(m))
            };
            let gross = sum(others.gross, mark.into());
            let at_risk = sum(others.at_risk, 2 * i128::from(atr));
            let (Some(gross), Some(at_risk)) = (gross, at_risk) else {
                return Err(RiskReasons::OVERFLOW);
            };
            others = Others { gross, at_risk };
        }
        Ok(others)
    }

    fn facts(
        &self,
        slot: &Slot,
        earlier: &AfterMarl,
        (account, orders): (&PortfolioStage, &OmsStage),
        atr: i64,
        wish: (u32, i64),
    ) -> Facts {
        let (instrument, direction) = wish;
        let rates = account.account().rates();
        let desk = orders.desk(instrument);
        let bars = earlier.bars.read(slot.seq());
        let close = bars.last().filter(|bar| bar.tail.instrument == instrument);
        Facts {
            mode: desk.map_or(Mode::Active, Desk::mode),
            not_front: desk.is_some_and(Desk::is_back),
            rate_only: rates.is_only_a_rate(instrument),
            contract: desk.and_then(|desk| desk.contract),
            worth: rates.fresh_worth(instrument, slot.input.head().ts_event),
            price: close.map_or(0, |bar| bar.close.0),
            atr,
            position: desk.map_or(0, Desk::expected),
            equity: account.account().equity(),
            others: self.others(account, orders, instrument),
            resting: desk.map_or(0, |desk| desk.resting(direction)),
            day_opening: self.day.opening,
            day_is_over: self.day.is_over,
        }
    }

    fn record(&self, slot: &Slot, instrument: u32, facts: &Facts, ruling: &Ruling) -> Risk {
        let head = slot.input.head();
        let rooms = &ruling.rooms;
        // Not known: the reason says so.
        let unknown = Others { gross: i128::MAX, at_risk: i128::MAX };
        let others = facts.others.unwrap_or(unknown);
        let day_loss = facts.day_opening.saturating_sub(facts.equity);
        let size = if ruling.approved { ruling.target.abs() } else { 0 };
        let (position_risk, portfolio_risk) = self.shares(facts, size, day_loss);
        Risk {
            head: Risk::header(head.ts_event, head.ts_recv),
            size: Size(size),
            reason: ruling.reasons.0,
            approved: u8::from(ruling.approved),
            tail: Tail { instrument, ..Tail::default() },
            total_risk: libm::fmax(position_risk, portfolio_risk),
            position_risk,
            portfolio_risk,
            atr: Price(facts.atr),
            price: Price(facts.price),
            position: Size(i64::try_from(facts.position).unwrap_or(0)),
            equity: Money(facts.equity),
            day_loss: Money(day_loss),
            gross: Money(others.gross),
            at_risk: Money(others.at_risk),
            target: Size(ruling.target),
            atr_size: Size(rooms.atr),
            instrument_room: Size(rooms.instrument),
            gross_room: Size(rooms.gross),
            position_room: Size(rooms.position),
            loss_room: Size(rooms.loss),
            lot: Size(facts.contract.map_or(0, |contract| contract.lot)),
            trading_date: self.day.date as u32,
            ..Risk::zeroed()
        }
    }

    /// The target's notional against its limit; gross notional or the day's loss against theirs, the larger.
    fn shares(&self, facts: &Facts, size: i64, day_loss: i128) -> (f64, f64) {
        let notional = facts.contract.and_then(|c| c.terms.notional(facts.price, size));
        let notional = notional.zip(facts.worth).and_then(|(money, worth)| worth.convert(money));
        let notional = notional.unwrap_or(0) as f64;
        let of = |part: f64, limit: f64| if limit > 0.0 { part / limit } else { 0.0 };
        let equity = facts.equity as f64 / 1e6;
        let others = facts.others.unwrap_or_default();
        let gross = notional + others.gross as f64;
        let loss_limit = facts.day_opening as f64 / 1e6 * self.limits.daily_loss as f64;
        let position = of(notional, equity * self.limits.instrument as f64);
        let exposure = of(gross, equity * self.limits.gross as f64);
        (position, libm::fmax(exposure, of(day_loss as f64, loss_limit)))
    }
}

/// +1 long, −1 short, 0 hold.
fn direction(decision: &Decision) -> i64 {
    match decision.action {
        0 => -1,
        2 => 1,
        _ => 0,
    }
}

impl Stage for RiskStage {
    const PART: Part = Part::Risk;
    const EVERY_TICK: bool = false;
    type Earlier = AfterMarl;
    type Output = Risk;
    /// Positions and working orders as they stood after the previous input.
    type Standing<'a> = (&'a PortfolioStage, &'a OmsStage);

    fn on_input(
        &mut self,
        slot: &Slot,
        earlier: &AfterMarl,
        (account, orders): (&PortfolioStage, &OmsStage),
        out: &mut Emit<'_, Risk>,
    ) {
        self.watch_day(slot, account.account().equity());
        let atr = if earlier.bar_closed(slot) { self.atr(slot, earlier) } else { 0 };
        self.note_atr(slot, atr);
        let Some(decision) = earlier.decisions.read(slot.seq()).next() else { return };
        let direction = direction(&decision);
        if direction == 0 {
            return;
        }
        let instrument = decision.tail.instrument;
        let wish = (instrument, direction);
        let facts = self.facts(slot, earlier, (account, orders), atr, wish);
        let ruling = rule(direction, &facts, &self.limits);
        let mut record = self.record(slot, instrument, &facts, &ruling);
        let rate = account.account().rates().rate_of(instrument);
        record.rate_instrument = rate.map_or(0, |number| number + 1);
        record.tail.side = if direction > 0 { Side::Buy } else { Side::Sell } as u8;
        out.push(record);
    }

    fn digest(&self, digest: &mut Digest) {
        digest.int(i64::from(self.day.date));
        digest.wide(self.day.opening);
        digest.word(u64::from(self.day.is_over));
        self.atrs.iter().for_each(|atr| digest.int(*atr));
    }
}

state!(Day { date, opening, is_over });

impl State for RiskStage {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { limits: _, fast_s: _, day, atrs } = self;
        day.state(codec)?;
        codec.rows(atrs)
    }
}
