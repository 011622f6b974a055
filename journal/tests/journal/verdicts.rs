//! `verify` says of every damaged journal what an oracle says that knows what was done to it, and changes
//! nothing.
//!
//! `GRANDMODEL_VERDICTS=100000 cargo test --release -p journal --test journal verdicts -- --nocapture`

use crate::support::{
    Random, append, campaign, closed, memory_dir, options, patch, path, places, synced, wait_for,
};
use journal::{End, Finding, JournalError, Report, Writer, verify};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What `verify` must say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Verdict {
    Sealed,
    Open,
    Torn,
    /// Of this frame of the list of places.
    Damaged,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Base {
    Closed,
    KilledNothingDurable,
    KilledAllDurable,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Deed {
    Nothing,
    FlipIn,
    ZeroFrom,
}

const SLOTS: u64 = 60;

fn make(base: Base, dir: &Path, seed: u64) {
    if base == Base::Closed {
        closed(dir, SLOTS, seed);
        return;
    }
    let durable = base == Base::KilledAllDurable;
    let options = if durable { synced(dir) } else { options(dir) };
    let mut writer = Writer::create(&options).unwrap();
    append(&mut writer, 0, SLOTS, &mut Random(seed));
    if durable {
        writer.durability().want_now(SLOTS - 1);
        wait_for("the disk", || writer.durable().covers(SLOTS - 1));
    }
}

/// What is true of a journal whose frames lay at `places` and of which frame `at` was treated so.
fn oracle(base: Base, deed: Deed, places: &Places, at: usize) -> Verdict {
    let seq = places[at].3;
    let begins_a_slot = at == 0 || places[at - 1].4;
    match (deed, base) {
        (Deed::Nothing, Base::Closed) => Verdict::Sealed,
        (Deed::Nothing, _) => Verdict::Open,
        (_, Base::Closed | Base::KilledAllDurable) => Verdict::Damaged,
        // Any valid frame behind it shows that it was whole once; also one of its own slot.
        (Deed::FlipIn, _) if places.len() > at + 1 => Verdict::Damaged,
        (Deed::FlipIn, _) => Verdict::Torn,
        (Deed::ZeroFrom, _) if begins_a_slot => Verdict::Open,
        (Deed::ZeroFrom, _) => {
            assert_eq!(seq, places[at - 1].3);
            Verdict::Torn
        }
    }
}

/// Names, modes, times and bytes of all files.
fn snapshot(dir: &Path) -> Vec<(std::ffi::OsString, u32, i64, i64, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let times = (metadata.mtime_nsec(), metadata.ctime_nsec());
            let bytes = std::fs::read(entry.path()).unwrap();
            (entry.file_name(), metadata.mode(), times.0, times.1, bytes)
        })
        .collect();
    files.sort();
    files
}

type Places = [(u32, u64, usize, u64, bool)];
type Tally = BTreeMap<(Base, Deed, Verdict), u64>;
type Verify = dyn Fn(&Path) -> Result<Report, JournalError>;

/// Damages this many journals and holds what `verify` says of each against the oracle.
fn run(cases: u64, seed: u64, verify: &Verify) -> Result<Tally, String> {
    let mut random = Random(seed);
    let mut tally = Tally::new();
    let mut done = 0;
    while done < cases {
        let parent = memory_dir();
        let base =
            [Base::Closed, Base::KilledNothingDurable, Base::KilledAllDurable][random.below(3)];
        let dir = parent.path().join("journal");
        make(base, &dir, random.next());
        let places = places(&dir);
        let whole = std::fs::read(path(&dir, 0)).unwrap();
        for _ in 0..20.min(cases - done) {
            done += 1;
            let deed = [Deed::Nothing, Deed::FlipIn, Deed::ZeroFrom][random.below(3)];
            // Often near the end, where verdicts differ.
            let back =
                if random.below(2) == 0 { random.below(4) } else { random.below(places.len()) };
            let at = places.len() - 1 - back;
            let (_, offset, len, ..) = places[at];
            match deed {
                Deed::Nothing => {}
                Deed::FlipIn => {
                    let byte = offset as usize + random.below(len);
                    patch(&dir, 0, byte as u64, &[whole[byte] ^ 1 << random.below(8)]);
                }
                Deed::ZeroFrom => patch(&dir, 0, offset, &vec![0; whole.len() - offset as usize]),
            }
            let due = oracle(base, deed, &places, at);
            let name = format!("case {done}: {base:?} {deed:?} frame {at} of {}", places.len());
            let before = snapshot(&dir);
            let report = verify(&dir).map_err(|error| format!("{name}: {error}"))?;
            if snapshot(&dir) != before {
                return Err(format!("{name}: verify changed a file"));
            }
            check(&report, due, &places, at, deed).map_err(|why| format!("{name}: {why}"))?;
            *tally.entry((base, deed, due)).or_default() += 1;
            patch(&dir, 0, 0, &whole);
        }
    }
    Ok(tally)
}

fn check(
    report: &Report,
    due: Verdict,
    places: &Places,
    at: usize,
    deed: Deed,
) -> Result<(), String> {
    let said = match (&report.findings[..], &report.end) {
        ([], Some(End::Sealed)) => Verdict::Sealed,
        ([], Some(End::Open { .. })) => Verdict::Open,
        ([], Some(End::Torn { .. })) => Verdict::Torn,
        ([_], _) => Verdict::Damaged,
        _ => return Err(format!("no verdict: {report:?}")),
    };
    if said != due {
        return Err(format!("{said:?} where {due:?} is true: {report:?}"));
    }
    let [Finding { segment, offset, expected_seq, .. }] = &report.findings[..] else {
        return Ok(());
    };
    let (_, frame, _, seq, _) = places[at];
    let before = at.checked_sub(1).map_or(4_096, |at| places[at].1 + places[at].2 as u64);
    // Zeros are named where the frame before them ends, which padding may lie behind; so is a footer.
    let named = *offset == frame || deed == Deed::ZeroFrom && *offset == before;
    if *segment != 0 || !named {
        return Err(format!("offset {offset}, the frame is at {frame}, behind {before}"));
    }
    let of_the_last = places[..at].last().is_some_and(|last| last.3 == *expected_seq);
    if *expected_seq != seq && !(deed == Deed::ZeroFrom && of_the_last) {
        return Err(format!("sequence {expected_seq} where {seq} is due"));
    }
    Ok(())
}

fn true_report(dir: &Path) -> Result<Report, JournalError> {
    verify(dir, &mut |_| ())
}

#[test]
fn verify_agrees_with_an_oracle_and_changes_nothing() {
    let (cases, seed) = campaign("GRANDMODEL_VERDICTS", 300);
    let started = std::time::Instant::now();
    let tally = run(cases, seed, &true_report).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    println!(
        "verdicts: seed {seed}, {cases} cases, 0 wrong, {:.1} s, {tally:?}",
        started.elapsed().as_secs_f64()
    );
    assert!(tally.len() >= 8, "{tally:?}");
}

/// The canaries: a verify that is blind, takes a torn tail for a clean end, names the wrong place, or
/// touches a file.
#[test]
fn a_verify_with_one_fault_is_noticed() {
    const OPEN: Option<End> = Some(End::Open { segment: 0, offset: 4_096 });
    let changed = |change: fn(&mut Report)| {
        move |dir: &Path| {
            let mut report = true_report(dir)?;
            change(&mut report);
            Ok(report)
        }
    };
    let blind = changed(|report| {
        if !report.findings.is_empty() {
            (report.findings, report.end) = (Vec::new(), OPEN);
        }
    });
    let lenient = changed(|report| {
        if matches!(report.end, Some(End::Torn { .. })) {
            report.end = OPEN;
        }
    });
    let astray = changed(|report| {
        for finding in &mut report.findings {
            finding.offset += 64;
        }
    });
    let late = changed(|report| {
        for finding in &mut report.findings {
            finding.expected_seq += 1;
        }
    });
    let touching = |dir: &Path| {
        let report = true_report(dir)?;
        let mode = std::fs::metadata(path(dir, 0)).unwrap().permissions();
        // The same mode again changes the file's time alone.
        std::fs::set_permissions(path(dir, 0), mode).unwrap();
        Ok(report)
    };
    let faults: [(&Verify, &str); 5] = [
        (&blind, "where Damaged is true"),
        (&lenient, "where Torn is true"),
        (&astray, "the frame is at"),
        (&late, "is due"),
        (&touching, "verify changed a file"),
    ];
    for (verify, words) in faults {
        let noticed = run(300, 1, verify).unwrap_err();
        println!("canary: noticed {}", noticed.split(": Report").next().unwrap_or_default());
        assert!(noticed.contains(words), "{noticed}");
    }
}
