//! Prints a config: resolved text that reads back to itself, and a commented example.

use super::{BarPrice, Bars, Bracket, Config, InstrumentsFrom, Rate};
use crate::calendar::user::UserCalendar;
use crate::conditions::{self, ConditionTable};
use crate::instrument::InstrumentDef;
use crate::source::{Column, Columns, SourceConfig, Stamp, TimeUnit};
use ringbuf_layout::{Conditions, Money, Price};
use std::fmt::Write as _;

/// `grandmodel config init`: every key with its default and what it is for.
pub const TEMPLATE: &str = include_str!("template.toml");

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

fn line(out: &mut String, text: core::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("Invariant: a String takes all text");
    out.push('\n');
}

macro_rules! put {
    ($out:ident, $($arg:tt)*) => { line(&mut $out, format_args!($($arg)*)) };
}

impl Config {
    /// The resolved `[semantic]` part as TOML: what is hashed.
    pub fn semantic_text(&self) -> String {
        let s = &self.semantic;
        let mut out = String::new();
        bars(&mut out, &s.bars);
        let v = &s.validate;
        let reject: Vec<_> = v.reject.words().map(quoted).collect();
        put!(
            out,
            "[semantic.validate]\njump_pct = {:?}\nreorder_ms = {}",
            v.jump_pct,
            v.reorder_ms
        );
        put!(out, "stale_after_ms = {}\nreject = [{}]\n", v.stale_after_ms, reject.join(", "));
        put!(out, "[semantic.clock]\nheartbeat_ms = {}", s.clock.heartbeat_ms);
        put!(out, "bar_close_delay_ms = {}\n", s.clock.bar_close_delay_ms);
        put!(out, "[semantic.indicators]\nheikin_ashi = {}\n", s.indicators.heikin_ashi);
        let synergy = &s.synergy;
        put!(out, "[semantic.synergy]");
        // The roles are checked only where they are given: a config with other timeframes and no synergy
        // section must read back.
        if [synergy.slow_s, synergy.fast_s].iter().all(|t| s.bars.timeframes_s.contains(t)) {
            put!(out, "slow_s = {}\nfast_s = {}", synergy.slow_s, synergy.fast_s);
        }
        put!(
            out,
            "window_bars = {}\ncooldown_bars = {}\n",
            synergy.window_bars,
            synergy.cooldown_bars
        );
        let p = &s.policy;
        put!(
            out,
            "[semantic.policy]\ndecide = {}\nshadow = {}",
            quoted(&p.decide),
            quoted(&p.shadow)
        );
        put!(out, "weights = {}\n", quoted(&p.weights));
        let r = &s.risk;
        put!(out, "[semantic.risk]\nsize_pct_per_2atr = {:?}", r.size_pct_per_2atr);
        put!(out, "max_instrument_pct = {:?}", r.max_instrument_pct);
        put!(out, "max_gross_pct = {:?}", r.max_gross_pct);
        put!(out, "max_position_lots = {}", r.max_position_lots);
        put!(out, "daily_loss_pct = {:?}\n", r.daily_loss_pct);
        let bracket = if s.orders.bracket == Bracket::Atr { "atr" } else { "none" };
        put!(out, "[semantic.orders]\nbracket = \"{bracket}\"");
        put!(out, "stop_atr = {:?}\ntarget_atr = {:?}", s.orders.stop_atr, s.orders.target_atr);
        put!(out, "flat_at_close = {}", s.orders.flat_at_close);
        put!(out, "flat_before_close_s = {}\n", s.orders.flat_before_close_s);
        put!(
            out,
            "[semantic.venue]\nmode = {}\nlatency_ms = {}",
            quoted(&s.venue.mode),
            s.venue.latency_ms
        );
        put!(out, "slippage_ticks = {}\n", s.venue.slippage_ticks);
        let cash = Money(i128::from(s.account.cash));
        put!(out, "[semantic.account]\ncurrency = {}", quoted(&s.account.currency));
        put!(out, "cash = \"{cash}\"");
        s.rates.iter().for_each(|own| rate(&mut out, own));
        if s.drill.order_every > 0 {
            put!(out, "\n[semantic.drill]\norder_every = {}", s.drill.order_every);
        }
        s.calendars.iter().for_each(|own| calendar(&mut out, own));
        s.condition_tables.iter().for_each(|own| condition_table(&mut out, own));
        s.instruments.iter().for_each(|def| instrument(&mut out, def, &s.condition_tables));
        s.instruments_from
            .iter()
            .for_each(|from| instruments_from(&mut out, from, &s.condition_tables));
        out
    }

    /// The whole resolved config as TOML.
    pub fn text(&self) -> String {
        let mut out = self.semantic_text();
        self.sources.iter().for_each(|s| source(&mut out, s));
        let h = &self.host;
        put!(out, "\n[host]\nlayout = {}", quoted(&h.layout));
        if let Some(journal) = &h.journal {
            put!(out, "journal = {}", quoted(journal));
        }
        if let Some(broker) = &h.broker {
            put!(out, "broker = {}", quoted(broker));
        }
        put!(out, "order_max_age_ms = {}\negress_orders = {}", h.order_max_age_ms, h.egress_orders);
        put!(out, "drain_ms = {}\nfifo_priority = {}", h.drain_ms, h.fifo_priority);
        put!(out, "release = {}\nsync_interval_ms = {}", quoted(&h.release), h.sync_interval_ms);
        put!(out, "sync_backend = {}", quoted(&h.sync_backend));
        put!(out, "free_floor_mib = {}", h.free_floor_mib);
        put!(out, "retention = {}", quoted(&h.retention));
        put!(out, "retention_days = {}\nretention_gib = {}", h.retention_days, h.retention_gib);
        put!(out, "ring_slots = {}\nsegment_mib = {}", h.ring_slots, h.segment_mib);
        put!(out, "ready_segments = {}", h.ready_segments);
        out
    }
}

fn bars(out: &mut String, bars: &Bars) {
    let mut text = String::new();
    let price = match bars.price {
        BarPrice::Auto => "auto",
        BarPrice::Trade => "trade",
        BarPrice::Mid => "mid",
        BarPrice::External => "external",
    };
    put!(text, "[semantic.bars]\ntimeframes_s = {:?}", bars.timeframes_s);
    put!(text, "gap = {}\nprice = \"{price}\"", quoted(bars.gap.word()));
    // Left out where there are none: configs of before keep their hash.
    if !bars.extra.is_empty() {
        let extra: Vec<_> = bars.extra.iter().map(|bar| quoted(&bar.to_string())).collect();
        put!(text, "extra = [{}]", extra.join(", "));
    }
    put!(text, "");
    out.push_str(&text);
}

fn calendar(out: &mut String, own: &UserCalendar) {
    let mut text = String::new();
    put!(text, "\n[[semantic.calendar]]\nname = {}", quoted(&own.name));
    put!(text, "file = {}", quoted(&own.file));
    // Where the file is named by its content, that says it all.
    if !own.entry.is_empty() {
        put!(text, "entry = {}", quoted(&own.entry));
    }
    out.push_str(&text);
}

fn rate(out: &mut String, own: &Rate) {
    let mut text = String::new();
    put!(text, "\n[[semantic.rate]]\ncurrency = {}", quoted(&own.currency));
    put!(text, "symbol = {}\nmax_age_s = {}", quoted(&own.symbol), own.max_age_s);
    put!(text, "trade = {}", own.trade);
    out.push_str(&text);
}

fn condition_table(out: &mut String, own: &ConditionTable) {
    let mut text = String::new();
    let words: Vec<_> = own.no_price.words().map(quoted).collect();
    put!(text, "\n[[semantic.condition_table]]\nname = {}", quoted(&own.name));
    put!(text, "no_price = [{}]", words.join(", "));
    // Left out where there are none: configs of before keep their hash.
    if own.no_volume != Conditions::NONE {
        let words: Vec<_> = own.no_volume.words().map(quoted).collect();
        put!(text, "no_volume = [{}]", words.join(", "));
    }
    out.push_str(&text);
}

fn instrument(out: &mut String, def: &InstrumentDef, own: &[ConditionTable]) {
    let mut text = String::new();
    put!(text, "\n[[semantic.instrument]]\nsymbol = {}", quoted(&def.symbol));
    put!(text, "tick = \"{}\"\nmultiplier = \"{}\"", def.tick, Price(def.multiplier));
    put!(
        text,
        "size_precision = {}\nlot = \"{}\"",
        def.size_precision,
        def.lot.decimal(def.size_precision)
    );
    put!(text, "fee_per_contract = \"{}\"\ncurrency = {}", Price(def.fee), quoted(&def.currency));
    put!(text, "calendar = {}", quoted(&def.calendar));
    if let Some(table) = conditions::name_of([def.no_price, def.no_volume], own) {
        put!(text, "conditions = {}", quoted(&table));
    }
    out.push_str(&text);
}

fn instruments_from(out: &mut String, from: &InstrumentsFrom, own: &[ConditionTable]) {
    let mut text = String::new();
    put!(text, "\n[[semantic.instruments_from]]\nfile = {}", quoted(&from.file));
    for (key, value) in
        [("market", &from.market), ("type", &from.security_type), ("calendar", &from.calendar)]
    {
        if let Some(value) = value {
            put!(text, "{key} = {}", quoted(value));
        }
    }
    if !from.symbols.is_empty() {
        let symbols: Vec<_> = from.symbols.iter().map(|symbol| quoted(symbol)).collect();
        put!(text, "symbols = [{}]", symbols.join(", "));
    }
    if let Some(fee) = from.fee {
        put!(text, "fee_per_contract = \"{}\"", Price(fee));
    }
    if let Some(table) = conditions::name_of([from.no_price, from.no_volume], own) {
        put!(text, "conditions = {}", quoted(&table));
    }
    out.push_str(&text);
}

fn source(out: &mut String, source: &SourceConfig) {
    let mut text = String::new();
    put!(text, "\n[[source]]\nspec = {}\nname = {}", quoted(&source.spec), quoted(&source.name));
    let list =
        |words: Vec<String>| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
    if !source.symbols.is_empty() {
        put!(text, "symbols = [{}]", list(source.symbols.clone()));
    }
    if !source.rename.is_empty() {
        let pair = |(theirs, ours): (&String, &String)| format!("{theirs}={ours}");
        put!(text, "rename = [{}]", list(source.rename.iter().map(pair).collect()));
    }
    for (key, value) in [
        ("symbol", &source.symbol),
        ("price_scale", &source.price_scale),
        ("security", &source.security),
    ] {
        if let Some(value) = value {
            put!(text, "{key} = {}", quoted(value));
        }
    }
    if let Some(seconds) = source.quote_ttl_s {
        put!(text, "quote_ttl_s = {seconds}");
    }
    if let Some(front) = &source.front {
        put!(text, "front = \"volume\"");
        if let Some(first) = &front.first {
            put!(text, "front_first = {}", quoted(first));
        }
    }
    if let Some(columns) = &source.columns {
        columns_text(&mut text, columns, source.spec.starts_with("csv:"));
    }
    out.push_str(&text);
}

fn columns_text(out: &mut String, rows: &Columns, is_csv: bool) {
    let mut text = String::new();
    if is_csv {
        let delimiter = char::from(rows.delimiter).to_string();
        put!(text, "header = {}\ndelimiter = {}", rows.header, quoted(&delimiter));
    }
    if let Some(symbol) = &rows.symbol {
        put!(text, "symbol = {}", quoted(symbol));
    }
    if let Some((_, word)) = TimeUnit::WORDS.iter().find(|(unit, _)| *unit == rows.ts_unit) {
        put!(text, "ts_unit = \"{word}\"");
    }
    let formats: Vec<_> = rows.ts_formats.iter().map(|format| quoted(format)).collect();
    put!(text, "zone = {}\nts_format = [{}]", quoted(&rows.zone), formats.join(", "));
    put!(text, "price_scale = \"{}\"", rows.price_scale);
    if let Some(stamp) = rows.stamp {
        put!(text, "stamp = \"{}\"", if stamp == Stamp::Open { "open" } else { "close" });
    }
    if let Some(seconds) = rows.timeframe_s {
        put!(text, "timeframe_s = {seconds}");
    }
    put!(text, "[source.columns]");
    for (field, column) in &rows.columns {
        match column {
            Column::Name(name) => put!(text, "{field} = {}", quoted(name)),
            Column::Position(at) => put!(text, "{field} = {at}"),
        }
    }
    out.push_str(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_back(config: &Config) {
        let text = config.text();
        let again = Config::parse(&text, "test").unwrap_or_else(|p| panic!("{p}\n{text}"));
        assert_eq!(&again, config, "{text}");
        assert_eq!(again.semantic_hash(), config.semantic_hash());
    }

    /// Every section and key that is not written by default.
    const FULL: &str = r#"
            [semantic.bars]
            timeframes_s = [30, 180]
            gap = "carry"
            extra = ["tick:1000", "notional:2500.5"]
            price = "external"
            [semantic.validate]
            reject = ["jump", "off_grid"]
            [[semantic.calendar]]
            name = "MYCAL"
            file = "hours.json"
            entry = "Crypto-my-[*]"
            [[semantic.calendar]]
            name = "OTHER"
            file = "sha256:0000"
            [[semantic.instrument]]
            symbol = "OWN"
            tick = "0.01"
            calendar = "MYCAL"
            [[semantic.instrument]]
            symbol = "BTCUSDT"
            tick = "0.01"
            size_precision = 5
            lot = "0.00001"
            [[semantic.instruments_from]]
            file = "a \"b\".csv"
            market = "CME"
            type = "future"
            symbols = ["nkd.202103"]
            calendar = "CMES"
            fee_per_contract = "1.5"
            [[semantic.instruments_from]]
            file = "c.dbn.zst"
            [[source]]
            spec = "csv:a.csv"
            symbols = ["btcusdt", "ETHUSDT"]
            rename = ["xbt/usd = btcusdt"]
            [source.csv]
            symbol = "btcusdt"
            ts_unit = "text"
            zone = "America/New_York"
            ts_format = "%Y-%m-%d %H:%M:%S"
            columns = { ts_event = "time", price = 1, size = 2 }
            [[source]]
            spec = "csv:bars.csv"
            symbol = "btcusdt"
            ts_unit = "text"
            zone = "Asia/Jerusalem"
            ts_format = ["%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M"]
            stamp = "open"
            timeframe_s = 1800
            [source.columns]
            ts_event = "Timestamp"
            open = "Open"
            high = "High"
            low = "Low"
            close = "Close"
            volume = "Volume"
            [[source]]
            spec = "parquet:a.parquet"
            symbol = "btcusdt"
            columns = { ts_event = "time", price = "price", size = "amount" }
            [[source]]
            spec = "kraken:a.csv"
            symbol = "btcusdt"
            [[source]]
            spec = "lean-bar:a.zip"
            security = "equity"
            [host]
            journal = "a \"b\""
        "#;

    #[test]
    fn a_printed_config_reads_back_to_itself() {
        reads_back(&Config::default());
        reads_back(&Config::parse(FULL, "test").expect("valid"));
    }

    #[test]
    fn extra_bars_are_refused_where_they_say_nothing_or_are_too_many() {
        let extra = |list: &str| only(&format!("[semantic.bars]\nextra = [{list}]\n"));
        for wrong in ["tick", "tick:0", "tick:1.5", "volume:-1", "range:5", "tick:x", "notional:"] {
            let (key, what) = extra(&format!("\"{wrong}\""));
            assert_eq!(key, "semantic.bars.extra");
            assert!(what.contains(wrong) && what.contains("tick:N"), "{what}");
        }
        assert!(extra("\"tick:5\", \"tick:5\"").1.contains("twice"));
        let (_, what) = extra("\"tick:5\", \"tick:6\", \"tick:7\"");
        assert!(what.contains("at most 4 bars in all"), "{what}");
        assert_eq!(only("[semantic.bars]\ngap = \"flatt\"\n").0, "semantic.bars.gap");
    }

    #[test]
    fn the_example_is_the_default() {
        let example = Config::parse(TEMPLATE, "template").unwrap_or_else(|p| panic!("{p}"));
        assert_eq!(example.semantic, Config::default().semantic);
        assert_eq!(example.host, Config::default().host);
    }

    #[test]
    fn every_violation_is_listed_with_its_line_and_key() {
        let text = "[semantic.bars]\ntimeframe_s = [300]\n[host]\nring_slots = 1000\n\
                    layout = \"fusd\"\n[semantic.account]\ncash = 5.5\n[[source]]\nname = \"x\"\n";
        let violations = Config::check(text).expect_err("four mistakes");
        let found: Vec<_> = violations.iter().map(|v| (v.line, v.key.as_str())).collect();
        assert_eq!(
            found,
            [
                (2, "semantic.bars.timeframe_s"),
                (4, "host.ring_slots"),
                (5, "host.layout"),
                (7, "semantic.account.cash"),
                (8, "source[0].spec"),
            ]
        );
        assert!(violations[0].what.contains("did you mean semantic.bars.timeframes_s?"));
        assert!(violations[1].what.contains("power of two"));
        assert!(violations[2].what.contains("did you mean fused?"));
    }

    fn only(text: &str) -> (String, String) {
        let violations = Config::check(text).expect_err("a violation");
        assert_eq!(violations.len(), 1, "{violations:?}");
        (violations[0].key.clone(), violations[0].what.clone())
    }

    #[test]
    fn a_key_that_stands_twice_is_named() {
        let (key, what) = only("[semantic.account]\ncash = \"1\"\ncash = \"2\"\n");
        assert_eq!(key, "semantic.account.cash");
        assert!(what.starts_with("duplicate key"), "{what}");
        assert_eq!(only("[host]\n[semantic.bars]\n[host]\n").0, "host");
    }

    #[test]
    fn a_calendar_has_a_name_of_its_own_a_file_and_an_entry() {
        let calendar = |lines: &str| only(&format!("[[semantic.calendar]]\n{lines}\n"));
        let (key, what) = calendar("name = \"XNYS\"\nfile = \"f\"\nentry = \"e\"");
        assert_eq!(key, "semantic.calendar[0].name");
        assert!(what.contains("XNYS is built in"), "{what}");
        let long = "name = \"LONGER-THAN-RECORD\"\nfile = \"f\"\nentry = \"e\"";
        assert!(calendar(long).1.contains("1 to 16 characters"));
        assert_eq!(calendar("name = \"A\"\nentry = \"e\"").0, "semantic.calendar[0].file");
        assert_eq!(calendar("name = \"A\"\nfile = \"f\"").0, "semantic.calendar[0].entry");
        let object = "name = \"A\"\nfile = \"sha256:00\"\nentry = \"e\"";
        assert_eq!(calendar(object).0, "semantic.calendar[0].entry");
        let twice = "name = \"A\"\nfile = \"f\"\nentry = \"e\"\n";
        let (key, what) = calendar(&format!("{twice}[[semantic.calendar]]\n{twice}"));
        assert_eq!(
            (key.as_str(), what.as_str()),
            ("semantic.calendar[1].name", "A is defined twice")
        );
        let (key, what) =
            only("[[semantic.instrument]]\nsymbol = \"A\"\ntick = \"1\"\ncalendar = \"CMS\"\n");
        assert_eq!(key, "semantic.instrument[0].calendar");
        assert!(what.contains("did you mean \"CMES\"?"), "{what}");
    }

    #[test]
    fn a_table_of_conditions_reads_back_with_the_instruments_that_name_it() {
        let text = r#"
            [[semantic.condition_table]]
            name = "mine"
            no_price = ["odd_lot", "average_price"]
            no_volume = ["average_price"]
            [[semantic.instrument]]
            symbol = "OWN"
            tick = "0.01"
            conditions = "mine"
            [[semantic.instrument]]
            symbol = "SPY"
            tick = "0.01"
            conditions = "us-equities"
        "#;
        let config = Config::parse(text, "test").expect("valid");
        reads_back(&config);
        let no_price = |at: usize| config.semantic.instruments[at].no_price.words().count();
        assert_eq!((no_price(0), no_price(1)), (2, 9));
        let no_volume = |at: usize| config.semantic.instruments[at].no_volume.words().count();
        assert_eq!((no_volume(0), no_volume(1)), (1, 2));
    }

    #[test]
    fn a_table_of_conditions_has_a_name_of_its_own_and_known_conditions() {
        let table = |lines: &str| only(&format!("[[semantic.condition_table]]\n{lines}\n"));
        let (key, what) = table("name = \"us-equities\"\nno_price = [\"cash\"]");
        assert_eq!(key, "semantic.condition_table[0].name");
        assert!(what.contains("us-equities is defined already"), "{what}");
        assert_eq!(table("no_price = [\"cash\"]").0, "semantic.condition_table[0].name");
        assert_eq!(table("name = \"a\"").0, "semantic.condition_table[0].no_price");
        let (key, what) = table("name = \"a\"\nno_price = [\"cash\", \"odd_lots\"]");
        assert_eq!(key, "semantic.condition_table[0].no_price");
        assert!(what.contains("did you mean \"odd_lot\"?"), "{what}");
        let (key, what) = only(
            "[[semantic.instrument]]\nsymbol = \"A\"\ntick = \"1\"\nconditions = \"us-equity\"\n",
        );
        assert_eq!(key, "semantic.instrument[0].conditions");
        assert!(what.contains("did you mean \"us-equities\"?"), "{what}");
    }

    #[test]
    fn a_front_goes_by_volume_and_its_first_is_one_of_the_symbols() {
        let source = |lines: &str| format!("[[source]]\nspec = \"lean-trade:gc.zip\"\n{lines}\n");
        let (key, what) = only(&source("front = \"open-interest\""));
        assert_eq!(key, "source[0].front");
        assert!(what.contains("must be one of volume"), "{what}");
        let (key, what) = only(&source("front_first = \"GC.201312\""));
        assert_eq!(key, "source[0].front_first");
        assert!(what.contains("needs front = \"volume\""), "{what}");
        let symbols = "front = \"volume\"\nsymbols = [\"gc.201312\", \"gc.201402\"]\n";
        let (key, what) = only(&source(&format!("{symbols}front_first = \"gc.201313\"")));
        assert_eq!(key, "source[0].front_first");
        assert!(what.contains("GC.201312, GC.201402"), "{what}");
        assert!(what.contains("did you mean \"GC.201312\"?"), "{what}");
        let text = source(&format!("{symbols}front_first = \"gc.201402\""));
        let config = Config::parse(&text, "test").unwrap_or_else(|p| panic!("{p}"));
        let front = config.sources[0].front.clone().expect("it is followed");
        assert_eq!(front.first.as_deref(), Some("GC.201402"));
        reads_back(&config);
        reads_back(&Config::parse(&source("front = \"volume\""), "test").expect("valid"));
        assert_eq!(Config::parse(&source(""), "test").expect("valid").sources[0].front, None);
    }

    #[test]
    fn a_fee_below_zero_and_a_currency_that_is_none_are_refused() {
        let instrument = |line: &str| {
            only(&format!("[[semantic.instrument]]\nsymbol = \"A\"\ntick = \"0.01\"\n{line}\n"))
        };
        let (key, what) = instrument("fee_per_share = \"-1000000\"");
        assert_eq!(key, "semantic.instrument[0].fee_per_share");
        assert!(what.contains("must not be below 0"), "{what}");
        assert_eq!(
            instrument("fee_per_contract = \"-0.01\"").0,
            "semantic.instrument[0].fee_per_contract"
        );
        let (key, what) = instrument("currency = \"euro\"");
        assert_eq!(key, "semantic.instrument[0].currency");
        assert!(what.contains("three capital letters"), "{what}");
    }

    #[test]
    fn a_rate_is_of_one_foreign_currency_and_names_its_instrument() {
        let rate = |lines: &str| only(&format!("[[semantic.rate]]\n{lines}\n"));
        assert_eq!(rate("symbol = \"EURUSD\"").0, "semantic.rate[0].currency");
        assert_eq!(rate("currency = \"euro\"\nsymbol = \"EURUSD\"").0, "semantic.rate[0].currency");
        assert_eq!(rate("currency = \"EUR\"").0, "semantic.rate[0].symbol");
        let (key, what) = rate("currency = \"USD\"\nsymbol = \"A\"");
        assert_eq!(
            (key.as_str(), what.as_str()),
            ("semantic.rate[0].currency", "USD is the account's own")
        );
        let euro = "currency = \"EUR\"\nsymbol = \"eurusd\"\n";
        let (key, what) = rate(&format!("{euro}[[semantic.rate]]\n{euro}"));
        assert_eq!(
            (key.as_str(), what.as_str()),
            ("semantic.rate[1].currency", "EUR has a rate already")
        );
        let (key, what) = rate(&format!("{euro}max_age = 60"));
        assert_eq!(key, "semantic.rate[0].max_age");
        assert!(what.contains("max_age_s"), "{what}");
        let text = format!(
            "[[semantic.rate]]\n{euro}max_age_s = 60\ntrade = true\n\
             [[semantic.instrument]]\nsymbol = \"A\"\ntick = \"0.01\"\ncurrency = \"EUR\"\n"
        );
        let config = Config::parse(&text, "test").unwrap_or_else(|p| panic!("{p}"));
        let [rate] = &config.semantic.rates[..] else { panic!("one rate") };
        assert_eq!((rate.symbol.as_str(), rate.max_age_s, rate.trade), ("EURUSD", 60, true));
        reads_back(&config);
    }

    #[test]
    fn a_file_of_definitions_says_what_its_kind_needs() {
        let from = |lines: &str| only(&format!("[[semantic.instruments_from]]\n{lines}\n"));
        let csv = "file = \"a.csv\"\nsymbols = [\"ES\"]";
        assert_eq!(from(csv).0, "semantic.instruments_from[0].market");
        let csv = "file = \"a.csv\"\nmarket = \"cme\"";
        assert_eq!(from(csv).0, "semantic.instruments_from[0].symbols");
        let dbn = "file = \"a.dbn\"\nmarket = \"cme\"";
        assert_eq!(from(dbn).0, "semantic.instruments_from[0].market");
        assert_eq!(from("").0, "semantic.instruments_from[0].file");
    }

    #[test]
    fn a_config_that_cannot_decide_says_why() {
        let parse = |text: &str| Config::parse(text, "test").expect("valid");
        assert_eq!(Config::default().never_decides(), None);
        let why = parse("[semantic.bars]\ntimeframes_s = [5, 30]\n").never_decides();
        let why = why.expect("the default roles are not among them");
        assert!(why.contains("slow_s = 1800, fast_s = 300 not in"), "{why}");
        assert!(why.contains("set semantic.synergy slow_s and fast_s"), "{why}");
        let roles = "[semantic.bars]\ntimeframes_s = [5, 30]\n[semantic.synergy]\n";
        assert_eq!(parse(&format!("{roles}slow_s = 30\nfast_s = 5\n")).never_decides(), None);
        assert_eq!(parse(&format!("{roles}slow_s = 5\nfast_s = 5\n")).never_decides(), None);
        let (key, what) = only(&format!("{roles}slow_s = 5\nfast_s = 30\n"));
        assert_eq!(
            (key.as_str(), what.as_str()),
            ("semantic.synergy.slow_s", "5 is below fast_s = 30")
        );
    }

    #[test]
    fn what_a_source_declares_must_fit_its_format() {
        let source = |text: &str| only(&format!("[[source]]\n{text}\n"));
        let rows = "symbol = \"A\"\ncolumns = { ts_event = 0, open = 1, high = 2, low = 3, \
                    close = 4, volume = 5 }\n";
        let csv = format!("spec = \"csv:a\"\nts_unit = \"s\"\n{rows}");
        let (key, what) = source(&format!("{csv}stamp = \"open\""));
        assert_eq!(key, "source[0].timeframe_s");
        assert!(what.contains("guessed"), "{what}");
        assert_eq!(source(&format!("{csv}timeframe_s = 60")).0, "source[0].stamp");
        assert_eq!(source("spec = \"kraken:a\"\nzone = \"UTC\"").0, "source[0].zone");
        assert_eq!(source("spec = \"csv:a\"\nts_unit = \"s\"").0, "source[0].ts_unit");
        assert_eq!(source("spec = \"csv:a\"\nprice = \"x\"").0, "source[0].price");
        let parquet = format!("spec = \"parquet:a\"\nstamp = \"open\"\ntimeframe_s = 60\n{rows}");
        assert_eq!(source(&format!("{parquet}header = true")).0, "source[0].header");
        assert_eq!(source("spec = \"kraken:a\"\nprice_scale = \"1\"").0, "source[0].price_scale");
        assert_eq!(source("spec = \"csv:a\"\nsecurity = \"equity\"").0, "source[0].security");
        let ttl =
            |format: &str, seconds: u32| format!("spec = \"{format}:a\"\nquote_ttl_s = {seconds}");
        assert_eq!(source(&ttl("lean-trade", 1)).0, "source[0].quote_ttl_s");
        assert_eq!(source(&ttl("lean-quote", 0)).0, "source[0].quote_ttl_s");
        let quotes = format!("[[source]]\n{}\n", ttl("lean-quote", 30));
        reads_back(&Config::parse(&quotes, "test").expect("valid"));
        let scale = source("spec = \"databento-csv:a\"\nprice_scale = \"0\"");
        assert!(scale.1.contains("above 0"), "{scale:?}");
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let violations =
            Config::check("[semantic.bars]\ntimeframes_s = [300,,]\n").expect_err("syntax");
        assert_eq!((violations.len(), violations[0].line), (1, 2));
    }
}
