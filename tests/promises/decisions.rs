//! Features, matrices, synergies and decisions: one for each closed bar that is due one, of that bar and nothing
//! later, by the rule or a policy of the user's.

use engine::indicators::synergies::{SynergyDetector, SynergyFound, SynergyRules};
use engine::indicators::{ClosedBar, Feature, FeatureSet, Features, Roles};
use engine::policy::{Action, Choice, DecisionReason, Policies, Policy, Rule, View, Vote};
use engine::replay::{Options, replay};
use engine::run::run;
use engine::stage::Digest;
use ringbuf_layout::names::PolicyCode;
use ringbuf_layout::{Bar, Decision, Indicator, Instrument, Kind, Matrix, Session, Synergy, Trade};
use std::collections::BTreeMap;
use tests::market::{cell, listed, ns, trade};
use tests::real_run::{memory_source, order, replay_of};
use tests::recording::{Recording, View as FrameView};
use tests::scene::Scene;

const SYMBOLS: [&str; 2] = ["GC.201312", "COIN"];
const FAST_S: u32 = 5;
const SLOW_S: u32 = 30;
/// Over the break of the metals from 17:00 to 18:00 in New York, and over midnight, which the coin trades through.
const BEGIN: &str = "2013-10-07T20:30:00Z";
const PRINTS: usize = 13_500;

/// Prints of two instruments in turn, one a second, in leaps: gaps open and close, the kernel turns.
fn leaping_prints(count: usize, from: &str) -> Vec<Trade> {
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut walk = [5_000_i64; 2];
    let from = ns(from);
    let mut print = |i: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let number = i % 2;
        let leap = (random % 31) as i64 - 15;
        let drift = if (i / 300).is_multiple_of(2) { 2 } else { -2 };
        walk[number] = (walk[number] + leap + drift).clamp(2_000, 9_000);
        let tick = listed(SYMBOLS[number], false).def.tick.0;
        let ts = from + i as i64 * 1_000_000_000;
        trade(number as u32, ts, walk[number] * tick, 1 + (random >> 8) as i64 % 90)
    };
    (0..count).map(&mut print).collect()
}

fn scene_of(prints: &[Trade]) -> Scene {
    let instruments = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let scene = Scene::new(instruments, vec![prints.iter().map(cell).collect()]);
    scene.timeframes(&[FAST_S, SLOW_S]).roles(FAST_S, SLOW_S)
}

fn scene() -> Scene {
    scene_of(&leaping_prints(PRINTS, BEGIN))
}

/// The frames of each slot.
fn slots(recording: &Recording) -> Vec<Vec<FrameView<'_>>> {
    let mut slots: Vec<Vec<FrameView<'_>>> = Vec::new();
    for frame in recording.frames() {
        if frame.kind().is_input() {
            slots.push(Vec::new());
        }
        slots.last_mut().expect("an input comes first").push(frame);
    }
    slots
}

fn get<T: ringbuf_layout::Frame>(slot: &[FrameView<'_>]) -> Vec<T> {
    slot.iter().filter_map(FrameView::get).collect()
}

#[test]
fn what_comes_later_changes_nothing_before() {
    let prints = leaping_prints(PRINTS, BEGIN);
    let whole = scene_of(&prints).record();
    let count = |kind| whole.tally.of(kind);
    assert!(count(Kind::Decision) > 500 && count(Kind::Synergy) > 0, "{:?}", whole.tally);
    // Behind the print that closed a bar, and one that did not, all over the run.
    let mut cuts: Vec<usize> = (1..60).map(|i| i * PRINTS / 60 + i % 7).collect();
    cuts.extend([PRINTS - 3, PRINTS - 2, PRINTS - 1]);
    for cut in cuts {
        let part = scene_of(&prints[..cut]).record();
        let mut frames = whole.frames().zip(part.frames());
        let first = frames.find(|(whole, part)| whole.bytes() != part.bytes());
        let (whole, part) = first.expect("the shorter run ends in another way");
        assert!(
            whole.kind().is_input() && part.kind().is_input(),
            "cut at {cut}: {:?} of {} is not {:?}",
            whole.kind(),
            whole.head().seq,
            part.kind()
        );
    }
}

#[test]
fn every_bar_has_features_and_they_are_those_of_its_own_bars() {
    let recording = scene().record();
    let mut sets: BTreeMap<(u32, u32), (FeatureSet, i64)> = BTreeMap::new();
    let mut sessions = [(0, 0); 2];
    let (mut bars, mut breaks) = (0_u64, 0);
    for slot in slots(&recording) {
        for session in get::<Session>(&slot) {
            sessions[session.tail.instrument as usize] = (session.open, session.utc_offset_s);
        }
        let (closed, found) = (get::<Bar>(&slot), get::<Indicator>(&slot));
        assert_eq!(closed.len(), found.len());
        for (bar, found) in closed.iter().zip(&found) {
            let instrument = bar.tail.instrument;
            let (open, offset) = sessions[instrument as usize];
            let roles = Roles { slow: bar.timeframe_s == SLOW_S, fast: bar.timeframe_s == FAST_S };
            let (set, last_open) = sets.entry((instrument, bar.timeframe_s)).or_insert_with(|| {
                let mut set = FeatureSet::new(roles, true);
                let table = recording.all::<Instrument>();
                set.set_tick(table[instrument as usize].tick);
                (set, open)
            });
            // The coin trades round the clock: its sessions touch.
            let after_break = *last_open != open && instrument == 0;
            *last_open = open;
            let features = set.on_bar(&ClosedBar::from_record(bar, offset, after_break));
            assert_eq!((found.valid, found.values), (features.valid, features.values));
            let of = (found.ts_close, found.timeframe_s, found.tail.instrument, found.count);
            assert_eq!(of, (bar.ts_close, bar.timeframe_s, instrument, 29));
            bars += 1;
            breaks += u32::from(after_break);
        }
    }
    assert_eq!((bars, breaks), (recording.tally.of(Kind::Bar), 2));
}

/// What the rule says of a slot.
fn rule(slot: &[FrameView<'_>]) -> Action {
    if let Some(synergy) = get::<Synergy>(slot).first() {
        return if synergy.tail.side == 1 { Action::Long } else { Action::Short };
    }
    let slow = get::<Indicator>(slot).into_iter().find(|record| record.timeframe_s == SLOW_S);
    let turn = slow.and_then(|slow| Features::from(&slow).get(Feature::NwrqkKernelSignal));
    Action::towards(turn.unwrap_or(0.0) as i8)
}

#[test]
fn a_fast_bar_with_ready_matrices_gets_one_decision_by_the_rule() {
    let recording = scene().record();
    let mut ready = [[false; 3]; 2];
    let mut by_action = [0; 3];
    for slot in slots(&recording) {
        for matrix in get::<Matrix>(&slot) {
            ready[matrix.tail.instrument as usize][matrix.name as usize] = true;
        }
        let fast = get::<Bar>(&slot).into_iter().find(|bar| bar.timeframe_s == FAST_S);
        let due = fast.filter(|bar| ready[bar.tail.instrument as usize][..2] == [true; 2]);
        let decisions = get::<Decision>(&slot);
        assert_eq!(decisions.len(), usize::from(due.is_some()));
        assert!(get::<Synergy>(&slot).len() <= 1);
        for (decision, bar) in decisions.iter().zip(due) {
            assert_eq!(decision.tail.instrument, bar.tail.instrument);
            assert_eq!(decision.action, rule(&slot) as u8);
            assert!((0.0..=1.0).contains(&decision.confidence), "{}", decision.confidence);
            assert_eq!((decision.policy, decision.reason), (PolicyCode::Rule as u16, 0));
            let nobody = [decision.strategic_action, decision.tactical_action, decision.shadow];
            assert_eq!(nobody, [Action::NONE; 3]);
            by_action[usize::from(decision.action)] += 1;
        }
    }
    println!("short, hold, long {by_action:?}, {} synergies", recording.tally.of(Kind::Synergy));
    assert_eq!(by_action, recording.tally.decisions);
    assert!(by_action.iter().all(|count| *count > 10), "{by_action:?}");
}

/// Says something else each time; every third confidence is none.
#[derive(Default)]
struct Moody {
    asked: u64,
    last: i64,
}

impl Policy for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn decide(&mut self, view: &View<'_>) -> Choice {
        let [slow, fast, regime] = view.matrices.map(<[f32]>::len);
        assert_eq!((slow, fast), (48 * 8, 60 * 7));
        assert!(regime == 0 || regime == 96 * 3, "empty until its window is full");
        assert_eq!(
            (view.fast_bar.timeframe_s, view.fast_bar.tail.instrument),
            (5, view.instrument)
        );
        assert!(view.fast.get(Feature::Atr).is_some() && view.slow.get(Feature::Atr).is_some());
        assert!(view.slow_bar.is_none_or(|bar| bar.timeframe_s == 30) && view.ts > self.last);
        (self.asked, self.last) = (self.asked + 1, view.ts - 1);
        let confidence = [0.25, f64::NAN, 0.75, 1.5, 1.0, -0.5][(self.asked % 6) as usize];
        let vote = |action, confidence| Some(Vote { action, confidence });
        Choice {
            strategic: vote(Action::Long, 0.5),
            tactical: vote(Action::Short, if self.asked.is_multiple_of(4) { 9.0 } else { 0.25 }),
            ..Choice::new(Action::Long, confidence)
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.asked);
    }
}

#[test]
fn a_confidence_that_is_none_holds_with_a_reason() {
    let recording = scene().policies(|| Policies::own(Moody::default())).record();
    let mut reasons = [0; 3];
    for (asked, decision) in (1_u64..).zip(recording.all::<Decision>()) {
        let bad_vote = asked.is_multiple_of(4);
        let (reason, action) = match asked % 6 {
            1 => (DecisionReason::ConfidenceNan, Action::Hold),
            3 | 5 => (DecisionReason::ConfidenceRange, Action::Hold),
            _ if bad_vote => (DecisionReason::ConfidenceRange, Action::Hold),
            _ => (DecisionReason::None, Action::Long),
        };
        assert_eq!((decision.reason, decision.action), (reason as u16, action as u8), "{asked}");
        assert!(decision.confidence.is_finite());
        assert_eq!(decision.confidence > 0.0, reason == DecisionReason::None);
        assert_eq!((decision.strategic_action, decision.strategic_confidence), (2, 0.5));
        let tactical = if bad_vote { (Action::NONE, 0.0) } else { (0, 0.25) };
        assert_eq!((decision.tactical_action, decision.tactical_confidence), tactical);
        assert_eq!(decision.policy, PolicyCode::Own as u16);
        reasons[reason as usize] += 1;
    }
    println!("none, nan, range {reasons:?}");
    assert!(reasons.iter().all(|count| *count > 50), "{reasons:?}");
}

#[test]
fn a_shadow_is_asked_and_recorded_and_changes_nothing() {
    let alone = scene().record().all::<Decision>();
    let shadowed = scene().policies(|| Policies::default().with_shadow(Moody::default())).record();
    let shadowed = shadowed.all::<Decision>();
    assert_eq!(alone.len(), shadowed.len());
    let mut long = 0;
    for (alone, decision) in alone.iter().zip(&shadowed) {
        let shadow = (decision.shadow, decision.shadow_confidence);
        assert!(shadow == (1, 0.0) || (shadow.0 == 2 && shadow.1 > 0.0), "{shadow:?}");
        long += u64::from(shadow.0 == 2);
        let mut same = *decision;
        (same.shadow, same.shadow_confidence, same.shadow_reason) = (Action::NONE, 0.0, 0);
        assert_eq!(&same, alone);
    }
    assert!(long > 50);
}

const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [5, 30]\n\n\
                      [semantic.synergy]\nslow_s = 30\nfast_s = 5\n\n[host]\nsegment_mib = 1\n";

#[test]
fn a_replay_needs_the_policies_of_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let prints = leaping_prints(PRINTS, BEGIN);
    let symbols = ["GC.201312", "SYN1"];
    let sources = vec![memory_source("prints", &symbols, prints)];
    let mut ordered = order(dir.path(), CONFIG, sources);
    ordered.policies = Policies::own(Moody::default()).with_shadow(Rule);
    let outcome = run(ordered, |_| {}, |_| {}).unwrap();
    let summary = outcome.summary.json();
    assert_eq!(
        (summary["policy"].as_str(), summary["shadow"].as_str()),
        (Some("moody"), Some("rule"))
    );
    let by_action = outcome.summary.tally.decisions;
    let total: u64 = by_action.iter().sum();
    assert_eq!(summary["decisions_by_action"]["hold"].as_u64(), Some(by_action[1]));
    assert_eq!(summary["decisions"].as_u64(), Some(total));
    assert!(total > 500);
    let own = replay(
        dir.path(),
        Options::default(),
        |_| Ok(Policies::own(Moody::default()).with_shadow(Rule)),
        |_| {},
    );
    let own = own.unwrap();
    assert!(own.verified(), "{:?}", own.divergence);
    assert_eq!(own.summary.tally.state_hash, outcome.summary.tally.state_hash);
    // By the rule, the first decision differs.
    let divergence = replay_of(dir.path()).divergence.expect("another policy");
    assert_eq!(divergence.stage, "marl");
}

/// The synergies of the journaled features, the slow bar of an instant before its fast one or after it.
fn synergies(recording: &Recording, slow_first: bool) -> Vec<(u64, SynergyFound)> {
    let rules = SynergyRules { fast_s: FAST_S, ..SynergyRules::default() };
    let mut detectors = [(); 2].map(|()| SynergyDetector::new(rules));
    let mut found = Vec::new();
    for slot in slots(recording) {
        let mut records = get::<Indicator>(&slot);
        records.sort_by_key(|record| (record.timeframe_s == SLOW_S) != slow_first);
        for record in records {
            let detector = &mut detectors[record.tail.instrument as usize];
            let (ts, features) = (record.head.ts_event, Features::from(&record));
            let synergy = match record.timeframe_s {
                SLOW_S => detector.on_slow(ts, &features),
                _ => detector.on_fast(ts, &features),
            };
            found.extend(synergy.map(|synergy| (record.head.seq, synergy)));
        }
    }
    found
}

#[test]
fn at_one_instant_the_slow_bar_signals_before_the_fast_one() {
    let recording = scene_of(&leaping_prints(4 * PRINTS, BEGIN)).record();
    let said = recording.all::<Synergy>().into_iter().map(|record| {
        let direction = if record.tail.side == 1 { 1 } else { -1 };
        let Synergy { kind, strength, bars_to_complete, .. } = record;
        (record.head.seq, SynergyFound { kind, direction, strength, bars_to_complete })
    });
    let said: Vec<_> = said.collect();
    assert!(said.len() > 10, "{} synergies", said.len());
    assert_eq!(said, synergies(&recording, true));
    assert_ne!(said, synergies(&recording, false), "the order does not show in this market");
}
