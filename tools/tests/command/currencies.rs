//! A run of instruments in two currencies: what is missing is named, and the money comes again in a replay, in a run that
//! goes on, and out of the journal.

use crate::support::Place;

const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [5, 30]\n[semantic.synergy]\nfast_s = 5\nslow_s = 30\n\
                      [semantic.drill]\norder_every = 40\n[semantic.policy]\nshadow = \"none\"\n\
                      [host]\nsegment_mib = 1\n\
                      [[semantic.instrument]]\nsymbol = \"EURUSD\"\ntick = \"0.0001\"\n\
                      [[semantic.instrument]]\nsymbol = \"SAP\"\ntick = \"0.01\"\ncurrency = \"EUR\"\nfee_per_share = \"0.01\"\n";
const RATE: &str = "[[semantic.rate]]\ncurrency = \"EUR\"\nsymbol = \"EURUSD\"\n";

fn source(symbols: &str) -> String {
    format!(
        "[[source]]\nspec = \"csv:rows.csv\"\nname = \"rows\"\n{symbols}[source.csv]\nts_unit = \"ms\"\n\
         columns = {{ ts_event = \"ts\", symbol = \"symbol\", price = \"price\", size = \"size\" }}\n"
    )
}

/// A print of each in turn, four a second; the euro rises from 1.10.
fn rows(from: u64, to: u64) -> String {
    let row = |i: u64| {
        let ts = 1_704_700_000_000 + i * 250;
        if i.is_multiple_of(2) {
            format!("{ts},EURUSD,1.{:04},1\n", 1_000 + i / 20)
        } else {
            format!("{ts},SAP,{}.{:02},10\n", 150 + i % 3, i * 7 % 100)
        }
    };
    format!("ts,symbol,price,size\n{}", (from..to).map(row).collect::<String>())
}

fn place() -> Place {
    let place = Place::new();
    place.write("rows.csv", &rows(0, 8_000));
    place.write("fx.toml", &format!("{CONFIG}{RATE}{}", source("")));
    place
}

/// The last account record of a journal, as a row by column.
fn last_account(place: &Place, journal: &str) -> Vec<String> {
    let said = place.run(&format!("journal export {journal} --record portfolio --format csv -o -"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.out.lines().last().unwrap_or_default().split(',').map(str::to_string).collect()
}

#[test]
fn what_is_missing_of_a_rate_is_named_before_anything_runs() {
    let place = place();
    let refused = |name: &str, text: &str, expected: &[&str]| {
        place.write(name, text);
        let said = place.run(&format!("run -c {name} --journal NONE"));
        assert_eq!(said.code, Some(2), "{name}: {}", said.err);
        for word in expected {
            assert!(said.err.contains(word), "{name}: {word}: {}", said.err);
        }
        assert!(!place.path("NONE").exists(), "{name}");
    };
    let without = format!("{CONFIG}{}", source(""));
    refused("a.toml", &without, &["SAP is in EUR", "add [[semantic.rate]] currency = \"EUR\""]);
    let chosen = format!("{CONFIG}{RATE}{}", source("symbols = [\"SAP\"]\n"));
    refused("b.toml", &chosen, &["no source delivers EURUSD", "--symbols"]);
    let third = CONFIG.replace("tick = \"0.0001\"\n", "tick = \"0.0001\"\ncurrency = \"CHF\"\n");
    let chf = RATE.replace("EUR\"", "CHF\"");
    let text = format!("{third}{RATE}{chf}{}", source(""));
    refused("c.toml", &text, &["EURUSD is no pair of CHF and USD", "CHFUSD or USDCHF"]);
    // A pair whose currency was forgotten, one of other currencies, a share as its own rate.
    let yen = CONFIG.replace("EUR\"", "JPY\"").replace("EURUSD", "USDJPY");
    let rate = |currency: &str, symbol: &str| {
        format!("[[semantic.rate]]\ncurrency = \"{currency}\"\nsymbol = \"{symbol}\"\n")
    };
    let text = format!("{yen}{}{}", rate("JPY", "USDJPY"), source(""));
    refused("d.toml", &text, &["quoted in JPY by its name, and in USD", "currency = \"JPY\""]);
    let yen = CONFIG.replace("EUR\"", "JPY\"");
    let text = format!("{yen}{}{}", rate("JPY", "EURUSD"), source(""));
    refused("e.toml", &text, &["EURUSD is no pair of JPY and USD"]);
    let text = format!("{CONFIG}{}{}", rate("EUR", "SAP"), source(""));
    refused("f.toml", &text, &["SAP is in EUR itself and no pair", "USDEUR"]);
    // All symbols of a source are contracts of its future, so the rate has to come from another.
    let fronts = format!("{CONFIG}{RATE}{}", source("front = \"volume\"\n"));
    refused("g.toml", &fronts, &["EURUSD is a rate and a contract of a future", "`symbols`"]);
    let said = place.run("run -c fx.toml --symbols SAP --journal NONE");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("no source delivers EURUSD"), "{}", said.err);
}

#[test]
fn money_of_two_currencies_is_the_same_in_a_replay_and_out_of_a_journal_and_a_run_goes_on_with_it()
{
    let place = place();
    let whole = place.json("run -c fx.toml --journal WHOLE");
    assert!(whole["fills"].as_u64() > Some(20), "{}", whole["fills"]);
    assert_eq!(place.json("replay WHOLE")["verified"], true);
    assert_eq!(place.json("replay WHOLE")["state_hash"], whole["state_hash"]);
    let account = last_account(&place, "WHOLE");

    // In two halves, the second from the snapshot of the first.
    place.write("rows.csv", &rows(0, 3_000));
    place.json("run -c fx.toml --journal HALVES");
    place.write("rest.csv", &rows(3_000, 8_000));
    let rest = format!("{CONFIG}{RATE}{}", source("")).replace("rows.csv", "rest.csv");
    place.write("rest.toml", &rest.replace("name = \"rows\"", "name = \"rest\""));
    let rest = place.json("run -c rest.toml --journal HALVES");
    assert_eq!(place.json("replay HALVES")["verified"], true);
    assert!(rest["fills"].as_u64() > Some(10));
    // What is held or working is counted by this rate, also where another config would be accepted.
    let other =
        format!("{CONFIG}{}", source("")).replace("EURUSD", "EURX").replace("rows.csv", "rest.csv");
    let other = format!("{other}[[semantic.rate]]\ncurrency = \"EUR\"\nsymbol = \"EURX\"\n");
    place.write("other.toml", &other);
    place.write("rest.csv", &rows(8_000, 9_000).replace("EURUSD", "EURX"));
    let said = place.run("run -c other.toml --journal HALVES --accept-change");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("EUR is converted by EURUSD, and the config says so no more"),
        "{}",
        said.err
    );

    // Out of the journal.
    let again = place.json("run -c fx.toml --source journal:WHOLE --journal AGAIN");
    for key in ["fills", "realized_pnl", "unrealized_pnl", "equity", "exposure", "state_hash"] {
        assert_eq!(again[key], whole[key], "{key}");
    }
    assert_eq!(last_account(&place, "AGAIN"), account);
}

#[test]
fn a_rate_that_fills_its_gaps_is_as_old_as_its_last_price() {
    let place = Place::new();
    // The euro falls silent after a minute; the share goes on for ten.
    let row = |i: u64| {
        let ts = 1_704_700_000_000 + i * 250;
        let euro = if i < 240 { format!("{ts},EURUSD,1.1000,1\n") } else { String::new() };
        format!("{euro}{ts},SAP,150.{:02},1000\n", i * 7 % 100)
    };
    let text: String = (0..2_400).map(row).collect();
    place.write("rows.csv", &format!("ts,symbol,price,size\n{text}"));
    let fills = |gap: &str, max_age_s: u32| {
        let bars = format!("timeframes_s = [5, 30]\ngap = \"{gap}\"\n");
        let config = CONFIG.replace("timeframes_s = [5, 30]\n", &bars);
        place.write("fx.toml", &format!("{config}{RATE}max_age_s = {max_age_s}\n{}", source("")));
        place.json(&format!("run -c fx.toml --journal {gap}-{max_age_s}"))["fills"]
            .as_u64()
            .unwrap()
    };
    for gap in ["none", "flat", "carry"] {
        let (short, long) = (fills(gap, 10), fills(gap, 86_400));
        assert!(short > 3 && long > 5 * short, "{gap}: {short} and {long}");
    }
}
