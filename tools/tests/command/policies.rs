//! Who decides: the agents in shadow by default, their weights in the journal, and what happens with weights that
//! are none.

use crate::support::{Place, SMALL};
use marl::{Agents, Weights};

/// Bars of seconds: matrices are ready after an hour.
fn config(policy: &str, venue: &str) -> String {
    format!(
        "[semantic.bars]\ntimeframes_s = [5, 60]\n[semantic.synergy]\nfast_s = 5\nslow_s = 60\n\
         [semantic.policy]\n{policy}\n{venue}\n[host]\nsegment_mib = 1\n"
    )
}

fn place(policy: &str) -> Place {
    let place = Place::new();
    place.write("c.toml", &config(policy, ""));
    place
}

fn run(place: &Place) -> serde_json::Value {
    place.json(&format!("run -c c.toml --source {SMALL} --journal J"))
}

/// The weights of a file, every number replaced.
fn weights_of(value: f32) -> Weights {
    let count = Weights::untrained().values().len();
    Weights::untrained().with_values(vec![value; count])
}

#[test]
fn the_agents_run_in_shadow_untrained_and_act_on_nothing() {
    let shadowed = place("");
    let json = run(&shadowed);
    assert_eq!(
        (json["policy"].as_str(), json["shadow"].as_str()),
        (Some("rule"), Some("burn UNTRAINED"))
    );
    let decisions = shadowed.frames("J", "decision");
    assert!(decisions.len() > 500);
    assert!(decisions.iter().all(|d| d["shadow"] != "255" && d["policy"] == "1"));
    // The shadow sees and says something: its confidence differs from one decision to the next.
    assert!(
        decisions.windows(2).any(|two| two[0]["shadow_confidence"] != two[1]["shadow_confidence"])
    );
    let alone = place("shadow = \"none\"");
    let other = run(&alone);
    for key in ["decisions_by_action", "orders", "fills", "equity"] {
        assert_eq!(json[key], other[key], "{key}");
    }
    let proof = shadowed.json("replay J");
    assert_eq!((&proof["verified"], &proof["state_hash"]), (&true.into(), &json["state_hash"]));
    assert_eq!(proof["shadow"], "burn UNTRAINED");
}

#[test]
fn a_replay_takes_the_weights_from_the_journal_and_says_when_they_are_gone() {
    let place = place("weights = \"mine.gmw\"");
    std::fs::write(place.path("mine.gmw"), Weights::untrained().to_bytes()).expect("a file");
    let json = run(&place);
    std::fs::remove_file(place.path("mine.gmw")).expect("our own file");
    assert_eq!(place.json("replay J")["verified"], true);
    let object =
        place.path("J/objects").join(journal::objects::hex(&Weights::untrained().sha256()));
    assert!(place.run("journal verify J").code == Some(0) && object.exists());
    std::fs::remove_file(&object).expect("our own file");
    let said = place.run("replay J");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("objects"), "{}", said.err);
    assert_eq!(place.run("journal verify J").code, Some(1), "an object that is gone is a finding");
    // The decisions are in the journal: everything else can still be proved.
    let trusted = place.json("replay J --trust-decisions");
    assert_eq!((&trusted["verified"], &trusted["state_hash"]), (&true.into(), &json["state_hash"]));
}

#[test]
fn decisions_of_the_agents_replay_and_can_be_trusted() {
    let place = place("decide = \"burn\"\nshadow = \"none\"");
    let json = run(&place);
    assert_eq!(json["policy"], "burn UNTRAINED");
    for line in ["replay J", "replay J --trust-decisions"] {
        let proof = place.json(line);
        assert_eq!(
            (&proof["verified"], &proof["state_hash"]),
            (&true.into(), &json["state_hash"]),
            "{line}"
        );
    }
}

#[test]
fn weights_that_are_not_numbers_hold_with_a_reason_and_order_nothing() {
    let place = place("decide = \"burn\"\nweights = \"nan.gmw\"");
    std::fs::write(place.path("nan.gmw"), weights_of(f32::NAN).to_bytes()).expect("a file");
    let json = run(&place);
    let decisions = json["decisions"].as_u64().expect("a count");
    assert!(decisions > 500);
    assert_eq!(
        (&json["decisions_by_action"]["hold"], &json["orders"]),
        (&decisions.into(), &0.into())
    );
    let said = place.run("journal export J --record decision --format csv -o -");
    let reasons = said.out.lines().filter(|line| line.contains(",weights_not_finite,"));
    assert_eq!(reasons.count() as u64, decisions);
    assert_eq!(place.json("replay J")["verified"], true);
}

#[test]
fn an_output_that_is_not_a_number_holds_with_a_reason() {
    // Finite weights whose sums are not.
    let place = place("decide = \"burn\"\nweights = \"huge.gmw\"");
    std::fs::write(place.path("huge.gmw"), weights_of(f32::MAX).to_bytes()).expect("a file");
    let json = run(&place);
    let said = place.run("journal export J --record decision --format csv -o -");
    let reasons =
        said.out.lines().filter(|line| line.contains(",output_not_finite,")).count() as u64;
    assert_eq!(Some(reasons), json["decisions"].as_u64());
    assert_eq!(json["orders"], 0);
}

#[test]
fn weights_that_are_missing_damaged_or_of_something_else_are_refused_at_the_start() {
    let good = Weights::untrained().to_bytes();
    let mut flipped = good.clone();
    flipped[100_000] ^= 1;
    let cut = good[..good.len() - 4].to_vec();
    let other = |from: &str, to: &str| mended(&good, from, to);
    let features =
        format!("\"features\":\"{}\"", marl::features::hash_of(&marl::features::description()));
    for (bytes, words) in [
        (None, "cannot read the weights"),
        (Some(Vec::new()), "do not begin like a weights file"),
        (Some(b"PK\x03\x04".to_vec()), "do not begin like a weights file"),
        (Some(flipped), "SHA-256"),
        (Some(cut), "SHA-256"),
        (Some(other(&features, "\"features\":\"0000\"")), "another feature list"),
        (Some(other("\"format\":1", "\"format\":2")), "format"),
        (Some(other("[384,64,64,3]", "[384,32,64,3]")), "another shape"),
    ] {
        let place = place("weights = \"bad.gmw\"");
        if let Some(bytes) = bytes {
            std::fs::write(place.path("bad.gmw"), bytes).expect("a file");
        }
        let said = place.run(&format!("run -c c.toml --source {SMALL} --journal J"));
        assert_eq!(said.code, Some(2), "{words}: {}", said.err);
        for word in [words, "bad.gmw", "error: ", "where: ", "do: "] {
            assert!(said.err.contains(word), "no {word} in {}", said.err);
        }
        assert!(!place.path("J").exists(), "{words}: nothing was made");
        let checked = place.run("config check c.toml");
        assert_eq!(checked.code, Some(1), "{words}: {}", checked.out);
        assert!(checked.out.contains(words), "{words}: {}", checked.out);
    }
}

#[test]
fn a_pipe_and_a_directory_are_no_weights_and_nobody_waits_for_them() {
    let place = place("weights = \"odd\"");
    let line = format!("run -c c.toml --source {SMALL} --journal J");
    let made = std::process::Command::new("mkfifo").arg(place.path("odd")).status();
    assert!(made.is_ok_and(|status| status.success()));
    let said = place.run(&line);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("not a regular file"), "{}", said.err);
    std::fs::remove_file(place.path("odd")).expect("our own file");
    std::fs::create_dir(place.path("odd")).expect("our own folder");
    assert_eq!(place.run(&line).code, Some(2));
}

/// A weights file with a changed manifest and the hash that fits it.
fn mended(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let line = bytes.iter().position(|byte| *byte == b'\n').expect("a manifest line");
    let manifest = std::str::from_utf8(&bytes[..line]).expect("text");
    assert!(manifest.contains(from), "{manifest}");
    let manifest = manifest.replacen(from, to, 1);
    let rest = [&manifest.as_bytes()[76..], &bytes[line..]].concat();
    let dir = tempfile::tempdir().expect("a folder");
    let hash = journal::objects::put(dir.path(), &rest).expect("an object");
    [&manifest.as_bytes()[..11], journal::objects::hex(&hash).as_bytes(), b"\"", &rest].concat()
}

#[test]
fn untrained_agents_do_not_decide_in_broker_mode() {
    let place = Place::new();
    let venue = "[semantic.venue]\nmode = \"broker\"";
    let text =
        config("decide = \"burn\"", venue).replace("[host]", "[host]\nbroker = \"recording\"");
    place.write("c.toml", &text);
    let line = format!("run -c c.toml --source {SMALL} --journal J");
    let said = place.run(&line);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("untrained weights do not decide in broker mode"), "{}", said.err);
    // Trained ones do: here, of zeros, which are never sure.
    let zeros = Weights::trained(1, vec![0.0; Weights::untrained().values().len()]);
    assert!(Agents::new(&zeros).is_trained());
    std::fs::write(place.path("zeros.gmw"), zeros.to_bytes()).expect("a file");
    place.write(
        "c.toml",
        &text.replace("decide = \"burn\"", "decide = \"burn\"\nweights = \"zeros.gmw\""),
    );
    let json = place.json(&line);
    assert_eq!((json["policy"].as_str(), json["orders"].as_u64()), (Some("burn"), Some(0)));
}

#[test]
fn a_config_that_lets_one_policy_decide_and_shadow_itself_is_refused() {
    let place = place("decide = \"burn\"\nshadow = \"burn\"");
    let said = place.run("config check c.toml");
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("burn decides already"), "{}", said.out);
}

#[test]
fn the_shown_hash_is_of_the_weights_and_not_of_where_they_lie() {
    let place = place("weights = \"a.gmw\"");
    for name in ["a.gmw", "b.gmw"] {
        std::fs::write(place.path(name), Weights::untrained().to_bytes()).expect("a file");
    }
    std::fs::write(place.path("other.gmw"), weights_of(1.0).to_bytes()).expect("a file");
    let hash = |weights: &str| {
        place.write("shown.toml", &config(&format!("weights = \"{weights}\""), ""));
        place.json("config show -c shown.toml")["semantic_hash"].clone()
    };
    assert_eq!(hash("a.gmw"), hash("b.gmw"));
    assert_eq!(hash("a.gmw"), hash("embedded"));
    assert_ne!(hash("a.gmw"), hash("other.gmw"));
}
