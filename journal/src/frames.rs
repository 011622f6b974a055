//! Reads a journal's frames, slot by slot, and says how it ends.
//!
//! | at this place | with valid frames after it, or sealed | with none |
//! |---|---|---|
//! | a valid frame in sequence | read on | read on |
//! | a valid frame out of sequence | damage | damage |
//! | no valid frame | damage | torn tail |
//! | zeros, between slots | next segment, else damage | clean open end |
//! | zeros, inside a slot | damage | torn tail |
//!
//! | last segment in use ends with | and then | |
//! |---|---|---|
//! | the footer of a close | | sealed |
//! | the footer of a roll | a whole spare is the next segment | clean open end, in the spare |
//! | the footer of a roll | nothing, and the superblock knows of no more | clean open end, recovered |
//! | the footer of a roll | nothing, or another file | damage: the rest is gone |
//!
//! | a segment ends with | and the next one is of | |
//! |---|---|---|
//! | the footer of a close | a later epoch | read on |
//! | the footer of a roll | the same epoch, or a later one (recovered) | read on |
//! | no footer | the same epoch (its sealing was cut off) | read on |
//! | anything else | | damage |
//!
//! Whatever the end, it is damage if the superblock says that more was durable.

use crate::error::{Finding, JournalError};
use crate::frame::{FOOTER_ROOM, Found, first_set, head, is_zero, seed};
use crate::header::{PAGE, SegmentHeader};
use crate::reader::{Journal, Mapped};
use ringbuf_layout::frame::{FLAGS_OFFSET, LAST, LINE, NO_INSTRUMENT};
use ringbuf_layout::names::FOOTER_FINAL;
use ringbuf_layout::{Footer, Frame, Header, Kind, Tail};

/// How a journal ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// With a footer: closed.
    Sealed,
    /// With a whole slot and zeros: the writer was stopped between two slots, or is alive.
    Open {
        /// Last segment in use, or the spare that it would have gone on in.
        segment: u32,
        /// Where the next slot would go.
        offset: u64,
    },
    /// Inside a slot: the writer was stopped there. The slot was never below the watermark.
    Torn {
        /// Last segment in use.
        segment: u32,
        /// Where the last whole slot ends.
        offset: u64,
        /// Bytes behind it, up to the last one that is not zero.
        bytes: u64,
        /// What is missing.
        reason: String,
    },
}

impl Left {
    /// Why a segment of epoch `next` cannot follow one of `epoch` that was left so.
    fn why_not(self, epoch: u32, next: u32) -> Option<&'static str> {
        match self {
            _ if next < epoch => Some("the epoch falls"),
            Self::Closed if next == epoch => Some("it follows the close of its own epoch"),
            Self::Unsealed if next > epoch => Some("it follows a segment that was not recovered"),
            _ => None,
        }
    }
}

/// A valid frame in its place.
#[derive(Clone, Copy, Debug)]
pub struct FrameRef<'a> {
    /// Its bytes: a multiple of 64.
    pub bytes: &'a [u8],
    /// Number of its segment.
    pub segment: u32,
    /// Its first byte in the segment.
    pub offset: u64,
}

impl<'a> FrameRef<'a> {
    /// The shared header.
    pub fn head(&self) -> &'a Header {
        bytemuck::from_bytes(&self.bytes[..size_of::<Header>()])
    }

    /// The shared tail.
    pub fn tail(&self) -> &'a Tail {
        bytemuck::from_bytes(&self.bytes[LINE - size_of::<Tail>()..LINE])
    }

    /// What it is.
    ///
    /// # Panics
    /// Never: frames of unknown kind are not yielded.
    pub fn kind(&self) -> Kind {
        Kind::from_byte(self.head().kind).expect("Invariant: the kind was checked")
    }

    /// True for the last frame of its slot.
    pub fn is_last(&self) -> bool {
        self.bytes[FLAGS_OFFSET] & LAST != 0
    }

    /// The record, if it is a `T`; with CRC and `last` bit as in the file.
    pub fn get<T: Frame>(&self) -> Option<&'a T> {
        (self.head().kind == T::KIND as u8).then(|| bytemuck::from_bytes(self.bytes))
    }
}

/// How a segment was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    /// By a close.
    Closed,
    /// By a roll, or a recovery.
    Rolled,
    /// Without a footer.
    Unsealed,
}

/// Why reading stopped.
#[derive(Debug)]
enum Stop {
    End(End),
    Damage(Finding),
}

/// The frames of a journal, of whole slots only: a slot is checked to its last frame before its
/// first one is yielded.
#[derive(Debug)]
pub struct Frames<'a> {
    journal: &'a Journal,
    /// Position of the segment in the journal.
    index: usize,
    /// Where the next frame, or the padding before it, lies.
    at: usize,
    /// Frames before this are checked.
    checked: usize,
    seed: u32,
    next_seq: u64,
    /// Frames checked in this segment, and its first sequence.
    count: u64,
    first_seq: u64,
    /// Digest in the previous segment's footer: 0 without one or before the first segment, `None` if
    /// it could not be read.
    previous_digest: Option<u64>,
    /// True once the segment's header was checked.
    inside: bool,
    /// How the previous segment ended.
    left: Left,
    /// Footers read, with their segments' positions, until someone takes them.
    footers: Vec<(usize, Footer)>,
    stop: Option<Stop>,
}

/// What [`Frames`] knows beside its journal: where the reading stands. For who owns the journal and reads on now
/// and then; [`Journal::frames_at`] goes on.
#[derive(Debug)]
pub struct Bookmark {
    index: usize,
    at: usize,
    checked: usize,
    seed: u32,
    next_seq: u64,
    count: u64,
    first_seq: u64,
    previous_digest: Option<u64>,
    inside: bool,
    left: Left,
    footers: Vec<(usize, Footer)>,
    stop: Option<Stop>,
}

impl<'a> Frames<'a> {
    /// Where the reading stands.
    pub fn bookmark(self) -> Bookmark {
        Bookmark {
            index: self.index,
            at: self.at,
            checked: self.checked,
            seed: self.seed,
            next_seq: self.next_seq,
            count: self.count,
            first_seq: self.first_seq,
            previous_digest: self.previous_digest,
            inside: self.inside,
            left: self.left,
            footers: self.footers,
            stop: self.stop,
        }
    }

    /// Goes on there; `mark` is of this journal.
    pub(crate) fn at(journal: &'a Journal, mark: Bookmark) -> Self {
        Self {
            journal,
            index: mark.index,
            at: mark.at,
            checked: mark.checked,
            seed: mark.seed,
            next_seq: mark.next_seq,
            count: mark.count,
            first_seq: mark.first_seq,
            previous_digest: mark.previous_digest,
            inside: mark.inside,
            left: mark.left,
            footers: mark.footers,
            stop: mark.stop,
        }
    }

    pub(crate) fn new(journal: &'a Journal) -> Self {
        let mut frames = Self {
            journal,
            index: 0,
            at: 0,
            checked: 0,
            seed: 0,
            next_seq: 0,
            count: 0,
            first_seq: 0,
            previous_digest: Some(0),
            inside: false,
            left: Left::Rolled,
            footers: Vec::new(),
            stop: None,
        };
        if let Some(block) = &journal.superblock
            && block.first_segment > 0
        {
            // What came before was removed, and its digest with it.
            frames.next_seq = block.first_seq;
            frames.previous_digest = None;
        }
        frames.start(0);
        frames
    }

    /// The next frame; `None` at the end, which [`Frames::end`] then describes.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], again at every further call.
    #[expect(
        clippy::should_implement_trait,
        reason = "an error ends it; `?` reads better this way"
    )]
    pub fn next(&mut self) -> Result<Option<FrameRef<'a>>, JournalError> {
        loop {
            if self.at < self.checked {
                return Ok(Some(self.take()));
            }
            match &self.stop {
                Some(Stop::Damage(finding)) => return Err(finding.clone().into()),
                Some(Stop::End(_)) => return Ok(None),
                None => self.stop = self.check_slot().err(),
            }
        }
    }

    /// How the journal ends, once [`Frames::next`] has returned `None`.
    pub fn end(&self) -> Option<&End> {
        match &self.stop {
            Some(Stop::End(end)) if self.at >= self.checked => Some(end),
            _ => None,
        }
    }

    /// The sequence after the last whole slot read so far.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// After damage, or to begin there: goes on in the segment at this position, from its own base sequence.
    pub(crate) fn resume(&mut self, index: usize) {
        self.previous_digest = None;
        self.stop = None;
        if let Ok(header) = &self.journal.segments[index].header {
            self.next_seq = header.base_seq;
            // What is known of its end is that it is damaged.
            self.left = Left::Rolled;
        }
        self.start(index);
    }

    /// Position of the segment being read.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// True if the header of the segment being read was found good.
    pub(crate) fn is_inside(&self) -> bool {
        self.inside
    }

    /// Takes the footers of the segments that were read to their ends.
    pub(crate) fn take_footers(&mut self) -> Vec<(usize, Footer)> {
        std::mem::take(&mut self.footers)
    }

    fn segment(&self) -> &'a Mapped {
        &self.journal.segments[self.index]
    }

    /// Only in a segment whose header was checked on entering.
    fn header(&self) -> &'a SegmentHeader {
        self.segment().header.as_ref().expect("Invariant: the header was checked")
    }

    fn take(&mut self) -> FrameRef<'a> {
        let segment = self.segment();
        let bytes: &'a [u8] = &segment.map;
        if bytes[self.at..self.at + LINE] == [0; LINE] {
            self.at = self.at.next_multiple_of(PAGE);
        }
        let len = usize::from(head(&bytes[self.at..self.at + LINE]).len);
        let frame = FrameRef {
            bytes: &bytes[self.at..self.at + len],
            segment: segment.number,
            offset: self.at as u64,
        };
        self.at += len;
        frame
    }

    fn damage(&self, offset: usize, expected_seq: u64, what: impl Into<String>) -> Stop {
        Stop::Damage(self.segment().finding(offset, expected_seq, what.into()))
    }

    fn start(&mut self, index: usize) {
        self.index = index;
        self.at = PAGE;
        self.checked = PAGE;
        self.inside = false;
        self.stop = self.enter().err();
    }

    /// Checks the header page against what came before it.
    fn enter(&mut self) -> Result<(), Stop> {
        let segment = self.segment();
        let header = match &segment.header {
            Ok(header) => header,
            Err(why) => return Err(self.damage(0, self.next_seq, why)),
        };
        let before = self.index.checked_sub(1).map(|i| &self.journal.segments[i]);
        let first = self.journal.superblock.map_or(0, |block| block.first_segment);
        let due = before.map_or(first, |before| before.number + 1);
        if due != segment.number {
            return Err(self.damage(0, self.next_seq, format!("segment {due} is missing")));
        }
        let epoch = before.and_then(|before| before.header.as_ref().ok()).map(|h| h.epoch);
        if let Some(why) = epoch.and_then(|epoch| self.left.why_not(epoch, header.epoch)) {
            return Err(self.damage(0, self.next_seq, why));
        }
        if self.journal.superblock.is_some_and(|block| header.epoch > block.epoch) {
            return Err(self.damage(0, self.next_seq, "the superblock is of an earlier epoch"));
        }
        if header.base_seq != self.next_seq {
            let what = format!("the segment starts with sequence {}", header.base_seq);
            return Err(self.damage(0, self.next_seq, what));
        }
        let known = self.previous_digest;
        if header.previous_digest != 0 && known.is_some_and(|known| known != header.previous_digest)
        {
            return Err(self.damage(0, self.next_seq, "it follows another previous segment"));
        }
        let rest = size_of::<SegmentHeader>();
        if let Some(at) = first_set(&segment.map[rest..PAGE]) {
            return Err(self.damage(
                rest + at,
                self.next_seq,
                "the header page's rest is not zero",
            ));
        }
        self.seed = seed(header.epoch, segment.number);
        self.count = 0;
        self.first_seq = header.base_seq;
        self.inside = true;
        Ok(())
    }

    /// Goes on in the next segment, or stops here.
    fn leave(&mut self, left: Left, previous_digest: u64, stop: Stop) -> Result<(), Stop> {
        if self.index + 1 < self.journal.segments.len() {
            self.previous_digest = Some(previous_digest);
            self.left = left;
            self.start(self.index + 1);
            return self.stop.take().map_or(Ok(()), Err);
        }
        if let Some((spare, offset)) = &self.journal.spare {
            let what = "the header is empty, but data follows".to_owned();
            return Err(Stop::Damage(spare.finding(*offset as usize, self.next_seq, what)));
        }
        Err(stop)
    }

    /// What it means if no segment in use follows a footer.
    fn after_footer(&self, footer: &Footer) -> Stop {
        let (number, segment) = (self.segment().number, self.segment().number.saturating_add(1));
        if let Some(gone) = self.gone(segment, 0) {
            return gone;
        }
        if footer.tail.flags & FOOTER_FINAL != 0 {
            return Stop::End(End::Sealed);
        }
        let knows_no_more =
            self.journal.superblock.is_some_and(|block| block.last_segment <= number);
        if self.journal.goes_on_in_spare || knows_no_more {
            return Stop::End(End::Open { segment, offset: PAGE as u64 });
        }
        let what = "the journal goes on here, and the rest is gone".to_owned();
        Stop::Damage(Finding { segment, offset: 0, expected_seq: self.next_seq, what })
    }

    /// The damage, if records that were durable are not here, where the journal ends.
    fn gone(&self, segment: u32, offset: usize) -> Option<Stop> {
        let durable = self.journal.durable();
        (durable > self.next_seq).then(|| {
            let what = format!("the journal ends here, and sequences below {durable} were durable");
            let offset = offset as u64;
            Stop::Damage(Finding { segment, offset, expected_seq: self.next_seq, what })
        })
    }

    /// Checks the next slot to its last frame; moves on to the next segment at the end of one.
    fn check_slot(&mut self) -> Result<(), Stop> {
        let bytes: &'a [u8] = &self.segment().map;
        let mut at = self.checked;
        let mut index = 0_u64;
        loop {
            let (start, frame) = match self.journal.rules.find(bytes, at, self.seed) {
                Found::Frame(start, frame) => (start, frame),
                Found::Nothing => return self.check_zeros(at, index),
                Found::Bad(start, _) if index == 0 && self.is_torn_footer(start) => {
                    let nothing = self.damage(start, self.next_seq, "the rest is gone");
                    return self.leave(Left::Unsealed, 0, nothing);
                }
                Found::Bad(start, why) => return Err(self.judge(start, index, why)),
            };
            let head = head(frame);
            if head.kind == Kind::Footer as u8 {
                return self.check_footer(start, frame, index);
            }
            if head.seq != self.next_seq {
                let what = format!("the frame's sequence is {}", head.seq);
                return Err(self.damage(start, self.next_seq, what));
            }
            let input = Kind::from_byte(head.kind).is_some_and(Kind::is_input);
            if u64::from(head.index) != index || input != (index == 0) {
                let what = format!("index {} where {index} should be", head.index);
                return Err(self.damage(start, self.next_seq, what));
            }
            at = start + frame.len();
            index += 1;
            if frame[FLAGS_OFFSET] & LAST != 0 {
                self.checked = at;
                self.next_seq += 1;
                self.count += index;
                return Ok(());
            }
        }
    }

    /// A valid footer frame: its content, and nothing but zeros behind it.
    fn check_footer(&mut self, at: usize, frame: &[u8], index: u64) -> Result<(), Stop> {
        let found: Footer = bytemuck::pod_read_unaligned(frame);
        if index != 0 {
            return Err(self.damage(at, self.next_seq, "a footer inside a slot"));
        }
        let last_seq = self.last_seq();
        let mut expected = Footer {
            head: Header { seq: last_seq, crc32c: found.head.crc32c, ..Footer::header(0, 0) },
            frames: self.count,
            first_seq: self.first_seq,
            last_seq,
            digest: found.digest,
            bytes: at as u64,
            ..bytemuck::Zeroable::zeroed()
        };
        expected.tail.instrument = NO_INSTRUMENT;
        expected.tail.flags = LAST | found.tail.flags & FOOTER_FINAL;
        if found != expected {
            return Err(self.damage(at, last_seq, "the footer contradicts the frames before it"));
        }
        let end = at + frame.len();
        if let Some(byte) = first_set(&self.segment().map[end..]) {
            return Err(self.damage(end + byte, self.next_seq, "a byte behind the footer is set"));
        }
        let follows = self.header().previous_digest;
        if self.previous_digest.is_none_or(|known| known == follows) {
            self.footers.push((self.index, found));
        } else if self.segment().read_only || follows != 0 {
            return Err(self.damage(0, self.first_seq, "it follows another previous segment"));
        }
        // Else its sealing was cut off: the footer reached the disk, the header's field did not.
        let stop = self.after_footer(&found);
        let closed = found.tail.flags & FOOTER_FINAL != 0;
        self.leave(if closed { Left::Closed } else { Left::Rolled }, found.digest, stop)
    }

    fn last_seq(&self) -> u64 {
        if self.count == 0 { self.first_seq } else { self.next_seq - 1 }
    }

    /// No frame here: a clean end, a segment left unsealed, or a hole.
    fn check_zeros(&mut self, at: usize, index: u64) -> Result<(), Stop> {
        let segment = self.segment();
        if index > 0 || segment.read_only || !is_zero(&segment.map[at..]) || self.followed_by_gap()
        {
            return Err(self.judge(at, index, "zeros where a frame should be"));
        }
        let end = End::Open { segment: segment.number, offset: at as u64 };
        let stop = self.gone(segment.number, at).unwrap_or(Stop::End(end));
        self.leave(Left::Unsealed, 0, stop)
    }

    /// True if all that is wrong here is the footer of a segment whose sealing was cut off, since the next
    /// one goes on with the next sequence.
    fn is_torn_footer(&self, at: usize) -> bool {
        let (segment, next) = (self.segment(), self.journal.segments.get(self.index + 1));
        let behind = (at + FOOTER_ROOM).min(segment.map.len());
        !segment.read_only
            && next.is_some_and(|next| !next.read_only)
            && !self.followed_by_gap()
            && is_zero(&segment.map[behind..])
            && self.journal.rules.search(&segment.map[..behind], at, self.seed).is_none()
    }

    /// True if a next segment exists and does not go on with the next sequence.
    fn followed_by_gap(&self) -> bool {
        let next = self.journal.segments.get(self.index + 1);
        next.is_some_and(|next| !next.header.as_ref().is_ok_and(|h| h.base_seq == self.next_seq))
    }

    /// No valid frame at `at`: a torn tail if nothing valid follows, else damage.
    fn judge(&self, at: usize, index: u64, why: &str) -> Stop {
        let segment = self.segment();
        let followed = self.index + 1 < self.journal.segments.len();
        let valid_after = self.journal.rules.search(&segment.map, at + LINE, self.seed).is_some();
        if !valid_after && index == 0 && (segment.read_only || followed && !self.followed_by_gap())
        {
            return self.damage(at, self.last_seq(), format!("the footer is gone: {why}"));
        }
        if valid_after || followed || segment.read_only || self.journal.spare.is_some() {
            return self.damage(at, self.next_seq, why);
        }
        if self.journal.durable() > self.next_seq {
            return self.damage(at, self.next_seq, format!("a durable record: {why}"));
        }
        let used = segment.map.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let reason = if index > 0 {
            format!("slot {} is not whole: {why}", self.next_seq)
        } else {
            why.to_owned()
        };
        Stop::End(End::Torn {
            segment: segment.number,
            offset: self.checked as u64,
            bytes: used.saturating_sub(self.checked) as u64,
            reason,
        })
    }
}
