//! The state machine: all ninety combinations against a second telling of it.

use engine::orders::state::{Illegal, Next, OrderEvent, STATES, next};
use ringbuf_layout::names::OrderState;

/// The same life, told by rules instead of a table.
#[expect(clippy::match_same_arms, reason = "one rule a line")]
fn told(state: OrderState, event: OrderEvent) -> Next {
    use Illegal::{Left, NeverLeft, NotRequested, Over, Overfilled, Repeated};
    use Next::{Never, To};
    use OrderEvent as E;
    use OrderState as S;
    let last_word = |own: OrderEvent| match event {
        E::Fill => To(S::Filled),
        E::PartialFill => To(state),
        _ if event == own => Never(Repeated),
        _ => Never(Over),
    };
    match (state, event) {
        (S::Denied, E::Deny) => Never(Repeated),
        (S::Denied, _) => Never(NeverLeft),
        (S::Filled, E::Fill | E::PartialFill) => Never(Overfilled),
        (S::Filled, _) => Never(Over),
        (S::Cancelled, _) => last_word(E::Cancel),
        (S::Rejected, _) => last_word(E::Reject),
        (S::Expired, _) => last_word(E::Expire),
        (_, E::Fill) => To(S::Filled),
        (_, E::Cancel) => To(S::Cancelled),
        (_, E::Reject) => To(S::Rejected),
        (_, E::Expire) => To(S::Expired),
        (S::New, E::Deny) => To(S::Denied),
        (_, E::Deny) => Never(Left),
        (S::CancelRequested, E::RequestCancel) => Never(Repeated),
        (S::CancelRequested, E::Accept | E::PartialFill) => To(S::CancelRequested),
        (S::CancelRequested, E::RefuseCancel) => To(S::Accepted),
        (S::CancelRequested, E::RefuseCancelPartly) => To(S::PartiallyFilled),
        (_, E::RefuseCancel | E::RefuseCancelPartly) => Never(NotRequested),
        (_, E::RequestCancel) => To(S::CancelRequested),
        (_, E::PartialFill) => To(S::PartiallyFilled),
        (S::New, E::Accept) => To(S::Accepted),
        (_, E::Accept) => Never(Repeated),
    }
}

#[test]
fn every_state_and_event_has_one_outcome_and_the_impossible_a_name() {
    let mut combinations = 0;
    for state in STATES {
        for event in OrderEvent::ALL {
            assert_eq!(next(state, event), told(state, event), "{state:?} {event:?}");
            combinations += 1;
        }
    }
    assert_eq!(combinations, 90);
    let names: Vec<_> = Illegal::ALL.iter().map(|illegal| illegal.name()).collect();
    assert_eq!(names, ["repeated", "not_requested", "over", "overfilled", "never_left", "left"]);
}
