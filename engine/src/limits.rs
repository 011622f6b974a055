//! The limits on a position: how large it may be, and which limit says so. Integers throughout.
//!
//! size = min(size by ATR, the room under each limit), rounded down to a lot, where for a part p of equity E
//!
//! * size by ATR = p·E / (2·ATR·m): a move of two ATR costs `size_pct_per_2atr` of equity;
//! * room of the instrument = p·E / (price·m), and of the whole = (p·E − notional of the others) / (price·m);
//! * room of the day = (p·E₀ − loss so far − what two ATR cost the others) / (2·ATR·m): what a move of two ATR
//!   may still cost today.
//!
//! m is the money of a point of one size unit, converted to the account's currency. What counts is the worst case: of
//! the others the position that they hold or that their working orders can take them to, whichever is larger, and beside
//! the target what rests on its side already. An order that reduces is never denied by a limit: where no size is left, a
//! position on the other side is closed, and one on the same side is kept.
//!
//! A verdict names what made the size what it is: approved, the limits that are the smallest of all and smaller
//! than the ATR allows; where nothing may be opened, everything that leaves less than a lot.

use crate::accounting::Worth;
use crate::config;
use crate::orders::desk::Mode;
use crate::orders::venue::Contract;
use ringbuf_layout::names::RiskReasons;
use ringbuf_layout::units::PRICE_ONE;

/// Parts are in millionths.
const PART_ONE: i128 = 1_000_000;

/// The limits of a config, in millionths and lots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `size_pct_per_2atr`
    pub size: i128,
    /// `max_instrument_pct`
    pub instrument: i128,
    /// `max_gross_pct`
    pub gross: i128,
    /// `daily_loss_pct`
    pub daily_loss: i128,
    /// `max_position_lots`
    pub position_lots: i64,
}

impl Limits {
    /// The limits of a config: percents to four decimal digits.
    pub fn new(risk: &config::Risk) -> Self {
        let part = |percent: f64| libm::round(percent * 10_000.0) as i128;
        Self {
            size: part(risk.size_pct_per_2atr),
            instrument: part(risk.max_instrument_pct),
            gross: part(risk.max_gross_pct),
            daily_loss: part(risk.daily_loss_pct),
            position_lots: risk.max_position_lots,
        }
    }

    /// The loss that ends a day that began with this equity.
    pub fn loss_of_day(&self, opening: i128) -> Option<i128> {
        part(opening, self.daily_loss)
    }
}

/// What the limits are held against.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// What operators last said.
    pub mode: Mode,
    /// It is a contract of a future, and not its front.
    pub not_front: bool,
    /// It converts money and is not traded.
    pub rate_only: bool,
    /// The instrument; `None` if it is not defined.
    pub contract: Option<Contract>,
    /// What the money of the instrument is worth; `None` if that is not known, or too old to open anything.
    pub worth: Option<Worth>,
    /// Price that notionals are taken at; 0 if there is none.
    pub price: i64,
    /// Average true range of the fast timeframe; 0 if it is not known.
    pub atr: i64,
    /// Signed position, with what is on its way at the market.
    pub position: i128,
    /// Equity.
    pub equity: i128,
    /// What the other instruments are good for at worst, or why that is not known.
    pub others: Result<Others, RiskReasons>,
    /// Size of the orders that rest on the side of the wish and stay there beside the target.
    pub resting: i64,
    /// Equity that the trading date began with.
    pub day_opening: i128,
    /// The day's loss has reached its limit.
    pub day_is_over: bool,
}

/// What the other instruments are good for at worst, working orders included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Others {
    /// Their notional at the marks.
    pub gross: i128,
    /// What a move of two ATR against each of them costs.
    pub at_risk: i128,
}

/// How large the position may be, by each limit, in size units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rooms {
    /// By ATR.
    pub atr: i64,
    /// Under `max_instrument_pct`.
    pub instrument: i64,
    /// Under `max_gross_pct`.
    pub gross: i64,
    /// Under `max_position_lots`.
    pub position: i64,
    /// Under `daily_loss_pct`.
    pub loss: i64,
}

/// What the limits say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ruling {
    /// The order may go out.
    pub approved: bool,
    /// The position to come to, signed; where it is, if denied.
    pub target: i64,
    /// Which limits spoke.
    pub reasons: RiskReasons,
    /// How large it might be.
    pub rooms: Rooms,
}

/// Rules on a wish for a position on side `direction` (+1 or −1).
pub fn rule(direction: i64, facts: &Facts, limits: &Limits) -> Ruling {
    let lot = facts.contract.map_or(1, |contract| contract.lot);
    let (size, mut reasons, rooms) = match rooms(facts, limits) {
        Ok(rooms) => {
            let least = rooms.least();
            let size = least - least % lot;
            let reasons = if size > 0 { rooms.binding() } else { rooms.below(lot) };
            (size, reasons, rooms)
        }
        Err(reason) => (0, reason, Rooms::default()),
    };
    let along = facts.position * i128::from(direction);
    let (mut size, mut approved) = (size, size > 0);
    let held = [
        (facts.mode == Mode::Reducing, RiskReasons::REDUCING),
        (facts.not_front, RiskReasons::NOT_FRONT),
        (facts.rate_only, RiskReasons::RATE_ONLY),
    ];
    let held = held.into_iter().filter(|(is_so, _)| *is_so).map(|(_, reason)| reason);
    if let Some(why) = held.reduce(RiskReasons::with).filter(|_| i128::from(size) >= along) {
        // It would grow, open, or reverse; a limit that left a size did not say so.
        if approved {
            reasons = RiskReasons::NONE;
        }
        reasons = reasons.with(why);
        (size, approved) = (0, false);
    }
    // Nothing may be opened: what is held on the other side is closed all the same.
    approved |= along < 0;
    if facts.mode == Mode::Halted {
        if size > 0 {
            reasons = RiskReasons::NONE;
        }
        reasons = reasons.with(RiskReasons::HALTED);
        approved = false;
    }
    if facts.contract.is_none() {
        approved = false;
    }
    let kept = i64::try_from(facts.position).unwrap_or(0);
    let target = if approved { direction * size } else { kept };
    Ruling { approved, target, reasons, rooms }
}

/// The rooms, or why there are none.
fn rooms(facts: &Facts, limits: &Limits) -> Result<Rooms, RiskReasons> {
    let contract = facts.contract.ok_or(RiskReasons::UNKNOWN_INSTRUMENT)?;
    if facts.price <= 0 {
        return Err(RiskReasons::NO_PRICE);
    }
    if facts.atr <= 0 {
        return Err(RiskReasons::NO_ATR);
    }
    if facts.equity <= 0 {
        return Err(RiskReasons::NO_EQUITY);
    }
    let worth = facts.worth.ok_or(RiskReasons::NO_RATE)?;
    let others = facts.others?;
    sized(facts, &others, limits, (&contract, worth)).ok_or(RiskReasons::OVERFLOW)
}

fn sized(
    facts: &Facts,
    others: &Others,
    limits: &Limits,
    (contract, worth): (&Contract, Worth),
) -> Option<Rooms> {
    let price = i128::from(facts.price);
    let two_atr = 2 * i128::from(facts.atr);
    let loss = facts.day_opening.checked_sub(facts.equity)?;
    let left_today = limits.loss_of_day(facts.day_opening)?.checked_sub(loss)?;
    let left_today = left_today.checked_sub(others.at_risk)?;
    let left_of_gross = part(facts.equity, limits.gross)?.checked_sub(others.gross)?;
    let units = |amount: i128, points: i128| units(worth.pays(amount.max(0))?, points, contract);
    // What rests takes of each room, but not of the size by ATR: that is of one decision.
    let beside = |room: i64| room.saturating_sub(facts.resting).max(0);
    Some(Rooms {
        atr: units(part(facts.equity, limits.size)?, two_atr)?,
        instrument: beside(units(part(facts.equity, limits.instrument)?, price)?),
        gross: beside(units(left_of_gross, price)?),
        position: beside(limits.position_lots.saturating_mul(contract.lot)),
        loss: if facts.day_is_over { 0 } else { beside(units(left_today, two_atr)?) },
    })
}

impl Rooms {
    /// Each limit's room with its name.
    fn limits(&self) -> [(i64, RiskReasons); 4] {
        [
            (self.instrument, RiskReasons::INSTRUMENT_NOTIONAL),
            (self.gross, RiskReasons::GROSS_EXPOSURE),
            (self.position, RiskReasons::POSITION),
            (self.loss, RiskReasons::DAILY_LOSS),
        ]
    }

    /// The size that all of them allow.
    fn least(&self) -> i64 {
        self.limits().into_iter().fold(self.atr, |least, (room, _)| least.min(room))
    }

    /// The limits that made the size what it is; none if the ATR did.
    fn binding(&self) -> RiskReasons {
        let least = self.least();
        self.named(|room| room == least && room < self.atr)
    }

    /// Everything that leaves less than a lot.
    fn below(&self, lot: i64) -> RiskReasons {
        let limits = self.named(|room| room < lot);
        if self.atr < lot { limits.with(RiskReasons::BELOW_ONE_LOT) } else { limits }
    }

    fn named(&self, is_so: impl Fn(i64) -> bool) -> RiskReasons {
        let spoke = self.limits().into_iter().filter(|(room, _)| is_so(*room));
        spoke.fold(RiskReasons::NONE, |reasons, (_, reason)| reasons.with(reason))
    }
}

/// A part of an amount, rounded down.
fn part(amount: i128, millionths: i128) -> Option<i128> {
    amount.checked_mul(millionths).map(|product| product.div_euclid(PART_ONE))
}

/// How many size units an amount in the instrument's currency pays for, at `points` of price each, rounded down; 0 for
/// none.
fn units(amount: i128, points: i128, contract: &Contract) -> Option<i64> {
    let one = i128::from(PRICE_ONE) * i128::from(contract.terms.size_one);
    let each = points.checked_mul(i128::from(contract.terms.multiplier)).filter(|m| *m > 0)?;
    let units = amount.max(0).checked_mul(one)? / each;
    Some(i64::try_from(units).unwrap_or(i64::MAX))
}
