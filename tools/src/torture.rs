//! `journal torture DIR --kills N`: kills a writer N times on the user's own disk and checks each time that nothing
//! acknowledged is lost and nothing is there that was never written.
//!
//! The writer is this command once more, in a process of its own. After each published slot it says through a
//! pipe how far `journaled` and `durable` are: what has been said, the killed process can no longer take back.
//! Every slot is a function of its sequence and the life that wrote it, and names that life, so a reader knows
//! what it must be. `kill -9` shows promise P1 only: what a power cut leaves is tried on a simulated disk.

use crate::run::grouped;
use crate::say::{Exit, Lines, Say, aside};
use engine::Problem;
use indicatif::ProgressBar;
use journal::{Case, Journal, JournalError, Options, Recovery, SyncBackend, Writer};
use ringbuf_layout::{Frame, Indicator, Price, Size, Trade};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Lives of a directory before a new one is begun: each check reads it all.
const LIVES: u64 = 25;
/// The longest that a writer lives after its first word.
const LONGEST_US: u64 = 20_000;
/// A segment holds a few hundred slots, so that most lives roll.
const SEGMENT_BYTES: u64 = 256 << 10;
/// What the writer says: `journaled` and `durable`, 8 bytes each.
const WORD: usize = 16;

/// What was seen.
#[derive(Default, Debug)]
struct Tally {
    kills: u64,
    before_the_first_slot: u64,
    inside_a_slot: u64,
    slots: u64,
    acknowledged: u64,
    cases: BTreeMap<Case, u64>,
    worst_recovery: Duration,
    failures: Vec<String>,
}

/// `journal torture DIR --kills N`
pub fn torture(dir: &Path, kills: u64, seed: u64, say: Say) -> Result<Exit, Problem> {
    std::fs::create_dir_all(dir).map_err(|error| cannot("make the directory", dir, &error))?;
    let work = dir.join(format!("torture-{}", std::process::id()));
    std::fs::create_dir(&work).map_err(|error| cannot("make the directory", &work, &error))?;
    let bar = if crate::say::watched() { ProgressBar::new(kills) } else { ProgressBar::hidden() };
    let mut random = Random(seed);
    let mut tally = Tally::default();
    let clock = Instant::now();
    let mut number = 0;
    while tally.kills < kills && tally.failures.is_empty() {
        let journal = work.join(format!("journal-{number}"));
        lives(&journal, kills, &mut random, &mut tally, &bar)?;
        if tally.failures.is_empty() {
            std::fs::remove_dir_all(&journal).map_err(|e| cannot("delete", &journal, &e))?;
        }
        number += 1;
    }
    bar.finish_and_clear();
    let failed = !tally.failures.is_empty();
    if failed {
        aside(&format!("the journal that failed is kept in {}", work.display()));
    } else {
        std::fs::remove_dir(&work).map_err(|error| cannot("delete", &work, &error))?;
    }
    report(&tally, seed, clock.elapsed().as_secs_f64(), dir, say);
    Ok(if failed { Exit::Findings } else { Exit::Done })
}

/// One directory through its lives.
fn lives(
    journal: &Path,
    kills: u64,
    random: &mut Random,
    tally: &mut Tally,
    bar: &ProgressBar,
) -> Result<(), Problem> {
    for life in 1..=LIVES {
        let stops_inside = random.next_u64().is_multiple_of(4);
        let mut child = spawn(journal, life, stops_inside)?;
        let heard = live(&mut child, random, stops_inside)?;
        tally.kills += 1;
        bar.inc(1);
        tally.inside_a_slot += u64::from(heard.inside);
        tally.before_the_first_slot += u64::from(heard.journaled == 0);
        let clock = Instant::now();
        let looked = journal::recover(journal, false);
        let took = clock.elapsed();
        match looked {
            Err(JournalError::NoJournal { .. }) if heard.journaled == 0 => {}
            Err(error) => tally.failures.push(format!("life {life} is refused: {error}")),
            Ok(recovery) => {
                tally.worst_recovery = tally.worst_recovery.max(took);
                *tally.cases.entry(recovery.case).or_default() += 1;
                tally.acknowledged += heard.journaled;
                check(journal, life, &heard, &recovery, tally);
            }
        }
        if tally.kills >= kills || !tally.failures.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}

/// What a life said before it was killed.
#[derive(Default, Debug)]
struct Heard {
    journaled: u64,
    durable: u64,
    inside: bool,
}

/// Lets the writer live for a while, kills it, and takes what it had said.
fn live(child: &mut Child, random: &mut Random, stops_inside: bool) -> Result<Heard, Problem> {
    let mut out = child.stdout.take().expect("Invariant: its stdout is piped");
    let mut word = [0; WORD];
    // One in eight dies wherever it is, before its first slot more often than not.
    let at_once = random.next_u64().is_multiple_of(8);
    let spoke = !at_once && out.read_exact(&mut word).is_ok();
    let moment = Duration::from_micros(random.next_u64() % LONGEST_US);
    std::thread::sleep(moment);
    let killed = child.kill().and_then(|()| child.wait());
    killed.map_err(|error| cannot("kill the writer", Path::new(""), &error))?;
    let mut rest = if spoke { word.to_vec() } else { Vec::new() };
    out.read_to_end(&mut rest).map_err(|e| cannot("hear the writer", Path::new(""), &e))?;
    let whole = rest.len() / WORD * WORD;
    let last = rest[..whole].rchunks_exact(WORD).next();
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let (journaled, durable) = last.map_or((0, 0), |w| (number(&w[..8]), number(&w[8..])));
    // A life that stops says so by ending in the middle of a word.
    Ok(Heard { journaled, durable, inside: stops_inside && rest.len() > whole })
}

/// Compares what is there with what was said and with what that life would have written.
fn check(dir: &Path, life: u64, heard: &Heard, recovery: &Recovery, tally: &mut Tally) {
    let next_seq = recovery.next_seq;
    if next_seq < heard.journaled || recovery.durable_before < heard.durable {
        tally.failures.push(format!(
            "life {life}: said journaled {} and durable {}, found {next_seq} and {}",
            heard.journaled, heard.durable, recovery.durable_before
        ));
        return;
    }
    match whole_slots(dir, life) {
        Ok(slots) if slots == next_seq => tally.slots += slots,
        Ok(slots) => {
            tally
                .failures
                .push(format!("life {life}: {slots} whole slots, recovery says {next_seq}"));
        }
        Err(what) => tally.failures.push(format!("life {life}: {what}")),
    }
}

/// Reads every whole slot; each must be what the life that it names writes there, and lives never go back.
fn whole_slots(dir: &Path, newest: u64) -> Result<u64, String> {
    let journal = match Journal::open(dir) {
        Ok(journal) => journal,
        Err(JournalError::NoJournal { .. }) => return Ok(0),
        Err(error) => return Err(error.to_string()),
    };
    let mut frames = journal.frames();
    let (mut slots, mut life, mut expected) = (0, 1, Vec::new());
    while let Some(frame) = frames.next().map_err(|error| error.to_string())? {
        if expected.is_empty() {
            let named = frame.get::<Trade>().map_or(0, |trade| trade.size.0 as u64);
            if named < life || named > newest {
                return Err(format!("sequence {slots} names life {named} after life {life}"));
            }
            life = named;
            expected = slot(life, slots);
            expected.reverse();
        }
        let wanted = expected.pop().unwrap_or_default();
        let same = |range: std::ops::Range<usize>| frame.bytes[range.clone()] == wanted[range];
        // All but the CRC and the bit that ends a slot.
        if frame.bytes.len() != wanted.len() || !same(4..63) || !same(64..wanted.len()) {
            return Err(format!("sequence {slots} is not what life {life} wrote"));
        }
        slots += u64::from(frame.is_last());
    }
    Ok(slots)
}

/// The frames of a slot: a trade that names its life, and sometimes more.
fn slot(life: u64, seq: u64) -> Vec<Vec<u8>> {
    let mut random = Random(life << 40 ^ seq);
    let mut trade = Trade {
        head: Trade::header(seq as i64, random.next_u64() as i64),
        price: Price(random.next_u64() as i64),
        size: Size(life as i64),
        ..bytemuck::Zeroable::zeroed()
    };
    trade.head.seq = seq;
    let mut frames = vec![bytemuck::bytes_of(&trade).to_vec()];
    if random.next_u64().is_multiple_of(4) {
        for index in 1..=random.next_u64() as u8 % 12 {
            frames.push(output(seq, index, &mut random));
        }
    }
    frames
}

/// A long record, which a kill meets in its middle more often than a short one.
fn output(seq: u64, index: u8, random: &mut Random) -> Vec<u8> {
    let mut record: Indicator = bytemuck::Zeroable::zeroed();
    record.head = Indicator::header(seq as i64, seq as i64);
    (record.head.seq, record.head.index) = (seq, index);
    record.values.iter_mut().for_each(|value| *value = random.next_u64() as f64);
    bytemuck::bytes_of(&record).to_vec()
}

/// The hidden life of a writer: appends until it is killed.
///
/// # Errors
/// The journal cannot be gone on with.
pub fn write_until_killed(dir: &Path, life: u64, stops_inside: bool) -> Result<Exit, Problem> {
    let backend = [SyncBackend::Msync, SyncBackend::IoUring][life as usize % 2];
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        sync_interval_ms: 1,
        sync_backend: backend,
        free_floor_bytes: 0,
        ..Options::new(dir)
    };
    let opened = match Writer::resume(&options) {
        Err(JournalError::NoJournal { .. }) => Writer::create(&options),
        resumed => resumed.map(|(writer, _)| writer),
    };
    let failed = |error: JournalError| Problem::from_journal(&error);
    let mut writer = opened.map_err(failed)?;
    let (durable, mut random) = (writer.durable(), Random(life));
    let from = writer.next_seq();
    let until = from + 1 + random.next_u64() % 400;
    let mut out = std::io::stdout().lock();
    let mut say = |bytes: &[u8]| out.write_all(bytes).and_then(|()| out.flush());
    for seq in from.. {
        let frames = slot(life, seq);
        writer.begin(seq).map_err(failed)?;
        if stops_inside && seq >= until && frames.len() > 1 {
            writer.append(&frames[0], false);
            drop(say(&[1]));
            loop {
                std::thread::park();
            }
        }
        for (index, frame) in frames.iter().enumerate() {
            writer.append(frame, index + 1 == frames.len());
        }
        writer.publish();
        let mut word = [0; WORD];
        word[..8].copy_from_slice(&(seq + 1).to_le_bytes());
        word[8..].copy_from_slice(&durable.next_seq().to_le_bytes());
        if say(&word).is_err() {
            break;
        }
    }
    Ok(Exit::Done)
}

fn spawn(journal: &Path, life: u64, stops_inside: bool) -> Result<Child, Problem> {
    let exe = std::env::current_exe().map_err(|e| cannot("find itself", Path::new(""), &e))?;
    let mut command = Command::new(exe);
    command.arg("journal").arg("torture").arg(journal).arg("--life").arg(life.to_string());
    if stops_inside {
        command.arg("--stops-inside");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().map_err(|error| cannot("start a writer for", journal, &error))
}

fn cannot(what: &str, place: &Path, error: &std::io::Error) -> Problem {
    let fix = "choose a directory of yours with some free space";
    Problem::new(format!("cannot {what}: {error}"), PathBuf::from(place).display().to_string(), fix)
}

fn report(tally: &Tally, seed: u64, seconds: f64, dir: &Path, say: Say) {
    let Tally { kills, slots, failures, .. } = tally;
    let cases: Map<String, Value> =
        tally.cases.iter().map(|(case, n)| (format!("{case:?}"), json!(n))).collect();
    let mut lines = Lines::default();
    lines.put("kills", format!("{}, seed {seed}, {seconds:.1} s", grouped(*kills)));
    lines.put("disk", dir.display());
    let early = tally.before_the_first_slot;
    lines
        .put("moments", format!("{} inside a slot, {early} before the first", tally.inside_a_slot));
    let named = cases.iter().map(|(case, n)| format!("{case} {n}")).collect::<Vec<_>>();
    lines.put("recovery", format!("cases {}", named.join(", ")));
    lines.put("worst", format!("{:.1} ms to look", tally.worst_recovery.as_secs_f64() * 1e3));
    lines.put("read back", format!("{} slots, every one as it was written", grouped(*slots)));
    for failure in failures {
        lines.put("FAILED", failure);
    }
    if failures.is_empty() {
        // The rule of three: no failure in n independent trials.
        // The rule of three; with fewer than three kills it says nothing.
        let bound = (3.0 / (*kills).max(1) as f64 * 100.0).min(100.0);
        lines.put(
            "result",
            format!("0 lost, 0 invented, 0 refused; below {bound:.3} % a kill (95 %)"),
        );
    }
    say.text(lines.0.trim_end());
    let answer = [
        ("kills", json!(kills)),
        ("seed", json!(seed)),
        ("seconds", json!(seconds)),
        ("inside_a_slot", json!(tally.inside_a_slot)),
        ("before_the_first_slot", json!(early)),
        ("acknowledged", json!(tally.acknowledged)),
        ("slots_read", json!(slots)),
        ("cases", Value::Object(cases)),
        ("worst_recovery_ms", json!(tally.worst_recovery.as_secs_f64() * 1e3)),
        ("failures", json!(failures)),
    ];
    say.answer(answer.map(|(key, value)| (key.to_string(), value)).into_iter().collect());
}

/// A small stream of random numbers (`SplitMix64`), the same on every machine.
struct Random(u64);

impl Random {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dir: &Path, slots: u64) {
        let options = Options { segment_bytes: SEGMENT_BYTES, ..Options::new(dir) };
        let mut writer = Writer::create(&options).expect("a journal");
        for seq in 0..slots {
            writer.begin(seq).expect("room");
            let frames = slot(1, seq);
            for (index, frame) in frames.iter().enumerate() {
                writer.append(frame, index + 1 == frames.len());
            }
            writer.publish();
        }
    }

    #[test]
    fn a_lost_slot_an_altered_one_and_one_of_no_life_are_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        written(dir.path(), 50);
        assert_eq!(whole_slots(dir.path(), 1), Ok(50));
        assert!(whole_slots(dir.path(), 0).is_err_and(|what| what.contains("names life 1")));
        let recovery = journal::recover(dir.path(), false).expect("it was not closed");
        let failures = |heard: Heard| {
            let mut tally = Tally::default();
            check(dir.path(), 1, &heard, &recovery, &mut tally);
            tally.failures
        };
        assert_eq!(failures(Heard { journaled: 50, ..Heard::default() }), Vec::<String>::new());
        assert_eq!(failures(Heard { journaled: 51, ..Heard::default() }).len(), 1);
        let short = Recovery { next_seq: 49, ..recovery.clone() };
        let mut tally = Tally::default();
        check(dir.path(), 1, &Heard::default(), &short, &mut tally);
        assert!(tally.failures[0].contains("50 whole slots"), "{:?}", tally.failures);
    }
}
