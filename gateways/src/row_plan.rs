//! Which column of a file holds what, as declared: nothing is guessed.

use crate::decimals::Scale;
use crate::local_time::Clock;
use engine::Problem;
use engine::source::{COLUMN_FIELDS, Column, Columns, Stamp};
use ringbuf_layout::units::SECOND;

/// What a column can hold, in the order of [`COLUMN_FIELDS`].
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
    Open,
    High,
    Low,
    Close,
    Volume,
    Ticks,
    Exchange,
    Snapshot,
    BuyerMaker,
    Action,
}

const FIELDS: usize = COLUMN_FIELDS.len();

/// Prices and volume of a bar.
const BAR: [Field; 5] = [Field::Open, Field::High, Field::Low, Field::Close, Field::Volume];

fn position_of(word: &str) -> Option<usize> {
    COLUMN_FIELDS.iter().position(|w| *w == word)
}

/// What the rows give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gives {
    /// Trades, quotes, or both.
    Ticks,
    /// Bars of this length; the time column is this end of them.
    Bars {
        /// ns.
        length: i64,
        /// Which end the time is.
        stamp: Stamp,
    },
    /// Levels of a book.
    Levels,
}

/// What a config says about a source of rows that declares nothing.
pub(crate) const EXAMPLE: &str = r#"declare the columns in the config:
    [[source]]
    spec = "csv:trades.csv"
    symbol = "GC.201312"      # or a column of symbols, below
    ts_unit = "ms"            # s, ms, us, ns, or text with ts_format and zone
    [source.columns]          # header names, or positions from 0 with header = false
    ts_event = "time"
    price = "price"
    size = "quantity""#;

/// A declaration that was checked, before a header was seen.
#[derive(Debug)]
pub(crate) struct Declared {
    columns: [Option<Column>; FIELDS],
    /// True if the first row names the columns.
    pub header: bool,
    /// True if a first row that begins with a digit is no header: the columns have positions.
    pub optional_header: bool,
    /// Field separator.
    pub delimiter: u8,
    /// Upper-case symbol of every row.
    pub symbol: Option<String>,
    /// How times are read.
    pub clock: Clock,
    /// What a price of 1 is worth.
    pub scale: Scale,
    /// What the rows give.
    pub gives: Gives,
    /// The text of a price that is not there, if it is not the empty one.
    pub undefined: Option<&'static str>,
}

type Refusal = (String, &'static str);

impl Declared {
    /// Checks a declaration; `place` says where it stands.
    pub(crate) fn new(rows: &Columns, place: &str) -> Result<Self, Problem> {
        Self::checked(rows).map_err(|(what, fix)| Problem::new(what, place, fix))
    }

    fn checked(rows: &Columns) -> Result<Self, Refusal> {
        let mut columns = [const { None }; FIELDS];
        for (word, column) in &rows.columns {
            let Some(field) = position_of(word) else {
                return Err((format!("`{word}` is nothing that a column can hold"), EXAMPLE));
            };
            if columns[field].replace(column.clone()).is_some() {
                return Err((format!("`{word}` is declared twice"), "declare it once"));
            }
            if !rows.header && matches!(column, Column::Name(_)) {
                return Err((
                    format!("`{word}` names a column, but the file has no header"),
                    "set header = true, or give the column's position from 0",
                ));
            }
        }
        if matches!(rows.delimiter, b'"' | b'\n' | b'\r') {
            let what = "the delimiter is a quote or a line end";
            return Err((what.to_string(), "use `,` `;` or a tab"));
        }
        let clock = Clock::new(rows.ts_unit, &rows.ts_formats, &rows.zone).map_err(|what| {
            let fix = "text times need ts_format = \"%Y-%m-%d %H:%M:%S%.f\" (strptime) and \
                       zone = \"America/New_York\" (IANA)";
            (what, fix)
        })?;
        let scale = Scale::parse(&rows.price_scale).ok_or_else(|| {
            let what = format!(
                "price_scale `{}` is no positive decimal of at most 9 digits after the point",
                rows.price_scale
            );
            (what, "give what a price of 1 in the file is worth: \"1\", \"0.0001\"")
        })?;
        let symbol = rows.symbol.as_ref().map(|symbol| symbol.to_ascii_uppercase());
        let mut declared = Self {
            columns,
            header: rows.header,
            optional_header: false,
            delimiter: rows.delimiter,
            symbol,
            clock,
            scale,
            gives: Gives::Ticks,
            undefined: None,
        };
        declared.gives = declared.complete(rows).map_err(|(what, fix)| (what.to_string(), fix))?;
        Ok(declared)
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
        if let Gives::Bars { length, stamp } = self.gives {
            put("bars", &format!("{length} {stamp:?}"));
        }
        if let Some(undefined) = self.undefined {
            put("undefined", undefined);
        }
        for (word, column) in COLUMN_FIELDS.iter().zip(&self.columns) {
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

    /// What the rows give, if that is declared as a whole.
    /// Whether prints come.
    pub(crate) fn gives_trades(&self) -> bool {
        self.gives == Gives::Ticks && self.has(Field::Price)
    }

    /// Length in seconds of the bars that come, 0 if none do.
    pub(crate) fn bars_s(&self) -> u32 {
        match self.gives {
            Gives::Bars { length, .. } => (length / SECOND) as u32,
            _ => 0,
        }
    }

    fn complete(&self, rows: &Columns) -> Result<Gives, (&'static str, &'static str)> {
        use Field::{
            Action, Ask, AskSize, Bid, BidSize, BuyerMaker, Exchange, Price, Side, Size, Snapshot,
            Symbol, Ticks, TsEvent,
        };
        let quotes = self.has(Bid) && self.has(Ask);
        let bars = BAR.iter().any(|field| self.has(*field)) || self.has(Ticks);
        let no = |wrong: bool, what, fix| if wrong { Err((what, fix)) } else { Ok(()) };
        no(!self.has(TsEvent), "no column is declared for ts_event", EXAMPLE)?;
        no(
            self.symbol.is_some() == self.has(Symbol),
            "the symbol must come from one place",
            "declare either `symbol` (the same for every row) or `columns.symbol`",
        )?;
        no(
            self.has(Exchange) && !self.has(Symbol),
            "an exchange column without a symbol column",
            "declare `symbol` too",
        )?;
        let both = "declare both `bid` and `ask`";
        no(self.has(Bid) != self.has(Ask), "a quote has two sides", both)?;
        let sizes = (self.has(BidSize) || self.has(AskSize)) && !quotes;
        no(sizes, "quoted sizes without quotes", "declare `bid` and `ask` too")?;
        let both = "declare both `price` and `size`";
        no(self.has(Price) != self.has(Size), "a trade has a price and a size", both)?;
        let of_trades = [Side, BuyerMaker, Action, Snapshot].iter().any(|f| self.has(*f));
        let fix = "declare `price` and `size` too";
        no(of_trades && !self.has(Price), "a side without trades", fix)?;
        no(
            self.has(Side) && self.has(BuyerMaker),
            "the side must come from one place",
            "declare either `side` or `buyer_maker`",
        )?;
        if bars {
            let whole = BAR.iter().all(|field| self.has(*field));
            let fix = "declare `open`, `high`, `low`, `close` and `volume`";
            no(!whole, "a bar has four prices and a volume", fix)?;
            let fix = "declare bars, or trades and quotes: two sources may read one file";
            no(self.has(Price) || quotes, "bars and ticks in one row", fix)?;
            let (Some(stamp), Some(seconds)) = (rows.stamp, rows.timeframe_s) else {
                let fix = "declare stamp = \"open\" or \"close\", and timeframe_s";
                return Err(("neither end nor length of a bar is guessed", fix));
            };
            return Ok(Gives::Bars { length: i64::from(seconds) * SECOND, stamp });
        }
        if self.has(Snapshot) {
            no(quotes, "levels and quotes in one row", "declare one of them")?;
            no(!self.has(Side), "a level of a book has a side", "declare `side`")?;
            return Ok(Gives::Levels);
        }
        no(!self.has(Price) && !quotes, "neither trades nor quotes are declared", EXAMPLE)?;
        Ok(Gives::Ticks)
    }

    /// Finds the declared columns among those of a file (`None` if they have no names).
    pub(crate) fn find(&self, names: Option<&[String]>, place: &str) -> Result<Plan, Problem> {
        let problem = |what: String| {
            let names = names.unwrap_or_default();
            let shown: Vec<_> =
                names.iter().take(50).map(|n| format!("`{}`", n.escape_debug())).collect();
            let list = format!("the columns are {}", shown.join(", "));
            Err(Problem::new(what, place, list))
        };
        let mut plan =
            Plan { positions: [None; FIELDS], labels: [const { String::new() }; FIELDS] };
        for (index, column) in self.columns.iter().enumerate() {
            let word = COLUMN_FIELDS[index];
            let (position, label) = match (column, names) {
                (None, _) => continue,
                (Some(Column::Position(position)), Some(names)) if *position >= names.len() => {
                    return problem(format!(
                        "there is no column {position} for {word}: there are {}",
                        names.len()
                    ));
                }
                (Some(Column::Position(position)), _) => {
                    (*position, format!("{word} (position {position})"))
                }
                (Some(Column::Name(name)), names) => {
                    let names = names.unwrap_or_default();
                    let mut found = names.iter().enumerate().filter(|(_, n)| *n == name);
                    match (found.next(), found.next()) {
                        (Some((position, _)), None) if name == word => (position, word.to_string()),
                        (Some((position, _)), None) => (position, format!("{word} (`{name}`)")),
                        (Some(_), Some(_)) => {
                            return problem(format!(
                                "`{name}`, declared for {word}, is there twice"
                            ));
                        }
                        _ => return problem(format!("no `{name}`, declared for {word}, is there")),
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
    positions: [Option<usize>; FIELDS],
    labels: [String; FIELDS],
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

    /// Whether a column holds any field.
    pub(crate) fn uses(&self, position: usize) -> bool {
        self.positions.contains(&Some(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::source::TimeUnit;

    fn csv(columns: &[(&str, Column)]) -> Columns {
        Columns {
            header: true,
            delimiter: b',',
            symbol: Some("gc.201312".to_string()),
            columns: columns.iter().map(|(w, c)| ((*w).to_string(), c.clone())).collect(),
            ts_unit: TimeUnit::Milliseconds,
            zone: "UTC".to_string(),
            ts_formats: Vec::new(),
            price_scale: "1".to_string(),
            stamp: None,
            timeframe_s: None,
        }
    }

    fn name(text: &str) -> Column {
        Column::Name(text.to_string())
    }

    fn trades() -> Vec<(&'static str, Column)> {
        vec![("ts_event", name("t")), ("price", name("p")), ("size", Column::Position(2))]
    }

    fn refused(change: impl Fn(&mut Columns), what: &str) {
        let mut declared = csv(&trades());
        change(&mut declared);
        let problem = Declared::new(&declared, "source `x`").unwrap_err();
        assert!(problem.what.contains(what), "{problem}");
        assert!(!problem.place.is_empty() && !problem.fix.is_empty());
    }

    #[test]
    fn an_incomplete_or_contradicting_declaration_is_refused() {
        refused(|c| c.columns.clear(), "ts_event");
        refused(|c| c.columns.push(("vwap".into(), name("v"))), "`vwap`");
        refused(|c| c.columns.push(("volume".into(), name("v"))), "four prices and a volume");
        refused(
            |c| c.columns.extend(["side", "buyer_maker"].map(|f| (f.into(), name("v")))),
            "the side must come from one place",
        );
        refused(
            |c| {
                c.columns.truncate(1);
                let bar = ["open", "high", "low", "close", "volume"];
                c.columns.extend(bar.map(|f| (f.into(), name(f))));
            },
            "neither end nor length",
        );
        refused(|c| c.columns.push(("exchange".into(), name("v"))), "an exchange");
        refused(|c| c.columns.push(("snapshot".into(), name("v"))), "a side");
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
                c.ts_formats = vec!["%s".into()];
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
            let names: Vec<_> = line.split(',').map(str::to_string).collect();
            declared.find(Some(&names), "a.csv")
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
        let text = |change: &dyn Fn(&mut Columns)| {
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
        let same: [&dyn Fn(&mut Columns); 4] = [
            &|c| c.columns.reverse(),
            &|c| c.symbol = Some("GC.201312".into()),
            &|c| c.price_scale = "1.000".into(),
            // Numbers are UTC.
            &|c| (c.zone, c.ts_formats) = ("America/New_York".into(), vec!["%s".into()]),
        ];
        for change in same {
            assert_eq!(text(change), one);
        }
        let other: [&dyn Fn(&mut Columns); 9] = [
            &|c| c.price_scale = "0.1".into(),
            &|c| c.columns[1].1 = name("q"),
            &|c| c.columns[2].1 = name("2"),
            &|c| c.columns.push(("side".into(), name("s"))),
            &|c| c.symbol = Some("GC.201402".into()),
            &|c| c.delimiter = b';',
            &|c| c.ts_unit = TimeUnit::Seconds,
            &|c| (c.ts_unit, c.ts_formats) = (TimeUnit::Text, vec!["%s".into()]),
            &|c| {
                (c.ts_unit, c.ts_formats) = (TimeUnit::Text, vec!["%s".into()]);
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
