//! Prints what a tick costs the journal: `begin`, one `append`, `publish`, into populated pages.
//! `cargo run --release -p journal --example append_ns [DIR]`

use journal::{Options, Writer};
use ringbuf_layout::Header;
use ringbuf_layout::frame::{Kind, fields_of};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    println!("ns a tick, one frame each, no roll: in cache (best of 50), to memory (best of 5)");
    for kind in [Kind::Trade, Kind::Quote, Kind::Bar, Kind::Indicator] {
        let best = |bytes, runs: u32| -> Result<f64, Box<dyn Error>> {
            let runs =
                (0..runs).map(|_| run(&parent, kind, bytes)).collect::<Result<Vec<_>, _>>()?;
            Ok(runs.into_iter().fold(f64::MAX, f64::min))
        };
        let (cache, memory) = (best(512 << 10, 50)?, best(512 << 20, 5)?);
        println!("{:>4} bytes: {cache:6.2} {memory:6.2}", fields_of(kind).1);
    }
    Ok(())
}

/// Nanoseconds a tick in one segment of this length, made just before the clock starts.
fn run(parent: &Path, kind: Kind, segment_bytes: u64) -> Result<f64, Box<dyn Error>> {
    let dir = parent.join(format!("append-ns-{}", std::process::id()));
    let options = Options { segment_bytes, ready_segments: 1, ..Options::new(&dir) };
    let mut writer = Writer::create(&options)?;
    let len = fields_of(kind).1;
    let ticks = segment_bytes / 5 * 4 / len as u64;
    let mut frame = vec![0; len];
    let head = Header { kind: kind as u8, len: len as u16, ..Header::default() };
    frame[..32].copy_from_slice(bytemuck::bytes_of(&head));
    let start = Instant::now();
    for seq in 0..ticks {
        frame[8..16].copy_from_slice(&seq.to_le_bytes());
        writer.begin(seq)?;
        writer.append(&frame, true);
        writer.publish();
    }
    let spent = start.elapsed();
    writer.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(spent.as_nanos() as f64 / ticks as f64)
}
