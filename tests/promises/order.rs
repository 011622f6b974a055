//! The order of inputs: sources merged by time, what is due before a record, what follows the last one.

use proptest::collection::vec;
use proptest::prelude::*;
use ringbuf_layout::names::{EndReason, SessionPhase, SourceState, TIMER_END_OF_SOURCE};
use ringbuf_layout::{Bar, BarFlags, Heartbeat, Kind, RunEnd, Session, SourceStatus, Timer};
use std::collections::VecDeque;
use tests::market::{ROUND_THE_CLOCK, cell, listed, ns, trade};
use tests::recording::{Recording, View};
use tests::scene::Scene;
use tests::script::{Mix, scripts};
use tests::seeds::check_cases;

const SECOND: i64 = 1_000_000_000;
const PRICE: i64 = 700_000_000;

fn is_market(view: &View<'_>) -> bool {
    matches!(view.kind(), Kind::Trade | Kind::Quote | Kind::BookLevel | Kind::ExternalBar)
}

/// Time, source number and source sequence of every market record.
fn market_order(recording: &Recording) -> Vec<(i64, u16, u64)> {
    let sequence = |view: &View<'_>| {
        u64::from_le_bytes(view.bytes()[48..56].try_into().unwrap()) & ((1 << 48) - 1)
    };
    let market = recording.inputs().filter(is_market);
    market.map(|view| (view.head().ts_event, view.tail().source, sequence(&view))).collect()
}

/// An input in short: what, when, which instrument.
fn brief(recording: &Recording) -> Vec<(&'static str, i64, u32)> {
    let name = |view: &View<'_>| match view.get::<Session>() {
        Some(session) if session.tail.side == SessionPhase::Closed as u8 => "close",
        Some(_) => "open",
        None => view.kind().name(),
    };
    let inputs = recording.inputs();
    inputs.map(|view| (name(&view), view.head().ts_event, view.tail().instrument)).collect()
}

fn round_the_clock(times: &[Vec<i64>]) -> Scene {
    let sources = times
        .iter()
        .map(|times| times.iter().map(|ts| cell(&trade(0, *ts, PRICE, 1))).collect())
        .collect();
    Scene::new(vec![listed(ROUND_THE_CLOCK, false)], sources)
}

#[test]
fn sources_merge_by_time_then_source_number_then_source_sequence() {
    let noon = ns("2024-02-05T12:00:00Z");
    let times = vec(vec(0..30_i64, 0..40), 2..=3);
    check_cases("merges of sources in order", 1_500, &times, |mut times| {
        for source in &mut times {
            source.sort_unstable();
            for ts in source.iter_mut() {
                *ts = noon + *ts * SECOND / 4;
            }
        }
        let mut expected: Vec<(i64, u16, u64)> = (1..)
            .zip(&times)
            .flat_map(|(number, source)| {
                (0..).zip(source).map(move |(sequence, ts)| (*ts, number, sequence))
            })
            .collect();
        expected.sort_unstable();
        prop_assert_eq!(market_order(&round_the_clock(&times).record()), expected);
        Ok(())
    });
}

#[test]
fn a_source_out_of_order_keeps_its_order_in_the_merge() {
    let noon = ns("2024-02-05T12:00:00Z");
    let times = vec(vec(0..200_i64, 0..40), 1..=3);
    check_cases("merges of sources out of order", 1_500, &times, |mut times| {
        times.iter_mut().flatten().for_each(|ts| *ts = noon + *ts * SECOND);
        let mut heads: Vec<VecDeque<i64>> =
            times.iter().map(|s| s.iter().copied().collect()).collect();
        let mut taken = vec![0; heads.len()];
        let mut expected = Vec::new();
        while let Some((ts, i)) =
            heads.iter().enumerate().filter_map(|(i, s)| Some((*s.front()?, i))).min()
        {
            heads[i].pop_front();
            expected.push((ts, i as u16 + 1, taken[i]));
            taken[i] += 1;
        }
        prop_assert_eq!(market_order(&round_the_clock(&times).record()), expected);
        Ok(())
    });
}

#[test]
fn at_one_instant_timers_come_before_closes_before_opens_before_data() {
    // Two instruments whose day ends and begins at midnight, and one that trades through it.
    let midnight = ns("2024-02-06T00:00:00Z");
    let mut second = listed(ROUND_THE_CLOCK, false);
    second.def.symbol = "COIN2".to_string();
    let instruments = vec![listed(ROUND_THE_CLOCK, false), listed("SYN1", false), second];
    let print = |instrument, ts| cell(&trade(instrument, ts, PRICE * 1_250, 1));
    let before = midnight - SECOND / 2;
    let sources = vec![
        vec![print(2, before), print(0, before), print(1, before)],
        vec![print(1, midnight), print(0, midnight)],
    ];
    let scene = Scene::new(instruments, sources).timeframes(&[60, 300]);
    let recording = scene.record();
    let all = brief(&recording);
    let at = all.iter().position(|(_, ts, _)| *ts == midnight).expect("something at midnight");
    assert_eq!(
        all[at..at + 10],
        [
            ("timer", midnight, 0),
            ("timer", midnight, 1),
            ("timer", midnight, 2),
            ("close", midnight, 0),
            ("close", midnight, 2),
            ("open", midnight, 0),
            ("open", midnight, 2),
            ("trade", midnight, 1),
            ("trade", midnight, 0),
            ("source_status", midnight, u32::MAX),
        ]
    );
    // One timer closes both timeframes, and a print at the boundary belongs to the new bar.
    let timer = recording.all::<Timer>()[0];
    assert_eq!((timer.closes, timer.tail.flags), (0b11, 0));
    let bars = recording.all::<Bar>();
    let coin: Vec<_> = bars.iter().filter(|bar| bar.tail.instrument == 0).collect();
    assert_eq!(coin.iter().map(|bar| bar.ticks).collect::<Vec<_>>(), [1, 1, 1, 1]);
    assert_eq!(coin[0].ts_close, midnight);
    assert_eq!(coin[2].ts_open, midnight);
}

#[test]
fn a_silent_market_gets_sixty_heartbeats_and_then_none() {
    let noon = ns("2024-02-05T12:00:00Z");
    let beats = |times: &[i64], timeframe_s| {
        let times = times.iter().map(|seconds| noon + seconds * SECOND).collect();
        let recording = round_the_clock(&[times]).timeframes(&[timeframe_s]).record();
        let heartbeats = recording.all::<Heartbeat>();
        heartbeats.iter().map(|h| ((h.head.ts_event - noon) / SECOND, h.count)).collect::<Vec<_>>()
    };
    let row = |from: i64, count: i64| (1..=count).map(move |k| (from + k, k as u64));
    // No boundary in between: sixty, whatever the silence.
    assert_eq!(beats(&[1, 1_800], 3_600), row(1, 60).collect::<Vec<_>>());
    // At the time of a record the heartbeat comes first.
    assert_eq!(beats(&[1, 3], 3_600), row(1, 2).collect::<Vec<_>>());
    // A boundary at 60 s takes the heartbeat's place and begins a new row.
    assert_eq!(beats(&[0, 180], 60), row(0, 59).chain(row(60, 60)).collect::<Vec<_>>());
    // None before the first record, none after the last.
    assert_eq!(beats(&[50], 3_600), []);
}

#[test]
fn injected_inputs_are_where_event_time_puts_them() {
    check_cases("injected inputs", 2_500, &scripts(Mix::Prints, 120), |script| {
        let scene = script.scene();
        let recording = scene.record();
        check_injected(&recording, scene.semantic.clock.heartbeat_ms * 1_000_000)
            .map_err(TestCaseError::fail)
    });
}

/// Engine time of a run: the newest time of any market record so far.
#[derive(Default)]
struct Walk {
    engine_time: i64,
    /// Last input that is no heartbeat: engine time then.
    last_input: i64,
    beats: u64,
    data_seen: bool,
    sources_up: u64,
    source_ended: bool,
    /// Time, rank and instrument of the last injected input since the last record.
    last_injected: Option<(i64, u8, u32)>,
}

fn check_injected(recording: &Recording, heartbeat: i64) -> Result<(), String> {
    let mut walk = Walk::default();
    let inputs: Vec<View<'_>> = recording.inputs().collect();
    for (i, view) in inputs.iter().enumerate() {
        let head = view.head();
        if head.seq != i as u64 {
            return Err(format!("input {i} has sequence {}", head.seq));
        }
        walk.step(view, heartbeat).map_err(|what| format!("input {i}: {what}"))?;
    }
    let end = inputs.last().and_then(View::get::<RunEnd>).ok_or("no run end")?;
    let ticks = inputs.iter().filter(|v| matches!(v.kind(), Kind::Trade | Kind::Quote)).count();
    let counted = (end.inputs, end.ticks, end.tail.side);
    if counted != (inputs.len() as u64, ticks as u64, EndReason::SourceEnded as u8) {
        return Err(format!("the run end counts {counted:?}"));
    }
    Ok(())
}

impl Walk {
    fn step(&mut self, view: &View<'_>, heartbeat: i64) -> Result<(), String> {
        let (ts, instrument) = (view.head().ts_event, view.tail().instrument);
        if is_market(view) {
            let now = self.engine_time.max(ts);
            if self.data_seen {
                self.expect_no_beat_before(now + 1, heartbeat)?;
            }
            let sources_up = self.sources_up;
            *self = Self {
                engine_time: now,
                last_input: now,
                data_seen: true,
                sources_up,
                ..Self::default()
            };
        } else if let Some(timer) = view.get::<Timer>() {
            let at_end = timer.tail.flags == TIMER_END_OF_SOURCE;
            if at_end != self.source_ended {
                return Err("the timer's end-of-source flag is wrong".to_string());
            }
            self.injected(ts, 0, instrument, heartbeat)?;
        } else if let Some(session) = view.get::<Session>() {
            let rank = if session.tail.side == SessionPhase::Closed as u8 { 1 } else { 2 };
            if self.data_seen {
                self.injected(ts, rank, instrument, heartbeat)?;
            }
        } else if let Some(beat) = view.get::<Heartbeat>() {
            self.beats += 1;
            let due = self.last_input + self.beats as i64 * heartbeat;
            if (beat.count, ts) != (self.beats, due) || self.beats > 60 || self.source_ended {
                return Err(format!(
                    "heartbeat {} at {ts}, due {} at {due}",
                    beat.count, self.beats
                ));
            }
            self.in_order((ts, 3, 0))?;
        } else if let Some(status) = view.get::<SourceStatus>() {
            if status.head.ts_event != self.engine_time {
                return Err("a source status is not at engine time".to_string());
            }
        } else if let Some(end) = view.get::<RunEnd>()
            && end.head.ts_event != self.engine_time
        {
            return Err("the run end is not at engine time".to_string());
        }
        match (view.kind(), SourceState::from_byte(view.tail().side)) {
            (Kind::SourceStatus, Some(SourceState::Up)) => self.sources_up += 1,
            (Kind::SourceStatus, Some(SourceState::Down)) => {
                self.sources_up -= 1;
                self.source_ended = self.sources_up == 0;
            }
            _ => {}
        }
        Ok(())
    }

    fn injected(&mut self, ts: i64, rank: u8, number: u32, heartbeat: i64) -> Result<(), String> {
        self.in_order((ts, rank, number))?;
        if !self.source_ended {
            self.expect_no_beat_before(ts, heartbeat)?;
            self.last_input = self.last_input.max(ts);
            self.beats = 0;
        }
        Ok(())
    }

    fn in_order(&mut self, this: (i64, u8, u32)) -> Result<(), String> {
        if self.last_injected.is_some_and(|last| last >= this) {
            return Err(format!("{this:?} after {:?}", self.last_injected));
        }
        self.last_injected = Some(this);
        Ok(())
    }

    /// A heartbeat that was due before `ts` is missing.
    fn expect_no_beat_before(&self, ts: i64, heartbeat: i64) -> Result<(), String> {
        let due = self.last_input + (self.beats as i64 + 1) * heartbeat;
        if self.beats < 60 && due < ts {
            return Err(format!("no heartbeat at {due}, before {ts}"));
        }
        Ok(())
    }
}

#[test]
fn the_end_of_a_finite_source_closes_every_open_bar_and_says_so() {
    let noon = ns("2024-02-05T12:00:00Z");
    let scene = round_the_clock(&[vec![noon + SECOND], vec![noon + 61 * SECOND]]);
    let recording = scene.timeframes(&[60, 300, 3_600]).record();
    let bars: Vec<_> = recording
        .all::<Bar>()
        .iter()
        .map(|bar| {
            (bar.timeframe_s, (bar.ts_close - noon) / SECOND, BarFlags(bar.tail.flags).to_string())
        })
        .collect();
    assert_eq!(
        bars,
        [
            (60, 60, "gap".to_string()),
            (60, 120, "end_of_source".to_string()),
            (300, 300, "gap+end_of_source".to_string()),
            (3_600, 3_600, "gap+end_of_source".to_string()),
        ]
    );
    // Engine time stays with the data: the run ends at the last record's time.
    let end = recording.all::<RunEnd>()[0];
    assert_eq!(end.head.ts_event, noon + 61 * SECOND);
}

#[test]
fn an_interrupt_injects_nothing_and_what_came_before_is_unchanged() {
    check_cases(
        "interrupted runs",
        400,
        &(scripts(Mix::Prints, 80), 0.0..1.0_f64),
        |(script, part)| {
            let mut scene = script.scene();
            let whole = scene.record();
            let inputs = whole.inputs().count() as u64;
            // The prologue is always published, and a source's end is no place to interrupt.
            let prologue = 1 + scene.instruments.len() as u64 + scene.sources.len() as u64;
            let down =
                whole.inputs().filter(|v| v.kind() == Kind::SourceStatus && v.tail().side == 2);
            let last_down = down.last().map_or(prologue, |view| view.head().seq);
            let stop = prologue + ((last_down - prologue) as f64 * part) as u64;
            scene.stop_after = Some(stop);
            let cut = scene.record();
            let end = cut.inputs().last().and_then(|view| view.get::<RunEnd>()).unwrap();
            prop_assert_eq!(end.tail.side, EndReason::Interrupted as u8);
            prop_assert_eq!(end.head.seq, stop);
            prop_assert!(stop < inputs);
            let before = cut.frames().take_while(|view| view.head().seq < stop);
            let bytes: usize = before.map(|view| view.bytes().len()).sum();
            prop_assert_eq!(&cut.bytes[..bytes], &whole.bytes[..bytes]);
            let flagged = |timer: &Timer| timer.tail.flags != 0;
            prop_assert!(!cut.all::<Timer>().iter().any(flagged));
            prop_assert_eq!(cut.bytes.len() - bytes, size_of::<RunEnd>() + 192);
            Ok(())
        },
    );
}
