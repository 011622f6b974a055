//! indicator: MLMI, NWRQK, FVG, LVN, time, ATR, volatility, momentum, after every closed bar.
//!
//! The mathematics is in [`crate::indicators`]; here a bar meets what its record does not say: the venue's UTC
//! offset and whether a session boundary lies before it, both from session records, and the price step.

use crate::config::Semantic;
use crate::earlier::AfterBar;
use crate::indicators::{ClosedBar, FEATURES, FeatureSet, Features, Roles};
use crate::stage::{Digest, Emit, Stage};
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::{Bar, Frame, Header, Indicator, Instrument, Part, Session, Slot, Tail};

/// The features of one timeframe.
#[derive(Debug)]
struct Timeframe {
    set: FeatureSet,
    /// Breaks of the instrument up to its last bar.
    breaks: u64,
}

/// One instrument.
#[derive(Debug)]
struct Watched {
    utc_offset_s: i32,
    /// The session that runs, or ran last.
    open: i64,
    close: i64,
    /// Times at which trading was not continuous: a session that did not begin where the last one ended. A roll is
    /// none: each contract has features of its own bars.
    breaks: u64,
    timeframes: Vec<Timeframe>,
}

impl Watched {
    fn on_session(&mut self, session: &Session) {
        self.utc_offset_s = session.utc_offset_s;
        // A session of 24/7 begins where the last one ended, and trading went on.
        if session.open != self.open {
            self.breaks += u64::from(session.open != self.close);
            self.open = session.open;
        }
        self.close = session.close;
    }

    fn on_bar(&mut self, head: &Header, bar: &Bar) -> Option<Indicator> {
        let timeframe = self.timeframes.get_mut(bar.timeframe_index as usize)?;
        let after_break = timeframe.breaks != self.breaks;
        timeframe.breaks = self.breaks;
        let closed = ClosedBar::from_record(bar, self.utc_offset_s, after_break);
        let Features { valid, values } = *timeframe.set.on_bar(&closed);
        Some(Indicator {
            head: Indicator::header(head.ts_event, head.ts_recv),
            valid,
            ts_close: bar.ts_close,
            timeframe_s: bar.timeframe_s,
            count: FEATURES.len() as u32,
            tail: Tail { instrument: bar.tail.instrument, ..Tail::default() },
            values,
        })
    }
}

/// The stage.
#[derive(Debug)]
pub struct IndicatorStage {
    instruments: Vec<Watched>,
}

impl IndicatorStage {
    /// A stage for the timeframes and roles of a config, and at most `instruments` instruments. All memory is
    /// taken here: about 270 KB an instrument and timeframe, most of it the event store of the momentum index.
    pub fn new(semantic: &Semantic, instruments: usize) -> Self {
        let heikin_ashi = semantic.indicators.heikin_ashi;
        let timeframe = |timeframe_s: &u32| Timeframe {
            set: FeatureSet::new(Roles::of(*timeframe_s, &semantic.synergy), heikin_ashi),
            breaks: 0,
        };
        let watched = |_| Watched {
            utc_offset_s: 0,
            open: 0,
            close: 0,
            breaks: 0,
            timeframes: semantic.bars.timeframes_s.iter().map(timeframe).collect(),
        };
        Self { instruments: (0..instruments).map(watched).collect() }
    }

    fn of(&mut self, instrument: u32) -> Option<&mut Watched> {
        self.instruments.get_mut(instrument as usize)
    }
}

impl Stage for IndicatorStage {
    const PART: Part = Part::Indicator;
    const EVERY_TICK: bool = false;
    type Earlier = AfterBar;
    type Output = Indicator;
    type Standing<'a> = ();

    fn on_input(&mut self, slot: &Slot, earlier: &AfterBar, (): (), out: &mut Emit<'_, Indicator>) {
        let (input, instrument) = (&slot.input, slot.input.tail().instrument);
        for bar in earlier.bars.read(slot.seq()) {
            let watched = self.of(bar.tail.instrument);
            if let Some(record) = watched.and_then(|watched| watched.on_bar(input.head(), &bar)) {
                out.push(record);
            }
        }
        let Some(watched) = self.of(instrument) else { return };
        if let Some(session) = input.get::<Session>() {
            watched.on_session(session);
        } else if let Some(definition) = input.get::<Instrument>() {
            watched.timeframes.iter_mut().for_each(|t| t.set.set_tick(definition.tick));
        }
    }

    fn digest(&self, digest: &mut Digest) {
        for watched in &self.instruments {
            digest.int(i64::from(watched.utc_offset_s));
            digest.int(watched.open);
            digest.int(watched.close);
            digest.word(watched.breaks);
            // Without a session there was no bar.
            if watched.open == 0 {
                continue;
            }
            for timeframe in &watched.timeframes {
                digest.word(timeframe.breaks);
                timeframe.set.digest(digest);
            }
        }
    }
}

state!(Timeframe { set, breaks });
state!(Watched { utc_offset_s, open, close, breaks, timeframes });

impl State for IndicatorStage {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { instruments } = self;
        codec.rows(instruments)
    }
}
