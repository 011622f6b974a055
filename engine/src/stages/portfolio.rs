//! portfolio: positions, cash, profit and loss, drawdown, in integers.
//!
//! The opening account is recorded in the slot of the run start, and then the account after each fill and after
//! each bar that moves the mark of something held: these records are the equity curve.

use crate::accounting::{Account, Rates, Terms};
use crate::config::Semantic;
use crate::earlier::AfterOms;
use crate::stage::{Digest, Emit, Stage};
use crate::state::state;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::{
    BarFlags, Fill, Frame, Header, Instrument, Money, Part, Portfolio, RunStart, Side, Size, Slot,
    Tail,
};

/// The stage.
#[derive(Debug)]
pub struct PortfolioStage {
    account: Account,
    opened: bool,
}

impl PortfolioStage {
    /// An account with opening cash and rates, for at most `instruments` instruments.
    pub fn new(semantic: &Semantic, instruments: usize) -> Self {
        let rates = Rates::new(semantic, instruments);
        let opening = i128::from(semantic.account.cash);
        Self { account: Account::with_rates(opening, rates, instruments), opened: false }
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    fn record(&self, head: &Header, instrument: u32) -> Portfolio {
        let (account, position) = (&self.account, self.account.position(instrument));
        let sums = account.sums();
        Portfolio {
            head: Portfolio::header(head.ts_event, head.ts_recv),
            position: Size(position.quantity),
            avg_price: position.average(),
            max_drawdown: account.max_drawdown(),
            tail: Tail { instrument, ..Tail::default() },
            realized_pnl: Money(sums.realized),
            unrealized_pnl: Money(sums.unrealized),
            cash: Money(account.cash()),
            equity: Money(account.equity()),
        }
    }

    /// Marks at the close. Every bar of a slot is of one instrument and closes at the same price. Where that is a rate,
    /// one record, of the rate's instrument, stands for all that is held at it.
    fn on_bars(&mut self, slot: &Slot, earlier: &AfterOms, out: &mut Emit<'_, Portfolio>) {
        let Some(bar) = earlier.bars.read(slot.seq()).last() else { return };
        let (instrument, close, head) = (bar.tail.instrument, bar.close.0, slot.input.head());
        // As old as the last price in it; a filled bar says nothing new.
        let moves = if BarFlags(bar.tail.flags).has(BarFlags::FILLED) {
            self.account.mark(instrument, close) == Ok(true)
        } else {
            self.account.on_close(instrument, close, bar.ts_last)
        };
        if moves {
            out.push(self.record(head, instrument));
        }
    }

    fn on_fill(&mut self, slot: &Slot, fill: &Fill, out: &mut Emit<'_, Portfolio>) {
        let sign = if fill.tail.side == Side::Sell as u8 { -1 } else { 1 };
        let (instrument, signed) = (fill.tail.instrument, sign * fill.qty.0);
        // One that does not fit is counted by the account, which is in the state hash.
        if self.account.fill(instrument, signed, fill.price.0, fill.fee.0).is_ok() {
            out.push(self.record(slot.input.head(), instrument));
        }
    }
}

impl Stage for PortfolioStage {
    const PART: Part = Part::Portfolio;
    // A fill can come with any tick.
    const EVERY_TICK: bool = true;
    type Earlier = AfterOms;
    type Output = Portfolio;
    type Standing<'a> = ();

    #[inline]
    fn on_input(&mut self, slot: &Slot, earlier: &AfterOms, (): (), out: &mut Emit<'_, Portfolio>) {
        if earlier.bars.count(slot.seq()) > 0 {
            self.on_bars(slot, earlier, out);
        } else if let Some(instrument) = slot.input.get::<Instrument>() {
            self.account.define(instrument.tail.instrument, Terms::of(instrument));
            self.account.rates_mut().define(instrument);
        } else if slot.input.is::<RunStart>() && !self.opened {
            self.opened = true;
            out.push(self.record(slot.input.head(), NO_INSTRUMENT));
        }
        if earlier.orders.count(slot.seq()) > 0 {
            for execution in earlier.orders.read(slot.seq()) {
                if let Some(fill) = execution.fill() {
                    self.on_fill(slot, &fill, out);
                }
            }
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.opened));
        self.account.digest(digest);
    }
}

state!(PortfolioStage { account, opened });
