//! Which zone and which venue's hours fit the times of a file: evidence, never a decision.
//!
//! Of each pair the share of active quarters of an hour that fall outside every session is counted, and the share
//! of open quarters without a record. A bar lies outside only if no quarter of it is in a session. Zones whose clocks
//! change together fit alike, and are named together; where they change on other days, the quarters of those days tell
//! them apart, however few they are: all quarters are asked of the pairs that fit best.

use super::activity::{Activity, QUARTER};
use engine::calendar::{Calendar, names};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ringbuf_layout::names::SessionPhase;

/// Zones that files of vendors are written in.
const ZONES: [&str; 11] = [
    "UTC",
    "America/New_York",
    "America/Chicago",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Asia/Jerusalem",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Etc/GMT+5",
];
/// Quarters that are asked of every pair, and of shifted bars.
const SAMPLE: usize = 400;
const CLOSER: usize = 4_000;
/// Losses this near to the best are as good,
const ALIKE: f64 = 0.5;
/// unless the same calendar has so many quarters more outside: a stray record is no evidence.
const STRAY: usize = 2;
/// Pairs that are looked at closer.
const BEST: usize = 8;

/// How well a zone and a calendar fit.
#[derive(Clone, PartialEq, Debug)]
pub struct Fit {
    /// IANA zone of the file's clock.
    pub zone: String,
    /// Calendar of the venue.
    pub calendar: String,
    /// Active quarters of an hour outside every session, of those that were asked.
    pub outside: usize,
    /// Share of them, percent.
    pub outside_pct: f64,
    /// Share of open quarters of an hour without a record, percent.
    pub silent_pct: f64,
}

impl Fit {
    /// Less is better: what cannot be counts more than what did not happen.
    pub fn loss(&self) -> f64 {
        4.0 * self.outside_pct + self.silent_pct
    }

    /// True if the evidence does not tell it from the best.
    pub(super) fn is_like(&self, best: &Self) -> bool {
        let told_apart = self.calendar == best.calendar && self.outside > best.outside + STRAY;
        self.loss() <= best.loss() + ALIKE && !told_apart
    }
}

/// The fits, best first; of times in UTC only that zone.
pub(super) fn fits(activity: &Activity, zone_is_open: bool) -> Vec<Fit> {
    let active = activity.active();
    let zones: &[&str] = if zone_is_open { &ZONES } else { &ZONES[..1] };
    let mut fits = Vec::new();
    for zone in zones {
        let Ok(clock) = TimeZone::get(zone) else { continue };
        for name in names().filter(|name| *name != "SYNTH") {
            let Some(calendar) = Calendar::built_in(name) else { continue };
            fits.push(fit(activity, &active, (zone, &clock), (name, &calendar), SAMPLE));
        }
    }
    sort(&mut fits);
    if zone_is_open && active.len() > SAMPLE {
        fits.truncate(BEST);
        for rough in &mut fits {
            let pair = TimeZone::get(&rough.zone).ok().zip(Calendar::built_in(&rough.calendar));
            let Some((clock, calendar)) = pair else { continue };
            let names = (rough.zone.clone(), rough.calendar.clone());
            *rough = fit(activity, &active, (&names.0, &clock), (&names.1, &calendar), usize::MAX);
        }
        sort(&mut fits);
    }
    fits
}

fn sort(fits: &mut [Fit]) {
    fits.sort_by(|a, b| a.loss().total_cmp(&b.loss()));
}

fn fit(
    activity: &Activity,
    active: &[i64],
    (zone, clock): (&str, &TimeZone),
    (name, calendar): (&str, &Calendar),
    sample: usize,
) -> Fit {
    let phase = |shown: i64| {
        let at = instant(clock, shown)?;
        calendar.phase_at(at).map(|change| change.phase)
    };
    let chosen = choose(active.len(), sample);
    let is_closed = |at: i64| phase(at) == Some(SessionPhase::Closed);
    let is_outside = |at: i64| is_closed(at) && activity.beside(at).all(is_closed);
    let outside = chosen.iter().filter(|i| is_outside(active[**i])).count();
    let (first, last) = match active {
        [first, .., last] => (*first, *last),
        [only] => (*only, *only),
        [] => (0, 0),
    };
    let whole = ((last - first) / QUARTER + 1) as usize;
    let (mut open, mut silent) = (0, 0);
    for i in choose(whole, sample) {
        let shown = first + i as i64 * QUARTER;
        if phase(shown) == Some(SessionPhase::Regular) {
            open += 1;
            silent += usize::from(!activity.is_active(shown));
        }
    }
    let percent = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
    Fit {
        zone: zone.to_string(),
        calendar: name.to_string(),
        outside,
        outside_pct: percent(outside, chosen.len()),
        silent_pct: percent(silent, open),
    }
}

/// Share of active quarters of an hour outside every session, percent, if all stood so much later.
pub(super) fn outside_pct(activity: &Activity, calendar: &str, later: i64) -> Option<f64> {
    let calendar = Calendar::built_in(calendar)?;
    let active = activity.active();
    let chosen = choose(active.len(), CLOSER);
    let is_closed =
        |at: i64| calendar.phase_at(at).is_some_and(|change| change.phase == SessionPhase::Closed);
    let outside = chosen.iter().filter(|i| is_closed(active[**i].saturating_add(later))).count();
    Some(100.0 * outside as f64 / chosen.len().max(1) as f64)
}

/// The instant at which the clock of a zone shows what UTC shows at `shown`.
pub(super) fn instant(zone: &TimeZone, shown: i64) -> Option<i64> {
    let wall = TimeZone::UTC.to_datetime(Timestamp::from_nanosecond(i128::from(shown)).ok()?);
    let at = zone.to_ambiguous_timestamp(wall).compatible().ok()?;
    i64::try_from(at.as_nanosecond()).ok()
}

/// Places spread over a length, always the same; all of them where they are few.
fn choose(length: usize, sample: usize) -> Vec<usize> {
    if length <= sample {
        return (0..length).collect();
    }
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    (0..sample)
        .map(|i| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (from, to) = (i * length / sample, (i + 1) * length / sample);
            from + (state >> 33) as usize % (to - from).max(1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints in every quarter of New York's regular hours of three months, as the clock of a zone shows them.
    fn shown_in(zone: &str) -> Activity {
        let (clock, calendar) = (TimeZone::get(zone).unwrap(), Calendar::built_in("XNYS").unwrap());
        let mut activity = Activity::default();
        let first = 1_378_080_000 * 1_000_000_000;
        for i in 0..96 * 90 {
            let at: i64 = first + i * QUARTER;
            if calendar.phase_at(at).is_some_and(|c| c.phase != SessionPhase::Closed) {
                let local = clock.to_datetime(Timestamp::from_nanosecond(i128::from(at)).unwrap());
                let shown = TimeZone::UTC.to_timestamp(local).unwrap();
                activity.note(shown.as_nanosecond() as i64, 0);
            }
        }
        activity
    }

    #[test]
    fn the_zone_that_a_file_was_written_in_fits_best() {
        for zone in ["UTC", "America/New_York", "Asia/Tokyo", "Europe/London"] {
            let fits = fits(&shown_in(zone), true);
            assert_eq!(
                (fits[0].zone.as_str(), fits[0].calendar.as_str()),
                (zone, "XNYS"),
                "{fits:#?}"
            );
            assert!(fits[0].loss() < 1.0);
        }
    }

    /// Half-hour bars of gold round its sessions, over the week in which Jerusalem's clock has changed and that of
    /// Athens has not.
    #[test]
    fn zones_that_differ_for_a_week_are_told_apart_by_that_week() {
        let (clock, calendar) =
            (TimeZone::get("Asia/Jerusalem").unwrap(), Calendar::built_in("METALS").unwrap());
        let mut activity = Activity::default();
        let first: i64 =
            "2022-01-02T00:00:00Z".parse::<Timestamp>().unwrap().as_nanosecond() as i64;
        for i in 0..48 * 180 {
            let at = first + i * 2 * QUARTER;
            if calendar.phase_at(at).is_some_and(|c| c.phase != SessionPhase::Closed) {
                let local = clock.to_datetime(Timestamp::from_nanosecond(i128::from(at)).unwrap());
                let shown = TimeZone::UTC.to_timestamp(local).unwrap();
                activity.note(shown.as_nanosecond() as i64, 2 * QUARTER);
            }
        }
        let fits = fits(&activity, true);
        assert_eq!(
            (fits[0].zone.as_str(), fits[0].calendar.as_str()),
            ("Asia/Jerusalem", "METALS")
        );
        let athens = fits.iter().find(|f| (&*f.zone, &*f.calendar) == ("Europe/Athens", "METALS"));
        assert!(athens.is_some_and(|fit| !fit.is_like(&fits[0])), "{fits:#?}");
    }

    #[test]
    fn times_in_utc_are_asked_for_their_calendar_only() {
        let fits = fits(&shown_in("UTC"), false);
        assert!(fits.iter().all(|fit| fit.zone == "UTC"));
        assert_eq!(fits[0].calendar, "XNYS");
    }
}
