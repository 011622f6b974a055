//! Lines out of any bytes: numbered from 1, empty ones skipped, bounded in length, without the byte
//! order mark that some programs put before a text.

use crate::files::Bytes;
use std::io::{self, ErrorKind};

/// Longest line of most formats, and the size of the buffer.
pub(crate) const LINE_MAX: usize = 1 << 16;

/// A byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Why there is no next line.
#[derive(Debug)]
pub(crate) enum LineError {
    /// The bytes cannot be read or unpacked.
    Io(io::Error),
    /// No end of line within the longest that is read.
    TooLong,
}

/// Reads lines from bytes.
pub(crate) struct Lines {
    input: Bytes,
    buffer: Vec<u8>,
    /// First byte not yet given out.
    start: usize,
    /// First byte not yet searched for a line end.
    searched: usize,
    /// First byte not yet read.
    end: usize,
    number: u64,
    ended: bool,
}

impl Lines {
    pub(crate) fn new(input: Bytes) -> Self {
        Self::of_at_most(LINE_MAX, input)
    }

    /// Lines of at most `longest` bytes, which are taken at once.
    pub(crate) fn of_at_most(longest: usize, input: Bytes) -> Self {
        let buffer = vec![0; longest];
        Self { input, buffer, start: 0, searched: 0, end: 0, number: 0, ended: false }
    }

    /// Number of the line last given out, from 1; of the line that failed, after an error.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not empty, without its line end; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, LineError> {
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[self.searched..self.end]);
            let (line_end, next) = match found {
                Some(at) => (self.searched + at, self.searched + at + 1),
                None if self.ended && self.start == self.end => return Ok(None),
                None if self.ended => (self.end, self.end),
                None => {
                    self.fill()?;
                    continue;
                }
            };
            let mut start = self.start;
            if self.number == 0 && self.buffer[start..line_end].starts_with(MARK) {
                start += MARK.len();
            }
            (self.start, self.searched) = (next, next);
            self.number += 1;
            let has_return = line_end > start && self.buffer[line_end - 1] == b'\r';
            let line_end = line_end - usize::from(has_return);
            if line_end > start {
                return Ok(Some(&self.buffer[start..line_end]));
            }
        }
    }

    /// Reads more bytes behind those that hold no line end.
    fn fill(&mut self) -> Result<(), LineError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        (self.start, self.searched) = (0, self.end);
        if self.end == self.buffer.len() {
            self.number += 1;
            return Err(LineError::TooLong);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(n) => {
                    self.end += n;
                    self.ended = n == 0;
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    self.number += 1;
                    return Err(LineError::Io(e));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Cursor, Read};

    /// Gives out few bytes at a time, as a pipe does.
    struct Dribble(Cursor<Vec<u8>>, usize);
    impl Read for Dribble {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = out.len().min(self.1);
            self.0.read(&mut out[..n])
        }
    }

    fn all(text: &[u8], step: usize) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Lines::new(Box::new(Dribble(Cursor::new(text.to_vec()), step)));
        let mut out = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let line = line.to_vec();
            out.push((lines.number(), line));
        }
        out
    }

    #[test]
    fn line_ends_of_any_kind_and_empty_lines_keep_the_numbers_right() {
        let lines = all(b"a\r\n\n\r\nbc\n\rd\ne", 3);
        let expected = [(1, "a"), (4, "bc"), (5, "\rd"), (6, "e")];
        assert_eq!(lines, expected.map(|(n, text)| (n, text.as_bytes().to_vec())));
    }

    #[test]
    fn a_byte_order_mark_is_dropped_once_and_only_at_the_start() {
        let check = |text: &str, expected: &[(u64, &str)]| {
            for step in [1, 2, 3, 100] {
                let lines = all(text.as_bytes(), step);
                let expected = expected.iter().map(|(n, line)| (*n, line.as_bytes().to_vec()));
                assert_eq!(lines, expected.collect::<Vec<_>>(), "{text:?}");
            }
        };
        check("\u{feff}a\nb", &[(1, "a"), (2, "b")]);
        check("\u{feff}\r\na", &[(2, "a")]);
        check("\u{feff}", &[]);
        check("\u{feff}\u{feff}a\n", &[(1, "\u{feff}a")]);
        check("\n\u{feff}a\n\u{feff}b", &[(2, "\u{feff}a"), (3, "\u{feff}b")]);
        assert_eq!(all(b"\xef\xbb\n", 1), [(1, b"\xef\xbb".to_vec())]);
    }

    #[test]
    fn a_line_without_end_is_refused_and_not_collected() {
        let mut lines = Lines::new(Box::new(io::repeat(b'x')));
        assert!(matches!(lines.next(), Err(LineError::TooLong)));
        assert_eq!(lines.number(), 1);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_a_plain_split(
            text in "[ab\r\n]{0,300}", step in 1_usize..50
        ) {
            let expected: Vec<_> = text
                .split('\n')
                .map(|line| line.strip_suffix('\r').unwrap_or(line))
                .zip(1..)
                .filter(|(line, _)| !line.is_empty())
                .map(|(line, n)| (n, line.as_bytes().to_vec()))
                .collect();
            prop_assert_eq!(all(text.as_bytes(), step), expected);
        }
    }
}
