//! Calendars of a user: from a file into the journal, and what happens with files that are none.

use crate::support::Place;

const HOURS: &str = r#"{ "entries": { "Crypto-my-[*]": { "exchangeTimeZone": "UTC",
    "monday": [ { "start": "09:00:00", "end": "17:00:00", "state": "market" } ] } } }"#;

fn place() -> Place {
    let place = Place::new();
    place.write(
        "c.toml",
        "[[semantic.calendar]]\nname = \"MYCAL\"\nfile = \"hours.json\"\nentry = \"Crypto-my-[*]\"\n\
         [[semantic.instrument]]\nsymbol = \"X\"\ntick = \"0.01\"\ncalendar = \"MYCAL\"\n\
         [[source]]\nspec = \"csv:x.csv\"\n[source.csv]\nsymbol = \"X\"\nts_unit = \"s\"\n\
         columns = { ts_event = \"t\", price = \"p\", size = \"s\" }\n[host]\nsegment_mib = 1\n",
    );
    // 2024-02-05, a Monday, from 16:59 UTC on.
    place.write("x.csv", "t,p,s\n1707152340,5.00,1\n1707152401,5.01,1\n");
    place
}

#[test]
fn a_calendar_goes_with_its_journal() {
    let place = place();
    place.write("hours.json", HOURS);
    let shown = place.run("config show -c c.toml");
    assert!(shown.out.contains("file = \"hours.json\""), "{}", shown.out);
    assert!(shown.out.contains("# XNYS: holidays and half days to the day from 2005 to 2026"));
    let run = place.json("run -c c.toml --journal J");
    assert_eq!(run["rejected"]["closed_session"], 1, "{run}");
    std::fs::remove_file(place.path("hours.json")).expect("our own file");
    let proof = place.json("replay J");
    assert_eq!((&proof["verified"], &proof["state_hash"]), (&true.into(), &run["state_hash"]));
    assert_eq!(place.run("journal verify J").code, Some(0));
}

#[test]
fn a_calendar_that_cannot_be_read_is_refused_at_the_start() {
    for (hours, words) in [
        (None, "cannot read the calendar's file"),
        (Some("{"), "not valid JSON"),
        (Some("{ \"entries\": { \"Crypto-my-X\": {} } }"), "did you mean \"Crypto-my-X\"?"),
    ] {
        let place = place();
        if let Some(hours) = hours {
            place.write("hours.json", hours);
        }
        let said = place.run("run -c c.toml --journal J");
        assert_eq!(said.code, Some(2), "{words}: {}", said.err);
        for word in [words, "hours.json", "error: ", "where: ", "do: "] {
            assert!(said.err.contains(word), "no {word} in {}", said.err);
        }
        assert!(!place.path("J").exists(), "{words}: nothing was made");
        let checked = place.run("config check c.toml");
        assert_eq!(checked.code, Some(1), "{words}: {}", checked.out);
        assert!(checked.out.contains("semantic.calendar"), "{words}: {}", checked.out);
    }
}
