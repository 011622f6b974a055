//! The engine's end of `ctl`: a socket in the journal's directory, 0600, one line of JSON each way.
//!
//! A command sets the kill word before its answer is written: who reads "halted" knows that no order leaves
//! any more.

use engine::Problem;
use engine::runtime::controls::{Controls, Gauges};
use engine::runtime::feed_gauge::FeedGauge;
use ringbuf_layout::names::Command;
use ringbuf_layout::{Kind, Size};
use rustix::net::sockopt::socket_peercred;
use serde_json::{Map, Value, json};
use std::fs::Permissions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The socket's name in the journal's directory.
pub const SOCKET: &str = "control.sock";
/// Longest request: a command and a symbol.
const REQUEST_MAX: usize = 4_096;
/// Clients served at once; a further one waits until one of them is done or has run out of patience.
const CLIENTS: usize = 64;
/// How often a client that waits is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a client may take over its line, and over our answer.
const PATIENCE: Duration = Duration::from_millis(250);
/// Stretch over which `status` measures rates.
const RATE_OVER: Duration = Duration::from_millis(100);

/// The socket; gone from the directory when dropped.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

impl Server {
    /// Opens the socket in `dir` and serves it from helper threads until the process ends.
    pub fn open(dir: &Path, controls: Arc<Controls>) -> Result<Self, Problem> {
        let path = dir.join(SOCKET);
        let listener = bind(dir, &path).map_err(|error| {
            let fix = "use a directory on a local file system that allows sockets";
            Problem::new(
                format!("cannot open the control socket: {error}"),
                path.display().to_string(),
                fix,
            )
        })?;
        let serve = move || serve(&listener, &controls);
        std::thread::Builder::new().name("gm-control".into()).spawn(serve).map_err(|error| {
            Problem::new(format!("cannot start a thread: {error}"), "gm-control", "check ulimit -u")
        })?;
        Ok(Self { path })
    }
}

/// Binds inside a fresh directory that only we can enter, and moves the socket to its place once its mode is
/// 0600: nobody else can connect at any moment. The path goes by the directory's descriptor, since the
/// kernel takes only 107 bytes.
fn bind(dir: &Path, path: &Path) -> std::io::Result<UnixListener> {
    let private = dir.join(format!(".control-{}", std::process::id()));
    std::fs::create_dir(&private)?;
    std::fs::set_permissions(&private, Permissions::from_mode(0o700))?;
    let bound = (|| {
        let handle = std::fs::File::open(&private)?;
        let short = PathBuf::from(format!("/proc/self/fd/{}/s", handle.as_raw_fd()));
        let listener = UnixListener::bind(short)?;
        let made = private.join("s");
        std::fs::set_permissions(&made, Permissions::from_mode(0o600))?;
        std::fs::rename(made, path)?;
        Ok(listener)
    })();
    drop(std::fs::remove_dir_all(&private));
    bound
}

/// Connects to the engine that runs in `dir`.
pub fn connect(dir: &Path) -> std::io::Result<UnixStream> {
    let handle = std::fs::File::open(dir)?;
    UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", handle.as_raw_fd()))
}

fn serve(listener: &UnixListener, controls: &Arc<Controls>) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, say: it would fail again at once.
            std::thread::sleep(LOOK_EVERY);
            continue;
        };
        while clients.load(Ordering::Relaxed) >= CLIENTS {
            std::thread::sleep(LOOK_EVERY);
        }
        let controls = Arc::clone(controls);
        let seat = Seat::take(&clients);
        let client = move || {
            let _seat = seat;
            answer(&stream, &controls);
        };
        // Where no thread can be had the client sees its connection closed.
        drop(std::thread::Builder::new().name("gm-client".into()).spawn(client));
    }
}

/// A client's place, given back however its thread ends.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(clients: &Arc<AtomicUsize>) -> Self {
        clients.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(clients))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request, one answer.
fn answer(mut stream: &UnixStream, controls: &Controls) {
    let Ok(line) = line_of(stream) else { return };
    let (uid, pid) = socket_peercred(stream)
        .map_or((u32::MAX, 0), |peer| (peer.uid.as_raw(), peer.pid.as_raw_nonzero().get() as u32));
    let reply = request(&line, controls, (uid, pid))
        .unwrap_or_else(|problem| Value::Object(crate::say::error_object(&problem)));
    drop(stream.write_all(format!("{reply}\n").as_bytes()));
}

/// A client's line, or what it wrote of it before it stopped: all of it within our patience, so that a
/// client that sends a byte now and then keeps nobody waiting.
fn line_of(mut stream: &UnixStream) -> std::io::Result<String> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let began = Instant::now();
    let (mut line, mut chunk) = (Vec::new(), [0; 512]);
    while !line.contains(&b'\n') && line.len() < REQUEST_MAX {
        let left = PATIENCE.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => break,
            read => line.extend_from_slice(&chunk[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn request(line: &str, controls: &Controls, by: (u32, u32)) -> Result<Value, Problem> {
    let malformed =
        || Problem::new("the request is not understood", line.trim(), "use `grandmodel ctl`");
    let request: Value = serde_json::from_str(line).map_err(|_| malformed())?;
    let word = request["command"].as_str().ok_or_else(malformed)?;
    if word == "status" {
        return Ok(Value::Object(status(controls)));
    }
    let all =
        [Command::Halt, Command::Reduce, Command::Resume, Command::Flatten, Command::CancelAll];
    let command = all.into_iter().find(|command| command.name() == word).ok_or_else(malformed)?;
    let symbol = &request["symbol"];
    if !symbol.is_null() && !symbol.is_string() {
        return Err(malformed());
    }
    let instrument = match symbol.as_str() {
        None => None,
        Some(symbol) => Some(controls.instrument(symbol).ok_or_else(|| {
            let fix = "see the symbols in `grandmodel ctl DIR status`";
            Problem::new(format!("{symbol} is not traded by this run"), "--symbol", fix)
        })?),
    };
    let global = matches!(command, Command::Halt | Command::Reduce | Command::Resume);
    if global && instrument.is_some() {
        let fix = "leave --symbol out";
        return Err(Problem::new(format!("{word} is for the whole engine"), "--symbol", fix));
    }
    let done = controls.command(command, instrument, by)?;
    let published = controls.gauges().map_or(0, |gauges| gauges.published.get());
    Ok(json!({
        "command": word, "state": done.state.name(), "orders_left": done.sent, "published": published,
    }))
}

/// What `status` says: the same words as a run's summary where both speak of the same.
fn status(controls: &Controls) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| drop(map.insert(key.to_string(), value));
    put("state", json!(controls.kill.state().name()));
    put("state_reason", json!(controls.halt_reason()));
    put("last_error", json!(controls.last_error()));
    let Some(gauges) = controls.gauges() else {
        put("phase", json!("starting"));
        return map;
    };
    let before = (Instant::now(), gauges.progress.tally());
    std::thread::sleep(RATE_OVER);
    let tally = gauges.progress.tally();
    let seconds = before.0.elapsed().as_secs_f64();
    let per_second = |now: u64, then: u64| ((now - then) as f64 / seconds).round();
    put("phase", json!(if controls.stop.load(Ordering::Relaxed) { "draining" } else { "running" }));
    put("uptime_s", json!(gauges.began.elapsed().as_secs_f64()));
    put("inputs", json!(tally.inputs));
    put("ticks", json!(tally.ticks));
    put("rejected", json!(tally.rejected_records));
    put("bars", json!(tally.of(Kind::Bar)));
    put("orders", json!(tally.parents));
    put("fills", json!(tally.of(Kind::Fill)));
    put("inputs_per_s", json!(per_second(tally.inputs, before.1.inputs)));
    put("ticks_per_s", json!(per_second(tally.ticks, before.1.ticks)));
    machine(gauges, &mut put);
    let positions = gauges.progress.positions();
    let position = |((symbol, precision), lots): (&(String, u8), i64)| {
        (symbol.clone(), json!(Size(lots).decimal(*precision).to_string()))
    };
    let positions = gauges.instruments.iter().zip(positions).map(position);
    put("positions", Value::Object(positions.collect()));
    put("equity", json!(gauges.progress.equity().to_string()));
    let source = |feed: &Arc<FeedGauge>| {
        let reading = feed.read();
        (reading.name.clone(), reading.json())
    };
    put("sources", Value::Object(gauges.feeds.iter().map(source).collect()));
    map
}

/// Threads, watermarks and lags.
fn machine(gauges: &Gauges, put: &mut impl FnMut(&str, Value)) {
    // Downstream first, so that no lag comes out below zero.
    let durable = gauges.disk.durable().next_seq();
    let journaled = gauges.journaled.next_seq();
    let taken: Vec<u64> = gauges.groups.iter().rev().map(|(_, gauge)| gauge.get()).collect();
    // Said once a batch: a thread behind may have taken what the first has not yet said.
    let published = gauges.published.get().max(journaled);
    put("layout", engine::summary::layout(&gauges.layout));
    let lag =
        |(parts, taken): (&String, u64)| (parts.clone(), json!(published.saturating_sub(taken)));
    let groups = gauges.groups.iter().map(|(parts, _)| parts).zip(taken.into_iter().rev());
    put("lag", Value::Object(groups.map(lag).collect()));
    put(
        "watermarks",
        json!({ "published": published, "journaled": journaled, "durable": durable }),
    );
    let exit = gauges.exit.as_ref().map(|exit| {
        json!({ "waiting": exit.list.occupancy(), "sent": exit.sent.get(), "held": exit.held.get() })
    });
    put("exit", json!(exit));
}
