//! Deciding starts no thread: Burn's pools are not built in.

mod support;

use engine::policy::Policy;
use marl::Agents;
use support::Scene;

/// The only test here: others would have threads of their own.
#[test]
fn agents_start_no_thread() {
    let threads = || std::fs::read_dir("/proc/self/task").expect("Linux").count();
    let before = threads();
    let mut agents = Agents::embedded();
    let scene = Scene::new(1);
    for _ in 0..100 {
        agents.decide(&scene.view());
    }
    assert_eq!(threads(), before);
}
