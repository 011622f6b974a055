//! What a recovery decides: facts, one lettered case for each combination, and what is done.
//!
//! Reading goes from the first segment through valid frames of whole slots. Where it stops, these facts
//! are looked at:
//!
//! | fact | |
//! |---|---|
//! | superblock | absent, whole (one copy is enough), damaged |
//! | place | *closed* and *rolled*: behind such a footer; *clean*: zeros between two slots; *bad*: anything else |
//! | durable | the sequence due here is below the superblock's `durable` |
//! | sealed | this segment or a later one is read-only, so all of this one was on the disk |
//! | followed | a valid frame of another slot lies behind this place |
//! | older | the superblock is of an earlier epoch than a segment |
//!
//! | case | superblock | place | durable | sealed | followed | older | |
//! |---|---|---|---|---|---|---|---|
//! | **A** | whole | closed | no | · | no | no | closed: nothing to mend |
//! | **B** | whole | rolled | no | · | no | no | ends between two segments: nothing to mend |
//! | **C** | whole | clean | no | no | no | no | ends between two slots: the segment is sealed |
//! | **D** | whole | bad | no | no | no | no | torn tail: cut to the last whole slot, sealed |
//! | **E** | whole | bad | no | no | yes | no | gap: cut as well; the valid frames behind it are counted, and lost |
//! | **F** | whole | bad | yes | · | · | no | a durable record is damaged: refused |
//! | **G** | whole | bad | no | yes | · | no | a sealed segment is damaged: refused |
//! | **H** | whole | not bad | yes | · | no | no | durable records are gone: refused |
//! | **I** | absent | · | · | · | · | · | nothing tells a torn tail from damage: refused |
//! | **J** | damaged | · | · | · | · | · | as above: refused |
//! | **K** | whole | · | · | · | · | yes | the superblock is from the past: refused |
//! | **X** | whole | not bad | · | · | yes | no | cannot be, as reading would have gone on: refused |
//! | **X** | whole | clean | · | yes | no | no | cannot be, as zeros in a sealed segment are bad: refused |
//!
//! A cut record is never seen again: its bytes are zeroed and synced, whole segments of it deleted, before
//! a new epoch begins, in a new segment; and a frame of the old epoch does not fit the new one's CRC.

use std::fmt;

/// What is known of the superblock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Block {
    /// No file.
    Absent,
    /// At least one copy.
    Whole,
    /// No copy.
    Damaged,
}

/// What lies where reading stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The end, behind the footer of a close.
    Closed,
    /// The end, behind the footer of a roll or of a recovery.
    Rolled,
    /// Zeros to the end, between two slots.
    Clean,
    /// Anything else.
    Bad,
}

/// All that the decision rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a table's columns")]
pub struct Facts {
    /// The superblock.
    pub superblock: Block,
    /// Where reading stopped.
    pub place: Place,
    /// The sequence due there is below `durable`.
    pub durable: bool,
    /// That segment or a later one is read-only.
    pub sealed: bool,
    /// A valid frame lies behind.
    pub followed: bool,
    /// A segment is of a later epoch than the superblock.
    pub older: bool,
}

/// The letter of a case; the module's table says what it means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "the table above has all of them")]
pub enum Case {
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    X,
}

/// What follows from a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing is lost.
    Continue,
    /// What lies behind the last whole slot goes.
    Cut,
    /// A human must look.
    Refuse,
}

impl Case {
    /// What is done.
    pub fn action(self) -> Action {
        match self {
            Self::A | Self::B | Self::C => Action::Continue,
            Self::D | Self::E => Action::Cut,
            Self::F | Self::G | Self::H | Self::I | Self::J | Self::K | Self::X => Action::Refuse,
        }
    }

    /// The case in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::A => "closed",
            Self::B => "ends between two segments",
            Self::C => "ends between two slots",
            Self::D => "torn tail",
            Self::E => "gap in what was not yet durable",
            Self::F => "a durable record is damaged",
            Self::G => "a sealed segment is damaged",
            Self::H => "durable records are gone",
            Self::I => "no superblock",
            Self::J => "the superblock is damaged",
            Self::K => "the superblock is of an earlier epoch",
            Self::X => "impossible",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} ({})", self.words())
    }
}

/// A row of the table; `None` and an empty list stand for its dots.
struct Row {
    case: Case,
    superblock: Block,
    place: &'static [Place],
    durable: Option<bool>,
    sealed: Option<bool>,
    followed: Option<bool>,
    older: Option<bool>,
}

const fn row(
    case: Case,
    superblock: Block,
    place: &'static [Place],
    [durable, sealed, followed, older]: [Option<bool>; 4],
) -> Row {
    Row { case, superblock, place, durable, sealed, followed, older }
}

const ANY: Option<bool> = None;
const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);
const NOT_BAD: &[Place] = &[Place::Closed, Place::Rolled, Place::Clean];
const FOOTER: &[Place] = &[Place::Closed, Place::Rolled];
const CLEAN: &[Place] = &[Place::Clean];
const BAD: &[Place] = &[Place::Bad];

/// The table above, in its order; H and X each take two rows.
const TABLE: [Row; 14] = [
    row(Case::A, Block::Whole, &[Place::Closed], [NO, ANY, NO, NO]),
    row(Case::B, Block::Whole, &[Place::Rolled], [NO, ANY, NO, NO]),
    row(Case::C, Block::Whole, CLEAN, [NO, NO, NO, NO]),
    row(Case::D, Block::Whole, BAD, [NO, NO, NO, NO]),
    row(Case::E, Block::Whole, BAD, [NO, NO, YES, NO]),
    row(Case::F, Block::Whole, BAD, [YES, ANY, ANY, NO]),
    row(Case::G, Block::Whole, BAD, [NO, YES, ANY, NO]),
    row(Case::H, Block::Whole, FOOTER, [YES, ANY, NO, NO]),
    row(Case::H, Block::Whole, CLEAN, [YES, NO, NO, NO]),
    row(Case::I, Block::Absent, &[], [ANY, ANY, ANY, ANY]),
    row(Case::J, Block::Damaged, &[], [ANY, ANY, ANY, ANY]),
    row(Case::K, Block::Whole, &[], [ANY, ANY, ANY, YES]),
    row(Case::X, Block::Whole, NOT_BAD, [ANY, ANY, YES, NO]),
    row(Case::X, Block::Whole, CLEAN, [ANY, YES, NO, NO]),
];

impl Row {
    fn fits(&self, facts: Facts) -> bool {
        let is = |wanted: Option<bool>, fact| wanted.is_none_or(|wanted| wanted == fact);
        self.superblock == facts.superblock
            && (self.place.is_empty() || self.place.contains(&facts.place))
            && is(self.durable, facts.durable)
            && is(self.sealed, facts.sealed)
            && is(self.followed, facts.followed)
            && is(self.older, facts.older)
    }
}

/// The one case that these facts are.
///
/// # Panics
/// Never: a test walks all combinations.
pub fn decide(facts: Facts) -> Case {
    let mut rows = TABLE.iter().filter(|row| row.fits(facts));
    match (rows.next(), rows.next()) {
        (Some(row), None) => row.case,
        _ => panic!("Invariant: one row fits {facts:?}"),
    }
}

/// What a recovery found and did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Which case it was.
    pub case: Case,
    /// Life of the directory that ended here, and the one that goes on; the same where nothing goes on.
    pub epoch_before: u32,
    /// See `epoch_before`.
    pub epoch_after: u32,
    /// The sequence behind the last whole slot: where a run goes on. Everything below it is durable once
    /// the recovery was written.
    pub next_seq: u64,
    /// What the superblock called durable before.
    pub durable_before: u64,
    /// The chain of runs that this one continues, or begins, and its first sequence.
    pub chain: u32,
    /// See `chain`.
    pub chain_first_seq: u64,
    /// Where the last whole slot ends: segment and offset.
    pub segment: u32,
    /// See `segment`.
    pub offset: u64,
    /// The segment that a writer goes on in.
    pub segment_after: u32,
    /// Bytes behind that place, up to the last one in each segment that is not zero; they are cut.
    pub cut_bytes: u64,
    /// Valid frames among them: of slots that were never durable, and of the one that was not whole.
    pub cut_frames: u64,
    /// Segments that were cut as a whole.
    pub cut_segments: u32,
    /// What reading met there, in words.
    pub found: String,
    /// True if the disk was changed accordingly.
    pub written: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Facts> {
        let mut all = Vec::new();
        for superblock in [Block::Absent, Block::Whole, Block::Damaged] {
            for place in [Place::Closed, Place::Rolled, Place::Clean, Place::Bad] {
                for bits in 0..16 {
                    let [durable, sealed, followed, older] =
                        [1, 2, 4, 8].map(|bit| bits & bit != 0);
                    all.push(Facts { superblock, place, durable, sealed, followed, older });
                }
            }
        }
        all
    }

    /// How often each case occurs, if every combination fits exactly one row of these.
    fn walk(table: &[Row]) -> Result<Vec<(Case, usize)>, Facts> {
        let mut counts: Vec<(Case, usize)> = Vec::new();
        for facts in all() {
            let fitting: Vec<_> = table.iter().filter(|row| row.fits(facts)).collect();
            let [row] = fitting[..] else { return Err(facts) };
            match counts.iter_mut().find(|(case, _)| *case == row.case) {
                Some((_, count)) => *count += 1,
                None => counts.push((row.case, 1)),
            }
        }
        Ok(counts)
    }

    #[test]
    fn every_combination_of_facts_is_exactly_one_case() {
        let mut counts = walk(&TABLE).unwrap();
        counts.sort_unstable();
        println!("{} combinations: {counts:?}", all().len());
        let expected = [2, 2, 1, 1, 1, 4, 2, 5, 64, 64, 32, 14].map(|n| n);
        assert_eq!(counts.iter().map(|(_, n)| *n).collect::<Vec<_>>(), expected);
        assert_eq!(expected.iter().sum::<usize>(), all().len());
    }

    #[test]
    fn nothing_durable_or_sealed_is_ever_cut() {
        for facts in all() {
            let action = decide(facts).action();
            let bad = facts.place == Place::Bad;
            if facts.durable
                || facts.older
                || facts.superblock != Block::Whole
                || bad && facts.sealed
            {
                assert_eq!(action, Action::Refuse, "{facts:?}");
            } else if facts.place == Place::Bad {
                assert_eq!(action, Action::Cut, "{facts:?}");
            }
        }
    }

    /// The canary: without any one row, or with one fact of it turned round, the walk fails.
    #[test]
    fn a_table_with_one_fault_is_noticed() {
        let copy = |row: &Row| Row { ..*row };
        for fault in 0..TABLE.len() {
            let without: Vec<_> = TABLE
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != fault)
                .map(|(_, r)| copy(r))
                .collect();
            assert!(walk(&without).is_err(), "row {fault} left out");
            for fact in 0..4 {
                let mut table: Vec<_> = TABLE.iter().map(copy).collect();
                let row = &mut table[fault];
                let facts = [&mut row.durable, &mut row.sealed, &mut row.followed, &mut row.older];
                let Some(value) = facts.into_iter().nth(fact).and_then(Option::as_mut) else {
                    continue;
                };
                *value = !*value;
                assert!(walk(&table).is_err(), "row {fault}, fact {fact}");
            }
        }
    }
}
