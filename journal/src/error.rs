//! What can go wrong with a journal, and what the system does next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One damaged place: a byte that is not what was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Number of the segment, as in its file name.
    pub segment: u32,
    /// First byte of the frame, padding or header that is wrong.
    pub offset: u64,
    /// Sequence of the frame that should be there.
    pub expected_seq: u64,
    /// What is wrong, in words.
    pub what: String,
}

impl Finding {
    /// Name of the segment's file in the journal's directory.
    pub fn file_name(&self) -> String {
        crate::header::file_name(self.segment)
    }
}

/// Why a journal cannot be written or read. Each variant says what the system does next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// The operating system refused a file operation. A writer halts and never retries (a second
    /// try can report success for lost pages); a reader stops.
    Io {
        /// What was being done, as in "cannot … PATH".
        action: &'static str,
        /// File or directory.
        path: PathBuf,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// No room for another segment or object. What is journaled stays; the run halts before the next
    /// slot and can still close the journal.
    DiskFull {
        /// What there is no room for, as in "no space for …".
        what: &'static str,
        /// File that could not be made.
        path: PathBuf,
        /// Bytes it needs.
        bytes: u64,
    },
    /// Another process writes here. The command exits 2; the lock is never stolen.
    Locked {
        /// Directory of the journal.
        dir: PathBuf,
        /// Who holds it, as its LOCK file says.
        owner: String,
    },
    /// The directory already holds a journal. The command exits 2; nothing is touched.
    Exists {
        /// Directory.
        dir: PathBuf,
    },
    /// The directory is missing or holds no segment. The command exits 2.
    NoJournal {
        /// Directory.
        dir: PathBuf,
    },
    /// Something that is no regular file has a segment's name. The command exits 2.
    NotAFile {
        /// Directory, pipe, socket or device.
        path: PathBuf,
    },
    /// The first segment's file was not written by this engine, nor was any other. The command exits 2.
    NotAJournal {
        /// File.
        path: PathBuf,
    },
    /// Written by a newer format. The command exits 2 without reading on.
    NewerFormat {
        /// File.
        path: PathBuf,
        /// Its format version.
        found: u16,
        /// The newest version this build reads.
        known: u16,
    },
    /// Its records are laid out in another way than this build's. The command exits 2.
    OtherLayout {
        /// File.
        path: PathBuf,
        /// Layout hash in its header.
        found: u64,
        /// Layout hash of this build.
        ours: u64,
    },
    /// The file system cannot keep a mapped journal's promises. The command exits 2.
    FileSystem {
        /// Directory.
        dir: PathBuf,
        /// Name of the file system.
        name: &'static str,
    },
    /// An option is out of its bounds. The command exits 2; nothing is created.
    Options {
        /// Which one, and its bounds.
        what: String,
    },
    /// A byte is not what was written. Readers stop here and never skip; the command exits 1.
    Damaged {
        /// Number of the segment.
        segment: u32,
        /// First byte of the frame, padding or header that is wrong.
        offset: u64,
        /// Sequence of the frame that should be there.
        expected_seq: u64,
        /// What is wrong, in words.
        what: String,
    },
    /// No superblock: written by an earlier build, or lost. It can be read but not continued, as nothing
    /// tells a torn tail from lost records. The command exits 2.
    NoSuperblock {
        /// Directory.
        dir: PathBuf,
    },
    /// No copy of the superblock is whole. The command exits 1; nothing is touched.
    SuperblockDamaged {
        /// File.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A follower's position lies in a segment that retention has removed. The follower starts anew.
    Retired {
        /// Its segment.
        segment: u32,
        /// The first one that is left.
        first: u32,
    },
    /// A recovery has cut what a follower had read before. The follower takes back what it made of
    /// sequences that are no longer there, and starts anew.
    PositionGone {
        /// Segment of its position.
        segment: u32,
        /// Offset of its position.
        offset: u64,
        /// Sequence that was due there.
        seq: u64,
    },
    /// The helper thread ended by a panic, so no further segment comes. The run halts.
    HelperGone,
    /// An object that a run start names is not there. The command exits 2.
    ObjectMissing {
        /// File.
        path: PathBuf,
    },
    /// An object's bytes do not have the hash that is its name. The command exits 1.
    ObjectDamaged {
        /// File.
        path: PathBuf,
    },
}

impl JournalError {
    /// For `map_err`: names the action and the path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        // The path is copied only where there is an error: a roll must not allocate.
        move |source| Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    /// For `map_err`, where a file is made: as [`JournalError::io`], but names a full disk.
    pub(crate) fn disk(
        action: &'static str,
        path: &Path,
        what: &'static str,
        bytes: u64,
    ) -> impl FnOnce(io::Error) -> Self {
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { what, path: path.to_owned(), bytes }
            }
            _ => Self::io(action, path)(error),
        }
    }

    /// True if bytes are not what was written: the command exits 1, not 2.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. } | Self::SuperblockDamaged { .. } | Self::ObjectDamaged { .. }
        )
    }

    /// What happened, where, and what to do about it: the command prints one line each.
    pub fn parts(&self) -> (String, String, String) {
        (self.what(), self.place(), self.fix().to_owned())
    }

    fn what(&self) -> String {
        match self {
            Self::Io { action, source, .. } => format!("cannot {action}: {source}"),
            Self::DiskFull { what, bytes, .. } => format!("no space for {what} of {bytes} bytes"),
            Self::Locked { owner, .. } => format!("the journal is being written by {owner}"),
            Self::Exists { .. } => "the directory already holds a journal".to_owned(),
            Self::NoJournal { .. } => "no journal here".to_owned(),
            Self::NotAFile { .. } => "not a regular file, but named like a segment".to_owned(),
            Self::NotAJournal { .. } => "not a journal: the first bytes are foreign".to_owned(),
            Self::NewerFormat { found, known, .. } => {
                format!("written by a newer format: version {found}, this build reads {known}")
            }
            Self::OtherLayout { found, ours, .. } => {
                format!("written with record layout {found:016x}, this build has {ours:016x}")
            }
            Self::FileSystem { name, .. } => {
                format!("a mapped journal cannot keep its promises on {name}")
            }
            Self::Options { what } => what.clone(),
            Self::Damaged { expected_seq, what, .. } => {
                format!("damaged where sequence {expected_seq} should be: {what}")
            }
            Self::NoSuperblock { .. } => {
                "no superblock: an earlier build wrote this journal, or the file is lost".to_owned()
            }
            Self::SuperblockDamaged { what, .. } => {
                format!("both copies of the superblock are damaged: {what}")
            }
            Self::Retired { segment, first } => {
                format!("segment {segment} was removed by retention; the first is {first}")
            }
            Self::PositionGone { seq, .. } => {
                format!("a recovery cut the journal before sequence {seq}, which was due here")
            }
            Self::HelperGone => "the journal's helper thread ended by a panic".to_owned(),
            Self::ObjectMissing { .. } => "an object is missing".to_owned(),
            Self::ObjectDamaged { .. } => "an object's bytes do not match its name".to_owned(),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Io { path, .. }
            | Self::DiskFull { path, .. }
            | Self::NotAFile { path }
            | Self::NotAJournal { path }
            | Self::NewerFormat { path, .. }
            | Self::OtherLayout { path, .. }
            | Self::ObjectMissing { path }
            | Self::SuperblockDamaged { path, .. }
            | Self::ObjectDamaged { path } => path.display().to_string(),
            Self::Locked { dir, .. }
            | Self::Exists { dir }
            | Self::NoJournal { dir }
            | Self::NoSuperblock { dir }
            | Self::FileSystem { dir, .. } => dir.display().to_string(),
            Self::Options { .. } => "journal options".to_owned(),
            Self::Damaged { segment, offset, .. } | Self::PositionGone { segment, offset, .. } => {
                format!("{} offset {offset}", crate::header::file_name(*segment))
            }
            Self::Retired { segment, .. } => crate::header::file_name(*segment),
            Self::HelperGone => "thread gm-segments".to_owned(),
        }
    }

    fn fix(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check the disk and the permissions, then start again",
            Self::DiskFull { .. } => "free space or choose another directory, then start again",
            Self::Locked { .. } => "stop that process or choose another directory",
            Self::Exists { .. } => "choose another directory, or move this one away",
            Self::NoJournal { .. } => "check the path",
            Self::NotAFile { .. } => "move it away; a journal's directory holds nothing like it",
            Self::NotAJournal { .. } => "check the path; the file was left alone",
            Self::NewerFormat { .. } => "read it with the build that wrote it, or a newer one",
            Self::OtherLayout { .. } => "read it with the build that wrote it",
            Self::FileSystem { .. } => "choose a directory on a local ext4, xfs or tmpfs",
            Self::Options { .. } => "correct the option",
            Self::Damaged { .. } => "restore this segment from a copy; `verify` lists all damage",
            Self::NoSuperblock { .. } => "read or export it; continue in another directory",
            Self::PositionGone { .. } => "take back what is no longer there, then follow anew",
            Self::Retired { .. } => "start this follower from the first segment that is left",
            Self::HelperGone => "report the panic printed above; what is journaled is readable",
            Self::SuperblockDamaged { .. }
            | Self::ObjectMissing { .. }
            | Self::ObjectDamaged { .. } => "restore this file from a copy of the directory",
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what(), self.place())
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl From<Finding> for JournalError {
    fn from(finding: Finding) -> Self {
        let Finding { segment, offset, expected_seq, what } = finding;
        Self::Damaged { segment, offset, expected_seq, what }
    }
}

/// Names the variants once: one that is left out here does not compile, and a test asks for each of them.
#[cfg(feature = "sim")]
macro_rules! variants {
    ($($name:ident),+) => {
        impl JournalError {
            /// The names of all variants.
            pub const VARIANTS: &[&str] = &[$(stringify!($name)),+];

            /// The name of this one.
            pub fn variant(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name),)+
                }
            }
        }
    };
}

#[cfg(feature = "sim")]
variants!(
    Io,
    DiskFull,
    Locked,
    Exists,
    NoJournal,
    NotAFile,
    NotAJournal,
    NewerFormat,
    OtherLayout,
    FileSystem,
    Options,
    Damaged,
    NoSuperblock,
    SuperblockDamaged,
    Retired,
    PositionGone,
    HelperGone,
    ObjectMissing,
    ObjectDamaged
);
