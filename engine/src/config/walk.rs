//! Walks a TOML document key by key and collects every violation, each with its line and key.

use ringbuf_layout::units::parse_decimal;
use std::cell::RefCell;
use toml_edit::{Document, Item, TableLike, Value};

/// One thing wrong with a config.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Line in the file, from 1.
    pub line: usize,
    /// Full key, such as `semantic.bars.timeframes_s`.
    pub key: String,
    /// What is wrong and what would be right.
    pub what: String,
}

/// The document and what was found wrong with it so far.
#[derive(Debug)]
pub struct Walk<'t> {
    text: &'t str,
    violations: RefCell<Vec<Violation>>,
}

/// One table of the document; missing tables behave like empty ones.
pub struct Section<'t> {
    path: String,
    table: Option<&'t dyn TableLike>,
    line: usize,
    known: Vec<&'static str>,
}

impl<'t> Walk<'t> {
    /// A walk over `text`.
    pub fn new(text: &'t str) -> Self {
        Self { text, violations: RefCell::default() }
    }

    /// Everything found, in line order.
    pub fn violations(self) -> Vec<Violation> {
        let mut found = self.violations.into_inner();
        found.sort_by_key(|v| v.line);
        found
    }

    /// The line of a byte offset.
    fn line(&self, offset: usize) -> usize {
        1 + self.text[..offset.min(self.text.len())].matches('\n').count()
    }

    fn line_of(&self, item: &Item, fallback: usize) -> usize {
        item.span().map_or(fallback, |span| self.line(span.start))
    }

    /// Notes a violation.
    pub fn violate(&self, line: usize, key: &str, what: impl Into<String>) {
        self.violations.borrow_mut().push(Violation {
            line,
            key: key.to_string(),
            what: what.into(),
        });
    }

    /// The syntax error of a document that does not parse.
    pub fn syntax_error(&self, error: &toml_edit::TomlError) {
        let line = error.span().map_or(1, |span| self.line(span.start));
        let message = error.message().replace('\n', ", ");
        let key = error.span().filter(|_| message.starts_with("duplicate key"));
        let key = key.map_or("syntax".to_string(), |span| self.key_at(span.start..span.end));
        self.violate(line, &key, message);
    }

    /// The full key that stands at these bytes.
    fn key_at(&self, span: core::ops::Range<usize>) -> String {
        let brackets = ['[', ']', ' ', '\t'];
        let key = self.text.get(span.clone()).unwrap_or_default().trim_matches(brackets);
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        let headers = before.lines().rev().map(str::trim).filter(|line| line.starts_with('['));
        // A header names itself.
        let table = headers.map(|line| line.trim_matches(brackets)).next();
        match table.filter(|_| !line.trim_start().starts_with('[')) {
            Some(table) => format!("{table}.{key}"),
            None => key.to_string(),
        }
    }

    /// The root of a parsed document.
    pub fn root(&self, document: &'t Document<String>) -> Section<'t> {
        let table: &dyn TableLike = document.as_table();
        Section { path: String::new(), table: Some(table), line: 1, known: Vec::new() }
    }
}

impl<'t> Section<'t> {
    fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }

    fn item(&mut self, name: &'static str) -> Option<&'t Item> {
        self.known.push(name);
        self.table.and_then(|table| table.get(name)).filter(|item| !item.is_none())
    }

    fn has(&self, name: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(name))
    }

    /// The line where the key stands, or the section's.
    pub fn line(&self, walk: &Walk<'_>, name: &str) -> usize {
        self.table.and_then(|t| t.get(name)).map_or(self.line, |item| walk.line_of(item, self.line))
    }

    /// Notes a violation at a key of this section.
    pub fn violate(&self, walk: &Walk<'_>, name: &str, what: impl Into<String>) {
        let line = self.line(walk, name);
        walk.violate(line, &self.key(name), what);
    }

    /// A table within this one.
    #[must_use]
    pub fn section(&mut self, walk: &Walk<'t>, name: &'static str) -> Section<'t> {
        let item = self.item(name);
        let table = item.and_then(Item::as_table_like);
        if item.is_some() && table.is_none() {
            self.violate(walk, name, "must be a table");
        }
        Section { path: self.key(name), table, line: self.line(walk, name), known: Vec::new() }
    }

    /// An array of tables within this one, such as `[[source]]`.
    pub fn sections(&mut self, walk: &Walk<'t>, name: &'static str) -> Vec<Section<'t>> {
        let Some(item) = self.item(name) else { return Vec::new() };
        let Some(array) = item.as_array_of_tables() else {
            self.violate(walk, name, format!("must be written as [[{}]]", self.key(name)));
            return Vec::new();
        };
        let line = |span: Option<core::ops::Range<usize>>| span.map_or(1, |s| walk.line(s.start));
        array
            .iter()
            .enumerate()
            .map(|(i, table)| Section {
                path: format!("{}[{i}]", self.key(name)),
                table: Some(table as &dyn TableLike),
                line: line(table.span()),
                known: Vec::new(),
            })
            .collect()
    }

    fn value<T>(
        &mut self,
        walk: &Walk<'t>,
        name: &'static str,
        kind: &str,
        read: impl Fn(&'t Value) -> Option<T>,
    ) -> Option<T> {
        let item = self.item(name)?;
        let value = item.as_value().and_then(read);
        if value.is_none() {
            self.violate(walk, name, format!("must be {kind}"));
        }
        value
    }

    /// A text.
    pub fn text(&mut self, walk: &Walk<'t>, name: &'static str) -> Option<String> {
        self.value(walk, name, "a text in quotes", |v| v.as_str().map(str::to_string))
    }

    /// One of a few words.
    pub fn word(&mut self, walk: &Walk<'t>, name: &'static str, words: &[&str]) -> Option<String> {
        let text = self.text(walk, name)?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        let near =
            nearest(&text, words).map_or(String::new(), |w| format!("; did you mean \"{w}\"?"));
        self.violate(
            walk,
            name,
            format!("is \"{text}\", must be one of {}{near}", words.join(", ")),
        );
        None
    }

    /// A boolean.
    pub fn boolean(&mut self, walk: &Walk<'t>, name: &'static str) -> Option<bool> {
        self.value(walk, name, "true or false", Value::as_bool)
    }

    /// A whole number within bounds.
    pub fn whole(
        &mut self,
        walk: &Walk<'t>,
        name: &'static str,
        bounds: core::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let number = self.value(walk, name, "a whole number", Value::as_integer)?;
        if bounds.contains(&number) {
            return Some(number);
        }
        let (low, high) = (bounds.start(), bounds.end());
        self.violate(walk, name, format!("is {number}, must be {low} to {high}"));
        None
    }

    /// A number within bounds, whole or not; never NaN or infinite.
    pub fn number(
        &mut self,
        walk: &Walk<'t>,
        name: &'static str,
        bounds: core::ops::RangeInclusive<f64>,
    ) -> Option<f64> {
        let number = self.value(walk, name, "a number", |v| {
            v.as_float().or_else(|| v.as_integer().map(|i| i as f64))
        })?;
        if bounds.contains(&number) {
            return Some(number);
        }
        let (low, high) = (bounds.start(), bounds.end());
        self.violate(walk, name, format!("is {number}, must be {low} to {high}"));
        None
    }

    /// A decimal in quotes, as an integer of 10^-`digits`.
    pub fn decimal(&mut self, walk: &Walk<'t>, name: &'static str, digits: u32) -> Option<i64> {
        let kind = "a decimal in quotes, such as \"0.25\": money is never a float";
        let text = self.value(walk, name, kind, Value::as_str)?;
        match parse_decimal(text.as_bytes(), digits) {
            Ok(value) => Some(value),
            Err(error) => {
                self.violate(walk, name, format!("\"{text}\" {error} ({digits} digits)"));
                None
            }
        }
    }

    /// A list of whole numbers.
    pub fn whole_list(&mut self, walk: &Walk<'t>, name: &'static str) -> Option<Vec<i64>> {
        self.value(walk, name, "a list of whole numbers", |v| {
            v.as_array()?.iter().map(Value::as_integer).collect()
        })
    }

    /// A list of texts.
    pub fn text_list(&mut self, walk: &Walk<'t>, name: &'static str) -> Option<Vec<String>> {
        self.value(walk, name, "a list of texts", |v| {
            v.as_array()?.iter().map(|t| t.as_str().map(str::to_string)).collect()
        })
    }

    /// The raw value of a key whose type varies.
    pub fn raw(&mut self, name: &'static str) -> Option<&'t Value> {
        self.item(name).and_then(Item::as_value)
    }

    /// True if the key is there.
    pub fn is_set(&self, name: &str) -> bool {
        self.has(name)
    }

    /// Every key that nobody asked for is a violation, with the nearest known one.
    pub fn finish(self, walk: &Walk<'t>) {
        let Some(table) = self.table else { return };
        for (key, item) in table.iter() {
            if !self.known.contains(&key) && !item.is_none() {
                let line = walk.line_of(item, self.line);
                let near = nearest(key, &self.known)
                    .map_or(String::new(), |k| format!("; did you mean {}?", self.key(k)));
                walk.violate(line, &self.key(key), format!("unknown key{near}"));
            }
        }
    }
}

impl core::fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Section({})", self.path)
    }
}

/// The word closest to `text`, if it is close enough to be a typo of it.
pub fn nearest<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    let best = words.iter().map(|word| (distance(text, word), *word)).min()?;
    (best.0 <= 1 + text.chars().count() / 3).then_some(best.1)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
