//! Retention of a run's own journal: what its config lets go, when it goes on and while it runs.
//!
//! | `host.retention` | goes | after it |
//! |---|---|---|
//! | `keep` | closed segments before the newest snapshot, past `retention_days` or `retention_gib` | rebuilds |
//! | `drop` (for benches) | every closed segment | DIR says that it cannot be rebuilt |
//!
//! Neither takes what a named follower (`DIR/followers`) has not read.

use crate::config::Host;
use crate::problem::Problem;
use journal::{Limits, Removed, Retention, Writer, followers};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a run looks: a bench fills ten segments a second, and a look at a thousand files takes 20 ms.
const EVERY: Duration = Duration::from_secs(1);
const DAY_NS: i64 = 86_400_000_000_000;
/// The file that says that DIR cannot be rebuilt.
const DROPPED: &str = "dropped";

/// Removes what may go of the journal that is being written. On a helper thread: it waits for the disk.
#[derive(Debug)]
pub(crate) struct Retainer {
    retention: Retention,
    dir: PathBuf,
    limits: Limits,
    looked: Instant,
}

impl Retainer {
    /// Of a run's config; `None` if that keeps everything. Its state was rebuilt from the snapshot behind the
    /// input `stood_on`.
    ///
    /// # Errors
    /// The mark of a journal that is dropped cannot be made.
    pub(crate) fn of(
        dir: &Path,
        host: &Host,
        writer: &Writer,
        stood_on: Option<u64>,
    ) -> Result<Option<Self>, Problem> {
        if host.retention == "drop" {
            return Self::dropping(dir, writer).map(Some);
        }
        if writer.next_seq() == 0 && is_dropped(dir) {
            // Left by an earlier journal in this directory, which is gone.
            let mark = dir.join(DROPPED);
            std::fs::remove_file(&mark).map_err(|error| {
                let place = mark.display().to_string();
                Problem::new(format!("cannot remove an old mark: {error}"), place, "remove it")
            })?;
        }
        if (host.retention_days, host.retention_gib) == (0, 0) {
            return Ok(None);
        }
        let limits = Limits {
            max_age_ns: (host.retention_days > 0).then(|| host.retention_days as i64 * DAY_NS),
            max_bytes: (host.retention_gib > 0).then_some(host.retention_gib << 30),
            // A run takes no snapshot before its end, so this one stays the newest.
            keep_from_seq: stood_on.unwrap_or(0),
            followers: Vec::new(),
        };
        Ok(Some(Self::new(dir, writer, limits)))
    }

    fn dropping(dir: &Path, writer: &Writer) -> Result<Self, Problem> {
        if writer.next_seq() > 0 {
            return Err(Problem::new(
                "a journal that was kept so far would be dropped",
                dir.display().to_string(),
                "choose a new directory for a run with host.retention = \"drop\"",
            ));
        }
        let mark = dir.join(DROPPED);
        let text = "written with host.retention = \"drop\": it cannot be replayed or continued\n";
        // Before the first segment goes, and durably.
        let write = || {
            let mut file = File::create(&mark)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            File::open(dir)?.sync_all()
        };
        write().map_err(|error| {
            let place = mark.display().to_string();
            Problem::new(format!("cannot mark the journal: {error}"), place, "check the disk")
        })?;
        let limits = Limits {
            max_age_ns: None,
            max_bytes: Some(0),
            keep_from_seq: u64::MAX,
            followers: Vec::new(),
        };
        Ok(Self::new(dir, writer, limits))
    }

    fn new(dir: &Path, writer: &Writer, limits: Limits) -> Self {
        let (retention, looked) = (writer.retention(), Instant::now());
        Self { retention, dir: dir.to_owned(), limits, looked }
    }

    /// Looks when it is time.
    ///
    /// # Errors
    /// As for [`Retainer::apply`].
    pub(crate) fn look(&mut self, now_ns: i64) -> Result<(), Problem> {
        if self.looked.elapsed() < EVERY {
            return Ok(());
        }
        self.looked = Instant::now();
        self.apply(now_ns).map(drop)
    }

    /// Removes what may go now.
    ///
    /// # Errors
    /// A follower's position cannot be read, or a segment not be removed: all else stays.
    pub(crate) fn apply(&mut self, now_ns: i64) -> Result<Removed, Problem> {
        let read = followers::all(&self.dir).map_err(|e| Problem::from_journal(&e))?;
        self.limits.followers = read.into_iter().map(|(_, position)| position).collect();
        let removed = self.retention.apply(&self.limits, now_ns);
        let removed = removed.map_err(|e| Problem::from_journal(&e))?;
        if removed.segments > 0 {
            let Removed { segments, bytes, first_seq, .. } = removed;
            tracing::info!(
                "retention removed {segments} segments of {bytes} bytes; the journal begins with sequence {first_seq}"
            );
        }
        Ok(removed)
    }
}

/// True if the journal there was dropped while it was written.
pub fn is_dropped(dir: &Path) -> bool {
    dir.join(DROPPED).exists()
}

/// Refuses what needs the whole journal, or a snapshot and the rest.
///
/// # Errors
/// If it was dropped.
pub(crate) fn refuse_dropped(dir: &Path) -> Result<(), Problem> {
    if !is_dropped(dir) {
        return Ok(());
    }
    Err(Problem::new(
        "this journal was written with host.retention = \"drop\": its beginning was not kept, and it has no snapshot",
        dir.display().to_string(),
        "verify, dump and export read what is left; run again with retention = \"keep\" to be able to replay",
    ))
}
