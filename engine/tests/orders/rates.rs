//! Money of other currencies: converted where it becomes the account's, at the newest close of the rate, and not before.

use crate::bench::{Bench, Brought, CENT, Decided, EVEN, HOLD, LONG, def};
use engine::accounting::{Account, Rates, Terms, Worth};
use engine::config::Config;
use engine::instrument::InstrumentDef;
use engine::state::{Codec, State};
use proptest::prelude::*;
use ringbuf_layout::names::RiskReasons;
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Portfolio, Risk};

const MILLION: i128 = 1_000_000 * PRICE_ONE as i128;
/// A dollar account; the rate is two days old at most.
const EUROS: &str =
    "[[semantic.rate]]\ncurrency = \"EUR\"\nsymbol = \"EURUSD\"\nmax_age_s = 172800\n";
const DAY_MS: i64 = 86_400_000;
/// Numbers of the instruments below.
const RATE: u32 = 0;
const SHARE: u32 = 1;

fn in_euros(symbol: &str) -> InstrumentDef {
    InstrumentDef { currency: "EUR".into(), ..def(symbol) }
}

fn bench(config: &str) -> Bench {
    Bench::with(&format!("{EVEN}{EUROS}{config}"), &[def("EURUSD"), in_euros("SHARE")])
}

/// A bar of the rate closes at so many cents.
fn rate(bench: &mut Bench, cents: i64) -> Brought {
    bench.bar_of(RATE, Decided { action: HOLD, close: cents * CENT, atr: Some(CENT) })
}

/// A bar of the share closes at so many cents, with a wish.
fn share(bench: &mut Bench, action: u8, cents: i64) -> Brought {
    bench.bar_of(SHARE, Decided { action, close: cents * CENT, atr: Some(100 * CENT) })
}

fn only(brought: &Brought) -> Risk {
    assert_eq!(brought.risks.len(), 1);
    brought.risks[0]
}

fn money(account: &Portfolio) -> [String; 4] {
    [account.realized_pnl, account.unrealized_pnl, account.cash, account.equity]
        .map(|m| m.to_string())
}

#[test]
fn nothing_is_opened_before_the_first_close_of_the_rate_nor_once_it_is_too_old() {
    let mut bench = bench("");
    let denied = |risk: Risk| (risk.approved, RiskReasons(risk.reason).to_string());
    assert_eq!(denied(only(&share(&mut bench, LONG, 10_000))), (0, "no_rate".into()));
    // A price between two closes is not a rate yet.
    bench.print_of(RATE, 1, 80, 1);
    assert_eq!(denied(only(&share(&mut bench, LONG, 10_000))), (0, "no_rate".into()));
    rate(&mut bench, 80);
    let risk = only(&share(&mut bench, LONG, 10_000));
    // 200,000 dollars are 250,000 euros.
    assert_eq!((risk.approved, risk.target.0, risk.rate_instrument), (1, 2_500, RATE + 1));
    assert_eq!(bench.print_of(SHARE, 1, 10_000, 999).trades(), [(999, 10_000)]);
    // Two days and a moment later only the way out is left.
    bench.now += 2 * DAY_MS * 1_000_000;
    let risk = only(&share(&mut bench, LONG, 10_000));
    assert_eq!(denied(risk), (0, "no_rate".into()));
    let out = only(&share(&mut bench, 0, 10_000));
    assert_eq!((out.approved, out.target.0), (1, 0));
    rate(&mut bench, 81);
    assert_eq!(only(&share(&mut bench, LONG, 10_000)).approved, 1);
}

#[test]
fn a_profit_is_converted_when_it_is_realised_and_an_open_one_at_each_close_of_the_rate() {
    let mut bench = bench("[semantic.risk]\nmax_position_lots = 10\n");
    rate(&mut bench, 100);
    share(&mut bench, LONG, 10_000);
    bench.print_of(SHARE, 1, 10_000, 10);
    // Ten bought at 100: the foreign money is owed, so at the same price the rate changes nothing but the cash.
    assert_eq!(money(&bench.account()), ["0", "0", "999000", "1000000"]);
    let account = rate(&mut bench, 120).accounts[0];
    assert_eq!(account.tail.instrument, RATE);
    assert_eq!(money(&account), ["0", "0", "998800", "1000000"]);
    // Ten euros a piece: 100 at 1.20, and at 1.25.
    assert_eq!(money(&share(&mut bench, HOLD, 11_000).accounts[0])[1], "120");
    assert_eq!(money(&rate(&mut bench, 125).accounts[0])[1], "125");
    assert_eq!(rate(&mut bench, 125).accounts, [], "nothing moved");
    // Sold at 111: 110 euros at 1.25, which later rates leave alone.
    share(&mut bench, 0, 11_000);
    bench.print_of(SHARE, 1, 11_100, 10);
    assert_eq!(money(&bench.account()), ["137.5", "0", "1000137.5", "1000137.5"]);
    assert_eq!(rate(&mut bench, 200).accounts, [], "nothing is held");
    assert_eq!(bench.portfolio.account().equity(), MILLION + 1_375 * MILLION / 10_000_000);
}

#[test]
fn the_others_count_in_the_accounts_currency() {
    let config = "[semantic.risk]\nmax_gross_pct = 40.0\n";
    let defs = [def("EURUSD"), in_euros("SHARE"), def("HOME")];
    let mut bench = Bench::with(&format!("{EVEN}{EUROS}{config}"), &defs);
    rate(&mut bench, 200);
    share(&mut bench, LONG, 10_000);
    assert_eq!(bench.print_of(SHARE, 1, 10_000, 9_999).trades(), [(1_000, 10_000)]);
    let home = Decided { action: LONG, close: 10_000 * CENT, atr: Some(100 * CENT) };
    let risk = only(&bench.bar_of(2, home));
    assert_eq!((risk.gross.to_string().as_str(), risk.target.0), ("200000", 2_000));
    assert_eq!((risk.at_risk.to_string().as_str(), risk.rate_instrument), ("4000", 0));
}

#[test]
fn a_drill_waits_for_the_rate_and_leaves_it_alone() {
    let config = "[semantic.drill]\norder_every = 1\n";
    let mut bench = bench(config);
    assert_eq!(share(&mut bench, HOLD, 10_000).events, []);
    assert_eq!(rate(&mut bench, 100).events, []);
    assert_eq!(share(&mut bench, HOLD, 10_000).orders().len(), 1);
}

/// Rates as a stage has them, told of three instruments: the rate, one in its currency, one at home.
fn rates(config: &str, rate_currency: &str) -> Rates {
    let config = Config::parse(config, "a test").unwrap_or_else(|p| panic!("{p}"));
    let mut rates = Rates::new(&config.semantic, 3);
    let by = InstrumentDef { currency: rate_currency.into(), ..def("EURUSD") };
    for (number, def) in (0..).zip([by, in_euros("SHARE"), def("HOME")]) {
        rates.define(&def.record(number, 0, 0));
    }
    rates
}

#[test]
fn an_instrument_in_the_other_currency_counts_as_one_over_its_price() {
    let mut direct = rates(EUROS, "USD");
    assert!(direct.on_close(0, 1_250_000_000, 7) && !direct.on_close(1, 5, 8));
    let mut inverse = rates(EUROS, "EUR");
    assert!(inverse.on_close(0, 800_000_000, 7) && !inverse.on_close(0, 800_000_000, 9));
    for rates in [&direct, &inverse] {
        assert_eq!(rates.worth(1).unwrap().convert(100), Some(125));
        assert_eq!(rates.worth(2), Some(Worth::ONE));
        assert_eq!([rates.rate_of(1), rates.rate_of(2)], [Some(0), None]);
        assert!(rates.is_only_a_rate(0) && !rates.is_only_a_rate(1));
    }
    // The rate in the other currency is itself converted by its own close.
    assert_eq!(inverse.worth(0), inverse.worth(1));
    assert!(!rates(&format!("{EUROS}trade = true\n"), "USD").is_only_a_rate(0));
}

#[test]
fn rates_come_back_from_their_bytes_and_an_account_in_another_currency_does_not_take_them() {
    let saved = |rates: &mut Rates| {
        let mut bytes = Vec::new();
        rates.state(&mut Codec::save(&mut bytes)).unwrap();
        bytes
    };
    let mut before = rates(EUROS, "USD");
    before.on_close(0, 1_100_000_000, 7);
    let bytes = saved(&mut before);
    let load = |config: &str| {
        let config = Config::parse(config, "a test").unwrap_or_else(|p| panic!("{p}"));
        let mut rates = Rates::new(&config.semantic, 3);
        rates.state(&mut Codec::load(&bytes)).map(|()| rates).map_err(|e| e.to_string())
    };
    let after = load(EUROS).unwrap();
    assert_eq!(after.worth(1), before.worth(1));
    assert_eq!(after.fresh_worth(1, 7 + 3 * DAY_MS * 1_000_000), None);
    // By another instrument, or by none, what is held could not be counted until that one has a price.
    for config in [EUROS.replace("EURUSD", "HOME"), String::new()] {
        let refused = load(&config).unwrap_err();
        assert_eq!(refused, "EUR is converted by EURUSD, and the config says so no more");
    }
    // Another currency may get a rate.
    let francs = "[[semantic.rate]]\ncurrency = \"CHF\"\nsymbol = \"USDCHF\"\n";
    assert_eq!(load(&format!("{francs}{EUROS}")).unwrap().worth(1), before.worth(1));
    let yen = load(&format!("[semantic.account]\ncurrency = \"JPY\"\n{EUROS}")).unwrap_err();
    assert!(yen.contains("USD") && yen.contains("JPY"), "{yen}");
}

type Step = (i64, i64, i64, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// At a rate that never moves, an account in dollars is the account in euros times the rate: two roundings a fill at
    /// most lie between them. Whatever the rate does, equity moves by the open profit times its change.
    #[test]
    fn an_account_is_the_same_account_in_another_currency(
        price in 1_000_000_i64..100_000_000_000,
        steps in proptest::collection::vec(
            (-40_i64..=40, 1_i64..2_000_000_000_000, 0_i64..5_000_000_000, any::<bool>()), 1..40,
        ),
        moved in 1_000_000_i64..100_000_000_000,
    ) {
        let terms = Terms { multiplier: 25 * PRICE_ONE, size_one: 1 };
        let mut euros = Account::new(0, 3);
        let mut dollars = Account::with_rates(0, rates(EUROS, "USD"), 3);
        euros.define(1, terms);
        dollars.define(1, terms);
        dollars.on_close(0, price, 1);
        let worth = Worth::times(price).unwrap();
        let steps: Vec<Step> = steps;
        for (done, (signed, at, fee, is_fill)) in (1_i128..).zip(steps) {
            if is_fill && signed != 0 {
                euros.fill(1, signed, at, fee.into()).unwrap();
                dollars.fill(1, signed, at, fee.into()).unwrap();
            } else {
                euros.mark(1, at).unwrap();
                dollars.on_close(1, at, 1);
            }
            let expected = worth.convert(euros.equity()).unwrap();
            prop_assert!((dollars.equity() - expected).abs() <= done + 1, "{} of {}", dollars.equity(), expected);
        }
        let (before, open) = (dollars.equity(), euros.sums().unrealized);
        let held = euros.position(1).quantity != 0;
        prop_assert_eq!(dollars.on_close(0, moved, 2), held && moved != price);
        let after = Worth::times(moved).unwrap().convert(open).unwrap() - worth.convert(open).unwrap();
        prop_assert_eq!(dollars.equity() - before, after);
        prop_assert_eq!(dollars.refused(), 0);
    }
}
