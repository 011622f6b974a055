//! A rule of your own, run on the synthetic market and proved by a replay:
//! `cargo run --release --example own_policy`

use engine::indicators::Feature;
use engine::layout::Layout;
use engine::policy::{Action, Choice, Policies, Policy, View};
use engine::replay::{Options, replay};
use engine::run::{Order, run};
use engine::{Problem, config::Config, source::SourceConfig};

/// Fades what has moved more than a third of a percent in five fast bars, and lets a position go at that.
struct Fade {
    beyond_pct: f64,
}

impl Policy for Fade {
    fn name(&self) -> &'static str {
        "fade"
    }

    fn decide(&mut self, view: &View<'_>) -> Choice {
        match view.fast.get(Feature::PriceMomentum5) {
            Some(up) if up > self.beyond_pct => Choice::new(Action::Short, 0.7),
            Some(down) if down < -self.beyond_pct => Choice::new(Action::Long, 0.7),
            _ => Choice::HOLD,
        }
    }
}

fn main() -> Result<(), Problem> {
    let (config, spec) = (Config::default(), "synthetic:days=4,ticks=20000".to_string());
    let source = SourceConfig { name: "market".to_string(), ..SourceConfig::of(&spec) };
    let source = gateways::open(&source, &config.catalog())?;
    let dir = std::env::temp_dir().join(format!("own-policy-{}", std::process::id()));
    let fade = || Policies::own(Fade { beyond_pct: 0.3 });
    let layout = Layout::of(&config.host)?;
    let order = Order { policies: fade(), ..Order::new(config, layout, vec![source], dir.clone()) };
    let summary = run(order, |_| (), |_| ())?.summary;
    let proof = replay(&dir, Options::default(), |_| Ok(fade()), |_| ())?;
    let by_action: Vec<_> = summary.tally.decisions_by_action().collect();
    println!("{} decided {by_action:?}; replay verified: {}", summary.policy, proof.verified());
    println!("the journal is in {}", dir.display());
    Ok(())
}
