//! What the agents choose: votes, weights by synergy, threshold, who may act, and holds with a reason.

#![expect(clippy::float_cmp, reason = "confidences here are exact")]

mod support;

use engine::policy::{Action, Choice, DecisionReason, Policy, Vote};
use engine::stage::Digest;
use marl::coordination::{
    STRATEGIC_WEIGHTS, Verdict, act, softmax, tactical_weights, tally, votes,
};
use marl::shape::FLOATS;
use marl::{Agents, Fault, Weights};
use ringbuf_layout::names::PolicyCode;
use support::{Scene, agents_that_say};

const SHORT: [f32; 3] = [20.0, 0.0, 0.0];
const HOLD: [f32; 3] = [0.0, 20.0, 0.0];
const LONG: [f32; 3] = [0.0, 0.0, 20.0];
const UNSURE: [f32; 3] = [0.0, 0.0, 0.0];

fn vote(action: Action, confidence: f64) -> Vote {
    Vote { action, confidence }
}

fn sure(action: Action) -> Verdict {
    Verdict { vote: vote(action, 0.9), sure: true }
}

const NOT_SURE: Verdict =
    Verdict { vote: Vote { action: Action::Hold, confidence: 0.5 }, sure: false };

#[test]
fn an_actor_votes_for_its_likeliest_action_as_sure_as_that_is_likely() {
    let likely = softmax([1.0, 2.0, 3.0]).expect("finite");
    for (value, expected) in likely.iter().zip([0.090_030_57, 0.244_728_47, 0.665_240_96]) {
        assert!((value - expected).abs() < 1e-6, "{likely:?}");
    }
    let votes = votes(&[SHORT, [1.0, 2.0, 3.0], HOLD]).expect("finite");
    assert_eq!(votes.map(|vote| vote.action), [Action::Short, Action::Long, Action::Hold]);
    assert_eq!(votes[1].confidence, f64::from(likely[2]));
}

#[test]
fn softmax_is_one_for_huge_logits_and_none_for_numbers_that_are_none() {
    assert_eq!(softmax([-3.0e38, 0.0, 3.0e38]), Some([0.0, 0.0, 1.0]));
    assert_eq!(softmax(UNSURE), Some([1.0 / 3.0; 3]));
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(softmax([0.0, odd, 0.0]), None);
        assert_eq!(votes(&[LONG, LONG, [odd, 0.0, 0.0]]), None);
    }
}

#[test]
fn an_actor_that_cannot_choose_votes_hold() {
    for torn in [UNSURE, [5.0, 0.0, 5.0], [5.0, 5.0, 0.0], [0.0, 5.0, 5.0]] {
        let votes = votes(&[torn; 3]).expect("finite");
        assert_eq!(votes[0].action, Action::Hold, "{torn:?}");
    }
}

#[test]
fn tactical_weights_follow_the_synergy() {
    assert_eq!(tactical_weights(Some(1)), [0.5, 0.3, 0.2]);
    assert_eq!(tactical_weights(Some(2)), [0.4, 0.4, 0.2]);
    assert_eq!(tactical_weights(Some(3)), [0.3, 0.5, 0.2]);
    assert_eq!(tactical_weights(Some(4)), [0.35, 0.35, 0.3]);
    for other in [None, Some(0), Some(5)] {
        assert_eq!(tactical_weights(other), [0.33, 0.33, 0.34]);
    }
}

#[test]
fn a_level_of_one_mind_is_as_sure_as_its_actors_and_never_more() {
    let rows = [None, Some(1), Some(2), Some(3), Some(4)].map(tactical_weights);
    for weights in rows.into_iter().chain([STRATEGIC_WEIGHTS]) {
        let verdict = tally(&[vote(Action::Long, 1.0); 3], &weights);
        assert!(verdict.sure && verdict.vote.action == Action::Long);
        assert!((1.0 - 1e-12..=1.0).contains(&verdict.vote.confidence), "{weights:?}");
    }
}

#[test]
fn the_same_votes_carry_after_one_synergy_and_not_after_another() {
    // fvg and entry want long: 0.5 + 0.2 of the weight after type 1, 0.3 + 0.2 after type 3.
    let votes = [vote(Action::Long, 1.0), vote(Action::Hold, 1.0), vote(Action::Long, 1.0)];
    let after_1 = tally(&votes, &tactical_weights(Some(1)));
    assert_eq!((after_1.vote, after_1.sure), (vote(Action::Long, 0.7), true));
    let after_3 = tally(&votes, &tactical_weights(Some(3)));
    assert_eq!((after_3.vote, after_3.sure), (vote(Action::Hold, 0.5), false));
}

#[test]
fn the_threshold_itself_is_sure_enough() {
    let weights = [1.0, 0.0, 0.0];
    let at = |confidence| tally(&[vote(Action::Short, confidence); 3], &weights);
    assert_eq!((at(0.65).vote, at(0.65).sure), (vote(Action::Short, 0.65), true));
    let below = 0.65_f64.next_down();
    assert_eq!((at(below).vote, at(below).sure), (vote(Action::Hold, below), false));
}

#[test]
fn two_strategic_actors_of_three_need_almost_full_confidence() {
    let split = |confidence| {
        let two = vote(Action::Long, confidence);
        tally(&[two, two, vote(Action::Short, 1.0)], &STRATEGIC_WEIGHTS)
    };
    assert_eq!(split(0.98).vote.action, Action::Long);
    assert_eq!(split(0.97).vote.action, Action::Hold);
}

#[test]
fn the_tactical_level_acts_if_the_strategic_level_agrees_or_holds() {
    for action in [Action::Short, Action::Long] {
        for strategic in [sure(action), sure(Action::Hold), NOT_SURE] {
            let choice = act(strategic, sure(action));
            assert_eq!((choice.action, choice.confidence), (action, 0.9));
            assert_eq!(choice.reason, DecisionReason::None);
            assert_eq!(
                (choice.strategic, choice.tactical),
                (Some(strategic.vote), Some(vote(action, 0.9)))
            );
        }
    }
}

#[test]
fn opposite_levels_hold_and_say_that_they_disagree() {
    for (strategic, tactical) in [(Action::Short, Action::Long), (Action::Long, Action::Short)] {
        let choice = act(sure(strategic), sure(tactical));
        assert_eq!((choice.action, choice.reason), (Action::Hold, DecisionReason::Disagreement));
        assert_eq!(choice.tactical, Some(vote(tactical, 0.9)));
    }
}

#[test]
fn a_tactical_level_that_wants_to_hold_holds_whatever_the_strategic_level_wants() {
    for strategic in [sure(Action::Short), sure(Action::Hold), sure(Action::Long), NOT_SURE] {
        let choice = act(strategic, sure(Action::Hold));
        assert_eq!((choice.action, choice.confidence), (Action::Hold, 0.9));
        assert_eq!(choice.reason, DecisionReason::None);
        let choice = act(strategic, NOT_SURE);
        assert_eq!((choice.action, choice.reason), (Action::Hold, DecisionReason::BelowThreshold));
    }
}

#[test]
fn every_choice_is_one_that_the_engine_takes_as_it_is() {
    let mut agents = Agents::embedded();
    for seed in 0..200 {
        let choice = agents.decide(&Scene::new(seed).view());
        assert_eq!(choice.checked(), choice, "seed {seed}");
        assert!(choice.strategic.is_some() && choice.tactical.is_some());
    }
}

#[test]
fn actors_are_weighed_by_their_place_in_the_file() {
    // momentum alone wants long: half the weight after type 3, so with entry 0.7.
    let mut agents = agents_that_say([HOLD; 3], [SHORT, LONG, LONG]);
    let after = |kind| Scene::new(1).after_synergy(kind);
    assert_eq!(agents.decide(&after(3).view()).action, Action::Long);
    assert_eq!(agents.decide(&after(1).view()).action, Action::Hold);
    let choice = agents_that_say([SHORT; 3], [LONG; 3]).decide(&Scene::new(1).view());
    assert_eq!(choice.reason, DecisionReason::Disagreement);
    assert_eq!(choice.strategic.map(|vote| vote.action), Some(Action::Short));
}

#[test]
fn a_weight_that_is_no_number_holds_with_a_reason_wherever_it_is() {
    let untrained = Weights::untrained();
    for at in [0, 74_000, 86_984, 86_985, FLOATS - 1] {
        for odd in [f32::NAN, f32::INFINITY] {
            let mut values = untrained.values().to_vec();
            values[at] = odd;
            let weights = untrained.clone().with_values(values);
            let read = Weights::parse(&weights.to_bytes(), "w.bin").expect("read as it is");
            let mut agents = Agents::new(&read);
            let choice = agents.decide(&Scene::new(1).view());
            assert_eq!(choice, Choice::held(Fault::Weights.reason()), "float {at}");
            assert_ne!(choice.reason, DecisionReason::None);
        }
    }
}

#[test]
fn an_output_that_is_no_number_holds_with_a_reason() {
    // Finite weights whose products overflow.
    let values = vec![f32::MAX; FLOATS];
    let agents = Agents::new(&Weights::untrained().with_values(values));
    let scene = Scene::new(1);
    let fault = agents.choose(&scene.cells[0], &scene.cells[1], None).expect_err("overflow");
    assert_eq!(fault, Fault::Output);
    assert_ne!(fault.reason(), DecisionReason::None);
}

#[test]
fn a_cell_that_is_no_number_holds_with_a_reason() {
    let mut agents = Agents::embedded();
    for matrix in [0, 1] {
        let mut scene = Scene::new(1);
        *scene.cells[matrix].last_mut().expect("cells") = f32::NAN;
        assert_eq!(agents.decide(&scene.view()), Choice::held(Fault::Input.reason()));
    }
}

#[test]
fn a_matrix_of_another_shape_holds_with_a_reason() {
    let mut agents = Agents::embedded();
    for (matrix, cells) in [(0, 48 * 13), (0, 0), (1, 419), (1, 421), (0, 420)] {
        let mut scene = Scene::new(1);
        scene.cells[matrix].resize(cells, 0.5);
        let fault = agents.choose(&scene.cells[0], &scene.cells[1], None);
        assert_eq!(fault, Err(Fault::Shape));
        assert_eq!(agents.decide(&scene.view()), Choice::held(Fault::Shape.reason()));
    }
}

#[test]
fn other_weights_are_another_state() {
    let state = |agents: &Agents| {
        let mut digest = Digest::default();
        agents.digest(&mut digest);
        digest.finish()
    };
    let (one, same) = (Agents::embedded(), Agents::embedded());
    let other = agents_that_say([HOLD; 3], [HOLD; 3]);
    assert_eq!(one.code(), PolicyCode::Burn);
    assert_eq!((state(&one), one.weights()), (state(&same), same.weights()));
    assert_ne!((state(&one), one.weights()), (state(&other), other.weights()));
}
