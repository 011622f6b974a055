//! The paper venue: which order the next print fills, how much of it, and at what price.
//!
//! * A print is an accepted trade that sets prices (`conditions`); its size is there once, for all own orders
//!   together. Of an instrument
//!   without trades (bars from the middle of quotes) each quote is one, and each new top of a book that has no
//!   quotes beside it: buys find the ask and its size, sells the bid and its size; a side without a size fills
//!   whatever is ordered.
//! * Of an instrument whose bars a vendor makes, the open of a bar is a print, with the bar's volume; no other price
//!   in it fills anything, for nobody knows when it was. An order that was made by the bar's open sees it, so one
//!   that a bar decides fills at the next bar's open, never inside its own; latency only keeps it from an open
//!   that lies before it. The bar's high and low trigger the stops that saw its open.
//! * An order can be filled by a print of a later input at or after its event time plus latency.
//! * A market order takes the print's price, `slippage_ticks` against it, never below one tick.
//! * A limit order that the first print which it sees has passed already takes that price, with slippage, at its
//!   limit at worst; from then on it rests, and fills at its limit when the market trades at or through it.
//! * A stop is triggered by a print at or past it and takes part, as a market order, from the next print on: the
//!   print that triggers it was somebody else's trade.
//! * Own orders come in turn: at the market by time, then limits by how far the print is past them, then time.
//! * Sizes are filled in lots; a print smaller than a lot fills nothing. No print of size 0 fills or triggers.

use crate::accounting::Terms;
use crate::accounting::round::mul_div_half_even;
use crate::orders::order::Working;
use crate::state::state;
use ringbuf_layout::names::{BarSource, Liquidity, OrderReason, OrderType};
use ringbuf_layout::slot::Top;
use ringbuf_layout::{ExternalBar, Instrument, Price, Quote, Side};

/// The largest value of a position, 1e24 of its currency: 1,024 of them and their sums fit an `i128`.
pub const VALUE_MAX: i128 = 10_i128.pow(33);

/// What the venue needs to know of an instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contract {
    /// Smallest price step.
    pub tick: i64,
    /// Smallest size step.
    pub lot: i64,
    /// Fee of one share, contract or coin, in 1e-9.
    pub fee: i64,
    /// What its points are worth.
    pub terms: Terms,
    /// It has quotes and no trades.
    pub quoted: bool,
    /// It has bars of a vendor and no trades.
    pub barred: bool,
}

impl Contract {
    /// The contract of an instrument record.
    pub fn of(instrument: &Instrument) -> Self {
        Self {
            tick: instrument.tick.0.max(1),
            lot: instrument.lot.0.max(1),
            fee: instrument.fee,
            terms: Terms::of(instrument),
            quoted: instrument.bar_price == BarSource::Mid as u8,
            barred: instrument.bar_price == BarSource::External as u8,
        }
    }

    /// Fee of `qty` units, rounded half to even.
    pub fn fee_of(&self, qty: i64) -> Option<i128> {
        mul_div_half_even(self.fee.into(), qty.into(), self.terms.size_one.into())
    }

    /// True if a position of `size` units at `price` has a value that fits.
    pub fn is_sane(&self, price: i64, size: i64) -> bool {
        let value = self.terms.notional(price, size);
        value.is_some_and(|value| (-VALUE_MAX..=VALUE_MAX).contains(&value))
    }
}

/// Where orders go, and how long and how badly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The paper venue; else a broker.
    pub paper: bool,
    /// Way to the paper venue, ns.
    pub latency: i64,
    /// Ticks that a market order pays on top.
    pub slippage_ticks: i64,
    /// How long before the end of a session positions are closed, ns; `None` if they are not.
    pub flat_before: Option<i64>,
}

/// One side of a print.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Offer {
    price: Option<i64>,
    left: i64,
    /// How far the market came against this side, where that is further than the price: triggers stops.
    reach: Option<i64>,
}

impl Offer {
    fn furthest(&self) -> Option<i64> {
        self.reach.or(self.price)
    }
}

/// A print, and what own orders have left of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Print {
    ts: i64,
    seq: u64,
    to_buy: Offer,
    to_sell: Offer,
    /// Both sides take of the same size.
    shared: bool,
}

impl Print {
    /// A trade.
    pub fn trade(seq: u64, ts: i64, price: i64, size: i64) -> Self {
        let offer = Offer { price: (size > 0).then_some(price), left: size, reach: None };
        Self { ts, seq, to_buy: offer, to_sell: offer, shared: true }
    }

    /// A quote of an instrument without trades.
    pub fn quote(quote: &Quote) -> Self {
        let Quote { bid, ask, bid_size, ask_size, .. } = *quote;
        Self::top(quote.head.seq, quote.head.ts_event, &Top { bid, ask, bid_size, ask_size })
    }

    /// The best bid and ask of an instrument without trades.
    pub fn top(seq: u64, ts: i64, top: &Top) -> Self {
        let offer = |price: Price, size: i64| Offer {
            price: (price.is_defined() && price.0 > 0).then_some(price.0),
            left: if size > 0 { size } else { i64::MAX },
            reach: None,
        };
        Self {
            ts,
            seq,
            to_buy: offer(top.ask, top.ask_size.0),
            to_sell: offer(top.bid, top.bid_size.0),
            shared: false,
        }
    }

    /// The open of a vendor's bar, for orders on a venue that is `latency` away. Timers of such an instrument come
    /// 1 ns after their boundary: what they decide is in time for the bar that opens there.
    pub fn bar(bar: &ExternalBar, latency: i64) -> Self {
        let offer = |reach: Price| Offer {
            price: (bar.volume.0 > 0).then_some(bar.open.0),
            left: bar.volume.0,
            reach: (bar.volume.0 > 0).then_some(reach.0),
        };
        Self {
            ts: bar.ts_open.saturating_add(latency).saturating_add(1),
            seq: bar.head.seq,
            to_buy: offer(bar.high),
            to_sell: offer(bar.low),
            shared: true,
        }
    }

    fn offer(&self, side: Side) -> &Offer {
        if side == Side::Sell { &self.to_sell } else { &self.to_buy }
    }

    /// Takes what was filled from what is left.
    pub fn take(&mut self, side: Side, qty: i64) {
        if self.shared || side != Side::Sell {
            self.to_buy.left -= qty;
        }
        if self.shared || side == Side::Sell {
            self.to_sell.left -= qty;
        }
    }

    /// True if the order was at the venue when this print was.
    pub fn can_see(&self, order: &Working) -> bool {
        order.id.seq < self.seq && order.works_from <= self.ts
    }

    /// True if this print triggers the order.
    pub fn triggers(&self, order: &Working) -> bool {
        let stop = order.stop.0;
        order.kind == OrderType::Stop
            && !order.triggered
            && self.can_see(order)
            && self.offer(order.side).furthest().is_some_and(|price| match order.side {
                Side::Sell => price <= stop,
                _ => price >= stop,
            })
    }
}

/// What the venue does with an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    /// Fills some of it.
    Fill {
        /// Place among the orders at work.
        at: usize,
        /// How much.
        qty: i64,
        /// At what price.
        price: i64,
        /// What it costs.
        fee: i128,
        /// Which side of the trade it was on.
        liquidity: Liquidity,
    },
    /// Cannot fill it.
    Reject {
        /// Place among the orders at work.
        at: usize,
        /// Why.
        reason: OrderReason,
    },
}

/// What the venue does next with what is left of the print; `None` when it is done with it.
pub fn next_match(
    orders: &[Working],
    print: &Print,
    contract: &Contract,
    rules: &Rules,
    position: i64,
) -> Option<Match> {
    let candidates = orders.iter().enumerate().filter_map(|(at, order)| {
        let turn = turn(order, print)?;
        let qty = fillable(order, print, contract.lot, position);
        (qty > 0).then_some((turn, at, qty))
    });
    let (_, at, qty) = candidates.min()?;
    let order = &orders[at];
    let Some((price, liquidity)) = price(order, print, contract.tick, rules) else {
        return Some(Match::Reject { at, reason: OrderReason::Overflow });
    };
    let after = (order.sign() * qty).checked_add(position);
    let sane = after.is_some_and(|after| contract.is_sane(price, after));
    match contract.fee_of(qty).filter(|_| sane && contract.is_sane(price, qty)) {
        Some(fee) => Some(Match::Fill { at, qty, price, fee, liquidity }),
        None => Some(Match::Reject { at, reason: OrderReason::Overflow }),
    }
}

/// When it is an order's turn, lowest first; `None` if the print does not concern it.
fn turn(order: &Working, print: &Print) -> Option<(u8, i64)> {
    let price = print.offer(order.side).price.filter(|_| print.can_see(order))?;
    match order.kind {
        OrderType::Market => Some((0, 0)),
        OrderType::Stop => order.triggered.then_some((0, 0)),
        OrderType::Limit => {
            let past = order.sign() * (order.limit.0 - price);
            (past >= 0).then_some((1, -past))
        }
    }
}

/// How much of an order the print can fill: in lots, and of an exit no more than there is to reduce.
fn fillable(order: &Working, print: &Print, lot: i64, position: i64) -> i64 {
    let mut wanted = order.left();
    if order.is_exit() {
        let reducible = if position.signum() == -order.sign() { position.abs() } else { 0 };
        wanted = wanted.min(reducible);
    }
    let left = print.offer(order.side).left;
    if wanted <= left { wanted } else { left - left % lot }
}

/// At what price; `None` where it would not fit.
fn price(order: &Working, print: &Print, tick: i64, rules: &Rules) -> Option<(i64, Liquidity)> {
    if order.kind == OrderType::Limit && order.resting {
        return Some((order.limit.0, Liquidity::Added));
    }
    let slippage = rules.slippage_ticks.checked_mul(tick)?.checked_mul(order.sign())?;
    let price = print.offer(order.side).price?.checked_add(slippage)?.max(tick);
    let price = match (order.kind, order.side) {
        (OrderType::Limit, Side::Sell) => price.max(order.limit.0),
        (OrderType::Limit, _) => price.min(order.limit.0),
        _ => price,
    };
    (price < i64::MAX).then_some((price, Liquidity::Took))
}

state!(Contract { tick, lot, fee, terms, quoted, barred } check |contract| contract.tick > 0 && contract.lot > 0);

impl Contract {
    /// No contract: what a saved one is loaded into.
    pub(super) const BLANK: Self = Self {
        tick: 1,
        lot: 1,
        fee: 0,
        terms: Terms { multiplier: 0, size_one: 1 },
        quoted: false,
        barred: false,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::id::OrderId;
    use bytemuck::Zeroable;
    use ringbuf_layout::{Frame, Size};

    const MINUTE: i64 = 60_000_000_000;
    const LATENCY: i64 = 1_000_000;

    /// The bar of minute `at`, a later input than the order's.
    fn bar(at: i64, prices: [i64; 4], volume: i64) -> ExternalBar {
        let end = (at + 1) * MINUTE;
        let mut bar = ExternalBar { head: ExternalBar::header(end, end), ..ExternalBar::zeroed() };
        bar.head.seq = 10 + at as u64;
        (bar.ts_open, bar.volume) = (at * MINUTE, Size(volume));
        [bar.open, bar.high, bar.low, bar.close] = prices.map(Price);
        bar
    }

    fn matched(order: &Working, bar: &ExternalBar) -> Option<(i64, i64)> {
        let contract = Contract { barred: true, ..Contract::BLANK };
        let rules = Rules { paper: true, latency: LATENCY, slippage_ticks: 0, flat_before: None };
        match next_match(&[*order], &Print::bar(bar, LATENCY), &contract, &rules, 0)? {
            Match::Fill { qty, price, .. } => Some((qty, price)),
            Match::Reject { .. } => None,
        }
    }

    /// An order for 5 that was made at an instant, as input 5.
    fn order(kind: OrderType, made: i64) -> Working {
        let id = OrderId { epoch: 1, seq: 5, index: 1 };
        Working { id, kind, qty: 5, works_from: made + LATENCY, ..Working::BLANK }
    }

    #[test]
    fn an_order_fills_at_the_open_of_a_bar_that_begins_after_it_was_made_and_at_no_other_price() {
        let next = bar(3, [100, 120, 80, 110], 9);
        assert_eq!(matched(&order(OrderType::Market, 3 * MINUTE), &next), Some((5, 100)));
        // By the timer of that boundary, which comes 1 ns later.
        assert_eq!(matched(&order(OrderType::Market, 3 * MINUTE + 1), &next), Some((5, 100)));
        assert_eq!(matched(&order(OrderType::Market, 3 * MINUTE + 2), &next), None);
        // No more than the bar has, and nothing of one in which nothing traded.
        let made = order(OrderType::Market, 3 * MINUTE);
        assert_eq!(matched(&made, &bar(3, [100, 120, 80, 110], 2)), Some((2, 100)));
        assert_eq!(matched(&made, &bar(3, [100, 100, 100, 100], 0)), None);
        // A limit that only the low passes may or may not have been filled: it is not.
        let mut limit = order(OrderType::Limit, 3 * MINUTE);
        limit.limit = Price(90);
        assert_eq!(matched(&limit, &next), None);
    }

    #[test]
    fn a_stop_that_a_bar_reaches_fills_at_the_next_open() {
        let mut stop = order(OrderType::Stop, 3 * MINUTE);
        (stop.side, stop.stop) = (Side::Sell, Price(85));
        let triggers = |stop: &Working, bar: &ExternalBar| Print::bar(bar, LATENCY).triggers(stop);
        assert!(!triggers(&stop, &bar(3, [100, 120, 86, 110], 9)));
        // It was made within this bar, whose low may have been before it.
        assert!(!triggers(&stop, &bar(2, [100, 120, 80, 110], 9)));
        let reached = bar(3, [100, 120, 85, 110], 9);
        assert!(triggers(&stop, &reached));
        assert_eq!(matched(&stop, &reached), None);
        stop.triggered = true;
        assert_eq!(matched(&stop, &bar(4, [70, 75, 60, 65], 9)), Some((5, 70)));
        let mut buy = order(OrderType::Stop, 3 * MINUTE);
        buy.stop = Price(120);
        assert!(triggers(&buy, &reached));
    }
}
