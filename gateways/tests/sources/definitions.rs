//! Definitions that a config takes from files: what they become, and what is refused.

use super::dbn_files::{ESH1, file, header};
use super::*;
use dbn::{InstrumentDefMsg, Schema, rtype};
use engine::config::Config;
use gateways::definitions;
use ringbuf_layout::Price;

const PROPERTIES: &str = "market,symbol,type,description,quote_currency,contract_multiplier,\
    minimum_price_variation,lot_size\n\n# a comment\ncme,NKD,future,Nikkei,USD,5.0,5.0,1.0\n\
    cme,6E,future,Euro,USD,125000.0,5e-05,1.0\ncme,6E,futureoption,Euro,USD,125000.0,5e-05,1.0\n\
    cme,NIY,future,Nikkei,JPY,500.0,5.0,1.0\n";

/// Tick and tick amount in 1e-9.
fn definition(symbol: &str, asset: &str, tick: i64, amount: i64) -> InstrumentDefMsg {
    let mut record = InstrumentDefMsg {
        hd: header::<InstrumentDefMsg>(rtype::INSTRUMENT_DEF, ESH1, 0),
        min_price_increment: tick,
        min_price_increment_amount: amount,
        instrument_class: b'F' as i8,
        ..InstrumentDefMsg::default()
    };
    let put = |field: &mut [i8], text: &str| {
        field.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte as i8);
    };
    put(&mut record.raw_symbol, symbol);
    put(&mut record.asset, asset);
    put(&mut record.exchange, "XCME");
    put(&mut record.currency, "USD");
    record
}

/// A config with these lines about a file of these bytes, resolved.
fn resolved(name: &str, bytes: &[u8], lines: &str) -> Result<Config, Problem> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let text = format!("[[semantic.instruments_from]]\nfile = \"{}\"\n{lines}\n", path.display());
    let mut config = Config::parse(&text, "test").unwrap();
    definitions::resolve(&mut config.semantic)?;
    Ok(config)
}

#[test]
fn what_files_say_is_as_if_it_had_been_written_and_hashes_alike() {
    let lines = "market = \"cme\"\nsymbols = [\"NKDH1\", \"6E.202103\"]\ncalendar = \"CMES\"\n\
                 fee_per_contract = \"1.5\"";
    let one = resolved("a.csv", PROPERTIES.as_bytes(), lines).unwrap();
    let other = resolved("another.csv", PROPERTIES.as_bytes(), lines).unwrap();
    assert_eq!(one.semantic_hash(), other.semantic_hash());
    let written = "[[semantic.instrument]]\nsymbol = \"NKDH1\"\ntick = \"5\"\nmultiplier = \"5\"\n\
                   fee_per_contract = \"1.5\"\ncalendar = \"CMES\"\n\
                   [[semantic.instrument]]\nsymbol = \"6E.202103\"\ntick = \"0.00005\"\n\
                   multiplier = \"125000\"\nfee_per_contract = \"1.5\"\ncalendar = \"CMES\"\n";
    let written = Config::parse(written, "test").unwrap();
    assert_eq!(one.semantic, written.semantic);
    assert_eq!(one.semantic_hash(), written.semantic_hash());
    let finer = PROPERTIES.replace("5e-05", "2.5e-05");
    let changed = resolved("a.csv", finer.as_bytes(), lines).unwrap();
    assert_ne!(one.semantic_hash(), changed.semantic_hash());
}

#[test]
fn a_written_definition_goes_before_a_files() {
    let lines = "market = \"cme\"\nsymbols = [\"NKDH1\"]\ncalendar = \"CMES\"\n\
                 [[semantic.instrument]]\nsymbol = \"NKDH1\"\ntick = \"1\"";
    let config = resolved("a.csv", PROPERTIES.as_bytes(), lines).unwrap();
    assert_eq!(config.semantic.instruments.len(), 1);
    assert_eq!(config.semantic.instruments[0].tick, Price(1_000_000_000));
}

#[test]
fn futures_of_a_dbn_file_bring_tick_multiplier_and_the_calendar_of_their_kind() {
    let records = [
        definition("ESH1", "ES", 250_000_000, 12_500_000_000),
        definition("6EH1", "6E", 50_000, 6_250_000_000),
        // The next day, the same.
        definition("ESH1", "ES", 250_000_000, 12_500_000_000),
        // An option: not asked for.
        InstrumentDefMsg {
            instrument_class: b'C' as i8,
            ..definition("ESH1 C3000", "ES", 50_000_000, 2_500_000_000)
        },
    ];
    let bytes = file(Schema::Definition, &records.each_ref().map(AsRef::as_ref));
    let config = resolved("a.dbn", &bytes, "").unwrap();
    let expected = ["6EH1", "ESH1"].map(|symbol| built_in(symbol).unwrap());
    assert_eq!(config.semantic.instruments, expected);
    let config = resolved("a.dbn", &bytes, "symbols = [\"esh1\"]").unwrap();
    assert_eq!(config.semantic.instruments, expected[1..]);
}

#[test]
fn a_definition_keeps_the_currency_of_its_file_and_takes_calendar_and_conditions_of_the_config() {
    let lines = "market = \"cme\"\nsymbols = [\"NIYH1\"]\ncalendar = \"OSAKA\"\nconditions = \"mine\"\n\
                 [[semantic.calendar]]\nname = \"OSAKA\"\nfile = \"hours.json\"\nentry = \"Future-cme-NIY\"\n\
                 [[semantic.condition_table]]\nname = \"mine\"\nno_price = [\"cash\"]\n";
    let config = resolved("a.csv", PROPERTIES.as_bytes(), lines).unwrap();
    let [def] = &config.semantic.instruments[..] else { panic!("one definition") };
    assert_eq!((def.currency.as_str(), def.calendar.as_str()), ("JPY", "OSAKA"));
    assert_eq!(def.no_price.to_string(), "cash");
}

#[test]
fn definitions_that_cannot_be_used_are_refused_by_name() {
    let csv = |lines: &str| {
        let lines = format!("market = \"cme\"\n{lines}");
        resolved("a.csv", PROPERTIES.as_bytes(), &lines).unwrap_err()
    };
    check_problem(&csv("symbols = [\"NKDH1\"]"), "when NKDH1 is traded", "a.csv", "calendar");
    check_problem(&csv("symbols = [\"XXH1\"]"), "no XXH1 in the market `cme`", "a.csv", "root");
    let option = csv("symbols = [\"6EH1\"]\ntype = \"futureoption\"");
    check_problem(&option, "no 6EH1", "a.csv", "type");
    let dbn = |records: &[InstrumentDefMsg], lines: &str| {
        let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
        resolved("a.dbn", &file(Schema::Definition, &records), lines).unwrap_err()
    };
    let es = definition("ESH1", "ES", 250_000_000, 12_500_000_000);
    let wider = definition("ESH1", "ES", 500_000_000, 25_000_000_000);
    let twice = dbn(&[es.clone(), wider], "");
    check_problem(&twice, "defined twice: tick 0.25 and 0.5", "a.dbn", "by hand");
    let absent = dbn(std::slice::from_ref(&es), "symbols = [\"NQH1\"]");
    check_problem(&absent, "does not define NQH1", "a.dbn", "raw symbols");
    let stepless = dbn(&[definition("ESH1", "ES", i64::MAX, 0)], "");
    check_problem(&stepless, "ESH1 has no smallest price step", "record 1", "file");
    let unknown = dbn(&[definition("XXH1", "XX", 1, 1)], "");
    check_problem(&unknown, "when XXH1 is traded", "a.dbn", "calendar");
    // Two files that define the same.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.dbn");
    std::fs::write(&path, file(Schema::Definition, &[es.as_ref()])).unwrap();
    let from = format!("[[semantic.instruments_from]]\nfile = \"{}\"\n", path.display());
    let mut config = Config::parse(&from.repeat(2), "test").unwrap();
    let problem = definitions::resolve(&mut config.semantic).unwrap_err();
    check_problem(&problem, "ESH1 is defined by two files", "a.dbn", "symbols");
}
