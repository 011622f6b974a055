//! The fields of one row: of a line, quoted or not, or put together value by value.

use crate::files::Fault;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

/// Splits lines into fields; its memory is reused from line to line.
#[derive(Debug)]
pub(crate) struct Fields {
    delimiter: u8,
    quoted: Reader,
    text: Vec<u8>,
    /// Where each field ends in `text`, and how many bytes the delimiter takes after it.
    ends: Vec<usize>,
    gap: usize,
}

impl Fields {
    pub(crate) fn new(delimiter: u8) -> Self {
        let quoted =
            ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self { delimiter, quoted, text: Vec::new(), ends: Vec::new(), gap: 0 }
    }

    /// How many fields the line has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field without the blanks around it; `None` beyond the last.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] + self.gap };
        Some(self.text[start..end].trim_ascii())
    }

    /// Begins a row whose fields follow one by one.
    pub(crate) fn begin(&mut self) {
        self.gap = 0;
        self.text.clear();
        self.ends.clear();
    }

    /// The next field's text, to write to; [`Fields::end_field`] ends it.
    pub(crate) fn text_mut(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Ends a field.
    pub(crate) fn end_field(&mut self) {
        self.ends.push(self.text.len());
    }

    /// Takes a line apart.
    pub(crate) fn split(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.ends.clear();
        if memchr::memchr(b'"', line).is_some() {
            return self.split_quoted(line);
        }
        self.gap = 1;
        self.text.clear();
        self.text.extend_from_slice(line);
        self.ends.extend(memchr::memchr_iter(self.delimiter, line));
        self.ends.push(line.len());
        Ok(())
    }

    fn split_quoted(&mut self, line: &[u8]) -> Result<(), Fault> {
        if memchr::memchr_iter(b'"', line).count() % 2 == 1 {
            return Err(Fault::new("", "a quoted field does not end on its line"));
        }
        self.gap = 0;
        self.text.resize(line.len() + 1, 0);
        self.ends.resize(line.len() + 2, 0);
        self.quoted.reset();
        let (_, read, wrote, fields) =
            self.quoted.read_record(line, &mut self.text, &mut self.ends);
        // The end of the line is the end of the record.
        let (result, _, _, rest) =
            self.quoted.read_record(b"", &mut self.text[wrote..], &mut self.ends[fields..]);
        if read != line.len() || result != ReadRecordResult::Record {
            return Err(Fault::new("", "the quotes of the row do not fit"));
        }
        self.ends.truncate(fields + rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str, delimiter: u8) -> Vec<String> {
        let mut fields = Fields::new(delimiter);
        // Twice: memory of the line before must not show.
        fields.split(b"\"x,y\",longer than the next").unwrap();
        fields.split(line.as_bytes()).unwrap();
        (0..fields.len())
            .map(|i| String::from_utf8(fields.get(i).unwrap().to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn fields_split_with_and_without_quotes() {
        assert_eq!(split("1,2.5,,x", b','), ["1", "2.5", "", "x"]);
        assert_eq!(split("1; 2.5 ;", b';'), ["1", "2.5", ""]);
        assert_eq!(split("\"1,2\",\"say \"\"no\"\"\",3", b','), ["1,2", "say \"no\"", "3"]);
        assert_eq!(split("\"1\"", b','), ["1"]);
        assert_eq!(split("\"\",\"\"", b','), ["", ""]);
        assert_eq!(split("a\t\"b\"", b'\t'), ["a", "b"]);
        assert_eq!(split("\"a\rb\",c\rd", b','), ["a\rb", "c\rd"]);
    }

    #[test]
    fn an_open_quote_is_a_fault() {
        assert!(Fields::new(b',').split(b"1,\"2").unwrap_err().what.contains("quoted"));
    }

    proptest! {
        #[test]
        fn any_line_splits_or_is_a_fault(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            shaped in "[a,\"\r ]{0,40}",
            delimiter in any::<u8>(),
        ) {
            for line in [&bytes[..], shaped.as_bytes()] {
                let mut fields = Fields::new(delimiter);
                if fields.split(line).is_ok() {
                    for index in 0..fields.len() {
                        prop_assert!(fields.get(index).is_some());
                    }
                    prop_assert_eq!(fields.get(fields.len()), None);
                }
            }
        }
    }
}
