//! Thrift's compact protocol, walked before the parquet crate walks it.
//!
//! The crate passes over what it does not know by counting, and a list of 2³¹ booleans takes no byte: each costs it a
//! second and more, and a file of kilobytes can hold hundreds. Here what no byte stands for is refused, so the walk ends
//! with the bytes. The crate reads a field that it knows by its number alone, whatever type it is written with, and would
//! be elsewhere in the bytes than this walk: so a known field of another type is refused too.
//!
//! Protocol: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>; fields:
//! `parquet.thrift` of parquet-format 2.12.

/// How a field is written. Integers of 16, 32 and 64 bits are written alike, and some writers confuse them.
#[derive(Debug)]
pub(crate) enum Shape {
    Bool,
    Byte,
    Number,
    Double,
    Bytes,
    List(&'static Self),
    Struct(Fields),
    /// An element of the schema, and in it the number of its children.
    Element(Fields),
    Children,
    /// A number that whoever asked for the walk looks at, and its place in [`Walked::kept`].
    Kept(usize),
    /// A boolean alike: 1 or 0.
    Flag(usize),
    /// A structure of anything: 1 if it came.
    Came(usize),
}

/// The fields of a structure that are known, by number.
pub(crate) type Fields = &'static [(i16, Shape)];

/// What a walk has seen.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Walked {
    /// Bytes that the structure takes.
    pub(crate) length: usize,
    /// The numbers that were to be kept, where they came.
    pub(crate) kept: [Option<i64>; KEPT],
}

/// Numbers that are kept: of a page header.
pub(crate) const KEPT: usize = 12;

/// Why a walk ended early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    /// The bytes end first.
    Short,
    /// They are no such structure.
    Shape,
}

/// Levels of structures within structures; the crate's own bound.
const DEPTH_MAX: u8 = 64;

use Shape::{Bool, Byte, Bytes, Came, Children, Double, Element, Flag, Kept, List, Number, Struct};

const NOTHING: Shape = Struct(&[]);
const TIME_UNIT: Shape = Struct(&[(1, NOTHING), (2, NOTHING), (3, NOTHING)]);
const TIME: Shape = Struct(&[(1, Bool), (2, TIME_UNIT)]);
const LOGICAL_TYPE: Shape = Struct(&[
    (1, NOTHING),
    (2, NOTHING),
    (3, NOTHING),
    (4, NOTHING),
    (5, Struct(&[(1, Number), (2, Number)])),
    (6, NOTHING),
    (7, TIME),
    (8, TIME),
    (10, Struct(&[(1, Byte), (2, Bool)])),
    (11, NOTHING),
    (12, NOTHING),
    (13, NOTHING),
    (14, NOTHING),
    (15, NOTHING),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Bytes)])),
    (18, Struct(&[(1, Bytes), (2, Number)])),
    (19, NOTHING),
]);
const SCHEMA_ELEMENT: Shape = Element(&[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Bytes),
    (5, Children),
    (6, Number),
    (7, Number),
    (8, Number),
    (9, Number),
    (10, LOGICAL_TYPE),
]);
const KEY_VALUE: Shape = Struct(&[(1, Bytes), (2, Bytes)]);
const STATISTICS: Shape = Struct(&[
    (1, Bytes),
    (2, Bytes),
    (3, Number),
    (4, Number),
    (5, Bytes),
    (6, Bytes),
    (7, Bool),
    (8, Bool),
    (9, Number),
]);
const ENCODING_STATS: Shape = Struct(&[(1, Number), (2, Number), (3, Number)]);
const SIZE_STATISTICS: Shape = Struct(&[(1, Number), (2, List(&Number)), (3, List(&Number))]);
const BOUNDING_BOX: Shape = Struct(&[
    (1, Double),
    (2, Double),
    (3, Double),
    (4, Double),
    (5, Double),
    (6, Double),
    (7, Double),
    (8, Double),
]);
const GEOSPATIAL_STATISTICS: Shape = Struct(&[(1, BOUNDING_BOX), (2, List(&Number))]);
const COLUMN_META_DATA: Shape = Struct(&[
    (1, Number),
    (2, List(&Number)),
    (3, List(&Bytes)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, List(&KEY_VALUE)),
    (9, Number),
    (10, Number),
    (11, Number),
    (12, STATISTICS),
    (13, List(&ENCODING_STATS)),
    (14, Number),
    (15, Number),
    (16, SIZE_STATISTICS),
    (17, GEOSPATIAL_STATISTICS),
]);
const COLUMN_CHUNK: Shape = Struct(&[
    (1, Bytes),
    (2, Number),
    (3, COLUMN_META_DATA),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
]);
const SORTING_COLUMN: Shape = Struct(&[(1, Number), (2, Bool), (3, Bool)]);
const ROW_GROUP: Shape = Struct(&[
    (1, List(&COLUMN_CHUNK)),
    (2, Number),
    (3, Number),
    (4, List(&SORTING_COLUMN)),
    (5, Number),
    (6, Number),
    (7, Number),
]);
const COLUMN_ORDER: Shape = Struct(&[(1, NOTHING), (2, NOTHING), (3, NOTHING)]);

/// What a file says of itself at its end. Kept is whether it says how it is encrypted: some of its columns are.
pub(crate) const FILE_META_DATA: Fields = &[
    (1, Number),
    (2, List(&SCHEMA_ELEMENT)),
    (3, Number),
    (4, List(&ROW_GROUP)),
    (5, List(&KEY_VALUE)),
    (6, Bytes),
    (7, List(&COLUMN_ORDER)),
    (8, Came(0)),
];

/// What stands before a page. Kept are its kind, its bytes unpacked and packed; of data the number of values, their
/// encoding and that of the definition levels; of a dictionary the number of values; of data of the second version that
/// number, the encoding, the bytes of both levels and whether the values are packed. The crate passes over the
/// statistics, so here they are anything.
pub(crate) const PAGE_HEADER: Fields = &[
    (1, Kept(0)),
    (2, Kept(1)),
    (3, Kept(2)),
    (4, Number),
    (5, Struct(&[(1, Kept(3)), (2, Kept(4)), (3, Kept(5)), (4, Number)])),
    (6, NOTHING),
    (7, Struct(&[(1, Kept(6)), (2, Number), (3, Bool)])),
    (
        8,
        Struct(&[
            (1, Kept(7)),
            (2, Number),
            (3, Number),
            (4, Kept(8)),
            (5, Kept(9)),
            (6, Kept(10)),
            (7, Flag(11)),
        ]),
    ),
];

/// Most elements of a schema.
const ELEMENTS_MAX: usize = 40_000;

/// Walks the structure of these fields that `bytes` begin with.
///
/// # Errors
/// It does not end within the bytes, or is none.
pub(crate) fn walk(bytes: &[u8], fields: Fields) -> Result<Walked, Flaw> {
    let mut rest = Rest { bytes, children: Vec::new(), kept: [None; KEPT] };
    rest.structure(fields, DEPTH_MAX)?;
    check_tree(&rest.children)?;
    Ok(Walked { length: bytes.len() - rest.bytes.len(), kept: rest.kept })
}

/// The elements of a schema, each with the number of its children, are one tree that is not deep: the crate reads it by
/// recursion, and sets memory aside for as many children as are said.
fn check_tree(children: &[i64]) -> Result<(), Flaw> {
    // Children that are still to come, of each element that has some.
    let mut open: Vec<usize> = Vec::new();
    for (at, children) in children.iter().enumerate() {
        match open.last_mut() {
            Some(left) => *left -= 1,
            None if at > 0 => return Err(Flaw::Shape),
            None => {}
        }
        match usize::try_from(*children) {
            Ok(0) => {}
            Ok(children) => open.push(children),
            Err(_) => return Err(Flaw::Shape),
        }
        if open.len() > usize::from(DEPTH_MAX) {
            return Err(Flaw::Shape);
        }
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    if open.is_empty() { Ok(()) } else { Err(Flaw::Shape) }
}

fn byte(bytes: &mut &[u8]) -> Result<u8, Flaw> {
    let (first, rest) = bytes.split_first().ok_or(Flaw::Short)?;
    *bytes = rest;
    Ok(*first)
}

/// Takes a number off the front that has as many bytes as it needs, each with seven bits of it, the least first; parquet
/// writes the numbers within its pages so too.
///
/// # Errors
/// It does not end within the bytes, or not within ten.
pub(crate) fn number(bytes: &mut &[u8]) -> Result<u64, Flaw> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Flaw::Shape)
}

/// One that may be negative: 0, -1, 1, -2 are written 0, 1, 2, 3.
///
/// # Errors
/// Like those of [`number`].
pub(crate) fn signed(bytes: &mut &[u8]) -> Result<i64, Flaw> {
    let zigzag = number(bytes)?;
    Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
}

/// Bytes that are still to be walked.
struct Rest<'a> {
    bytes: &'a [u8],
    /// The number of children of each element of a schema.
    children: Vec<i64>,
    kept: [Option<i64>; KEPT],
}

impl Rest<'_> {
    fn byte(&mut self) -> Result<u8, Flaw> {
        byte(&mut self.bytes)
    }

    fn pass(&mut self, count: u64) -> Result<(), Flaw> {
        let count = usize::try_from(count).map_err(|_| Flaw::Shape)?;
        self.bytes = self.bytes.get(count..).ok_or(Flaw::Short)?;
        Ok(())
    }

    fn number(&mut self) -> Result<u64, Flaw> {
        number(&mut self.bytes)
    }

    fn signed(&mut self) -> Result<i64, Flaw> {
        signed(&mut self.bytes)
    }

    fn structure(&mut self, known: Fields, depth: u8) -> Result<(), Flaw> {
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            let (step, wire) = (i16::from(head >> 4), head & 0xf);
            if wire == 0 {
                return Ok(());
            }
            let next = if step == 0 {
                self.signed()? as i16
            } else {
                id.checked_add(step).ok_or(Flaw::Shape)?
            };
            // Of a field that comes twice the crate keeps the second, and what was looked at is the first.
            if next <= id && !known.is_empty() {
                return Err(Flaw::Shape);
            }
            id = next;
            let shape = known.iter().find(|(known, _)| *known == id).map(|(_, shape)| shape);
            if wire <= 2 {
                // A boolean field is its type.
                match shape {
                    None | Some(Bool) => {}
                    Some(Flag(place)) => self.kept[*place] = Some(i64::from(wire == 1)),
                    Some(_) => return Err(Flaw::Shape),
                }
                continue;
            }
            self.value(wire, shape, depth)?;
        }
    }

    /// A value that takes a byte at least.
    fn value(&mut self, wire: u8, shape: Option<&'static Shape>, depth: u8) -> Result<(), Flaw> {
        let depth = depth.checked_sub(1).ok_or(Flaw::Shape)?;
        match (wire, shape) {
            (3, None | Some(Byte)) => self.pass(1),
            (4..=6, None | Some(Number)) => self.number().map(drop),
            (4..=6, Some(Children)) => {
                let children = self.signed()?;
                *self.children.last_mut().ok_or(Flaw::Shape)? = children;
                Ok(())
            }
            (4..=6, Some(Kept(place))) => {
                self.kept[*place] = Some(self.signed()?);
                Ok(())
            }
            (7, None | Some(Double)) => self.pass(8),
            (8, None | Some(Bytes)) => {
                let length = self.number()?;
                self.pass(length)
            }
            (9 | 10, None) => self.list(None, depth),
            (9 | 10, Some(List(element))) => self.list(Some(element), depth),
            (11, None) => self.map(depth),
            (12, None) => self.structure(&[], depth),
            (12, Some(Came(place))) => {
                self.kept[*place] = Some(1);
                self.structure(&[], depth)
            }
            (12, Some(Struct(fields))) => self.structure(fields, depth),
            (12, Some(Element(fields))) => {
                if self.children.len() == ELEMENTS_MAX {
                    return Err(Flaw::Shape);
                }
                self.children.push(0);
                self.structure(fields, depth)
            }
            (13, None) => self.pass(16),
            _ => Err(Flaw::Shape),
        }
    }

    fn list(&mut self, element: Option<&'static Shape>, depth: u8) -> Result<(), Flaw> {
        let head = self.byte()?;
        let (short, wire) = (u64::from(head >> 4), head & 0xf);
        let count = if short == 15 { self.number()? } else { short };
        if count == 0 {
            // Some writers give an empty list no type.
            return Ok(());
        }
        for _ in 0..count {
            self.value(wire, element, depth)?;
        }
        Ok(())
    }

    fn map(&mut self, depth: u8) -> Result<(), Flaw> {
        let count = self.number()?;
        if count == 0 {
            return Ok(());
        }
        let wires = self.byte()?;
        for _ in 0..count {
            self.value(wires >> 4, None, depth)?;
            self.value(wires & 0xf, None, depth)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page header of a dictionary: kind 2, sizes 64 and 10, three values, plain; then what is given, and its end.
    fn header(more: &[u8]) -> Vec<u8> {
        let begin = [0x15, 4, 0x15, 0x80, 0x01, 0x15, 20, 0x4c, 0x15, 6, 0x15, 0];
        [&begin, more, &[0, 0, 0xaa]].concat()
    }

    #[test]
    fn a_structure_ends_where_it_says_and_what_is_not_known_is_passed_over() {
        let unknown: [&[u8]; 8] = [
            &[],
            &[0x21],                                     // true
            &[0x23, 7],                                  // a byte
            &[0x28, 2, b'a', b'b'],                      // bytes
            &[0x29, 0x25, 1, 2],                         // a list of two numbers
            &[0x29, 0x00],                               // a list of nothing
            &[0x2b, 1, 0x58, 3, 1, b'x'],                // a map of a number to bytes
            &[0x2c, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x00], // a structure with a double
        ];
        for more in unknown {
            let bytes = header(more);
            let mut kept = [None; KEPT];
            (kept[0], kept[1], kept[2], kept[6]) = (Some(2), Some(64), Some(10), Some(3));
            let walked = Walked { length: bytes.len() - 1, kept };
            assert_eq!(walk(&bytes, PAGE_HEADER), Ok(walked), "{more:?}");
            for end in 0..bytes.len() - 1 {
                assert_eq!(walk(&bytes[..end], PAGE_HEADER), Err(Flaw::Short), "{end} of {more:?}");
            }
        }
    }

    #[test]
    fn what_takes_no_byte_or_another_type_than_its_number_says_is_refused() {
        let flaws: [&[u8]; 9] = [
            &[0x29, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07], // 2^31 - 1 times true
            &[0x29, 0x11],                               // once
            &[0x2a, 0xf2, 0xff, 0xff, 0xff, 0xff, 0x07], // a set
            &[0x2b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x11], // a map of booleans to booleans
            &[0x2b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x51], // of numbers to booleans
            &[0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x2e],
            &[0x15, 2],       // field 3, a boolean, as a number
            &[0x05, 0x04, 0], // field 2 again
        ];
        for more in flaws {
            assert_eq!(walk(&header(more), PAGE_HEADER), Err(Flaw::Shape), "{more:?}");
        }
    }

    #[test]
    fn a_schema_is_one_tree_that_is_not_deep() {
        for tree in [&[][..], &[0], &[2, 0, 0], &[2, 1, 0, 1, 0], &[1, 2, 0, 0]] {
            assert_eq!(check_tree(tree), Ok(()), "{tree:?}");
        }
        for no_tree in [&[1][..], &[0, 0], &[2, 0], &[1, 0, 0], &[-1], &[1, i64::MAX], &[1 << 31]] {
            assert_eq!(check_tree(no_tree), Err(Flaw::Shape), "{no_tree:?}");
        }
        let mut deep = vec![1; usize::from(DEPTH_MAX) + 1];
        deep[usize::from(DEPTH_MAX)] = 0;
        assert_eq!(check_tree(&deep), Ok(()));
        deep.insert(0, 1);
        assert_eq!(check_tree(&deep), Err(Flaw::Shape));
    }

    #[test]
    fn what_nests_without_end_or_counts_beyond_the_bytes_ends() {
        let nested = header(&[0x2c].repeat(1_000_000));
        assert_eq!(walk(&nested, PAGE_HEADER), Err(Flaw::Shape));
        let lists = [&[0x29][..], &[0xf9, 0xff, 0xff, 0xff, 0xff, 0x07].repeat(60)].concat();
        assert_eq!(walk(&header(&lists), PAGE_HEADER), Err(Flaw::Short));
        let doubles = [0x29, 0xf7, 0xff, 0xff, 0xff, 0xff, 0x07];
        assert_eq!(walk(&header(&doubles), PAGE_HEADER), Err(Flaw::Short));
    }
}
