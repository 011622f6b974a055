//! Appends trades at a pace into a synced journal on a real disk, and prints what an append takes, how far
//! the disk is behind, how often the journal rolled, and the page faults of the writer's thread.
//!
//! `cargo run --release -p journal --example paced [-- DIR [PER_SECOND [SECONDS [msync|io-uring|off]]]]`
//!
//! `… -- DIR 1000000 10`: 10 million appends over 9 rolls. `… -- DIR 1000 60`: a quiet minute.

use journal::{Options, SyncBackend, Writer};
use ringbuf_layout::Header;
use ringbuf_layout::frame::{Kind, LINE};
use std::error::Error;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let rate: u64 = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let sync_backend = match arguments.next().as_deref() {
        None | Some("msync") => SyncBackend::Msync,
        Some("io-uring") => SyncBackend::IoUring,
        Some("off") => SyncBackend::Off,
        Some(other) => return Err(format!("no sync backend {other}").into()),
    };
    let dir = parent.join(format!("paced-{}", std::process::id()));
    let mut writer = Writer::create(&Options { sync_backend, ..Options::new(&dir) })?;
    let durable = writer.durable();
    let total = rate * seconds;
    // Touched before the clock starts: its own faults are not the journal's.
    let mut took = vec![1_u32; total as usize];
    took.clear();
    let mut behind = Vec::with_capacity((seconds * 1_000 + 1) as usize);
    let mut line = [0; LINE];
    let head = Header { kind: Kind::Trade as u8, len: LINE as u16, ..Header::default() };
    line[..32].copy_from_slice(bytemuck::bytes_of(&head));
    let (before, begun) = (faults()?, Instant::now());
    for seq in 0..total {
        let due = Duration::from_nanos(seq * 1_000_000_000 / rate);
        while begun.elapsed() < due {
            std::hint::spin_loop();
        }
        line[8..16].copy_from_slice(&seq.to_le_bytes());
        let started = Instant::now();
        writer.append_slot(seq, &line)?;
        writer.publish();
        took.push(started.elapsed().as_nanos() as u32);
        if seq.is_multiple_of((rate / 1_000).max(1)) {
            behind.push(((seq + 1 - durable.next_seq()) * 1_000_000 / rate) as u32);
        }
    }
    let (minor, major) = faults()?;
    let stats = writer.close()?;
    std::fs::remove_dir_all(&dir)?;
    println!(
        "{sync_backend:?}, {rate} a second, {seconds} s, {total} appends, {} rolls, in {}",
        stats.segments - 1,
        parent.display()
    );
    println!("append   {}", percentiles(&mut took, "ns"));
    println!("behind   {}", percentiles(&mut behind, "us"));
    let (minor, major, millions) = (minor - before.0, major - before.1, total as f64 / 1e6);
    println!(
        "faults   {minor} minor, {major} major: {:.1} and {:.2} a million; {} waits for a segment of {}",
        minor as f64 / millions,
        major as f64 / millions,
        stats.segment_waits,
        stats.segments
    );
    Ok(())
}

fn percentiles(values: &mut [u32], unit: &str) -> String {
    values.sort_unstable();
    let at = |per_mille: f64| values[((values.len() - 1) as f64 * per_mille) as usize];
    let points = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];
    points.map(|(name, point)| format!("{name} {} {unit}", at(point))).join(", ")
}

/// Minor and major page faults of this thread: what `getrusage(RUSAGE_THREAD)` says, without unsafe code.
fn faults() -> Result<(u64, u64), Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit_once(')').ok_or("no name in stat")?.1.split_whitespace().collect();
    Ok((fields[7].parse()?, fields[9].parse()?))
}
