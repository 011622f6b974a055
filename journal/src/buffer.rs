//! Bytes in memory that begin at a multiple of eight, as a mapping does: records are read in place.

use std::ops::{Deref, DerefMut};

/// A file's bytes on a simulated disk, or what stands for a file that is not opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Buffer {
    words: Vec<u64>,
    len: usize,
}

impl Buffer {
    /// These bytes, cut or lengthened by zeros to a length. (`Vec::resize` goes byte by byte: in Miri that
    /// takes seconds a page.)
    #[cfg(feature = "sim")]
    pub(crate) fn of(bytes: &[u8], len: usize) -> Self {
        let mut buffer = Self { words: vec![0; len.div_ceil(8)], len };
        let kept = bytes.len().min(len);
        buffer[..kept].copy_from_slice(&bytes[..kept]);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }
}
