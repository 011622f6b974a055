//! How the times of a column are written: a number of some unit, or texts of some formats.

use std::collections::BTreeMap;

/// Formats of texts that one column may mix.
const FORMATS_MAX: usize = 8;

/// What was seen of a time column.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamps {
    /// Digits before a point → how many numbers have so many.
    digits: BTreeMap<usize, u64>,
    /// Texts by the format of their shape, day first; how many, and the first.
    texts: BTreeMap<String, (u64, String)>,
    /// Largest first and second number of dates written `a/b/year`.
    largest: (u32, u32),
    /// True if a date has its day or month first.
    year_last: bool,
    /// The first text that is none of this, and how many there are.
    strange: Option<String>,
    strange_count: u64,
    seen: u64,
}

/// What a time column is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reading {
    /// `ts_unit`
    pub(super) unit: &'static str,
    /// `ts_format`, where the unit is text.
    pub(super) formats: Vec<String>,
    /// True if the texts say their zone.
    pub(super) has_zone: bool,
    /// True if day and month could be changed about.
    pub(super) day_is_open: bool,
    /// Why, in words.
    pub(super) why: String,
}

impl Stamps {
    pub(super) fn note(&mut self, text: &str) {
        let text = text.trim();
        self.seen += 1;
        let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
        let is_number = !whole.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if is_number && text.bytes().filter(|b| *b == b'.').count() < 2 {
            *self.digits.entry(whole.len()).or_default() += 1;
            return;
        }
        let Some(shape) = shape(text) else {
            let short: String = text.chars().take(40).collect();
            self.strange.get_or_insert(short);
            self.strange_count += 1;
            return;
        };
        if let Some((first, second)) = shape.short {
            self.year_last = true;
            self.largest = (self.largest.0.max(first), self.largest.1.max(second));
        }
        if self.texts.len() < FORMATS_MAX || self.texts.contains_key(&shape.format) {
            let entry = self.texts.entry(shape.format);
            entry.or_insert_with(|| (0, text.to_string())).0 += 1;
        }
    }

    /// True if all that was seen is a time.
    pub(super) fn is_time(&self) -> bool {
        let long = |digits: &usize| matches!(digits, 8 | 10 | 13 | 14 | 16 | 19);
        let numbers = self.digits.keys().all(long);
        let one_sort = self.digits.is_empty() != self.texts.is_empty();
        self.seen > 0 && self.strange.is_none() && numbers && one_sort
    }

    /// True for nearly all that was seen: the rest is damage, which is named when the rows are read.
    fn is_rule(&self, count: u64) -> bool {
        count * 10 >= self.seen * 9
    }

    /// What they are; an error if they are no times, with what is in the way.
    pub(super) fn reading(&self) -> Result<Reading, String> {
        if self.seen == 0 {
            return Err("there are no rows".to_string());
        }
        let texts: u64 = self.texts.values().map(|(count, _)| count).sum();
        let numbers: u64 = self.digits.values().sum();
        if self.is_rule(texts) {
            return Ok(self.text());
        }
        if self.is_rule(numbers) {
            return self.number();
        }
        Err(match &self.strange {
            Some(strange) => format!("\"{strange}\" is no time that is known here"),
            None => "some times are numbers and some are texts".to_string(),
        })
    }

    fn number(&self) -> Result<Reading, String> {
        let rule = self.digits.iter().find(|(_, count)| self.is_rule(**count));
        let digits: Vec<usize> =
            rule.map_or_else(|| self.digits.keys().copied().collect(), |(digits, _)| vec![*digits]);
        let plain = |unit, why: &str| {
            let why = why.to_string();
            Ok(Reading { unit, formats: Vec::new(), has_zone: true, day_is_open: false, why })
        };
        let dated = |format: &str| {
            let why = format!("numbers of {} digits are dates", digits[0]);
            let formats = vec![format.to_string()];
            Ok(Reading { unit: "text", formats, has_zone: false, day_is_open: false, why })
        };
        if self.digits.keys().copied().eq([13, 16]) {
            let why = "13 digits are milliseconds and 16 microseconds since 1970".to_string();
            let formats = Vec::new();
            return Ok(Reading {
                unit: "ms_or_us",
                formats,
                has_zone: true,
                day_is_open: false,
                why,
            });
        }
        match digits[..] {
            [10] => plain("s", "10 digits before the point are seconds since 1970"),
            [13] => plain("ms", "13 digits are milliseconds since 1970"),
            [16] => plain("us", "16 digits are microseconds since 1970"),
            [19] => plain("ns", "19 digits are nanoseconds since 1970"),
            [8] => dated("%Y%m%d"),
            [14] => dated("%Y%m%d%H%M%S"),
            _ => Err(format!("times have {digits:?} digits, which is no one unit")),
        }
    }

    fn text(&self) -> Reading {
        let month_first = self.year_last && self.largest.1 > 12 && self.largest.0 <= 12;
        let day_is_open = self.year_last && self.largest.0 <= 12 && self.largest.1 <= 12;
        let order = |format: &String| {
            let turned = self.year_last && month_first;
            if turned {
                format.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m")
            } else {
                format.clone()
            }
        };
        let formats: Vec<String> = self.texts.keys().map(order).collect();
        let has_zone = formats.iter().all(|f| f.ends_with('Z') || f.ends_with("%:z"));
        let examples: Vec<String> = self
            .texts
            .values()
            .map(|(count, first)| format!("\"{first}\" ({count} of this shape)"))
            .collect();
        let mut why = format!("texts such as {}", examples.join(", "));
        if self.year_last && !day_is_open {
            let (first, second) = self.largest;
            let which = if month_first { "month" } else { "day" };
            why.push_str(&format!(
                "; the {which} is first: the first number goes up to {first}, the second to {second}"
            ));
        }
        Reading { unit: "text", formats, has_zone, day_is_open, why }
    }
}

/// A text's format, day first where the year is last.
struct Shape {
    format: String,
    /// First and second number of a date whose year is last.
    short: Option<(u32, u32)>,
}

/// Takes a run of digits off the front.
fn digits<'a>(text: &mut &'a str, lengths: core::ops::RangeInclusive<usize>) -> Option<&'a str> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let run = lengths.contains(&end).then(|| &text[..end])?;
    *text = &text[end..];
    Some(run)
}

fn one_of(text: &mut &str, allowed: &[char]) -> Option<char> {
    let first = text.chars().next().filter(|c| allowed.contains(c))?;
    *text = &text[first.len_utf8()..];
    Some(first)
}

fn shape(text: &str) -> Option<Shape> {
    let mut rest = text;
    let mut short = None;
    let first = digits(&mut rest, 1..=8)?;
    let mut format = if first.len() == 8 {
        "%Y%m%d".to_string()
    } else {
        let separator = one_of(&mut rest, &['-', '/', '.'])?;
        let second = digits(&mut rest, 1..=2)?;
        one_of(&mut rest, &[separator])?;
        let third = digits(&mut rest, 1..=4)?;
        match (first.len(), third.len()) {
            (4, 1..=2) => format!("%Y{separator}%m{separator}%d"),
            (1..=2, 4) => {
                short = Some((first.parse().ok()?, second.parse().ok()?));
                format!("%d{separator}%m{separator}%Y")
            }
            _ => return None,
        }
    };
    if rest.is_empty() {
        return Some(Shape { format, short });
    }
    format.push(one_of(&mut rest, &[' ', 'T'])?);
    let hour = digits(&mut rest, 1..=9)?;
    if hour.len() == 6 {
        format.push_str("%H%M%S");
    } else if hour.len() <= 2 {
        one_of(&mut rest, &[':'])?;
        digits(&mut rest, 2..=2)?;
        format.push_str("%H:%M");
        if one_of(&mut rest, &[':']).is_some() {
            digits(&mut rest, 2..=2)?;
            format.push_str(":%S");
            if one_of(&mut rest, &['.']).is_some() {
                digits(&mut rest, 1..=9)?;
                format.push_str("%.f");
            }
        }
    } else {
        return None;
    }
    match rest {
        "" => {}
        "Z" => format.push('Z'),
        _ => {
            one_of(&mut rest, &['+', '-'])?;
            digits(&mut rest, 2..=2)?;
            one_of(&mut rest, &[':'])?;
            digits(&mut rest, 2..=2)?;
            if !rest.is_empty() {
                return None;
            }
            format.push_str("%:z");
        }
    }
    Some(Shape { format, short })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local_time::Clock;
    use engine::source::TimeUnit;
    use proptest::prelude::*;

    fn reading(texts: &[&str]) -> Result<Reading, String> {
        let mut stamps = Stamps::default();
        for text in texts {
            stamps.note(text);
        }
        stamps.reading()
    }

    #[test]
    fn a_number_of_digits_is_a_unit_and_other_numbers_are_none() {
        for (text, unit) in [
            ("1672531436", "s"),
            ("1672531436.25", "s"),
            ("1583020803145", "ms"),
            ("1583020803145000", "us"),
            ("1583020803145000123", "ns"),
        ] {
            assert_eq!(reading(&[text]).unwrap().unit, unit);
        }
        assert_eq!(reading(&["1583020803145", "1583020803145000"]).unwrap().unit, "ms_or_us");
        assert!(reading(&["1583020803", "1583020803145000"]).is_err());
        assert!(reading(&["12"]).is_err() && reading(&[]).is_err() && reading(&["x"]).is_err());
    }

    #[test]
    fn day_and_month_are_told_apart_by_what_cannot_be_a_month() {
        let found = reading(&["1/2/2020 9:30", "29/06/2020 01:00:00"]).unwrap();
        assert_eq!(found.formats, ["%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"]);
        assert!(!found.day_is_open && found.why.contains("day is first"), "{}", found.why);
        let found = reading(&["06/29/2020 01:00:00"]).unwrap();
        assert_eq!(found.formats, ["%m/%d/%Y %H:%M:%S"]);
        let open = reading(&["1/2/2020 9:30", "3/4/2020 9:30"]).unwrap();
        assert!(open.day_is_open);
    }

    #[test]
    fn a_format_reads_what_it_was_inferred_from() {
        for text in [
            "2020-06-29 01:00:00",
            "2020-06-29T01:00:00Z",
            "2020-06-29T01:00:00.123456789+02:00",
            "2022.10.10 00:15:00",
            "9/6/2020 1:05",
            "20200629 010000",
            "2020/06/29",
            "20200629",
            "20200629010000",
        ] {
            let found = reading(&[text]).unwrap();
            let clock = Clock::new(TimeUnit::Text, &found.formats[..1], "UTC").unwrap();
            let read = clock.read(text.as_bytes());
            // A date alone has no time of day.
            let dated = text.len() <= 10;
            assert!(read.is_ok() || dated, "{text} as {:?}: {read:?}", found.formats);
        }
    }

    proptest! {
           #[test]
           fn any_text_is_a_time_or_none(texts in proptest::collection::vec("[0-9/:. TZ+-]{0,24}|\\PC{0,12}", 0..6)) {
               let mut stamps = Stamps::default();
               for text in texts {
    stamps.note(&text);
    }
               let _ = (stamps.is_time(), stamps.reading());
           }
       }
}
