//! The helper threads behind a writer, and their queues.
//!
//! ```text
//!              ready (made, zero-filled, mapped, populated)
//!   gm-segments ───────────────────────────────────────────────────────▶ writer
//!   gm-segments ◀── rolled (full, synced) ─── gm-sync ◀── rolled (full) ── writer
//!    digests, seals, unmaps                    syncs, moves `durable`
//! ```
//!
//! A segment is always owned by one side. All queues are wait-free; `gm-segments` parks when there is
//! nothing to do, `gm-sync` looks once a millisecond. With syncing off the writer's queue leads straight
//! to `gm-segments`. In line (for simulated disks) both do their work when the writer wakes them, on its
//! thread, so that a run is one sequence of disk operations.

use crate::durability::Durability;
use crate::error::JournalError;
use crate::maker::{Maker, Segment};
use crate::seal::Rolled;
use crate::superblock::SuperblockFile;
use crate::syncer::{Current, Syncer};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the disk's free space is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The superblock, for the helper threads and retention; the writer never takes it.
pub(crate) type SharedSuperblock = Arc<Mutex<SuperblockFile>>;

/// What the writer sends when it leaves a segment: the segment, and what the syncer may hold of the next.
#[derive(Debug)]
pub(crate) struct Roll {
    pub(crate) rolled: Rolled,
    pub(crate) next: Option<Current>,
}

/// What the writer's side asks of a helper.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicU8);

/// Go on.
pub(crate) const RUN: u8 = 0;
/// Finish what was rolled, then end.
pub(crate) const CLOSE: u8 = 1;
/// End at once and leave everything as it is.
pub(crate) const ABANDON: u8 = 2;

impl Stop {
    pub(crate) fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, how: u8) {
        self.0.store(how, Ordering::Release);
    }
}

/// What the helpers of one writer share and start from.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) maker: Maker,
    pub(crate) durability: Durability,
    pub(crate) superblock: SharedSuperblock,
    /// Digest of the segment before the first one written.
    pub(crate) previous_digest: u64,
    /// Segments that may be full and not yet sealed before the writer has to wait.
    pub(crate) backlog: usize,
    /// How often the disk catches up; `None`: it never does.
    pub(crate) sync_interval: Option<Duration>,
    /// On the writer's thread, when it says so.
    pub(crate) inline: bool,
}

/// A thread, and how it is told to end.
type Hand = (Arc<Stop>, JoinHandle<Result<(), JournalError>>);

#[derive(Debug)]
enum Hands {
    Threads(Vec<Hand>),
    Inline(Box<Segments>, Option<Box<Syncer>>),
    Gone,
}

/// The writer's handle: two queues and the threads, which are joined on every path.
#[derive(Debug)]
pub(crate) struct Helpers {
    pub(crate) ready: rtrb::Consumer<Result<Segment, JournalError>>,
    pub(crate) rolls: rtrb::Producer<Roll>,
    durability: Durability,
    hands: Hands,
}

impl Helpers {
    /// Starts the helpers, which keep as many segments ready as `made` holds. `current` is the one being
    /// written.
    pub(crate) fn start(
        plan: Plan,
        made: Vec<Segment>,
        current: Current,
    ) -> Result<Self, JournalError> {
        let target = made.len();
        // All that may be under way: ready, full, and the one being written.
        let most = target + plan.backlog + 1;
        let (mut to_writer, ready) = rtrb::RingBuffer::new(target + 2);
        let (rolls, from_writer) = rtrb::RingBuffer::new(most + 1);
        for segment in made {
            let pushed = to_writer.push(Ok(segment));
            assert!(pushed.is_ok(), "Invariant: the queue holds all segments made ahead");
        }
        let Plan { maker, durability, superblock, previous_digest, sync_interval, inline, .. } =
            plan;
        let dir = maker.dir().to_owned();
        let (syncer, from_writer) = match sync_interval {
            None => (None, from_writer),
            Some(interval) => {
                let (to_segments, synced) = rtrb::RingBuffer::new(most + 1);
                let (durability, superblock) = (durability.clone(), superblock.clone());
                let queues = (from_writer, to_segments);
                (Some(Syncer::new(queues, current, durability, superblock, interval)), synced)
            }
        };
        let segments = Segments {
            maker,
            target,
            most,
            under_way: target + 1,
            making: true,
            to_writer,
            from_writer,
            stop: Arc::default(),
            superblock,
            durability: durability.clone(),
            previous_digest,
            sealed: 0,
            looked: None,
        };
        let hands = if inline {
            Hands::Inline(Box::new(segments), syncer.map(Box::new))
        } else {
            Hands::Threads(spawn(segments, syncer, &durability, &dir)?)
        };
        Ok(Self { ready, rolls, durability, hands })
    }

    /// Tells the helpers that there is work; in line, does it.
    pub(crate) fn wake(&mut self) {
        match &mut self.hands {
            Hands::Gone => {}
            Hands::Inline(segments, syncer) => pump(segments, syncer.as_deref_mut()),
            Hands::Threads(threads) => {
                for (_, thread) in threads {
                    thread.thread().unpark();
                }
            }
        }
    }

    /// Lets the helpers finish everything rolled so far, then deletes the spares.
    pub(crate) fn close(mut self, store: &dyn crate::store::Store) -> Result<(), JournalError> {
        let sealed = self.end(CLOSE);
        while let Ok(ready) = self.ready.pop() {
            // A spare that could not be made is no longer needed.
            if let Ok(Segment { path, .. }) = ready {
                store.remove(&path).map_err(JournalError::io("delete the spare", &path))?;
            }
        }
        sealed
    }

    /// Ends the syncer first, which hands on what it has, then the other.
    fn end(&mut self, how: u8) -> Result<(), JournalError> {
        match std::mem::replace(&mut self.hands, Hands::Gone) {
            Hands::Gone => Ok(()),
            Hands::Inline(..) if how == ABANDON => Ok(()),
            Hands::Inline(mut segments, mut syncer) => {
                segments.stop.set(CLOSE);
                if let Some(syncer) = &mut syncer {
                    syncer.finish();
                }
                pump(&mut segments, syncer.as_deref_mut());
                self.durability.failure().map_or(Ok(()), Err)
            }
            Hands::Threads(threads) => {
                let mut ended = Ok(());
                // At once where nothing is handed on any more.
                for (stop, _) in threads.iter().filter(|_| how == ABANDON) {
                    stop.set(ABANDON);
                }
                for (stop, thread) in threads {
                    stop.set(how);
                    thread.thread().unpark();
                    ended = ended.and(thread.join().unwrap_or(Err(JournalError::HelperGone)));
                }
                ended
            }
        }
    }
}

impl Drop for Helpers {
    /// Without a close, also during a panic: files stay as a crash would leave them.
    fn drop(&mut self) {
        let _ = self.end(ABANDON);
    }
}

/// The syncer comes first: it is ended first.
fn spawn(
    segments: Segments,
    syncer: Option<Syncer>,
    durability: &Durability,
    dir: &Path,
) -> Result<Vec<Hand>, JournalError> {
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let stop = segments.stop.clone();
    let sealing = thread("gm-segments").spawn(move || segments.run());
    let sealing = sealing.map_err(JournalError::io("start a thread for", dir))?;
    let mut threads = Vec::with_capacity(2);
    if let Some(syncer) = syncer {
        let (stop, next) = (Arc::new(Stop::default()), sealing.thread().clone());
        let told = stop.clone();
        let syncing = thread("gm-sync").spawn(move || syncer.run(&told, &next));
        let syncing = syncing.map_err(JournalError::io("start a thread for", dir))?;
        durability.set_syncer(syncing.thread().clone());
        threads.push((stop, syncing));
    }
    threads.push((stop, sealing));
    Ok(threads)
}

/// As threads they take no turns: a segment is sealed before the superblock knows of it as well as after. Here by
/// turns.
fn pump(segments: &mut Segments, mut syncer: Option<&mut Syncer>) {
    loop {
        let mut synced = false;
        if let Some(syncer) = &mut syncer {
            let (place, handed_on) = syncer.hand_on();
            if handed_on && segments.sealed % 2 == 1 {
                segments.step();
            }
            syncer.catch_up(place, Instant::now(), handed_on);
            synced = handed_on;
        }
        if !segments.step() && !synced {
            return;
        }
    }
}

/// `gm-segments`: makes and seals.
#[derive(Debug)]
struct Segments {
    maker: Maker,
    /// Segments to keep ready.
    target: usize,
    /// Segments that may be under way: ready, written, full.
    most: usize,
    under_way: usize,
    /// False once making has failed: the writer learns it when it needs one.
    making: bool,
    to_writer: rtrb::Producer<Result<Segment, JournalError>>,
    from_writer: rtrb::Consumer<Roll>,
    stop: Arc<Stop>,
    superblock: SharedSuperblock,
    durability: Durability,
    previous_digest: u64,
    /// How many were.
    sealed: u64,
    /// When the free space was last looked at.
    looked: Option<Instant>,
}

impl Segments {
    fn run(mut self) -> Result<(), JournalError> {
        loop {
            // Read before the queue: what was pushed before a close is seen after it.
            let stop = self.stop.get();
            if stop == ABANDON {
                return Ok(());
            }
            if !self.step() {
                if stop == CLOSE {
                    return self.durability.failure().map_or(Ok(()), Err);
                }
                std::thread::park_timeout(LOOK);
            }
        }
    }

    /// Makes one segment where one is lacking and seals one where one is full; false if neither.
    fn step(&mut self) -> bool {
        let ready = self.to_writer.buffer().capacity() - self.to_writer.slots();
        let short = self.making
            && self.stop.get() == RUN
            && ready < self.target
            && self.under_way < self.most;
        if short {
            self.refill();
        }
        if short || self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.look();
        }
        let Ok(roll) = self.from_writer.pop() else {
            return short;
        };
        self.under_way -= 1;
        self.seal(roll.rolled);
        true
    }

    /// After a sync that failed nothing is sealed: a second sync could succeed for lost pages.
    fn seal(&mut self, rolled: Rolled) {
        if self.durability.has_failed() {
            return;
        }
        let contents = rolled.contents;
        let sealed = rolled.seal(self.previous_digest).and_then(|digest| {
            self.previous_digest = digest;
            self.sealed += 1;
            if contents.is_final { self.finish(contents.number, contents.next_seq) } else { Ok(()) }
        });
        if let Err(error) = sealed {
            self.durability.fail(error);
        }
    }

    /// The last segment is sealed, so all of the journal is on the disk.
    fn finish(&mut self, segment: u32, next_seq: u64) -> Result<(), JournalError> {
        let mut superblock = self.superblock.lock().unwrap_or_else(PoisonError::into_inner);
        superblock.store_both(|block| (block.durable, block.last_segment) = (next_seq, segment))?;
        self.durability.durable().store(next_seq);
        Ok(())
    }

    fn refill(&mut self) {
        let made = match self.maker.make(&self.stop) {
            Ok(None) => return,
            Ok(Some(segment)) => {
                self.under_way += 1;
                Ok(segment)
            }
            Err(error) => {
                self.making = false;
                // The disk has refused a sync: final, whichever file it was. A full disk is not that.
                if matches!(&error, JournalError::Io { action, .. } if action.starts_with("sync")) {
                    self.durability.fail(error.clone());
                }
                Err(error)
            }
        };
        let pushed = self.to_writer.push(made);
        assert!(pushed.is_ok(), "Invariant: the queue has room for what it lacks");
    }

    fn look(&mut self) {
        self.looked = Some(Instant::now());
        // Where the system does not say, making a segment will.
        if let Ok(bytes) = self.maker.store().free_bytes(self.maker.dir()) {
            self.durability.set_free(bytes);
        }
    }
}
