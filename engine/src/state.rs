//! State as bytes and back: one walk over the fields of a struct saves them and loads them.
//!
//! [`state!`] takes a struct apart without a rest pattern, so a field that is added and not named there does not
//! compile: nothing can be forgotten, only declared `fixed` (made by the config, the same in the struct that is
//! loaded into).
//!
//! ```
//! use engine::state::{Codec, State, state};
//!
//! #[derive(Default)]
//! struct Average { period: u32, seen: u32, sum: f64 }
//! state!(Average { seen, sum } fixed { period } check |average| average.seen <= average.period);
//!
//! let mut bytes = Vec::new();
//! let mut average = Average { period: 3, seen: 2, sum: 1.5 };
//! average.state(&mut Codec::save(&mut bytes)).unwrap();
//! let mut other = Average { period: 3, ..Average::default() };
//! other.state(&mut Codec::load(&bytes)).unwrap();
//! assert_eq!((other.seen, other.sum), (2, 1.5));
//! let mut short = Average { period: 1, ..Average::default() };
//! assert!(short.state(&mut Codec::load(&bytes)).is_err(), "two values of an average over one");
//! ```
//!
//! Little-endian, floats as bits. Every length is checked before anything is taken for it, and no bytes whatever
//! make a load panic: what does not fit is a [`StateError`], and what was half loaded is thrown away with it.

use core::fmt;
use ringbuf_layout::names::{OrderState, OrderType, SessionPhase, TimeInForce};
use ringbuf_layout::{Money, Price, Side, Size};
use std::collections::VecDeque;

/// Why bytes are not the state of a struct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateError {
    /// What does not fit, in words.
    pub what: String,
}

impl StateError {
    /// Something that does not fit.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for StateError {}

/// What can be saved and loaded.
pub trait State {
    /// Walks over its fields in a fixed order: into the codec, or out of it.
    ///
    /// # Errors
    /// Loading: the bytes are not those of such a struct.
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError>;
}

/// The bytes that a walk fills or reads.
#[derive(Debug)]
pub struct Codec<'b>(Way<'b>);

#[derive(Debug)]
enum Way<'b> {
    Save(&'b mut Vec<u8>),
    Load(&'b [u8]),
}

impl<'b> Codec<'b> {
    /// Appends to `bytes`.
    pub fn save(bytes: &'b mut Vec<u8>) -> Self {
        Self(Way::Save(bytes))
    }

    /// Reads from `bytes`.
    pub fn load(bytes: &'b [u8]) -> Self {
        Self(Way::Load(bytes))
    }

    /// True if it reads.
    pub fn is_loading(&self) -> bool {
        matches!(self.0, Way::Load(_))
    }

    /// Loading: nothing may be left.
    ///
    /// # Errors
    /// If something is.
    pub fn finish(self) -> Result<(), StateError> {
        match self.0 {
            Way::Load(rest) if !rest.is_empty() => {
                Err(StateError::new(format!("{} bytes are left over", rest.len())))
            }
            _ => Ok(()),
        }
    }

    /// Plain bytes of a known length.
    ///
    /// # Errors
    /// Loading: there are fewer.
    pub fn bytes(&mut self, bytes: &mut [u8]) -> Result<(), StateError> {
        match &mut self.0 {
            Way::Save(to) => to.extend_from_slice(bytes),
            Way::Load(from) => {
                let Some((taken, rest)) = from.split_at_checked(bytes.len()) else {
                    return Err(StateError::new("the bytes end too early"));
                };
                bytes.copy_from_slice(taken);
                *from = rest;
            }
        }
        Ok(())
    }

    /// A length, at most `max`. Each element takes a byte at least, so no length is believed for which there are
    /// no bytes.
    ///
    /// # Errors
    /// Loading: it is more.
    pub fn len(&mut self, len: usize, max: usize) -> Result<usize, StateError> {
        let mut word = len as u64;
        word.state(self)?;
        let left = match &self.0 {
            Way::Save(_) => return Ok(len),
            Way::Load(rest) => rest.len(),
        };
        match usize::try_from(word) {
            Ok(len) if len <= max && len <= left => Ok(len),
            _ => Err(StateError::new(format!("{word} elements where at most {max} fit"))),
        }
    }

    /// Something that config or build decides: the bytes must say the same.
    ///
    /// # Errors
    /// Loading: they say something else.
    pub fn same<T: State + Clone + PartialEq + fmt::Debug>(
        &mut self,
        value: &T,
        what: &str,
    ) -> Result<(), StateError> {
        let mut found = value.clone();
        found.state(self)?;
        if found == *value {
            return Ok(());
        }
        Err(StateError::new(format!("{what} was {found:?} and is {value:?}")))
    }

    /// As [`Codec::same`], of text.
    ///
    /// # Errors
    /// Loading: it is another text.
    pub fn same_text(&mut self, text: &str, what: &str) -> Result<(), StateError> {
        const LONGEST: usize = 4_096;
        let mut found = text.as_bytes().to_vec();
        self.list(&mut found, LONGEST, || 0)?;
        if found == text.as_bytes() {
            return Ok(());
        }
        let found = String::from_utf8_lossy(&found);
        Err(StateError::new(format!("{what} was \"{found}\" and is \"{text}\"")))
    }

    /// Elements of which there are at most `max`; a new one is made by `blank` before it is loaded.
    ///
    /// # Errors
    /// Loading: there are more, or one does not fit.
    pub fn list<T: State>(
        &mut self,
        list: &mut Vec<T>,
        max: usize,
        blank: impl Fn() -> T,
    ) -> Result<(), StateError> {
        let len = self.len(list.len(), max)?;
        if self.is_loading() {
            list.clear();
            for _ in 0..len {
                let mut element = blank();
                element.state(self)?;
                list.push(element);
            }
            return Ok(());
        }
        list.iter_mut().try_for_each(|element| element.state(self))
    }

    /// As [`Codec::list`], of a queue.
    ///
    /// # Errors
    /// Loading: there are more, or one does not fit.
    pub fn queue<T: State>(
        &mut self,
        queue: &mut VecDeque<T>,
        max: usize,
        blank: impl Fn() -> T,
    ) -> Result<(), StateError> {
        let len = self.len(queue.len(), max)?;
        if self.is_loading() {
            queue.clear();
            for _ in 0..len {
                let mut element = blank();
                element.state(self)?;
                queue.push_back(element);
            }
            return Ok(());
        }
        queue.iter_mut().try_for_each(|element| element.state(self))
    }

    /// A row an instrument: loading, there may be fewer than in the struct; those that are new stay as they are.
    ///
    /// # Errors
    /// Loading: there are more, or one does not fit.
    pub fn rows<T: State>(&mut self, rows: &mut [T]) -> Result<(), StateError> {
        let len = self.len(rows.len(), rows.len())?;
        rows[..len].iter_mut().try_for_each(|row| row.state(self))
    }

    /// Something that may be absent; made by `blank` before it is loaded.
    ///
    /// # Errors
    /// Loading: it does not fit.
    pub fn option<T: State>(
        &mut self,
        option: &mut Option<T>,
        blank: impl FnOnce() -> T,
    ) -> Result<(), StateError> {
        let mut is_there = option.is_some();
        is_there.state(self)?;
        if self.is_loading() {
            *option = is_there.then(blank);
        }
        option.as_mut().map_or(Ok(()), |value| value.state(self))
    }

    /// Something that the config decides to be there or absent.
    ///
    /// # Errors
    /// Loading: the bytes are of another config, or do not fit.
    pub fn part<T: State>(&mut self, part: &mut Option<T>, what: &str) -> Result<(), StateError> {
        self.same(&part.is_some(), what)?;
        part.as_mut().map_or(Ok(()), |value| value.state(self))
    }

    /// A code that one byte holds.
    ///
    /// # Errors
    /// Loading: no such code.
    pub fn code<T>(
        &mut self,
        value: &mut T,
        byte: u8,
        of: impl FnOnce(u8) -> Option<T>,
    ) -> Result<(), StateError> {
        let mut code = byte;
        code.state(self)?;
        if self.is_loading() {
            *value = of(code).ok_or_else(|| StateError::new(format!("{code} is no code")))?;
        }
        Ok(())
    }
}

/// Saves and loads a struct field by field. `fixed` fields are the config's; `check` refuses what was loaded.
#[macro_export]
macro_rules! state {
    ($type:ty { $($field:ident),* $(,)? } $(fixed { $($fixed:ident),* $(,)? })? $(check $check:expr)?) => {
        impl $crate::state::State for $type {
            fn state(
                &mut self,
                codec: &mut $crate::state::Codec<'_>,
            ) -> Result<(), $crate::state::StateError> {
                // No rest pattern: a new field must be named here.
                let Self { $($field,)* $($($fixed: _,)*)? } = self;
                $( $crate::state::State::state($field, codec)?; )*
                $( $crate::state::checked(self, codec, $check)?; )?
                Ok(())
            }
        }
    };
}
pub use state;

/// Refuses what was loaded if it does not hold together.
///
/// # Errors
/// If it does not.
pub fn checked<T>(
    value: &T,
    codec: &Codec<'_>,
    check: impl FnOnce(&T) -> bool,
) -> Result<(), StateError> {
    if codec.is_loading() && !check(value) {
        let name = core::any::type_name::<T>().rsplit("::").next().unwrap_or("a value");
        return Err(StateError::new(format!("a {name} does not hold together")));
    }
    Ok(())
}

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl State for $number {
            fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
                let mut bytes = self.to_le_bytes();
                codec.bytes(&mut bytes)?;
                *self = Self::from_le_bytes(bytes);
                Ok(())
            }
        }
    )* };
}
numbers!(u8, i8, u16, u32, i32, u64, i64, i128, f32, f64);

impl State for usize {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let mut word = *self as u64;
        word.state(codec)?;
        *self = Self::try_from(word).map_err(|_| StateError::new("a number is too large"))?;
        Ok(())
    }
}

impl State for bool {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.code(self, u8::from(*self), |byte| match byte {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })
    }
}

macro_rules! wrapped {
    ($($wrapper:ty),*) => { $(
        impl State for $wrapper {
            fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
                self.0.state(codec)
            }
        }
    )* };
}
wrapped!(Price, Size, Money);

macro_rules! coded {
    ($($code:ty),*) => { $(
        impl State for $code {
            fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
                codec.code(self, *self as u8, Self::from_byte)
            }
        }
    )* };
}
coded!(OrderState, OrderType, TimeInForce, SessionPhase);

impl State for Side {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.code(self, *self as u8, |byte| match byte {
            0 => Some(Self::None),
            1 => Some(Self::Buy),
            2 => Some(Self::Sell),
            _ => None,
        })
    }
}

impl<T: State, const N: usize> State for [T; N] {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        self.iter_mut().try_for_each(|element| element.state(codec))
    }
}

/// Exactly as many as there are: the config decides how many.
impl<T: State> State for [T] {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.same(&self.len(), "a length")?;
        self.iter_mut().try_for_each(|element| element.state(codec))
    }
}

impl<T: State> State for Vec<T> {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        self.as_mut_slice().state(codec)
    }
}

impl<T: State> State for Box<[T]> {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        (**self).state(codec)
    }
}

impl<T: State + Default> State for Option<T> {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.option(self, T::default)
    }
}

impl<A: State, B: State> State for (A, B) {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        self.0.state(codec)?;
        self.1.state(codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Debug, Default)]
    struct Everything {
        int: i64,
        float: f64,
        wide: i128,
        flag: bool,
        maybe: Option<f64>,
        pair: (u8, u16),
        row: [i32; 3],
        fixed: Vec<u32>,
    }
    state!(Everything { int, float, wide, flag, maybe, pair, row, fixed });

    fn saved(value: &mut impl State) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.state(&mut Codec::save(&mut bytes)).unwrap();
        bytes
    }

    fn everything() -> Everything {
        Everything {
            int: i64::MIN,
            float: -0.0,
            wide: i128::MAX - 5,
            flag: true,
            maybe: Some(f64::INFINITY),
            pair: (7, 65_000),
            row: [1, -2, 3],
            fixed: vec![4, 5],
        }
    }

    #[test]
    fn what_is_saved_loads_to_the_bit() {
        let mut value = everything();
        let bytes = saved(&mut value);
        let mut other = Everything { fixed: vec![0; 2], ..Everything::default() };
        let mut codec = Codec::load(&bytes);
        other.state(&mut codec).unwrap();
        codec.finish().unwrap();
        assert_eq!(other, value);
        assert_eq!(other.float.to_bits(), (-0.0_f64).to_bits());
        assert_eq!(saved(&mut other), bytes);
    }

    #[test]
    fn bytes_that_are_cut_or_too_many_are_errors() {
        let bytes = saved(&mut everything());
        let blank = || Everything { fixed: vec![0; 2], ..Everything::default() };
        for cut in 0..bytes.len() {
            assert!(blank().state(&mut Codec::load(&bytes[..cut])).is_err(), "cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        let mut codec = Codec::load(&longer);
        blank().state(&mut codec).unwrap();
        assert!(codec.finish().is_err());
        assert!(Everything::default().state(&mut Codec::load(&bytes)).is_err(), "another length");
    }

    #[test]
    fn a_length_is_believed_only_where_there_are_bytes_for_it() {
        let mut bytes = Vec::new();
        Codec::save(&mut bytes).list(&mut vec![1_u8, 2, 3], 3, || 0).unwrap();
        for huge in [4, 1 << 40, u64::MAX] {
            let mut lie = bytes.clone();
            lie[..8].copy_from_slice(&huge.to_le_bytes());
            let mut list = Vec::new();
            assert!(Codec::load(&lie).list(&mut list, usize::MAX, || 0_u8).is_err(), "{huge}");
            assert_eq!(list.capacity(), 0);
        }
        assert!(Codec::load(&bytes).list(&mut Vec::new(), 2, || 0_u8).is_err());
    }

    #[test]
    fn what_the_config_decides_must_be_the_same() {
        let mut bytes = Vec::new();
        let mut codec = Codec::save(&mut bytes);
        codec.same_text("rule", "the policy").unwrap();
        codec.same(&3_u32, "the period").unwrap();
        let mut codec = Codec::load(&bytes);
        codec.same_text("rule", "the policy").unwrap();
        assert_eq!(codec.same(&4_u32, "the period").unwrap_err().what, "the period was 3 and is 4");
        let error = Codec::load(&bytes).same_text("burn", "the policy").unwrap_err();
        assert_eq!(error.what, "the policy was \"rule\" and is \"burn\"");
    }
}
