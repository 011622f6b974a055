//! Which contract of a future is its front: the only one in which a position may be opened.
//!
//! * The front of a session is the contract with the largest traded volume in the session before it, so nothing is
//!   known too early. A session is a trading date: a break within it decides nothing.
//! * Volume is the size of the prints, whatever `validate` thinks of one, or of a vendor's bars where these make the
//!   bars of the contract.
//! * A tie keeps the front; of several others with the largest volume the first contract takes its place. A front that
//!   was left never comes back. A session without volume changes nothing.
//!
//! Every contract is told by a record of its own: once when it joins the future, and again when the front is another.
//! What was told is journaled, and all that is counted follows from journaled inputs: so this is rebuilt from them.
//!
//! ```text
//! prints, bars ─▶ count ─▶ volume of each contract ─┐
//! closes of all contracts ──────▶ close ────────────┴▶ decide ─▶ front ─▶ untold ─▶ a roll record each
//! ```

use crate::runtime::track::NEVER;
use crate::state::{Codec, State, StateError};
use ringbuf_layout::frame::NO_INSTRUMENT;

/// As many instruments as a run can have.
const CONTRACTS_MAX: usize = 1_024;
/// Of an instrument that is no contract: a place that no future has.
const NOWHERE: (u32, u32) = (u32::MAX, u32::MAX);

/// A contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Contract {
    instrument: u32,
    /// The front that it was told of last ([`NO_INSTRUMENT`] for none); `None` before the first record. What comes
    /// before that is not counted.
    told: Option<u32>,
    /// Traded since the last session that was decided; more than fits stays the largest number.
    volume: u64,
    /// It was the front, and is no longer.
    left: bool,
}

/// A future: its first contract names it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Future {
    contracts: Vec<Contract>,
    /// [`NO_INSTRUMENT`] for none.
    front: u32,
    /// Close of the newest session that was decided; `i64::MIN` before the first.
    decided: i64,
    /// Close of a session that is over and not decided yet.
    closed: Option<i64>,
    /// How long after a close it is decided: 1 ns where a vendor makes bars, since those that end at the close come with
    /// its time, else at once.
    lag: i64,
}

/// What was told, or is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// When.
    pub(super) at: i64,
    /// The contract that is told.
    pub(super) contract: u32,
    /// The contract that names its future.
    pub(super) future: u32,
    /// The front; [`NO_INSTRUMENT`] for none.
    pub(super) front: u32,
}

/// Why contracts are not of one future.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// These two have other sessions.
    Calendars(u32, u32),
    /// These two are of different futures already.
    Futures(u32, u32),
}

/// The fronts of all futures.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fronts {
    futures: Vec<Future>,
    /// Future and contract of each instrument; empty without futures: the per-tick test.
    places: Vec<(u32, u32)>,
}

impl Future {
    fn new() -> Self {
        Self {
            contracts: Vec::new(),
            front: NO_INSTRUMENT,
            decided: i64::MIN,
            closed: None,
            lag: 0,
        }
    }

    fn name(&self) -> u32 {
        self.contracts.first().map_or(NO_INSTRUMENT, |contract| contract.instrument)
    }

    fn position(&self, instrument: u32) -> Option<usize> {
        self.contracts.iter().position(|contract| contract.instrument == instrument)
    }

    /// The contract that takes the front's place.
    fn largest(&self) -> u32 {
        let present = self.contracts.iter().find(|contract| contract.instrument == self.front);
        let (mut front, mut most) = (self.front, present.map_or(0, |contract| contract.volume));
        for contract in self.contracts.iter().filter(|contract| !contract.left) {
            if contract.volume > most {
                (front, most) = (contract.instrument, contract.volume);
            }
        }
        front
    }

    fn turn_to(&mut self, front: u32) {
        if front != self.front {
            let old = self.contracts.iter_mut().find(|c| c.instrument == self.front);
            if let Some(old) = old {
                old.left = true;
            }
            self.front = front;
        }
    }

    /// Decides the session that is over, once it is time.
    fn decide(&mut self, now: i64) {
        let Some(close) = self.closed.filter(|close| close.saturating_add(self.lag) <= now) else {
            return;
        };
        self.turn_to(self.largest());
        self.contracts.iter_mut().for_each(|contract| contract.volume = 0);
        (self.decided, self.closed) = (close, None);
    }

    fn has_begun(&self) -> bool {
        self.decided != i64::MIN
    }

    /// True for a contract that is to be told when the run begins: it is new, or the first front is.
    fn is_new(&self, contract: &Contract) -> bool {
        contract.told.is_none_or(|told| told != self.front && !self.has_begun())
    }

    /// When the next record, or decision, is due.
    fn due(&self) -> i64 {
        if let Some(close) = self.closed {
            return close.saturating_add(self.lag);
        }
        let is_behind = |contract: &Contract| contract.told.is_some_and(|told| told != self.front);
        let waits = self.has_begun() && self.contracts.iter().any(is_behind);
        if waits { self.decided.saturating_add(self.lag) } else { NEVER }
    }
}

impl Fronts {
    /// Follows a future with these contracts from now on. One that shares a contract with it grows by the others, and
    /// keeps its front; `first` counts before its first session has ended.
    ///
    /// # Errors
    /// Contracts of two futures that are followed already.
    pub fn follow(&mut self, contracts: &[u32], first: Option<u32>) -> Result<(), Misfit> {
        let known: Vec<(usize, u32)> =
            contracts.iter().filter_map(|c| Some((self.place(*c)?.0, *c))).collect();
        let first_known = known.first().copied();
        if let Some((place, one)) = first_known
            && let Some((_, two)) = known.iter().find(|(other, _)| *other != place)
        {
            return Err(Misfit::Futures(one, *two));
        }
        let place = first_known.map_or(self.futures.len(), |(place, _)| place);
        if place == self.futures.len() {
            self.futures.push(Future::new());
        }
        for contract in contracts {
            self.join(place, *contract);
        }
        let future = &mut self.futures[place];
        if let Some(first) = first
            && future.front == NO_INSTRUMENT
            && !future.has_begun()
        {
            future.front = first;
        }
        Ok(())
    }

    /// The other contracts of an instrument's future, if it is one of a future.
    pub(super) fn beside(&self, instrument: u32) -> impl Iterator<Item = u32> + '_ {
        let future = self.place(instrument).map(|(future, _)| &self.futures[future]);
        let all = future.into_iter().flat_map(|future| &future.contracts);
        all.map(|contract| contract.instrument).filter(move |other| *other != instrument)
    }

    /// True if an instrument is a contract of a future.
    #[inline]
    pub fn holds(&self, instrument: u32) -> bool {
        self.places.get(instrument as usize).is_some_and(|place| *place != NOWHERE)
    }

    fn place(&self, instrument: u32) -> Option<(usize, usize)> {
        let place = self.places.get(instrument as usize).filter(|place| **place != NOWHERE);
        place.map(|(future, contract)| (*future as usize, *contract as usize))
    }

    fn join(&mut self, place: usize, instrument: u32) {
        let is_one = (instrument as usize) < CONTRACTS_MAX;
        if is_one && self.futures[place].position(instrument).is_none() {
            self.futures[place].contracts.push(Contract { instrument, ..Contract::default() });
            self.index();
        }
    }

    /// Finds the place of each instrument anew.
    fn index(&mut self) {
        let all = self.futures.iter().flat_map(|future| &future.contracts);
        let len = all.map(|contract| contract.instrument as usize + 1).max().unwrap_or(0);
        self.places.clear();
        self.places.resize(len, NOWHERE);
        for (f, future) in self.futures.iter().enumerate() {
            for (c, contract) in future.contracts.iter().enumerate() {
                self.places[contract.instrument as usize] = (f as u32, c as u32);
            }
        }
    }

    /// Traded size of a contract, in a session that opened at `open`.
    #[inline]
    pub fn count(&mut self, instrument: u32, open: i64, size: i64) {
        let Some((future, contract)) = self.place(instrument) else { return };
        let Future { contracts, decided, .. } = &mut self.futures[future];
        let contract = &mut contracts[contract];
        // A vendor's bar may come when its session is decided.
        if contract.told.is_some() && open >= *decided {
            contract.volume = contract.volume.saturating_add(u64::try_from(size).unwrap_or(0));
        }
    }

    /// A contract's last session of a trading date closed at `at`. `is_open` says which of the others still are: with
    /// the last one the session of the future is over.
    pub(super) fn close(
        &mut self,
        instrument: u32,
        at: i64,
        lag: bool,
        is_open: impl Fn(u32) -> bool,
    ) {
        let Some((future, _)) = self.place(instrument) else { return };
        let future = &mut self.futures[future];
        if !future.contracts.iter().any(|contract| is_open(contract.instrument)) {
            (future.closed, future.lag) = (Some(at), i64::from(lag));
        }
    }

    /// Decides what is to be decided by `now`.
    pub(super) fn decide(&mut self, now: i64) {
        self.futures.iter_mut().for_each(|future| future.decide(now));
    }

    /// When the next record, or decision, is due.
    pub(super) fn due(&self) -> i64 {
        self.futures.iter().map(Future::due).min().unwrap_or(NEVER)
    }

    /// True if a contract is to be told something when the run begins.
    pub(super) fn has_new(&self) -> bool {
        self.futures.iter().any(|future| future.contracts.iter().any(|c| future.is_new(c)))
    }

    /// Contracts that are told when the run begins, at the time of `at`.
    pub(super) fn tell_new(&mut self, at: impl Fn(u32) -> i64, mut tell: impl FnMut(Told)) {
        for future in &mut self.futures {
            let (name, front) = (future.name(), future.front);
            for i in 0..future.contracts.len() {
                if future.is_new(&future.contracts[i]) {
                    let contract = future.contracts[i].instrument;
                    future.contracts[i].told = Some(front);
                    tell(Told { at: at(contract), contract, future: name, front });
                }
            }
        }
    }

    /// Contracts that are told by `now` that the front is another.
    pub(super) fn tell(&mut self, now: i64, mut tell: impl FnMut(Told)) {
        for future in &mut self.futures {
            let (name, front, at) = (future.name(), future.front, future.due());
            if at > now {
                continue;
            }
            for contract in &mut future.contracts {
                if contract.told.is_some_and(|told| told != front) {
                    contract.told = Some(front);
                    tell(Told { at, contract: contract.instrument, future: name, front });
                }
            }
        }
    }

    /// A journaled record. True for one that the beginning of a run told.
    pub(super) fn observe(&mut self, told: &Told) -> bool {
        let place = self.futures.iter().position(|future| future.name() == told.future);
        let place = place.unwrap_or_else(|| {
            self.futures.push(Future::new());
            self.futures.len() - 1
        });
        self.join(place, told.contract);
        let future = &mut self.futures[place];
        future.turn_to(told.front);
        let future_has_begun = future.has_begun();
        let contract = future.position(told.contract).map(|c| &mut future.contracts[c]);
        let before = contract.and_then(|contract| contract.told.replace(told.front));
        before.is_none() || !future_has_begun
    }
}

impl State for Contract {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { instrument, told, volume, left } = self;
        instrument.state(codec)?;
        codec.option(told, || NO_INSTRUMENT)?;
        volume.state(codec)?;
        left.state(codec)
    }
}

impl State for Future {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { contracts, front, decided, closed, lag } = self;
        codec.list(contracts, CONTRACTS_MAX, Contract::default)?;
        front.state(codec)?;
        decided.state(codec)?;
        codec.option(closed, || 0)?;
        lag.state(codec)
    }
}

impl State for Fronts {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { futures, places: _ } = self;
        codec.list(futures, CONTRACTS_MAX, Future::new)?;
        if codec.is_loading() {
            let all = self.futures.iter().flat_map(|future| &future.contracts);
            if all.clone().any(|contract| contract.instrument as usize >= CONTRACTS_MAX) {
                return Err(StateError::new("a contract of a future is no instrument"));
            }
            self.index();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: u32 = NO_INSTRUMENT;

    /// A future of these contracts that were told of their front.
    fn begun(contracts: &[u32], first: Option<u32>) -> Fronts {
        let mut fronts = Fronts::default();
        fronts.follow(contracts, first).unwrap();
        let mut all = Vec::new();
        fronts.tell_new(|_| 5, |told| all.push((told.contract, told.future, told.front)));
        let front = first.unwrap_or(NONE);
        assert_eq!(all, contracts.iter().map(|c| (*c, contracts[0], front)).collect::<Vec<_>>());
        assert!(!fronts.has_new());
        fronts
    }

    /// A session with these volumes that closes at `close`: what each contract is told then.
    fn session(fronts: &mut Fronts, close: i64, volumes: &[(u32, i64)]) -> Vec<(u32, u32)> {
        for (contract, volume) in volumes {
            fronts.count(*contract, close - 100, *volume);
        }
        let contracts: Vec<u32> =
            fronts.futures[0].contracts.iter().map(|c| c.instrument).collect();
        for (i, contract) in contracts.iter().enumerate() {
            assert_eq!(fronts.due(), NEVER, "not before the last has closed");
            fronts.close(*contract, close, false, |other| contracts[i + 1..].contains(&other));
        }
        assert_eq!(fronts.due(), close);
        fronts.decide(close);
        let mut all = Vec::new();
        fronts.tell(close, |told| {
            assert_eq!((told.at, told.future), (close, contracts[0]));
            all.push((told.contract, told.front));
        });
        assert_eq!(fronts.due(), NEVER);
        all
    }

    #[test]
    fn the_front_is_the_contract_with_the_largest_volume_of_the_session_before() {
        let mut fronts = begun(&[3, 4, 7], Some(3));
        assert_eq!(session(&mut fronts, 1_000, &[(3, 10), (4, 5), (4, 4), (7, 1)]), []);
        // Of this session alone: what was traded before it is forgotten.
        let all = [(3, 4), (4, 4), (7, 4)];
        assert_eq!(session(&mut fronts, 2_000, &[(3, 4), (4, 2), (4, 3)]), all);
        let all = [(3, 7), (4, 7), (7, 7)];
        assert_eq!(session(&mut fronts, 3_000, &[(3, 1), (4, 2), (7, 9)]), all);
    }

    #[test]
    fn a_tie_keeps_the_front_and_of_two_others_the_first_contract_takes_it() {
        let mut fronts = begun(&[1, 2, 3], Some(2));
        assert_eq!(session(&mut fronts, 1_000, &[(1, 6), (2, 6), (3, 6)]), []);
        assert_eq!(
            session(&mut fronts, 2_000, &[(1, 7), (2, 6), (3, 7)]),
            [(1, 1), (2, 1), (3, 1)]
        );
    }

    #[test]
    fn a_front_that_was_left_never_comes_back() {
        let mut fronts = begun(&[1, 2, 3], Some(1));
        assert_eq!(session(&mut fronts, 1_000, &[(1, 1), (2, 2)]), [(1, 2), (2, 2), (3, 2)]);
        assert_eq!(session(&mut fronts, 2_000, &[(1, 100), (2, 2)]), []);
        // The largest of those that may come, though the one that was left trades more.
        assert_eq!(
            session(&mut fronts, 3_000, &[(1, 9), (2, 2), (3, 3)]),
            [(1, 3), (2, 3), (3, 3)]
        );
        assert_eq!(session(&mut fronts, 4_000, &[(1, 9), (2, 9), (3, 0)]), []);
    }

    #[test]
    fn without_a_first_front_there_is_none_until_a_session_with_volume_has_ended() {
        let mut fronts = begun(&[1, 2], None);
        assert_eq!(session(&mut fronts, 1_000, &[(1, 0), (2, -5)]), []);
        assert_eq!(session(&mut fronts, 2_000, &[(2, 1)]), [(1, 2), (2, 2)]);
        // Nor does a session without volume take it away.
        assert_eq!(session(&mut fronts, 3_000, &[]), []);
    }

    #[test]
    fn volume_that_does_not_fit_stays_the_largest_number() {
        let mut fronts = begun(&[1, 2], Some(1));
        let huge = [(2, i64::MAX), (2, i64::MAX), (2, i64::MAX), (1, 5)];
        assert_eq!(session(&mut fronts, 1_000, &huge), [(1, 2), (2, 2)]);
    }

    #[test]
    fn a_bar_that_comes_when_its_session_is_decided_is_of_no_later_one() {
        let mut fronts = begun(&[1, 2], Some(1));
        assert_eq!(session(&mut fronts, 1_000, &[(1, 5)]), []);
        fronts.count(2, 900, 50);
        assert_eq!(session(&mut fronts, 2_000, &[(1, 5)]), []);
        fronts.count(2, 2_000, 50);
        assert_eq!(session(&mut fronts, 3_000, &[(1, 5)]), [(1, 2), (2, 2)]);
    }

    #[test]
    fn a_future_grows_by_what_shares_a_contract_with_it_and_two_stay_two() {
        let mut fronts = begun(&[1, 2], Some(1));
        fronts.follow(&[2, 5], Some(5)).unwrap();
        let mut all = Vec::new();
        fronts.tell_new(|_| 9, |told| all.push(told));
        let told = Told { at: 9, contract: 5, future: 1, front: 1 };
        assert_eq!(all, [told], "the others know");
        fronts.follow(&[8, 9], None).unwrap();
        assert_eq!(fronts.follow(&[9, 5], None), Err(Misfit::Futures(9, 5)));
        assert_eq!(fronts.beside(2).collect::<Vec<_>>(), [1, 5]);
        assert_eq!(
            (fronts.holds(9), fronts.holds(3), fronts.holds(u32::MAX)),
            (true, false, false)
        );
    }

    #[test]
    fn a_first_front_counts_until_a_session_has_ended_and_never_after() {
        let mut fronts = begun(&[1, 2], None);
        fronts.follow(&[1, 2], Some(2)).unwrap();
        assert!(fronts.has_new());
        let mut all = Vec::new();
        fronts.tell_new(|_| 9, |told| all.push((told.contract, told.front)));
        assert_eq!(all, [(1, 2), (2, 2)]);
        let mut fronts = begun(&[1, 2], None);
        assert_eq!(session(&mut fronts, 1_000, &[]), []);
        fronts.follow(&[1, 2], Some(2)).unwrap();
        assert!(!fronts.has_new());
    }

    #[test]
    fn what_was_told_rebuilds_it_wherever_the_records_are_cut() {
        // The same session seen by one that tells and by one that reads what was told, through its bytes.
        let mut teller = begun(&[1, 2, 3], Some(1));
        let mut reader = Fronts::default();
        for contract in [1, 2, 3] {
            let told = Told { at: 5, contract, future: 1, front: 1 };
            assert!(reader.observe(&told), "the beginning");
        }
        assert_eq!(reader, teller);
        for fronts in [&mut teller, &mut reader] {
            fronts.count(2, 10, 7);
            fronts.close(3, 100, false, |_| false);
            fronts.decide(100);
        }
        let mut records = Vec::new();
        teller.tell(100, |told| records.push(told));
        assert_eq!(records.len(), 3);
        for cut in 0..=records.len() {
            let mut bytes = Vec::new();
            let mut half = reader.clone();
            for told in &records[..cut] {
                assert!(!half.observe(told));
            }
            half.state(&mut Codec::save(&mut bytes)).unwrap();
            let mut other = Fronts::default();
            other.state(&mut Codec::load(&bytes)).unwrap();
            assert_eq!(other, half);
            let mut rest = Vec::new();
            assert_eq!(other.due(), if cut < 3 { 100 } else { NEVER });
            other.tell(100, |told| rest.push(told));
            assert_eq!(rest, records[cut..], "cut at {cut}");
            assert_eq!(other, teller);
        }
    }
}
