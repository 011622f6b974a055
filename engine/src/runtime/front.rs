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
        if self.futures[place].position(instrument).is_none() {
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
