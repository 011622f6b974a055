//! The same inputs give the same bytes, however the machine is cut, sized, stepped and threaded.

use proptest::prelude::*;
use tests::market::{SYMBOLS, cell, listed, ns, steady_prints};
use tests::recording::Recording;
use tests::scene::Scene;
use tests::script::{Mix, scripts};
use tests::seeds::check_cases;

/// Fused, per stage, and groupings between: the handlers that begin a further group.
const CUTS: [&[usize]; 9] =
    [&[], &[1, 2, 3, 4, 5, 6, 7], &[1], &[4], &[6], &[7], &[2, 5, 6], &[3, 6, 7], &[1, 2, 6]];
const SLOTS: [usize; 5] = [2, 4, 8, 64, 1_024];

fn same(expected: &Recording, scene: &Scene, recording: &Recording) -> Result<(), TestCaseError> {
    let (cuts, slots, hesitation) = (&scene.cuts, scene.slots, scene.hesitation);
    let how = format!("cuts {cuts:?}, {slots} slots, hesitation {hesitation}");
    if let Some(difference) = expected.difference(recording) {
        return Err(TestCaseError::fail(format!("{how}: {difference}")));
    }
    prop_assert!(recording.tally.state_hash.is_some());
    prop_assert_eq!(expected.tally.state_hash, recording.tally.state_hash, "{}", how);
    prop_assert_eq!(expected.tally.seqs, recording.tally.seqs, "{}", how);
    Ok(())
}

/// A run over three checkpoints, with sessions of all calendars.
fn long_scene(records: usize) -> Scene {
    let instruments: Vec<_> = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let from = ns("2013-10-07T19:50:00Z");
    let prints = steady_prints(&instruments, records, from, 1_900_000_000);
    let mut sources = vec![Vec::new(), Vec::new(), Vec::new()];
    for (i, print) in prints.iter().enumerate() {
        sources[(i / 7) % 3].push(cell(print));
    }
    let mut scene = Scene::new(instruments, sources).timeframes(&[5, 60, 300, 1_800]).roles(5, 60);
    scene.semantic.drill.order_every = 5;
    scene
}

#[test]
fn every_grouping_ring_size_and_batch_boundary_gives_the_same_bytes() {
    check_cases("groupings of random markets", 250, &scripts(Mix::Prints, 120), |script| {
        let mut scene = script.scene();
        scene.slots = 64;
        scene.hesitation = 0;
        let expected = scene.record();
        for (i, cuts) in CUTS.into_iter().enumerate() {
            for (k, slots) in SLOTS.into_iter().enumerate() {
                scene.cuts = cuts.to_vec();
                scene.slots = slots;
                scene.hesitation = [0, 7 + i as u64][k % 2];
                same(&expected, &scene, &scene.record())?;
            }
        }
        Ok(())
    });
}

#[test]
fn every_grouping_gives_the_same_state_hashes_at_every_checkpoint() {
    let mut scene = long_scene(20_000);
    let expected = scene.record();
    let hashes = expected.all::<ringbuf_layout::StateHash>();
    assert!(hashes.len() >= 3, "{} state hashes", hashes.len());
    let checkpoints = hashes.iter().map(|hash| hash.head.seq % 10_000).collect::<Vec<_>>();
    assert!(checkpoints[..hashes.len() - 1].iter().all(|at| *at == 0), "{checkpoints:?}");
    for cuts in CUTS {
        for slots in SLOTS {
            (scene.cuts, scene.slots, scene.hesitation) = (cuts.to_vec(), slots, 3);
            same(&expected, &scene, &scene.record()).unwrap();
        }
    }
    println!("{} bytes, {} state hashes", expected.bytes.len(), hashes.len());
}

#[test]
fn a_thread_for_each_group_gives_the_same_bytes() {
    let mut scene = long_scene(20_000);
    let expected = scene.record();
    for (cuts, slots) in [
        (CUTS[1], 64),
        (CUTS[1], 2),
        (CUTS[6], 8),
        (CUTS[7], 1_024),
        (CUTS[3], 4),
        (CUTS[0], 4_096),
    ] {
        (scene.cuts, scene.slots) = (cuts.to_vec(), slots);
        same(&expected, &scene, &scene.record_on_threads()).unwrap();
    }
}

#[test]
fn records_in_memory_and_records_from_a_queue_give_the_same_bytes() {
    let mix = Mix::OrderedPrints;
    check_cases("memory against queue", 200, &scripts(mix, 200), |script| {
        let mut scene = script.scene();
        let expected = scene.record();
        scene.in_memory = true;
        same(&expected, &scene, &scene.record())
    });
}
