//! The frames that a machine journals, in memory.

use engine::Problem;
use engine::runtime::sink::{Recorder, Tally};
use journal::{End, Journal, JournalError};
use ringbuf_layout::frame::{FLAGS_OFFSET, LAST};
use ringbuf_layout::{Frame, Header, Kind, Tail};
use std::path::Path;

/// All frames of a run, one after the other, with neither CRC nor `last` bit.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The frames.
    pub bytes: Vec<u8>,
    /// What the sink counted.
    pub tally: Tally,
    next_seq: u64,
    next_index: u8,
    open: bool,
}

/// One frame of a recording.
#[derive(Clone, Copy, Debug)]
pub struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    /// Its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The shared header.
    pub fn head(&self) -> Header {
        bytemuck::pod_read_unaligned(&self.0[..32])
    }

    /// The shared tail.
    pub fn tail(&self) -> Tail {
        bytemuck::pod_read_unaligned(&self.0[56..64])
    }

    /// What it is.
    ///
    /// # Panics
    /// If the machine made a kind that does not exist.
    pub fn kind(&self) -> Kind {
        Kind::from_byte(self.0[4]).expect("Invariant: the machine makes known kinds")
    }

    /// The record, if it is a `T`.
    pub fn get<T: Frame>(&self) -> Option<T> {
        (self.0[4] == T::KIND as u8).then(|| bytemuck::pod_read_unaligned(self.0))
    }
}

impl Recording {
    /// An empty recording that begins with this sequence.
    pub fn beginning(seq: u64) -> Self {
        Self { next_seq: seq, ..Self::default() }
    }

    /// The frames below a sequence, and those from it on.
    pub fn halves(&self, at: u64) -> (Self, Self) {
        let first = self.frames().take_while(|frame| frame.head().seq < at);
        let bytes = first.map(|frame| frame.bytes().len()).sum();
        let part = |bytes: &[u8]| Self { bytes: bytes.to_vec(), ..Self::default() };
        (part(&self.bytes[..bytes]), part(&self.bytes[bytes..]))
    }

    /// The frames in order.
    pub fn frames(&self) -> impl Iterator<Item = View<'_>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let len = usize::from(u16::from_le_bytes(*rest.get(6..8)?.first_chunk()?));
            let (frame, after) = rest.split_at(len);
            rest = after;
            Some(View(frame))
        })
    }

    /// The records of kind `T`.
    pub fn all<T: Frame>(&self) -> Vec<T> {
        self.frames().filter_map(|frame| frame.get()).collect()
    }

    /// The inputs.
    pub fn inputs(&self) -> impl Iterator<Item = View<'_>> {
        self.frames().filter(|frame| frame.kind().is_input())
    }

    /// Where two recordings first differ, in words; `None` if they do not.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let pairs = self.frames().zip(other.frames());
        let differs = pairs.into_iter().find(|(a, b)| a.bytes() != b.bytes());
        if let Some((a, b)) = differs {
            let name = |view: View<'_>| {
                let head = view.head();
                format!("{} of {} index {}", view.kind().name(), head.seq, head.index)
            };
            return Some(format!("{} against {}", name(a), name(b)));
        }
        let lengths = (self.bytes.len(), other.bytes.len());
        (lengths.0 != lengths.1).then(|| format!("{} against {} bytes", lengths.0, lengths.1))
    }

    /// The frames of a journal, and how it ends.
    ///
    /// # Errors
    /// If the journal cannot be read or is damaged.
    ///
    /// # Panics
    /// Never: a journal that was read to its end has one.
    pub fn read(dir: &Path) -> Result<(Self, End), JournalError> {
        let journal = Journal::open(dir)?;
        let mut frames = journal.frames();
        let mut recording = Self::default();
        while let Some(frame) = frames.next()? {
            let at = recording.bytes.len();
            recording.bytes.extend_from_slice(frame.bytes);
            recording.bytes[at..at + 4].fill(0);
            recording.bytes[at + FLAGS_OFFSET] &= !LAST;
        }
        let end = frames.end().cloned().expect("Invariant: it has been read to its end");
        Ok((recording, end))
    }
}

/// Checks on the way what holds for every slot of every run: sequences without gaps, an input first,
/// indexes without gaps, one last frame.
impl Recorder for &mut Recording {
    fn begin(&mut self, seq: u64) -> Result<(), Problem> {
        assert!(!self.open, "Invariant: slot {} has a last frame", self.next_seq);
        assert_eq!(seq, self.next_seq, "Invariant: sequences have no gaps");
        self.next_seq += 1;
        self.next_index = 0;
        self.open = true;
        Ok(())
    }

    fn frame(&mut self, frame: &[u8], last: bool) -> Result<(), Problem> {
        let view = View(frame);
        let head = view.head();
        assert!(self.open, "Invariant: a frame is in a slot");
        assert_eq!((head.seq + 1, head.index), (self.next_seq, self.next_index));
        assert_eq!(head.index == 0, view.kind().is_input(), "Invariant: the input comes first");
        assert_eq!((usize::from(head.len), head.crc32c), (frame.len(), 0));
        assert_eq!(view.tail().flags & LAST, 0, "Invariant: the ring knows no last bit");
        self.next_index += 1;
        self.open = !last;
        self.bytes.extend_from_slice(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        assert!(!self.open, "Invariant: the last slot is whole");
        Ok(())
    }
}
