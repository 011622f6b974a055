//! What holds of every calendar at every instant.

use super::files::{JSON, timetable};
use super::*;
use engine::calendar::names;
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

/// The built-in calendars, and those of a small file.
static CALENDARS: LazyLock<Vec<Calendar>> = LazyLock::new(|| {
    let own = ["Future-cme-ES", "Forex-oanda-EURUSD", "Equity-usa-[*]", "Crypto-x-BTC", "Odd-x-Y"];
    let own = own.map(|entry| {
        Calendar::of(entry, Arc::new(timetable(JSON, entry).expect("valid"))).expect("a zone")
    });
    names().map(built_in).chain(own).collect()
});

const DAY: i64 = 86_400_000_000_000;

/// The phase in force, found by looking at every date around.
fn naive(calendar: &Calendar, at: i64) -> Option<PhaseChange> {
    let day =
        Timestamp::from_nanosecond(at.into()).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
    let dates = (-20..=3).map(|days| day.checked_add(jiff::Span::new().days(days)).unwrap());
    let mut changes: Vec<PhaseChange> = dates.flat_map(|date| calendar.changes(date)).collect();
    changes.sort_by_key(|change| change.at);
    changes.into_iter().rfind(|change| change.at <= at)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_instant_has_one_phase_and_a_later_change(
        which in 0..CALENDARS.len(),
        at in ns("2005-01-01T00:00:00Z")..ns("2036-01-01T00:00:00Z"),
    ) {
        let calendar = &CALENDARS[which];
        let now = calendar.phase_at(at).expect("a phase");
        prop_assert!(now.open <= now.at && now.at <= at && now.at <= now.close, "{now:?}");
        prop_assert_eq!(Some(now), naive(calendar, at));
        let is_open = now.phase != SessionPhase::Closed;
        prop_assert!(!is_open || now.open <= at && at < now.close, "{now:?}");
        let next = calendar.next_after(at).expect("a next change");
        prop_assert!(next.at > at && next.open <= next.at && next.at <= next.close, "{next:?}");
        // Nothing changes between; a session that is open ends, or goes on, with that change.
        prop_assert_eq!(calendar.phase_at(next.at - 1), Some(now));
        prop_assert!(!is_open || (next.open, next.close) == (now.open, now.close), "{now:?} {next:?}");
        let then = calendar.phase_at(next.at).expect("a phase");
        prop_assert!(then.at == next.at && (then == next || next.phase == SessionPhase::Closed));
        // A boundary of a session is never further than a long weekend.
        prop_assert!(next.at - at < 8 * DAY, "{next:?}");
    }

    #[test]
    fn changes_follow_each_other_in_time_and_trading_date(
        which in 0..CALENDARS.len(),
        from in ns("2005-01-01T00:00:00Z")..ns("2035-01-01T00:00:00Z"),
    ) {
        let calendar = &CALENDARS[which];
        let mut last = calendar.next_after(from).expect("a change");
        for _ in 0..60 {
            let next = calendar.next_after(last.at).expect("a change");
            prop_assert!(next.at > last.at && next.trading_date >= last.trading_date);
            last = next;
        }
    }
}
