//! Which column of a file holds what, as declared: nothing is guessed.

use crate::csv_fields::Fields;
use crate::decimals::Scale;
use crate::local_time::Clock;
use engine::Problem;
use engine::source::{Column, CsvColumns};

/// What a column can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Field {
    TsEvent,
    TsRecv,
    Price,
    Size,
    Side,
    Symbol,
    Bid,
    Ask,
    BidSize,
    AskSize,
}

/// The declared words, in the order of [`Field`].
const WORDS: [&str; 10] = [
    "ts_event", "ts_recv", "price", "size", "side", "symbol", "bid", "ask", "bid_size", "ask_size",
];

impl Field {
    fn word(self) -> &'static str {
        WORDS[self as usize]
    }

    fn parse(word: &str) -> Option<Self> {
        use Field::{Ask, AskSize, Bid, BidSize, Price, Side, Size, Symbol, TsEvent, TsRecv};
        [TsEvent, TsRecv, Price, Size, Side, Symbol, Bid, Ask, BidSize, AskSize]
            .into_iter()
            .find(|field| field.word() == word)
    }
}

/// What a config says about a csv source that declares nothing.
pub(crate) const EXAMPLE: &str = r#"declare the columns in the config:
    [[source]]
    spec = "csv:trades.csv"
    [source.csv]
    symbol = "GC.201312"      # or a column of symbols, below
    ts_unit = "ms"            # s, ms, us, ns, or text with ts_format and zone
    [source.csv.columns]      # header names, or positions from 0 with header = false
    ts_event = "time"
    price = "price"
    size = "quantity""#;

/// A declaration that was checked, before a header was seen.
#[derive(Debug)]
pub(crate) struct Declared {
    columns: [Option<Column>; 10],
    /// True if the first row names the columns.
    pub header: bool,
    /// Field separator.
    pub delimiter: u8,
    /// Upper-case symbol of every row.
    pub symbol: Option<String>,
    /// How times are read.
    pub clock: Clock,
    /// What a price of 1 is worth.
    pub scale: Scale,
}

impl Declared {
    /// Checks a declaration; `place` says where it stands.
    pub(crate) fn new(csv: &CsvColumns, place: &str) -> Result<Self, Problem> {
        let problem = |what: String, fix: &str| Err(Problem::new(what, place, fix));
        let mut columns = [const { None }; 10];
        for (word, column) in &csv.columns {
            let Some(field) = Field::parse(word) else {
                return problem(
                    format!("`{word}` is nothing that a column can hold"),
                    &format!("use {}", WORDS.join(", ")),
                );
            };
            if columns[field as usize].replace(column.clone()).is_some() {
                return problem(format!("`{word}` is declared twice"), "declare it once");
            }
            if !csv.header && matches!(column, Column::Name(_)) {
                return problem(
                    format!("`{word}` names a column, but the file has no header"),
                    "set header = true, or give the column's position from 0",
                );
            }
        }
        if matches!(csv.delimiter, b'"' | b'\n' | b'\r') {
            return problem(
                "the delimiter is a quote or a line end".to_string(),
                "use `,` `;` or a tab",
            );
        }
        let clock = match Clock::new(csv.ts_unit, &csv.ts_format, &csv.zone) {
            Ok(clock) => clock,
            Err(what) => {
                let fix = "text times need ts_format = \"%Y-%m-%d %H:%M:%S%.f\" (strptime) and \
                           zone = \"America/New_York\" (IANA)";
                return problem(what, fix);
            }
        };
        let Some(scale) = Scale::parse(&csv.price_scale) else {
            return problem(
                format!(
                    "price_scale `{}` is no positive decimal of at most 9 digits after the point",
                    csv.price_scale
                ),
                "give what a price of 1 in the file is worth: \"1\", \"0.0001\"",
            );
        };
        let symbol = csv.symbol.as_ref().map(|symbol| symbol.to_ascii_uppercase());
        let declared =
            Self { columns, header: csv.header, delimiter: csv.delimiter, symbol, clock, scale };
        match declared.complete() {
            Ok(()) => Ok(declared),
            Err((what, fix)) => problem(what.to_string(), fix),
        }
    }

    /// Text that differs where files are read otherwise, and not with the order of the columns, the
    /// case of the symbol or the zeros of the scale. It goes into the identity of a source.
    pub(crate) fn canonical(&self) -> String {
        let mut text = format!("csv v1 header={} delimiter={}", self.header, self.delimiter);
        let mut put = |key: &str, value: &str| {
            text.push_str(&format!(" {key}={}:{value}", value.len()));
        };
        if let Some(symbol) = &self.symbol {
            put("for", symbol);
        }
        put("scale", &self.scale.canonical());
        let (unit, zone) = self.clock.canonical();
        put("clock", &unit);
        put("zone", zone);
        for (word, column) in WORDS.iter().zip(&self.columns) {
            match column {
                Some(Column::Name(name)) => put(word, name),
                Some(Column::Position(at)) => put(&format!("{word}#"), &at.to_string()),
                None => {}
            }
        }
        text
    }

    /// Whether a field is declared.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.columns[field as usize].is_some()
    }

    fn complete(&self) -> Result<(), (&'static str, &'static str)> {
        use Field::{Ask, AskSize, Bid, BidSize, Price, Side, Size, Symbol, TsEvent};
        let quotes = self.has(Bid) && self.has(Ask);
        if !self.has(TsEvent) {
            return Err(("no column is declared for ts_event", EXAMPLE));
        }
        if self.symbol.is_some() == self.has(Symbol) {
            let fix = "declare either `symbol` (the same for every row) or `columns.symbol`";
            return Err(("the symbol must come from one place", fix));
        }
        if self.has(Bid) != self.has(Ask) {
            return Err(("a quote has two sides", "declare both `bid` and `ask`"));
        }
        if (self.has(BidSize) || self.has(AskSize)) && !quotes {
            return Err(("quoted sizes without quotes", "declare `bid` and `ask` too"));
        }
        if self.has(Price) != self.has(Size) {
            return Err(("a trade has a price and a size", "declare both `price` and `size`"));
        }
        if self.has(Side) && !self.has(Price) {
            return Err(("a side without trades", "declare `price` and `size` too"));
        }
        if !self.has(Price) && !quotes {
            return Err(("neither trades nor quotes are declared", EXAMPLE));
        }
        Ok(())
    }

    /// Finds the declared columns in a header (`None` if the file has none).
    pub(crate) fn find(&self, header: Option<&Fields>, place: &str) -> Result<Plan, Problem> {
        let names: Vec<String> = header.map_or_else(Vec::new, |header| {
            (0..header.len())
                .filter_map(|i| header.get(i))
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect()
        });
        let list = || {
            let shown: Vec<_> =
                names.iter().take(50).map(|n| format!("`{}`", n.escape_debug())).collect();
            format!("the header's columns are {}", shown.join(", "))
        };
        let problem = |what: String| Err(Problem::new(what, format!("{place}, line 1"), list()));
        let mut plan = Plan { positions: [None; 10], labels: [const { String::new() }; 10] };
        for (index, column) in self.columns.iter().enumerate() {
            let word = WORDS[index];
            let (position, label) = match column {
                None => continue,
                Some(Column::Position(position))
                    if header.is_some() && *position >= names.len() =>
                {
                    return problem(format!(
                        "there is no column {position} for {word}: the header has {}",
                        names.len()
                    ));
                }
                Some(Column::Position(position)) => {
                    (*position, format!("{word} (position {position})"))
                }
                Some(Column::Name(name)) => {
                    let mut found = names.iter().enumerate().filter(|(_, n)| *n == name);
                    match (found.next(), found.next()) {
                        (Some((position, _)), None) if name == word => (position, word.to_string()),
                        (Some((position, _)), None) => (position, format!("{word} (`{name}`)")),
                        (Some(_), Some(_)) => {
                            return problem(format!(
                                "the header has `{name}`, declared for {word}, twice"
                            ));
                        }
                        _ => {
                            return problem(format!(
                                "the header has no `{name}`, declared for {word}"
                            ));
                        }
                    }
                }
            };
            plan.positions[index] = Some(position);
            plan.labels[index] = label;
        }
        Ok(plan)
    }
}

/// Where each field of one file lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    positions: [Option<usize>; 10],
    labels: [String; 10],
}

impl Plan {
    /// The position of a field's column.
    #[inline]
    pub(crate) fn position(&self, field: Field) -> Option<usize> {
        self.positions[field as usize]
    }

    /// How messages name a field's column.
    pub(crate) fn label(&self, field: Field) -> &str {
        &self.labels[field as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::source::TimeUnit;

    pub(crate) fn csv(columns: &[(&str, Column)]) -> CsvColumns {
        CsvColumns {
            header: true,
            delimiter: b',',
            symbol: Some("gc.201312".to_string()),
            columns: columns.iter().map(|(w, c)| ((*w).to_string(), c.clone())).collect(),
            ts_unit: TimeUnit::Milliseconds,
            zone: "UTC".to_string(),
            ts_format: String::new(),
            price_scale: "1".to_string(),
        }
    }

    fn name(text: &str) -> Column {
        Column::Name(text.to_string())
    }

    fn trades() -> Vec<(&'static str, Column)> {
        vec![("ts_event", name("t")), ("price", name("p")), ("size", Column::Position(2))]
    }

    fn refused(change: impl Fn(&mut CsvColumns), what: &str) {
        let mut declared = csv(&trades());
        change(&mut declared);
        let problem = Declared::new(&declared, "source `x`").unwrap_err();
        assert!(problem.what.contains(what), "{problem}");
        assert!(!problem.place.is_empty() && !problem.fix.is_empty());
    }

    #[test]
    fn an_incomplete_or_contradicting_declaration_is_refused() {
        refused(|c| c.columns.clear(), "ts_event");
        refused(|c| c.columns.push(("volume".into(), name("v"))), "`volume`");
        refused(|c| c.columns.push(("price".into(), name("v"))), "twice");
        refused(|c| c.columns.push(("bid".into(), name("b"))), "two sides");
        refused(|c| c.columns.push(("bid_size".into(), name("b"))), "quoted sizes");
        refused(|c| drop(c.columns.pop()), "a price and a size");
        refused(|c| c.columns.truncate(1), "neither trades nor quotes");
        refused(|c| c.symbol = None, "symbol");
        refused(|c| c.columns.push(("symbol".into(), name("s"))), "symbol");
        refused(|c| c.header = false, "no header");
        refused(|c| c.delimiter = b'"', "delimiter");
        refused(|c| c.price_scale = "0".into(), "price_scale");
        refused(|c| c.ts_unit = TimeUnit::Text, "ts_format");
        refused(
            |c| {
                c.ts_unit = TimeUnit::Text;
                c.ts_format = "%s".into();
                c.zone = "Nowhere/At_All".into();
            },
            "no time zone",
        );
    }

    #[test]
    fn columns_are_found_by_name_or_position_and_the_header_is_listed_where_not() {
        let declared = Declared::new(&csv(&trades()), "source `x`").unwrap();
        assert_eq!(declared.symbol.as_deref(), Some("GC.201312"));
        let find = |line: &str| {
            let mut header = Fields::new(b',');
            header.split(line.as_bytes()).unwrap();
            declared.find(Some(&header), "a.csv")
        };
        let plan = find("p,t,q").unwrap();
        assert_eq!(plan.position(Field::TsEvent), Some(1));
        assert_eq!(plan.position(Field::Size), Some(2));
        assert_eq!(plan.position(Field::Side), None);
        assert_eq!(plan.label(Field::Price), "price (`p`)");
        for (header, what) in [("p,p,t", "twice"), ("a,b,p", "no `t`"), ("t,p", "no column 2")] {
            let problem = find(header).unwrap_err();
            assert!(problem.what.contains(what), "{problem}");
            assert!(problem.fix.contains("`p`") && problem.place.contains("a.csv"), "{problem}");
        }
    }

    #[test]
    fn the_canonical_text_tells_apart_what_reads_otherwise_and_nothing_else() {
        let text = |change: &dyn Fn(&mut CsvColumns)| {
            let mut declared = csv(&trades());
            change(&mut declared);
            Declared::new(&declared, "source `x`").unwrap().canonical()
        };
        let one = text(&|_| {});
        assert_eq!(
            one,
            "csv v1 header=true delimiter=44 for=9:GC.201312 scale=4:1e-0 clock=6:1e-3 s zone=0: \
             ts_event=1:t price=1:p size#=1:2"
        );
        let same: [&dyn Fn(&mut CsvColumns); 4] = [
            &|c| c.columns.reverse(),
            &|c| c.symbol = Some("GC.201312".into()),
            &|c| c.price_scale = "1.000".into(),
            // Numbers are UTC.
            &|c| (c.zone, c.ts_format) = ("America/New_York".into(), "%s".into()),
        ];
        for change in same {
            assert_eq!(text(change), one);
        }
        let other: [&dyn Fn(&mut CsvColumns); 9] = [
            &|c| c.price_scale = "0.1".into(),
            &|c| c.columns[1].1 = name("q"),
            &|c| c.columns[2].1 = name("2"),
            &|c| c.columns.push(("side".into(), name("s"))),
            &|c| c.symbol = Some("GC.201402".into()),
            &|c| c.delimiter = b';',
            &|c| c.ts_unit = TimeUnit::Seconds,
            &|c| (c.ts_unit, c.ts_format) = (TimeUnit::Text, "%s".into()),
            &|c| {
                (c.ts_unit, c.ts_format) = (TimeUnit::Text, "%s".into());
                c.zone = "America/New_York".into();
            },
        ];
        let mut texts: Vec<_> = other.iter().map(|change| text(change)).collect();
        texts.push(one);
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), other.len() + 1, "{texts:#?}");
    }
}
