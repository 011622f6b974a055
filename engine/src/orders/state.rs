//! The life of an order as one table: every state, every event, and what follows. What must not happen is
//! named, so that it can be counted and nothing breaks.
//!
//! A fill that comes late is money all the same: it is booked after a cancel, an expiry or a rejection (the
//! report crossed it, or was lost), and only an order that never left, or is full, can have none.

use ringbuf_layout::names::OrderState;

/// What can happen to an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum OrderEvent {
    /// The venue has it.
    Accept,
    /// Some of it traded, not the rest.
    PartialFill,
    /// The rest of it traded.
    Fill,
    /// A request to cancel it leaves.
    RequestCancel,
    /// The venue refuses that request; nothing of the order is filled.
    RefuseCancel,
    /// The venue refuses that request; some of the order is filled.
    RefuseCancelPartly,
    /// It is cancelled.
    Cancel,
    /// The venue, or the exit, rejects it.
    Reject,
    /// Its time is over.
    Expire,
    /// The gate does not let it out.
    Deny,
}

/// Why an event cannot happen in a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Illegal {
    /// It said so before.
    Repeated,
    /// Nobody asked.
    NotRequested,
    /// Nothing more can happen to the order.
    Over,
    /// More would be filled than was ordered.
    Overfilled,
    /// The order never left.
    NeverLeft,
    /// The order has left: too late to deny it.
    Left,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The state from then on.
    To(OrderState),
    /// It cannot happen, and is counted by this name.
    Never(Illegal),
}

impl OrderEvent {
    /// All of them, in the order of the table's columns.
    pub const ALL: [Self; 10] = [
        Self::Accept,
        Self::PartialFill,
        Self::Fill,
        Self::RequestCancel,
        Self::RefuseCancel,
        Self::RefuseCancelPartly,
        Self::Cancel,
        Self::Reject,
        Self::Expire,
        Self::Deny,
    ];
}

impl Illegal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Repeated,
        Self::NotRequested,
        Self::Over,
        Self::Overfilled,
        Self::NeverLeft,
        Self::Left,
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repeated => "repeated",
            Self::NotRequested => "not_requested",
            Self::Over => "over",
            Self::Overfilled => "overfilled",
            Self::NeverLeft => "never_left",
            Self::Left => "left",
        }
    }
}

/// All states, in the order of the table's rows: their numbers.
pub const STATES: [OrderState; 9] = [
    OrderState::New,
    OrderState::Accepted,
    OrderState::PartiallyFilled,
    OrderState::Filled,
    OrderState::CancelRequested,
    OrderState::Cancelled,
    OrderState::Rejected,
    OrderState::Expired,
    OrderState::Denied,
];

/// Row: state; column: event.
#[rustfmt::skip]
pub const TABLE: [[Next; 10]; 9] = {
    use Illegal::{Left, NeverLeft, NotRequested, Over, Overfilled, Repeated};
    use Next::{Never, To};
    use OrderState::{
        Accepted, CancelRequested, Cancelled, Denied, Expired, Filled, PartiallyFilled, Rejected,
    };
    const PARTLY: Next = To(PartiallyFilled);
    const ASKED: Next = To(CancelRequested);
    [
        // Accept           PartialFill       Fill              RequestCancel    RefuseCancel         RefuseCancelPartly   Cancel            Reject            Expire            Deny
        /* New             */
        [To(Accepted),      PARTLY,           To(Filled),       ASKED,           Never(NotRequested), Never(NotRequested), To(Cancelled),    To(Rejected),     To(Expired),      To(Denied)],
        /* Accepted        */
        [Never(Repeated),   PARTLY,           To(Filled),       ASKED,           Never(NotRequested), Never(NotRequested), To(Cancelled),    To(Rejected),     To(Expired),      Never(Left)],
        /* PartiallyFilled */
        [Never(Repeated),   PARTLY,           To(Filled),       ASKED,           Never(NotRequested), Never(NotRequested), To(Cancelled),    To(Rejected),     To(Expired),      Never(Left)],
        /* Filled          */
        [Never(Over),       Never(Overfilled), Never(Overfilled), Never(Over),   Never(Over),         Never(Over),         Never(Over),      Never(Over),      Never(Over),      Never(Over)],
        /* CancelRequested */
        [ASKED,             ASKED,            To(Filled),       Never(Repeated), To(Accepted),        PARTLY,              To(Cancelled),    To(Rejected),     To(Expired),      Never(Left)],
        /* Cancelled       */
        [Never(Over),       To(Cancelled),    To(Filled),       Never(Over),     Never(Over),         Never(Over),         Never(Repeated),  Never(Over),      Never(Over),      Never(Over)],
        /* Rejected        */
        [Never(Over),       To(Rejected),     To(Filled),       Never(Over),     Never(Over),         Never(Over),         Never(Over),      Never(Repeated),  Never(Over),      Never(Over)],
        /* Expired         */
        [Never(Over),       To(Expired),      To(Filled),       Never(Over),     Never(Over),         Never(Over),         Never(Over),      Never(Over),      Never(Repeated),  Never(Over)],
        /* Denied          */
        [Never(NeverLeft),  Never(NeverLeft), Never(NeverLeft), Never(NeverLeft), Never(NeverLeft),   Never(NeverLeft),    Never(NeverLeft), Never(NeverLeft), Never(NeverLeft), Never(Repeated)],
    ]
};

/// What follows when `event` happens in `state`.
pub fn next(state: OrderState, event: OrderEvent) -> Next {
    TABLE[state as usize][event as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_are_where_their_numbers_say() {
        for (row, state) in STATES.iter().enumerate() {
            assert_eq!(*state as usize, row);
            assert_eq!(OrderState::from_byte(row as u8), Some(*state));
        }
        assert_eq!(OrderState::from_byte(STATES.len() as u8), None, "a state without a row");
        for (column, event) in OrderEvent::ALL.iter().enumerate() {
            assert_eq!(*event as usize, column);
        }
    }

    #[test]
    fn an_order_that_is_over_only_takes_late_fills() {
        use OrderEvent::{Fill, PartialFill};
        for state in STATES.into_iter().filter(|state| state.is_final()) {
            for event in OrderEvent::ALL {
                match next(state, event) {
                    Next::To(after) => {
                        assert!(matches!(event, Fill | PartialFill), "{state:?} {event:?}");
                        assert!(after.is_final(), "{state:?} {event:?}");
                    }
                    Next::Never(why) => assert!(Illegal::ALL.contains(&why)),
                }
            }
        }
    }

    #[test]
    fn an_order_at_work_takes_every_end_that_a_venue_can_report() {
        use OrderEvent::{Cancel, Expire, Fill, Reject};
        for state in STATES.into_iter().filter(|state| !state.is_final()) {
            for (event, end) in [
                (Fill, OrderState::Filled),
                (Cancel, OrderState::Cancelled),
                (Reject, OrderState::Rejected),
                (Expire, OrderState::Expired),
            ] {
                assert_eq!(next(state, event), Next::To(end), "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn only_a_request_can_be_refused_and_only_a_new_order_denied() {
        use OrderEvent::{Deny, RefuseCancel, RefuseCancelPartly};
        for state in STATES {
            let may = |event| matches!(next(state, event), Next::To(_));
            let requested = state == OrderState::CancelRequested;
            assert_eq!((may(RefuseCancel), may(RefuseCancelPartly)), (requested, requested));
            assert_eq!(may(Deny), state == OrderState::New);
        }
    }
}
