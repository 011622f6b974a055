//! `journal diff`: two journals side by side.

use crate::support::{Place, SMALL};

#[test]
fn two_runs_of_the_same_market_do_not_differ_though_their_clocks_do() {
    let place = Place::new().with_small_config();
    place.small_run("A");
    place.json(&format!("run -c small.toml --source {SMALL} --layout per-stage:yield --journal B"));
    let said = place.run("journal diff A B");
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("difference none"), "{}", said.out);
    let json = place.json("journal diff A B");
    assert_eq!(json["first_difference"], serde_json::Value::Null);
    let trades = &json["records"]["trade"];
    assert!(trades["a"] == trades["b"] && trades["a"].as_u64() > Some(10_000), "{trades}");
}

#[test]
fn the_first_difference_is_named_with_what_it_came_to() {
    let place = Place::new();
    let config = |slippage: u32| {
        format!(
            "[semantic.bars]\ntimeframes_s = [5, 60]\n[semantic.synergy]\nfast_s = 5\nslow_s = 60\n\
             [semantic.venue]\nslippage_ticks = {slippage}\n[host]\nsegment_mib = 1\n"
        )
    };
    for (name, slippage) in [("A", 1), ("B", 3)] {
        place.write("c.toml", &config(slippage));
        place.json(&format!("run -c c.toml --source {SMALL} --journal {name}"));
    }
    let said = place.run("journal diff A B --json");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let json = said.json();
    let first = &json["first_difference"];
    assert_eq!(first["stage"], "oms", "{first}");
    assert_eq!(first["field"], "price of the order", "{first}");
    // Bought higher or sold lower by two ticks, and the same fills otherwise.
    assert_ne!(first["a"], first["b"]);
    let fills = place.frames("A", "fill");
    // The order event that a fill brings carries its price, and comes before it.
    assert_eq!(fills[0]["seq"].to_string().trim_matches('"'), first["seq"].to_string());
    assert_ne!(json["account"]["equity"]["a"], json["account"]["equity"]["b"]);
    assert_ne!(json["semantic_hash"]["a"], json["semantic_hash"]["b"]);
    let text = place.run("journal diff A B").out;
    assert!(text.contains("first at sequence") && text.contains("portfolio"), "{text}");
}

#[test]
fn a_journal_that_ends_earlier_lacks_the_next_record() {
    let place = Place::new().with_small_config();
    place.small_run("A");
    place
        .json("run -c small.toml --source synthetic:days=1,ticks=20000 --symbols SYN1 --journal B");
    let json = place.run("journal diff A B --json").json();
    assert_eq!(json["first_difference"]["stage"], "input", "{json}");
    assert_eq!(place.run("journal diff A missing").code, Some(2));
}
