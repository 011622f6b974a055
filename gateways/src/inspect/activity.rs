//! When there are records: by hour of the day, and how the quiet hours move from week to week.

use ringbuf_layout::units::SECOND;
use std::collections::BTreeMap;

/// Quarters of an hour that are kept: eight and a half years round the clock.
const QUARTERS_MAX: usize = 300_000;
/// Length of a quarter of an hour, ns.
pub(super) const QUARTER: i64 = 900 * SECOND;
const A_DAY: usize = 96;

/// Quarters of an hour that have records, and how many.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Activity {
    quarters: BTreeMap<i64, u32>,
    /// Records by hour of the day.
    pub hours: [u64; 24],
    /// True if there were more than are kept.
    pub cut: bool,
    /// Quarters that the longest bar reaches beyond its first.
    reach: i64,
}

/// The quiet hours from a week on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quiet {
    /// Monday, ns.
    pub from: i64,
    /// First quarter of an hour of the day without records on any working day of the week.
    pub begin: usize,
    /// How many there are in a row, past midnight if need be.
    pub quarters: usize,
}

impl Activity {
    /// A record at `ts`; of a bar, which lasts, at its open.
    pub(super) fn note(&mut self, ts: i64, lasts: i64) {
        let quarter = ts.div_euclid(QUARTER);
        self.hours[(quarter.rem_euclid(A_DAY as i64) / 4) as usize] += 1;
        // A bar longer than a day says nothing of hours.
        let last = ts.saturating_add(lasts.min(A_DAY as i64 * QUARTER) - 1).div_euclid(QUARTER);
        self.reach = self.reach.max(last - quarter);
        for quarter in quarter..=last.max(quarter) {
            if self.quarters.len() < QUARTERS_MAX || self.quarters.contains_key(&quarter) {
                let count = self.quarters.entry(quarter).or_default();
                *count = count.saturating_add(1);
            } else {
                self.cut = true;
            }
        }
    }

    /// The quarters with records, as their first instants.
    pub(super) fn active(&self) -> Vec<i64> {
        self.quarters.keys().map(|quarter| quarter * QUARTER).collect()
    }

    pub(super) fn is_active(&self, at: i64) -> bool {
        self.quarters.contains_key(&at.div_euclid(QUARTER))
    }

    /// Active quarters that a bar which holds this one may hold as well.
    pub(super) fn beside(&self, at: i64) -> impl Iterator<Item = i64> + '_ {
        let beside = (1..=self.reach).flat_map(move |n| [at - n * QUARTER, at + n * QUARTER]);
        beside.filter(|at| self.is_active(*at))
    }

    /// The quiet hours where they change: of weeks with records on three days or more.
    pub fn quiet(&self) -> Vec<Quiet> {
        let mut weeks: BTreeMap<i64, ([bool; A_DAY], [bool; 7])> = BTreeMap::new();
        for quarter in self.quarters.keys() {
            let day = quarter.div_euclid(A_DAY as i64);
            // 1970-01-01 was a Thursday.
            let (week, weekday) = ((day + 3).div_euclid(7), (day + 3).rem_euclid(7) as usize);
            let (active, days) = weeks.entry(week).or_insert(([false; A_DAY], [false; 7]));
            if weekday < 5 {
                active[quarter.rem_euclid(A_DAY as i64) as usize] = true;
                days[weekday] = true;
            }
        }
        let mut changes: Vec<Quiet> = Vec::new();
        for (week, (active, days)) in weeks {
            if days.iter().filter(|day| **day).count() < 3 {
                continue;
            }
            let (begin, quarters) = longest_quiet(&active);
            let from = (week * 7 - 3) * A_DAY as i64 * QUARTER;
            let same =
                changes.last().is_some_and(|last| (last.begin, last.quarters) == (begin, quarters));
            if !same {
                changes.push(Quiet { from, begin, quarters });
            }
        }
        changes
    }
}

/// Where the longest run without activity begins, round the clock, and its length.
fn longest_quiet(active: &[bool; A_DAY]) -> (usize, usize) {
    let (mut best, mut run) = ((0, 0), 0);
    for at in 0..2 * A_DAY {
        run = if active[at % A_DAY] { 0 } else { (run + 1).min(A_DAY) };
        if run > best.1 {
            best = ((at + 1 - run) % A_DAY, run);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64
    }

    #[test]
    fn quiet_hours_move_with_the_clock_of_the_venue() {
        let mut activity = Activity::default();
        // Monday to Friday, 13:30 to 20:00 in the first week, 14:30 to 21:00 in the second.
        for (monday, first) in [("2013-10-28T00:00:00Z", 54), ("2013-11-04T00:00:00Z", 58)] {
            for day in 0..5 {
                for quarter in first..first + 26 {
                    activity.note(ns(monday) + (day * 96 + quarter) * QUARTER + 7, 0);
                }
            }
        }
        let quiet = activity.quiet();
        let found: Vec<_> = quiet.iter().map(|q| (q.from, q.begin, q.quarters)).collect();
        let weeks = [ns("2013-10-28T00:00:00Z"), ns("2013-11-04T00:00:00Z")];
        assert_eq!(found, [(weeks[0], 80, 70), (weeks[1], 84, 70)]);
        assert_eq!(activity.hours.iter().sum::<u64>(), 260);
        let mut bars = Activity::default();
        bars.note(ns("2013-10-28T10:30:00Z"), 2 * QUARTER);
        assert!(bars.is_active(ns("2013-10-28T10:59:59Z")));
        assert!(!bars.is_active(ns("2013-10-28T11:00:00Z")));
        assert!(activity.is_active(ns("2013-10-28T13:44:00Z")));
        assert!(!activity.is_active(ns("2013-10-28T13:29:00Z")));
    }
}
