//! Logs: to stderr (warnings) and to `DIR/log`, through a bounded queue and a helper thread. Stages
//! never log.

use std::path::Path;
use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, filter::LevelFilter, fmt};

/// Lines that wait for the disk; more are dropped and counted.
const QUEUE_LINES: usize = 4_096;

/// Keeps the helper thread alive; flushes on drop.
pub struct Log {
    _worker: WorkerGuard,
    dropped: ErrorCounter,
}

impl Log {
    /// Starts logging into `DIR/log`. `None` if the file cannot be opened: a run goes on without.
    pub fn start(dir: &Path) -> Option<Self> {
        let file = std::fs::File::options().create(true).append(true).open(dir.join("log")).ok()?;
        let (writer, worker) = NonBlockingBuilder::default()
            .buffered_lines_limit(QUEUE_LINES)
            .lossy(true)
            .thread_name("gm-log")
            .finish(file);
        let dropped = writer.error_counter();
        let file = fmt::layer().with_ansi(false).with_writer(writer).with_filter(LevelFilter::INFO);
        let people = fmt::layer()
            .with_writer(std::io::stderr)
            .without_time()
            .with_target(false)
            .with_filter(LevelFilter::from_level(Level::WARN));
        tracing_subscriber::registry().with(file).with(people).try_init().ok()?;
        Some(Self { _worker: worker, dropped })
    }

    /// Lines that were dropped because the queue was full.
    pub fn dropped(&self) -> usize {
        self.dropped.dropped_lines()
    }
}
