//! What a venue says about an order, paper or real: the one thing that `apply` takes.

use crate::orders::id::OrderId;
use ringbuf_layout::names::{Exec as Said, Liquidity};
use ringbuf_layout::{ExecutionReport, Price};

/// An execution, or another event of an order's life at its venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exec {
    /// Which order.
    pub id: OrderId,
    /// What happened.
    pub said: Said,
    /// Size of this execution.
    pub qty: i64,
    /// Size filled so far; 0 where the venue does not say.
    pub cum_qty: i64,
    /// Price of this execution.
    pub price: i64,
    /// Fee of this execution.
    pub fee: i128,
    /// Why, of a rejection.
    pub reason: u16,
    /// The venue's name for it.
    pub exec_id: [u8; 24],
    /// Added or took; `None` where the venue does not say.
    pub liquidity: Option<Liquidity>,
}

impl Exec {
    /// A broker's report; `None` if it says nothing that is known.
    pub fn of(report: &ExecutionReport) -> Option<Self> {
        Some(Self {
            id: OrderId {
                epoch: report.order_epoch,
                seq: report.order_seq,
                index: report.order_index,
            },
            said: Said::from_byte(report.exec)?,
            qty: report.qty.0,
            cum_qty: report.cum_qty.0,
            price: report.price.0,
            fee: report.fee.0,
            reason: report.reason,
            exec_id: report.exec_id,
            liquidity: None,
        })
    }

    /// True if it is a fill by name.
    pub fn is_fill(&self) -> bool {
        matches!(self.said, Said::PartialFill | Said::Fill)
    }

    /// True if something can be booked at its price.
    pub fn has_price(&self) -> bool {
        self.price > 0 && self.price != Price::UNDEFINED.0
    }
}
