//! Reads each section: its keys, bounds and defaults.

use super::read_source;
use super::walk::{Section, Walk, nearest};
use super::{
    Account, BarPrice, Bars, Bracket, Clock, Config, Drill, Host, Indicators, InstrumentsFrom,
    Orders, Policy, RING_SLOTS_MAX, Rate, Risk, Semantic, Synergy, Validate, Venue,
};
use crate::bars::{ExtraBar, Gap};
use crate::calendar;
use crate::calendar::user::{NAME_MAX, OBJECT, UserCalendar};
use crate::conditions::{self, ConditionTable};
use crate::instrument::{FEE_PER_CONTRACT, FEE_PER_SHARE, InstrumentDef, SYMBOL_MAX};
use crate::layout::{Cores, Layout};
use crate::pipeline::HANDLERS;
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::{PRICE_DIGITS, PRICE_ONE};
use ringbuf_layout::{Conditions, Price, Reasons, Size};
use toml_edit::Document;

pub(super) const DAY_S: i64 = 86_400;

pub(super) fn config<'t>(walk: &Walk<'t>, document: &'t Document<String>) -> Config {
    let mut root = walk.root(document);
    let mut semantic_section = root.section(walk, "semantic");
    let semantic = semantic(walk, &mut semantic_section);
    semantic_section.finish(walk);
    let host = host(walk, root.section(walk, "host"));
    let sources =
        root.sections(walk, "source").into_iter().map(|s| read_source::source(walk, s)).collect();
    root.finish(walk);
    Config { semantic, host, sources }
}

fn semantic<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> Semantic {
    let bars = bars(walk, s.section(walk, "bars"));
    let validate = validate(walk, s.section(walk, "validate"));
    let clock = clock(walk, s.section(walk, "clock"));
    let indicators = indicators(walk, s.section(walk, "indicators"));
    let synergy = synergy(walk, s.section(walk, "synergy"), &bars);
    let policy = policy(walk, s.section(walk, "policy"));
    let risk = risk(walk, s.section(walk, "risk"));
    let orders = orders(walk, s.section(walk, "orders"));
    let venue = venue(walk, s.section(walk, "venue"));
    let account = account(walk, s.section(walk, "account"));
    let rates = rates(walk, s, &account);
    let drill = drill(walk, s.section(walk, "drill"));
    let calendars = calendars(walk, s);
    let condition_tables = condition_tables(walk, s);
    let own = (&calendars[..], &condition_tables[..]);
    let mut instruments: Vec<InstrumentDef> = Vec::new();
    for mut section in s.sections(walk, "instrument") {
        if let Some(def) = instrument(walk, &mut section, own) {
            if instruments.iter().any(|other| other.symbol == def.symbol) {
                section.violate(walk, "symbol", format!("{} is defined twice", def.symbol));
            }
            instruments.push(def);
        }
        section.finish(walk);
    }
    let from = s.sections(walk, "instruments_from");
    let instruments_from = from.into_iter().map(|s| instruments_from(walk, s, own)).collect();
    Semantic {
        bars,
        validate,
        clock,
        indicators,
        synergy,
        policy,
        risk,
        orders,
        venue,
        account,
        rates,
        drill,
        calendars,
        condition_tables,
        instruments,
        instruments_from,
    }
}

fn bars<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Bars {
    let list = s.whole_list(walk, "timeframes_s").unwrap_or_else(|| vec![300, 1_800]);
    let ascending = list.windows(2).all(|pair| pair[0] < pair[1]);
    let in_bounds = list.iter().all(|t| (1..=DAY_S).contains(t));
    if list.is_empty() || list.len() > TIMEFRAMES_MAX || !ascending || !in_bounds {
        let what =
            format!("must be 1 to {TIMEFRAMES_MAX} ascending lengths of 1 to {DAY_S} seconds");
        s.violate(walk, "timeframes_s", what);
    }
    let words = Gap::WORDS.map(|(word, _)| word);
    let gap = s.word(walk, "gap", &words).unwrap_or_default();
    let gap = Gap::WORDS.into_iter().find(|(word, _)| *word == gap).map(|(_, gap)| gap);
    let extra = extra_bars(walk, &mut s, TIMEFRAMES_MAX.saturating_sub(list.len()));
    let price = match s.word(walk, "price", &["auto", "trade", "mid", "external"]).as_deref() {
        Some("trade") => BarPrice::Trade,
        Some("mid") => BarPrice::Mid,
        Some("external") => BarPrice::External,
        _ => BarPrice::Auto,
    };
    s.finish(walk);
    Bars {
        timeframes_s: list.into_iter().map(|t| t as u32).collect(),
        gap: gap.unwrap_or_default(),
        extra,
        price,
    }
}

/// Bars that no length in time ends, for which so many places are left.
fn extra_bars<'t>(walk: &Walk<'t>, s: &mut Section<'t>, places: usize) -> Vec<ExtraBar> {
    let mut extra: Vec<ExtraBar> = Vec::new();
    for text in s.text_list(walk, "extra").unwrap_or_default() {
        match ExtraBar::parse(&text) {
            Ok(bar) if extra.contains(&bar) => {
                s.violate(walk, "extra", format!("{bar} stands there twice"));
            }
            Ok(bar) => extra.push(bar),
            Err(what) => s.violate(walk, "extra", what),
        }
    }
    if extra.len() > places {
        let what = format!("with timeframes_s there may be at most {TIMEFRAMES_MAX} bars in all");
        s.violate(walk, "extra", what);
    }
    extra
}

fn validate<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Validate {
    let mut reject = Reasons::NONE;
    for word in s.text_list(walk, "reject").unwrap_or_default() {
        match Reasons::parse(&word) {
            Some(reason) => reject = reject.with(reason),
            None => s.violate(walk, "reject", format!("\"{word}\" is not a reason")),
        }
    }
    let validate = Validate {
        jump_pct: s.number(walk, "jump_pct", 0.001..=1_000.0).unwrap_or(5.0),
        reorder_ms: s.whole(walk, "reorder_ms", 0..=60_000).unwrap_or(0),
        stale_after_ms: s.whole(walk, "stale_after_ms", 1..=DAY_S * 1_000).unwrap_or(5_000),
        reject,
    };
    s.finish(walk);
    validate
}

fn clock<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Clock {
    let clock = Clock {
        heartbeat_ms: s.whole(walk, "heartbeat_ms", 1..=3_600_000).unwrap_or(1_000),
        bar_close_delay_ms: s.whole(walk, "bar_close_delay_ms", 0..=60_000).unwrap_or(250),
    };
    s.finish(walk);
    clock
}

fn indicators<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Indicators {
    let indicators = Indicators { heikin_ashi: s.boolean(walk, "heikin_ashi").unwrap_or(true) };
    s.finish(walk);
    indicators
}

fn synergy<'t>(walk: &Walk<'t>, mut s: Section<'t>, bars: &Bars) -> Synergy {
    let synergy = Synergy {
        slow_s: s.whole(walk, "slow_s", 1..=DAY_S).unwrap_or(1_800) as u32,
        fast_s: s.whole(walk, "fast_s", 1..=DAY_S).unwrap_or(300) as u32,
        window_bars: s.whole(walk, "window_bars", 1..=1_000).unwrap_or(10) as u32,
        cooldown_bars: s.whole(walk, "cooldown_bars", 0..=1_000).unwrap_or(5) as u32,
    };
    for (key, timeframe) in [("slow_s", synergy.slow_s), ("fast_s", synergy.fast_s)] {
        if s.is_set(key) && !bars.timeframes_s.contains(&timeframe) {
            s.violate(walk, key, format!("{timeframe} is not in semantic.bars.timeframes_s"));
        }
    }
    if (s.is_set("slow_s") || s.is_set("fast_s")) && synergy.slow_s < synergy.fast_s {
        let what = format!("{} is below fast_s = {}", synergy.slow_s, synergy.fast_s);
        s.violate(walk, "slow_s", what);
    }
    s.finish(walk);
    synergy
}

fn policy<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Policy {
    let decide = s.word(walk, "decide", &["rule", "burn"]).unwrap_or_else(|| "rule".into());
    let other = if decide == "burn" { "rule" } else { "burn" };
    let shadow = s.word(walk, "shadow", &["burn", "rule", "none"]);
    let shadow = shadow.unwrap_or_else(|| other.into());
    if shadow == decide {
        s.violate(walk, "shadow", format!("{decide} decides already: \"{other}\" or \"none\""));
    }
    let weights = s.text(walk, "weights").unwrap_or_else(|| "embedded".into());
    if weights.is_empty() {
        s.violate(walk, "weights", "is empty: \"embedded\", or the path of a weights file");
    }
    let policy = Policy { decide, shadow, weights };
    s.finish(walk);
    policy
}

fn risk<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Risk {
    let risk = Risk {
        size_pct_per_2atr: s.number(walk, "size_pct_per_2atr", 0.0..=100.0).unwrap_or(0.5),
        max_instrument_pct: s.number(walk, "max_instrument_pct", 0.0..=1_000.0).unwrap_or(20.0),
        max_gross_pct: s.number(walk, "max_gross_pct", 0.0..=10_000.0).unwrap_or(200.0),
        max_position_lots: s
            .whole(walk, "max_position_lots", 0..=1_000_000_000)
            .unwrap_or(1_000_000),
        daily_loss_pct: s.number(walk, "daily_loss_pct", 0.0..=100.0).unwrap_or(5.0),
    };
    s.finish(walk);
    risk
}

fn orders<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Orders {
    let orders = Orders {
        bracket: match s.word(walk, "bracket", &["none", "atr"]).as_deref() {
            Some("atr") => Bracket::Atr,
            _ => Bracket::None,
        },
        stop_atr: s.number(walk, "stop_atr", 0.001..=1_000.0).unwrap_or(2.0),
        target_atr: s.number(walk, "target_atr", 0.001..=1_000.0).unwrap_or(3.0),
        flat_at_close: s.boolean(walk, "flat_at_close").unwrap_or(false),
        flat_before_close_s: s.whole(walk, "flat_before_close_s", 1..=DAY_S).unwrap_or(60),
    };
    s.finish(walk);
    orders
}

fn venue<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Venue {
    let venue = Venue {
        mode: s.word(walk, "mode", &["paper", "broker"]).unwrap_or_else(|| "paper".into()),
        latency_ms: s.whole(walk, "latency_ms", 0..=60_000).unwrap_or(1),
        slippage_ticks: s.whole(walk, "slippage_ticks", 0..=1_000).unwrap_or(1),
    };
    s.finish(walk);
    venue
}

fn drill<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Drill {
    let drill =
        Drill { order_every: s.whole(walk, "order_every", 0..=1_000_000_000).unwrap_or(0) as u64 };
    s.finish(walk);
    drill
}

fn account<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Account {
    let currency = s.text(walk, "currency").unwrap_or_else(|| "USD".into());
    if !is_currency(&currency) {
        s.violate(walk, "currency", "must be three capital letters");
    }
    let cash = s.decimal(walk, "cash", PRICE_DIGITS).unwrap_or(1_000_000 * PRICE_ONE);
    if cash < 0 {
        s.violate(walk, "cash", "must not be below 0");
    }
    s.finish(walk);
    Account { currency, cash }
}

fn rates<'t>(walk: &Walk<'t>, s: &mut Section<'t>, account: &Account) -> Vec<Rate> {
    let mut rates: Vec<Rate> = Vec::new();
    for mut section in s.sections(walk, "rate") {
        let rate = rate(walk, &mut section);
        if rate.currency.is_empty() {
            // Said already.
        } else if rate.currency == account.currency {
            let what = format!("{} is the account's own", rate.currency);
            section.violate(walk, "currency", what);
        }
        if !rate.currency.is_empty() && rates.iter().any(|other| other.currency == rate.currency) {
            let what = format!("{} has a rate already", rate.currency);
            section.violate(walk, "currency", what);
        }
        rates.push(rate);
        section.finish(walk);
    }
    rates
}

fn rate<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> Rate {
    // Over a long weekend the currency market is closed for three days.
    const MAX_AGE_S: i64 = 4 * DAY_S;
    let currency = s.text(walk, "currency").unwrap_or_default();
    if !is_currency(&currency) {
        s.violate(walk, "currency", "is needed: three capital letters");
    }
    let symbol = s.text(walk, "symbol").unwrap_or_default().to_uppercase();
    if symbol.is_empty() {
        let what = "is needed: the instrument whose price is the rate, such as \"EURUSD\"";
        s.violate(walk, "symbol", what);
    } else if symbol.len() > SYMBOL_MAX {
        s.violate(walk, "symbol", format!("is longer than {SYMBOL_MAX} characters"));
    }
    let max_age_s = s.whole(walk, "max_age_s", 1..=366 * DAY_S).unwrap_or(MAX_AGE_S);
    Rate { currency, symbol, max_age_s, trade: s.boolean(walk, "trade").unwrap_or(false) }
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn calendars<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> Vec<UserCalendar> {
    let mut calendars: Vec<UserCalendar> = Vec::new();
    for mut section in s.sections(walk, "calendar") {
        if let Some(calendar) = user_calendar(walk, &mut section) {
            if calendars.iter().any(|other| other.name == calendar.name) {
                section.violate(walk, "name", format!("{} is defined twice", calendar.name));
            }
            calendars.push(calendar);
        }
        section.finish(walk);
    }
    calendars
}

fn user_calendar<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> Option<UserCalendar> {
    let name = s.text(walk, "name").unwrap_or_default();
    let plain = |b: u8| b.is_ascii_graphic() && b != b',' && b != b'"';
    if !(1..=NAME_MAX).contains(&name.len()) || !name.bytes().all(plain) {
        let what = format!("is needed: 1 to {NAME_MAX} characters, no space, comma or quote");
        s.violate(walk, "name", what);
    } else if calendar::names().any(|built_in| built_in == name) {
        s.violate(walk, "name", format!("{name} is built in: give this one another name"));
    }
    let file = s.text(walk, "file");
    if file.as_ref().is_none_or(String::is_empty) {
        s.violate(walk, "file", "is needed: the path of a market-hours JSON file");
    }
    let entry = s.text(walk, "entry").unwrap_or_default();
    let is_object = file.as_ref().is_some_and(|file| file.starts_with(OBJECT));
    if entry.is_empty() != is_object {
        let what = if is_object {
            "an object of a journal is one calendar already"
        } else {
            "is needed: which market of the file, such as \"Future-cme-ES\""
        };
        s.violate(walk, "entry", what);
    }
    Some(UserCalendar { name, file: file?, entry, timetable: None })
}

fn instrument<'t>(
    walk: &Walk<'t>,
    s: &mut Section<'t>,
    (own, own_tables): (&[UserCalendar], &[ConditionTable]),
) -> Option<InstrumentDef> {
    let symbol = s.text(walk, "symbol");
    let is_symbol = |t: &String| {
        (1..=SYMBOL_MAX).contains(&t.len())
            && t.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_lowercase() && b != b',')
    };
    if !symbol.as_ref().is_some_and(is_symbol) {
        let what = format!("is needed: 1 to {SYMBOL_MAX} characters, upper case, no comma");
        s.violate(walk, "symbol", what);
    }
    let tick = s.decimal(walk, "tick", PRICE_DIGITS);
    if tick.is_none_or(|t| t <= 0) {
        s.violate(walk, "tick", "is needed and must be above 0, such as \"0.01\"");
    }
    let multiplier = s.decimal(walk, "multiplier", PRICE_DIGITS).unwrap_or(PRICE_ONE);
    let precision = s.whole(walk, "size_precision", 0..=9).unwrap_or(0) as u8;
    let lot = s.decimal(walk, "lot", u32::from(precision)).unwrap_or(1);
    for (key, value) in [("multiplier", multiplier), ("lot", lot)] {
        if value <= 0 {
            s.violate(walk, key, "must be above 0");
        }
    }
    let fee = fee(walk, s);
    let usual = if multiplier == PRICE_ONE { FEE_PER_SHARE } else { FEE_PER_CONTRACT };
    let currency = s.text(walk, "currency").unwrap_or_else(|| "USD".into());
    if !is_currency(&currency) {
        s.violate(walk, "currency", "must be three capital letters");
    }
    let calendar = calendar_of(walk, s, own).unwrap_or_else(|| "24/7".into());
    let [no_price, no_volume] = table_of(walk, s, own_tables);
    Some(InstrumentDef {
        symbol: symbol?,
        tick: Price(tick?),
        multiplier,
        lot: Size(lot),
        size_precision: precision,
        fee: fee.unwrap_or(usual),
        currency,
        calendar,
        no_price,
        no_volume,
    })
}

/// The calendar that an instrument names: a built-in one, or one of the config's own.
fn calendar_of<'t>(walk: &Walk<'t>, s: &mut Section<'t>, own: &[UserCalendar]) -> Option<String> {
    let mut calendars: Vec<&str> = calendar::names().collect();
    calendars.extend(own.iter().map(|calendar| calendar.name.as_str()));
    s.word(walk, "calendar", &calendars)
}

/// The conditions without a price, and those without a volume, of the table that an instrument names.
fn table_of<'t>(walk: &Walk<'t>, s: &mut Section<'t>, own: &[ConditionTable]) -> [Conditions; 2] {
    let tables: Vec<ConditionTable> = conditions::tables(own).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let name = s.word(walk, "conditions", &names);
    let table = tables.iter().find(|table| Some(&table.name) == name.as_ref());
    table.map_or([Conditions::NONE; 2], |table| [table.no_price, table.no_volume])
}

fn condition_tables<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> Vec<ConditionTable> {
    let mut tables: Vec<ConditionTable> = Vec::new();
    for mut section in s.sections(walk, "condition_table") {
        let table = condition_table(walk, &mut section);
        if conditions::tables(&tables).any(|other| other.name == table.name) {
            let what = format!("{} is defined already: give this one another name", table.name);
            section.violate(walk, "name", what);
        }
        tables.push(table);
        section.finish(walk);
    }
    tables
}

fn condition_table<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> ConditionTable {
    let name = s.text(walk, "name").unwrap_or_default();
    if name.is_empty() {
        s.violate(walk, "name", "is needed: what instruments call the table");
    }
    let [no_price, no_volume] = ["no_price", "no_volume"].map(|key| words(walk, s, key));
    if no_price == Conditions::NONE {
        s.violate(walk, "no_price", "is needed: the conditions that set no price");
    }
    ConditionTable { name, no_price, no_volume }
}

/// The conditions that a key lists.
fn words<'t>(walk: &Walk<'t>, s: &mut Section<'t>, key: &'static str) -> Conditions {
    let mut listed = Conditions::NONE;
    for word in s.text_list(walk, key).unwrap_or_default() {
        if let Some(condition) = Conditions::parse(&word) {
            listed = listed.with(condition);
            continue;
        }
        let words: Vec<&str> = Conditions::WORDS.iter().map(|(_, word)| *word).collect();
        let near = nearest(&word, &words)
            .map_or_else(|| words.join(", "), |near| format!("did you mean \"{near}\"?"));
        s.violate(walk, key, format!("\"{word}\" is not a condition; {near}"));
    }
    listed
}

/// `fee_per_contract` or `fee_per_share`.
fn fee<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> Option<i64> {
    let per_contract = s.decimal(walk, "fee_per_contract", PRICE_DIGITS);
    let per_share = s.decimal(walk, "fee_per_share", PRICE_DIGITS);
    if s.is_set("fee_per_contract") && s.is_set("fee_per_share") {
        s.violate(walk, "fee_per_share", "only one of fee_per_contract and fee_per_share");
    }
    for (key, fee) in [("fee_per_contract", per_contract), ("fee_per_share", per_share)] {
        if fee.is_some_and(|fee| fee < 0) {
            // A rebate is for orders that rest; one fee is taken of all fills, so it would pay for trading.
            s.violate(walk, key, "must not be below 0: rebates are not known");
        }
    }
    per_contract.or(per_share)
}

fn instruments_from<'t>(
    walk: &Walk<'t>,
    mut s: Section<'t>,
    (own, own_tables): (&[UserCalendar], &[ConditionTable]),
) -> InstrumentsFrom {
    let file = s.text(walk, "file").unwrap_or_default();
    if file.is_empty() {
        s.violate(walk, "file", "is needed: a .dbn file, or LEAN's symbol properties as .csv");
    }
    let is_csv = file.to_lowercase().ends_with(".csv");
    let market = s.text(walk, "market").map(|text| text.to_lowercase());
    let security_type = s.text(walk, "type").map(|text| text.to_lowercase());
    if is_csv && market.is_none() {
        s.violate(walk, "market", "is needed for a .csv, such as \"cme\"");
    }
    for (key, is_set) in [("market", market.is_some()), ("type", security_type.is_some())] {
        if is_set && !is_csv && !file.is_empty() {
            s.violate(walk, key, "is for a .csv only");
        }
    }
    let upper = |text: String| text.to_uppercase();
    let symbols: Vec<_> =
        s.text_list(walk, "symbols").unwrap_or_default().into_iter().map(upper).collect();
    if is_csv && symbols.is_empty() {
        s.violate(walk, "symbols", "is needed for a .csv, such as [\"ES.202103\"]");
    }
    let calendar = calendar_of(walk, &mut s, own);
    let fee = fee(walk, &mut s);
    let [no_price, no_volume] = table_of(walk, &mut s, own_tables);
    s.finish(walk);
    InstrumentsFrom { file, market, security_type, symbols, calendar, fee, no_price, no_volume }
}

fn host<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Host {
    let mut power_of_two = |key: &'static str, range, usual| {
        let value = s.whole(walk, key, range).unwrap_or(usual);
        if !(value as u64).is_power_of_two() {
            let near = (value as u64).next_power_of_two();
            let what = format!("is {value}, must be a power of two such as {near}");
            s.violate(walk, key, what);
        }
        value
    };
    let ring_slots = power_of_two("ring_slots", 2..=RING_SLOTS_MAX as i64, 1_024);
    let egress_orders = power_of_two("egress_orders", 1..=1 << 16, 1_024);
    let host = Host {
        layout: layout(walk, &mut s),
        journal: s.text(walk, "journal"),
        release: s
            .word(walk, "release", &["journaled", "durable"])
            .unwrap_or_else(|| "journaled".into()),
        broker: s.is_set("broker").then(|| s.word(walk, "broker", &["recording"])).flatten(),
        order_max_age_ms: s.whole(walk, "order_max_age_ms", 1..=DAY_S * 1_000).unwrap_or(1_000)
            as u64,
        egress_orders: egress_orders as usize,
        drain_ms: s.whole(walk, "drain_ms", 0..=60_000).unwrap_or(1_000) as u64,
        fifo_priority: s.whole(walk, "fifo_priority", 0..=98).unwrap_or(0) as u8,
        sync_interval_ms: s.whole(walk, "sync_interval_ms", 1..=60_000).unwrap_or(10),
        sync_backend: s
            .word(walk, "sync_backend", &["msync", "io-uring"])
            .unwrap_or_else(|| "msync".into()),
        free_floor_mib: s.whole(walk, "free_floor_mib", 0..=1 << 30).unwrap_or(1_024) as u64,
        retention: s.word(walk, "retention", &["keep", "drop"]).unwrap_or_else(|| "keep".into()),
        retention_days: s.whole(walk, "retention_days", 0..=36_500).unwrap_or(0) as u64,
        retention_gib: s.whole(walk, "retention_gib", 0..=1 << 30).unwrap_or(0) as u64,
        ring_slots: ring_slots as usize,
        segment_mib: s.whole(walk, "segment_mib", 1..=4_096).unwrap_or(64) as u64,
        ready_segments: s.whole(walk, "ready_segments", 1..=1_024).unwrap_or(2) as usize,
    };
    s.finish(walk);
    host
}

/// Words and order are checked here; how many cores there are is the host's to say when it runs.
fn layout<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> String {
    let spec = s.text(walk, "layout").unwrap_or_else(|| "auto".into());
    let many: Vec<usize> = (0..=HANDLERS.len()).collect();
    let cores = Cores { allowed: many.clone(), isolated: many };
    if let Err(problem) = Layout::plan(&spec, &cores) {
        s.violate(walk, "layout", format!("{}; {}", problem.what, problem.fix));
    }
    spec
}
