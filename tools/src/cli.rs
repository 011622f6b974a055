//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("GRANDMODEL_BUILD"), ")");

const EXAMPLES: &str = "\
Examples:
  grandmodel run                                   five synthetic days, a journal, a summary
  grandmodel run --source lean-trade:spy.zip --journal J --json
  grandmodel replay J                              prove the run bit for bit
  grandmodel data import lean-trade:spy.zip --journal SPY
  grandmodel run --source journal:SPY              the same ticks again, with another config
  grandmodel journal export J --record bar --format csv -o bars.csv
  grandmodel journal export J --record tick --format csv -o - | head
  grandmodel latency report J                      percentiles of every part, measured by the run
  grandmodel config init > grandmodel.toml         a commented config
  cat trades.csv | grandmodel run -c csv.toml      live from a pipe, with a source csv:-

Exit codes: 0 ended, or interrupted and drained; 1 findings, or the run ended early; 2 did not start.";

/// Turns market data into risk-checked orders, records everything in a memory-mapped journal, and can
/// replay every run bit for bit.
#[derive(Debug, Parser)]
#[command(name = "grandmodel", version = VERSION, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// Print one JSON object on stdout; people's text goes to stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run sources through the engine into a journal, until they end or Ctrl-C
    Run(Run),
    /// Replay a journal and compare every output bit by bit
    Replay(Replay),
    /// Look into, check and convert a journal
    Journal(Journal),
    /// Look at data files, and put them into a journal
    Data(Data),
    /// Ask or command a running engine, by the socket in its journal directory
    Ctl(Ctl),
    /// Check, show or write a config
    Config(Config),
    /// Look into latency logs
    Latency(Latency),
}

/// `run`
#[derive(Args, Debug)]
#[command(after_help = run_help())]
pub struct Run {
    /// Config file (TOML); without one the embedded default runs
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// FORMAT:PATH, repeatable; replaces the config's sources
    #[arg(long, value_name = "SPEC")]
    pub source: Vec<String>,
    /// Journal directory; the next free ./journal/<n> if not given. One that holds a journal is recovered,
    /// its state rebuilt, and the run goes on in it
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// auto, fused, per-stage, or groups such as sequencer+validate+bar,indicator+matrix+synergy,
    /// decide,journal+egress; each with an optional :WAIT (busy-spin, spin-hint, yield, sleep)
    #[arg(long, value_name = "NAME")]
    pub layout: Option<String>,
    /// max, realtime, or so many times real time
    #[arg(long, value_name = "max|realtime|N", default_value = "max")]
    pub pace: String,
    /// What of the sources.
    #[command(flatten)]
    pub window: Window,
    /// Go on with a journal of another build or another [semantic]: a new chain begins
    #[arg(long)]
    pub accept_change: bool,
    /// Go on after a panic without the inputs that it kept from being processed
    #[arg(long)]
    pub skip_unprocessed: bool,
}

/// What of a source or a journal is wanted.
#[derive(Args, Debug, Default)]
pub struct Window {
    /// First event time, such as 2013-10-07T14:00:00Z
    #[arg(long, value_name = "T")]
    pub from: Option<String>,
    /// Event time to stop before
    #[arg(long, value_name = "T")]
    pub to: Option<String>,
    /// Only these symbols
    #[arg(long, value_name = "S,…", value_delimiter = ',')]
    pub symbols: Vec<String>,
}

/// `data`
#[derive(Args, Debug)]
pub struct Data {
    /// What to do with it.
    #[command(subcommand)]
    pub command: DataCommand,
}

/// The commands about data files.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Say what files are and hold, without a hint, and the config that imports them
    Inspect(Inspect),
    /// Put sources into a journal of definitions and market data, to run and run again
    Import(Import),
    /// Compare the bars of journals with a vendor's and list every difference; exit 1 if there is one
    BarsAudit(BarsAudit),
}

/// `data inspect`
#[derive(Args, Debug)]
#[command(after_help = INSPECT_EXAMPLES)]
pub struct Inspect {
    /// Files of any format of `run --help`, packed or not
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

const INSPECT_EXAMPLES: &str = "\
Examples:
  grandmodel data inspect trades.csv.gz
  grandmodel data inspect spy.zip --json | jq -r '.files[0].config' > spy.toml
  grandmodel data import -c spy.toml --journal SPY

Nothing is guessed in silence: what was inferred is said with its evidence, and what only you can know is ASKED.
Exit codes: 0 read to its end; 1 damaged, or one of several files is no data; 2 of no known format, or no data.";

/// `data import`
#[derive(Args, Debug)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct Import {
    /// FORMAT:PATH, or what a source of the config is specified by; all of the config's if none is given
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Config file (TOML) with declared columns and instruments: `data inspect` proposes them
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the new journal; the next free ./journal/<n> if not given
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// What of the sources.
    #[command(flatten)]
    pub window: Window,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  grandmodel data import lean-trade:spy.zip --journal SPY
  grandmodel data import -c trades.toml --journal J --from 2019-10-01T00:00:00Z --to 2019-10-02T00:00:00Z
  grandmodel run --source journal:SPY              as often as you like, with any config
  grandmodel journal export SPY --record tick --format parquet -o spy.parquet

The journal holds definitions and market data alone: nothing is judged, nothing is computed.";

fn run_help() -> String {
    let formats: Vec<String> =
        gateways::FORMATS.iter().map(|(name, what)| format!("  {name:<12} {what}")).collect();
    format!(
        "Formats of --source:\n{}\n\nExamples:\n  grandmodel run\n  \
         grandmodel run --source synthetic:seed=7,days=1,instruments=8\n  \
         grandmodel run --source lean-trade:spy.zip --source lean-trade:ibm.zip --journal J --json\n  \
         grandmodel run --source lean-trade:spy.zip --journal J     # again: goes on where J ends\n  \
         grandmodel run -c my.toml --from 2013-10-07T13:30:00Z --to 2013-10-07T20:00:00Z",
        formats.join("\n")
    )
}

/// `replay`
#[derive(Args, Debug)]
pub struct Replay {
    /// Journal directory
    pub dir: PathBuf,
    /// Stop after this sequence
    #[arg(long, value_name = "SEQ")]
    pub until: Option<u64>,
    /// Begin at the newest sound snapshot at or below the last input
    #[arg(long)]
    pub from_snapshot: bool,
    /// Take the decisions from the journal: for a host whose SIMD level is another, or without the weights
    #[arg(long)]
    pub trust_decisions: bool,
}

/// `journal`
#[derive(Args, Debug)]
pub struct Journal {
    /// What to do with it.
    #[command(subcommand)]
    pub command: JournalCommand,
}

/// The journal's commands.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// What it holds: run, config, instruments, sequences, counts
    Describe {
        /// Journal directory
        dir: PathBuf,
    },
    /// Check every byte; exit 1 and the damaged frame if anything is wrong
    Verify {
        /// Journal directory
        dir: PathBuf,
    },
    /// Print frames, field by field; with --json one object a line
    Dump(Dump),
    /// Print frames as their writer makes them durable, until Ctrl-C; reading costs the writer nothing
    Follow(Follow),
    /// Write one kind of record as a table
    Export(Export),
    /// How a run would go on with it, and what would be cut; exit 1 if something is to mend
    Recover {
        /// Journal directory
        dir: PathBuf,
        /// Mend it
        #[arg(long)]
        write: bool,
    },
    /// Prove it to its end and save the state there, so that the next start is short
    Snapshot {
        /// Journal directory
        dir: PathBuf,
    },
    /// Kill a writer many times on this disk and check that nothing acknowledged is lost
    Torture {
        /// Directory on the disk to try; what is made in it is deleted again
        dir: PathBuf,
        /// How often
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
        kills: u64,
        /// Of the moments
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// A writer's life, for the command itself
        #[arg(long, hide = true)]
        life: Option<u64>,
        /// The same
        #[arg(long, hide = true)]
        stops_inside: bool,
    },
    /// Where two journals part, and what that came to; exit 1 if they do
    Diff {
        /// One journal directory
        a: PathBuf,
        /// The other
        b: PathBuf,
    },
}

/// `journal dump`
#[derive(Args, Debug)]
pub struct Dump {
    /// Journal directory
    pub dir: PathBuf,
    /// First sequence
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub from: u64,
    /// At most so many frames
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Only records of this kind, such as trade, bar, session
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
}

/// `journal follow`
#[derive(Args, Debug)]
pub struct Follow {
    /// Journal directory
    pub dir: PathBuf,
    /// Go on where a follower of this name stopped; retention keeps what it has not read
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only records of this kind, such as trade, bar, order
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// End after so many frames
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// End where nothing more is durable, instead of waiting
    #[arg(long)]
    pub once: bool,
    /// Take the name's position away: retention no longer waits for it
    #[arg(long, requires = "name", conflicts_with_all = ["kind", "limit", "once"])]
    pub forget: bool,
}

/// `journal export`
#[derive(Args, Debug)]
pub struct Export {
    /// Journal directory
    pub dir: PathBuf,
    /// Which record
    #[arg(long, value_name = "KIND")]
    pub record: Record,
    /// Of the table
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,
    /// What of the journal: rows by the event time of their input.
    #[command(flatten)]
    pub window: Window,
    /// Of matrices: a row for each cell instead of the hash
    #[arg(long)]
    pub values: bool,
    /// File to write; `-` is stdout, which then holds the table and nothing else
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Record {
    /// Trades and quotes with their verdicts.
    Tick,
    /// Closed bars.
    Bar,
    /// Features after a closed bar, a column each.
    Indicator,
    /// Matrices that are ready: shape and hash.
    Matrix,
    /// Completed signal sequences.
    Synergy,
    /// What the policy decided, hold included.
    Decision,
    /// Verdicts on decisions.
    Risk,
    /// Orders after each event of their life.
    Order,
    /// Executions.
    Fill,
    /// The account.
    Portfolio,
}

/// Of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated, with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object a line.
    Jsonl,
}

/// `ctl`
#[derive(Args, Debug)]
#[command(after_help = "A signal or a file halts as well: kill -USR1 PID, or touch DIR/halt.")]
pub struct Ctl {
    /// Journal directory of the running engine
    pub dir: PathBuf,
    /// What it shall do
    #[arg(value_enum)]
    pub command: CtlCommand,
    /// Only this symbol: for flatten and cancel-all
    #[arg(long, value_name = "S")]
    pub symbol: Option<String>,
}

/// What `ctl` can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CtlCommand {
    /// State, rates, lags, watermarks, positions, last error
    Status,
    /// No order leaves from now on; working orders are cancelled
    Halt,
    /// Only orders that reduce a position
    Reduce,
    /// Back to trading, after halt or reduce
    Resume,
    /// Close positions
    Flatten,
    /// Cancel working orders
    CancelAll,
}

impl CtlCommand {
    /// Its word on the socket.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Halt => "halt",
            Self::Reduce => "reduce",
            Self::Resume => "resume",
            Self::Flatten => "flatten",
            Self::CancelAll => "cancel-all",
        }
    }
}

/// `data bars-audit`
#[derive(Args, Debug)]
pub struct BarsAudit {
    /// Journal directories
    #[arg(value_name = "DIR", required = true)]
    pub dirs: Vec<PathBuf>,
    /// FORMAT:PATH of the vendor's bars; with -c the name of a source in the config
    #[arg(long, value_name = "SPEC")]
    pub against: String,
    /// Config file with instruments, and with sources that need more than a SPEC
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `config`
#[derive(Args, Debug)]
pub struct Config {
    /// What to do with it.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The config's commands.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// List all violations of a config file
    Check {
        /// Config file
        #[arg(value_name = "FILE", required_unless_present = "config")]
        file: Option<PathBuf>,
        /// Config file, as in `run`
        #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
        config: Option<PathBuf>,
    },
    /// Print the resolved config with its hash
    Show {
        /// Config file; the embedded default if not given
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print a commented example
    Init,
}

/// `latency`
#[derive(Args, Debug)]
pub struct Latency {
    /// What to do with it.
    #[command(subcommand)]
    pub command: LatencyCommand,
}

/// `latency run`
#[derive(Args, Debug)]
pub struct LatencyRun {
    /// Config file; the embedded default if not given. Its sources are not used
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ticks a second
    #[arg(long, value_name = "N", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub rate: u64,
    /// Ticks that are due at the same moment, at the same mean rate
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub burst: u64,
    /// How long
    #[arg(long, value_name = "S", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// Thread layout, as in `run`
    #[arg(long, value_name = "NAME")]
    pub layout: Option<String>,
    /// Journal directory; the next free ./journal/<n> if not given
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
}

/// The commands about latency.
#[derive(Debug, Subcommand)]
pub enum LatencyCommand {
    /// Run the engine under a steady load and measure every input from the moment it was due
    Run(LatencyRun),
    /// Percentiles of every tag; of several logs also of all together
    Report {
        /// Journal directories, or .hlog files of other tools such as jHiccup
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<PathBuf>,
    },
    /// Two logs side by side with the ratio B/A; exits with 0 whatever it is
    Diff {
        /// Journal directory or .hlog file
        #[arg(value_name = "A")]
        a: PathBuf,
        /// Journal directory or .hlog file
        #[arg(value_name = "B")]
        b: PathBuf,
    },
}
