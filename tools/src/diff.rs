//! `journal diff A B`: where two journals part, and what that came to.
//!
//! Run starts are compared by themselves (build, config), and `ts_recv` not at all: two runs of the same data
//! differ in both without anything being different. Everything else is compared bit by bit, in order, up to the
//! first difference; counts, by the stage that makes them, and the account's end follow.

use crate::journal_command::{next, open};
use crate::run::grouped;
use crate::say::{Exit, Lines, Say};
use engine::Problem;
use engine::replay::{run_start, stage_of, text_of_field};
use journal::{FrameRef, Frames, Journal};
use ringbuf_layout::frame::{FLAGS_OFFSET, Field, LAST, SHARED_FIELDS, fields_of};
use ringbuf_layout::input::text_of;
use ringbuf_layout::{Kind, Money, Portfolio, RunStart};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Where two journals part.
struct Parting {
    seq: u64,
    stage: &'static str,
    field: String,
    a: String,
    b: String,
}

/// What one journal holds.
#[derive(Default)]
struct Held {
    counts: [u64; Kind::ALL.len()],
    account: Option<Portfolio>,
}

impl Held {
    fn count(&mut self, frame: &FrameRef<'_>) {
        if let Some(at) = Kind::ALL.iter().position(|kind| *kind == frame.kind()) {
            self.counts[at] += 1;
        }
        if frame.kind() == Kind::Portfolio {
            // Money is 16-byte aligned and a frame is not.
            self.account = Some(bytemuck::pod_read_unaligned(frame.bytes));
        }
    }

    fn money(&self, of: impl Fn(&Portfolio) -> Money) -> Option<Money> {
        self.account.as_ref().map(of)
    }
}

/// `journal diff A B`
pub fn diff(a: &Path, b: &Path, say: Say) -> Result<Exit, Problem> {
    let journals = [open(a)?, open(b)?];
    let starts = [run_start(&journals[0], a)?, run_start(&journals[1], b)?];
    let (parting, held) = compare(&journals)?;
    let text = text(&starts, parting.as_ref(), &held);
    say.text(text.trim_end());
    say.answer(answer(&starts, parting.as_ref(), &held));
    Ok(if parting.is_none() { Exit::Done } else { Exit::Findings })
}

/// Both to their ends: side by side until they part, each for itself from there.
fn compare(journals: &[Journal; 2]) -> Result<(Option<Parting>, [Held; 2]), Problem> {
    let [mut a, mut b] = [journals[0].frames(), journals[1].frames()];
    let mut held = [Held::default(), Held::default()];
    let mut parting = None;
    while parting.is_none() {
        let pair = (take(&mut a, &mut held[0])?, take(&mut b, &mut held[1])?);
        parting = match pair {
            (None, None) => break,
            (Some(a), Some(b)) => parting_of(&a, &b),
            (one, other) => one.or(other).map(|frame| absent(&frame, one.is_some())),
        };
    }
    while take(&mut a, &mut held[0])?.is_some() {}
    while take(&mut b, &mut held[1])?.is_some() {}
    Ok((parting, held))
}

fn take<'a>(frames: &mut Frames<'a>, held: &mut Held) -> Result<Option<FrameRef<'a>>, Problem> {
    let frame = next(frames)?;
    frame.iter().for_each(|frame| held.count(frame));
    Ok(frame)
}

/// One journal has a record that the other has not.
fn absent(frame: &FrameRef<'_>, in_a: bool) -> Parting {
    let name = frame.kind().name().to_string();
    let nothing = "nothing".to_string();
    let (a, b) = if in_a { (name, nothing) } else { (nothing, name) };
    let field = "record".to_string();
    Parting { seq: frame.head().seq, stage: stage_of(frame.kind()), field, a, b }
}

fn parting_of(a: &FrameRef<'_>, b: &FrameRef<'_>) -> Option<Parting> {
    let (of_a, of_b) = (a.head(), b.head());
    if (a.kind(), of_a.seq) != (b.kind(), of_b.seq) {
        // Outputs are in stage order: the earlier one is what the other journal lacks.
        let in_a = (of_a.seq, a.kind()) < (of_b.seq, b.kind());
        return Some(absent(if in_a { a } else { b }, in_a));
    }
    if a.kind() == Kind::RunStart {
        return None;
    }
    let (own, _) = fields_of(a.kind());
    let fields = SHARED_FIELDS.iter().chain(own);
    let differs = |field: &&Field| {
        !matches!(field.name, "crc32c" | "ts_recv") && bytes(field, a) != bytes(field, b)
    };
    let field = fields.copied().collect::<Vec<_>>().iter().find(differs).copied()?;
    Some(Parting {
        seq: of_a.seq,
        stage: stage_of(a.kind()),
        field: format!("{} of the {}", field.name, a.kind().name()),
        a: text_of_field(&field, &bytes(&field, a)),
        b: text_of_field(&field, &bytes(&field, b)),
    })
}

/// A field's bytes, without the bit that ends a slot: what follows is compared by itself.
fn bytes(field: &Field, frame: &FrameRef<'_>) -> Vec<u8> {
    let mut bytes =
        frame.bytes.get(field.offset..field.offset + field.size).unwrap_or(&[]).to_vec();
    if field.offset == FLAGS_OFFSET {
        bytes.iter_mut().for_each(|byte| *byte &= !LAST);
    }
    bytes
}

/// Kinds that any of the two holds, with their counts.
fn counted(held: &[Held; 2]) -> impl Iterator<Item = (Kind, u64, u64)> + '_ {
    let counts = Kind::ALL.iter().zip(held[0].counts.iter().zip(&held[1].counts));
    counts.filter(|(_, (a, b))| **a + **b > 0).map(|(kind, (a, b))| (*kind, *a, *b))
}

/// The account's end.
const ACCOUNT: [(&str, fn(&Portfolio) -> Money); 3] = [
    ("realized_pnl", |account| account.realized_pnl),
    ("unrealized_pnl", |account| account.unrealized_pnl),
    ("equity", |account| account.equity),
];

fn text(starts: &[RunStart; 2], parting: Option<&Parting>, held: &[Held; 2]) -> String {
    let mut lines = Lines::default();
    let [a, b] = starts;
    lines.put("build", both(text_of(&a.build), text_of(&b.build)));
    lines.put("config", both(&hex(&a.semantic_hash), &hex(&b.semantic_hash)));
    match parting {
        None => lines.put("difference", "none"),
        Some(Parting { seq, stage, field, a, b }) => lines.put(
            "difference",
            format!("first at sequence {seq}, {stage}: {field}: {a} in A, {b} in B"),
        ),
    }
    let row = |stage: &str, what: &str, a: &str, b: &str| {
        format!("{stage:<12}{what:<18}{a:>24}{b:>24}\n")
    };
    lines.0.push_str(&format!("\n{}", row("stage", "records", "A", "B")));
    for (kind, a, b) in counted(held) {
        lines.0.push_str(&row(stage_of(kind), kind.name(), &grouped(a), &grouped(b)));
    }
    for (name, of) in ACCOUNT {
        let [a, b] =
            [0, 1].map(|i| held[i].money(of).map_or("-".into(), |money| money.to_string()));
        lines.0.push_str(&row("portfolio", name, &a, &b));
    }
    lines.0
}

fn both(a: &str, b: &str) -> String {
    if a == b { a.to_string() } else { format!("{a} in A, {b} in B") }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn answer(
    starts: &[RunStart; 2],
    parting: Option<&Parting>,
    held: &[Held; 2],
) -> Map<String, Value> {
    let parting = parting.map_or(Value::Null, |Parting { seq, stage, field, a, b }| {
        json!({ "seq": seq, "stage": stage, "field": field, "a": a, "b": b })
    });
    let records: Map<String, Value> = counted(held)
        .map(|(kind, a, b)| {
            let value = json!({ "stage": stage_of(kind), "a": a, "b": b });
            (kind.name().to_string(), value)
        })
        .collect();
    let account: Map<String, Value> = ACCOUNT
        .iter()
        .map(|(name, of)| {
            let [a, b] = [0, 1].map(|i| held[i].money(of).map(|money| money.to_string()));
            ((*name).to_string(), json!({ "a": a, "b": b }))
        })
        .collect();
    let of =
        |text: fn(&RunStart) -> String| json!({ "a": text(&starts[0]), "b": text(&starts[1]) });
    Map::from_iter([
        ("first_difference".into(), parting),
        ("build".into(), of(|start| text_of(&start.build).to_string())),
        ("semantic_hash".into(), of(|start| hex(&start.semantic_hash))),
        ("records".into(), Value::Object(records)),
        ("account".into(), Value::Object(account)),
    ])
}
