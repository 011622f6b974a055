//! Money of other currencies is converted at the closes that the journal holds, and at nothing else: a naive account that
//! reads only frames comes to the same equity, whatever the layout and wherever the run is cut.

use crate::snapshots::check_halves;
use engine::config::Config;
use engine::instrument::InstrumentDef;
use engine::manifest::Listed;
use engine::policy::{Action, Choice, Policies, Policy, View};
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Bar, Decision, Fill, InputCell, Portfolio, Price, Side};
use tests::halves::{go_on, inputs_of, play};
use tests::market::{ROUND_THE_CLOCK, cell, listed, ns, steady_prints};
use tests::recording::Recording;
use tests::scene::Scene;

/// Symbol, currency, tick, multiplier: prices go from 4,000 to 6,000 ticks, so a euro costs 0.88 to 1.32 dollars, and a
/// dollar 120 to 180 yen.
const INSTRUMENTS: [(&str, &str, i64, i64); 4] = [
    ("EURUSD", "USD", PRICE_ONE * 22 / 100_000, PRICE_ONE),
    ("FDXM", "EUR", PRICE_ONE, 5 * PRICE_ONE),
    ("USDJPY", "JPY", PRICE_ONE * 3 / 100, PRICE_ONE),
    ("7203", "JPY", PRICE_ONE / 2, PRICE_ONE),
];
const EURO: usize = 0;
const YEN: usize = 2;
const RATES: &str = "[[semantic.rate]]\ncurrency = \"EUR\"\nsymbol = \"EURUSD\"\n\
                     [[semantic.rate]]\ncurrency = \"JPY\"\nsymbol = \"USDJPY\"\n";

/// Changes sides every other minute.
struct Swing;

impl Policy for Swing {
    fn name(&self) -> &'static str {
        "swing"
    }

    fn decide(&mut self, view: &View<'_>) -> Choice {
        let is_even = (view.ts / 120_000_000_000) % 2 == 0;
        Choice::new(if is_even { Action::Long } else { Action::Short }, 1.0)
    }
}

fn scene(prints: usize) -> Scene {
    let instruments: Vec<Listed> = INSTRUMENTS
        .iter()
        .map(|(symbol, currency, tick, multiplier)| {
            let plain = listed(ROUND_THE_CLOCK, false);
            let def = InstrumentDef {
                symbol: (*symbol).into(),
                currency: (*currency).into(),
                tick: Price(*tick),
                multiplier: *multiplier,
                size_precision: 0,
                fee: PRICE_ONE / 4,
                ..plain.def
            };
            Listed { def, ..plain }
        })
        .collect();
    let prints = steady_prints(&instruments, prints, ns("2024-01-08T00:00:00Z"), 250_000_000);
    let prints: Vec<InputCell> = prints.iter().map(cell).collect();
    let mut scene = Scene::new(instruments, vec![prints]).timeframes(&[5, 30]).roles(5, 30);
    let config = Config::parse(RATES, "a test").unwrap_or_else(|problem| panic!("{problem}"));
    scene.semantic.rates = config.semantic.rates;
    scene.policies(|| Policies::own(Swing))
}

/// One instrument of the naive account: average cost in floats.
#[derive(Clone, Copy, Default)]
struct Naive {
    quantity: f64,
    average: f64,
    mark: f64,
    close: f64,
}

/// An account out of frames alone.
struct NaiveAccount {
    rows: [Naive; 4],
    realized: f64,
}

impl NaiveAccount {
    fn worth(&self, instrument: usize) -> f64 {
        match INSTRUMENTS[instrument].1 {
            "EUR" => self.rows[EURO].close,
            "JPY" => 1.0 / self.rows[YEN].close,
            _ => 1.0,
        }
    }

    fn points(instrument: usize) -> f64 {
        INSTRUMENTS[instrument].3 as f64 / 1e9
    }

    fn fill(&mut self, fill: &Fill) {
        let number = fill.tail.instrument as usize;
        let sign = if fill.tail.side == Side::Sell as u8 { -1.0 } else { 1.0 };
        let (quantity, price) = (sign * fill.qty.0 as f64, fill.price.0 as f64 / 1e9);
        let worth = self.worth(number);
        let row = &mut self.rows[number];
        let closed = if row.quantity * quantity < 0.0 {
            row.quantity.abs().min(quantity.abs())
        } else {
            0.0
        };
        let profit = (price - row.average) * closed * row.quantity.signum() * Self::points(number);
        self.realized += (profit - fill.fee.0 as f64 / 1e9) * worth;
        let (left, opened) = (row.quantity.abs() - closed, quantity.abs() - closed);
        if opened > 0.0 {
            row.average = (row.average * left + price * opened) / (left + opened);
        }
        row.quantity += quantity;
        row.mark = price;
    }

    fn equity(&self) -> f64 {
        let open = (0..4).map(|i| {
            let row = &self.rows[i];
            (row.mark - row.average) * row.quantity * Self::points(i) * self.worth(i)
        });
        1_000_000.0 + self.realized + open.filter(|money| !money.is_nan()).sum::<f64>()
    }
}

#[test]
fn a_naive_account_that_reads_only_frames_comes_to_the_same_equity() {
    let recording = scene(40_000).record();
    let mut naive = NaiveAccount { rows: [Naive::default(); 4], realized: 0.0 };
    let (mut accounts, mut of_rates) = (0, 0);
    for frame in recording.frames() {
        if let Some(bar) = frame.get::<Bar>() {
            let row = &mut naive.rows[bar.tail.instrument as usize];
            (row.close, row.mark) = (bar.close.0 as f64 / 1e9, bar.close.0 as f64 / 1e9);
        } else if let Some(fill) = frame.get::<Fill>() {
            naive.fill(&fill);
        } else if let Some(account) = frame.get::<Portfolio>() {
            let equity = account.equity.0 as f64 / 1e9;
            // A rounding a fill and a valuation, and those of floats.
            assert!((equity - naive.equity()).abs() < 1e-4, "{equity} is not {}", naive.equity());
            accounts += 1;
            let number = account.tail.instrument as usize;
            of_rates += usize::from(number == EURO || number == YEN);
        }
    }
    assert!(accounts > 1_000 && of_rates > 300, "{accounts} accounts, {of_rates} by a rate");
    // The rates themselves are not traded; what is in other currencies is, both ways.
    let decided: Vec<u32> = recording.all::<Decision>().iter().map(|d| d.tail.instrument).collect();
    assert!(decided.contains(&1) && decided.contains(&3) && !decided.iter().any(|i| i % 2 == 0));
    for instrument in [1, 3] {
        let fills = recording.all::<Fill>().into_iter().filter(|f| f.tail.instrument == instrument);
        assert!(fills.count() > 10);
    }
    // Both sides of what the limits allow: 200,000 dollars each, in their own currency.
    let exposure = recording.tally.account.expect("there is one").exposure.0 as f64 / 1e9;
    let held = [1, 3].map(|i| {
        let row = naive.rows[i];
        row.quantity.abs() * row.mark * NaiveAccount::points(i) * naive.worth(i)
    });
    let held: f64 = held.iter().sum();
    assert!((exposure - held).abs() < 1e-4, "{exposure} is not {held}");
    assert!((100_000.0..500_000.0).contains(&held), "{held}");
}

#[test]
fn no_layout_and_no_cut_changes_what_money_is_worth() {
    let scene = scene(12_000);
    let whole = scene.record();
    for cuts in [vec![1, 5], vec![1, 2, 3, 4, 5, 6, 7]] {
        let other: Recording = Scene { cuts, hesitation: 7, ..scene.clone() }.record();
        assert_eq!(whole.difference(&other), None);
    }
    let inputs = inputs_of(&whole);
    for at in (1..8).map(|i| i * inputs.len() / 8) {
        let (first, image) = play(&scene, None, &inputs[..at]);
        let second = go_on(&scene, &image, &inputs[..at]);
        check_halves(&whole, &first, &second)
            .unwrap_or_else(|error| panic!("cut at {at}: {error}"));
        let of = |recording: &Recording| recording.tally.account.map(|a| (a.equity, a.exposure));
        assert_eq!(of(&second), of(&whole), "cut at {at}");
    }
}
