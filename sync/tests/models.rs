//! Every interleaving of small models of the words that order threads, and the proof that the models
//! would notice if any one ordering were weaker than it is.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p sync --release --test models`
//!
//! What loom cannot show: it never lets a load see a later store, so that "read before overwritten" is
//! shown by a mark that the reader leaves (`list`); and it takes a `SeqCst` fence for a little more
//! than it is, so that the argument for the kill word stands in `kill.rs`, and the model shows that
//! neither fence can be spared. Nobody spins here: every wait is a bounded number of looks.
#![cfg(loom)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc as StdArc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use sync::shim::{Arc, AtomicU64, Site, select_mutant, thread};
use sync::{Gauge, KillWord, StartGate, Stop, Trading, Watermark, order_list};

/// A model, and how many preemptions of a thread it explores; `None`: all interleavings.
struct Model {
    name: &'static str,
    preemptions: Option<usize>,
    run: fn(),
}

const fn model(name: &'static str, preemptions: Option<usize>, run: fn()) -> Model {
    Model { name, preemptions, run }
}

static MODELS: [Model; 14] = [
    model("watermark publishes frames", None, watermark_publishes_frames),
    model("halt counts what leaves", None, halt_counts_what_leaves),
    model("fault counts what leaves", None, fault_counts_what_leaves),
    model("halt, resume, halt", None, halts_around_a_resume),
    model("two faults", Some(4), two_faults_count_alike),
    model("latch wins over resume", None, latch_wins_over_resume),
    model("resume lifts only what it saw", None, resume_lifts_only_what_it_saw),
    model("list in order", None, list_hands_over_in_order),
    model("list full", None, list_gives_places_back),
    model("list gauge", None, list_gauge_stays_in_bounds),
    model("release by watermark", None, orders_leave_below_the_watermark),
    model("all has left or come back", None, what_is_done_is_visible),
    model("stop", None, stop_shows_why),
    model("start gate", Some(3), start_gate_shows_what_came_before),
];

/// One mutant for the process: models run one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Model {
    /// Explores it; how many executions there were, and the promise that was broken, if one was.
    fn explore(&self) -> (usize, Result<(), Box<dyn Any + Send>>) {
        let executions = StdArc::new(Count::new(0));
        let (count, run) = (StdArc::clone(&executions), self.run);
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = self.preemptions;
        let explored = catch_unwind(AssertUnwindSafe(|| {
            builder.check(move || {
                count.fetch_add(1, Relaxed);
                run();
            });
        }));
        (executions.load(Relaxed), explored)
    }
}

/// Ends the execution, and with it the model, if a promise is broken.
#[track_caller]
fn promised(kept: bool, promise: &str) {
    assert!(kept, "Broken: {promise}");
}

/// The broken promise in a panic; anything else is a mistake in the models.
fn broken(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.starts_with("Broken: "), "the model failed by itself: {text}");
    text
}

fn explore_all() {
    for model in &MODELS {
        let from = Instant::now();
        let (executions, explored) = model.explore();
        let seconds = from.elapsed().as_secs_f64();
        println!("{:<32}{executions:>9} executions {seconds:>7.2} s", model.name);
        if let Err(payload) = explored {
            panic!("{}: {}", model.name, broken(payload.as_ref()));
        }
    }
}

#[test]
fn every_promise_holds_in_every_interleaving() {
    let _alone = alone();
    explore_all();
}

#[test]
fn every_ordering_mutant_is_caught() {
    let _alone = alone();
    // Loom's coroutines put a hook of their own in front at their first use; ours replaces both.
    loom::model(|| {});
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut survivors = Vec::new();
    for site in Site::ALL {
        select_mutant(Some(site));
        let caught = MODELS.iter().find_map(|model| match model.explore() {
            (executions, Err(payload)) => Some((model.name, executions, payload)),
            (_, Ok(())) => None,
        });
        select_mutant(None);
        match caught {
            Some((by, executions, payload)) => {
                let what = broken(payload.as_ref());
                println!("{site:?}: caught by \"{by}\" in execution {executions}: {what}");
            }
            None => survivors.push(site),
        }
    }
    std::panic::set_hook(hook);
    assert!(survivors.is_empty(), "no model needs {survivors:?}");
}

fn word() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(0))
}

// (a) The watermark.

fn watermark_publishes_frames() {
    let (frames, watermark) = (Arc::new([0, 1].map(AtomicU64::new)), Arc::new(Watermark::new(0)));
    let journal = {
        let (frames, watermark) = (Arc::clone(&frames), Arc::clone(&watermark));
        thread::spawn(move || {
            for seq in 0..2 {
                frames[seq].store(10 + seq as u64, Relaxed);
                watermark.store(1 + seq as u64);
            }
        })
    };
    for _ in 0..2 {
        for seq in 0..watermark.next_seq() as usize {
            promised(frames[seq].load(Relaxed) == 10 + seq as u64, "a covered frame is visible");
        }
    }
    journal.join().unwrap();
    promised(watermark.covers(1) && !watermark.covers(2), "the watermark covers what was stored");
}

// (b) The kill word.

/// Asks for `tries` orders; the last number that left goes into `sent`.
fn gateway(kill: &Arc<KillWord>, sent: &Arc<AtomicU64>, tries: usize) -> thread::JoinHandle<u64> {
    let (kill, sent) = (Arc::clone(kill), Arc::clone(sent));
    thread::spawn(move || {
        let mut left = 0;
        for _ in 0..tries {
            if let Ok(number) = kill.pass() {
                left += 1;
                promised(number == left, "numbers have no gap");
                sent.store(number, Relaxed);
            }
        }
        left
    })
}

fn halt_counts_what_leaves() {
    let (kill, sent) = (Arc::new(KillWord::new()), word());
    let gateway = gateway(&kill, &sent, 3);
    let halted_at = kill.tighten(Trading::Halted);
    let left = gateway.join().unwrap();
    promised(left <= halted_at, "no order above the count leaves after a halt");
    promised(halted_at <= left + 1, "a count is at most one too high");
    promised(kill.announced() == left, "numbers count what left");
    promised(kill.pass() == Err(Trading::Halted), "a halted order stays");
}

fn fault_counts_what_leaves() {
    let (kill, sent) = (Arc::new(KillWord::new()), word());
    let gateway = gateway(&kill, &sent, 3);
    let halted_at = kill.latch(7);
    let left = gateway.join().unwrap();
    promised(left <= halted_at, "no order above the count leaves after a fault");
    promised(kill.pass() == Err(Trading::Halted), "a fault halts");
}

fn halts_around_a_resume() {
    let (kill, sent) = (Arc::new(KillWord::new()), word());
    let gateway = gateway(&kill, &sent, 3);
    let first = kill.tighten(Trading::Halted);
    promised(sent.load(Relaxed) <= first, "no order above the count leaves until resumed");
    promised(kill.resume(), "an operator's halt is lifted");
    let second = kill.tighten(Trading::Halted);
    let left = gateway.join().unwrap();
    promised(left <= second, "no order above the count leaves after a second halt");
    promised(kill.resume() && kill.pass() == Ok(left + 1), "orders leave again");
}

fn two_faults_count_alike() {
    let (kill, sent) = (Arc::new(KillWord::new()), word());
    let gateway = gateway(&kill, &sent, 2);
    let other = {
        let kill = Arc::clone(&kill);
        thread::spawn(move || (kill.latch(1), kill.latched()))
    };
    let (count, code) = (kill.latch(2), kill.latched());
    let (other_count, other_code) = other.join().unwrap();
    let left = gateway.join().unwrap();
    promised(left <= count && left <= other_count, "whoever latches second counts as well");
    promised(code == other_code && code == kill.latched(), "the first fault stays");
}

fn latch_wins_over_resume() {
    let (kill, sent) = (Arc::new(KillWord::new()), word());
    let fault = {
        let (kill, sent) = (Arc::clone(&kill), Arc::clone(&sent));
        thread::spawn(move || sent.store(kill.latch(7), Relaxed))
    };
    kill.tighten(Trading::Halted);
    kill.resume();
    let passed = kill.pass();
    fault.join().unwrap();
    promised(passed.unwrap_or(0) <= sent.load(Relaxed), "a resume lets no order by a fault");
    promised(kill.state() == Trading::Halted, "a fault halts whatever was commanded");
    promised(kill.pass() == Err(Trading::Halted), "no order leaves after a fault");
    promised(!kill.resume() && kill.latched() == 7, "a fault is not resumed");
}

fn resume_lifts_only_what_it_saw() {
    let kill = Arc::new(KillWord::new());
    kill.tighten(Trading::Reducing);
    let other = {
        let kill = Arc::clone(&kill);
        thread::spawn(move || kill.tighten(Trading::Halted))
    };
    let lifted = kill.resume();
    other.join().unwrap();
    promised(lifted || kill.state() == Trading::Halted, "a halt in between stays");
}

// (c) The list.

/// The entry of a number: two words, so that a torn one is noticed.
fn entry(number: u64) -> [u64; 2] {
    [number + 1, (number + 1) * 10]
}

fn list_hands_over_in_order() {
    const LOOKS: usize = 3;
    let (mut writer, mut reader) = order_list::<2>(2);
    let egress = thread::spawn(move || (0..2).all(|number| writer.push(&entry(number))));
    let mut next = 0;
    for _ in 0..LOOKS {
        if let Some(found) = reader.peek() {
            promised(found == entry(next), "an entry is whole, and the next");
            promised(reader.peek() == Some(found), "a look removes nothing");
            reader.drop_front();
            next += 1;
        }
    }
    promised(egress.join().unwrap(), "a list with room takes an entry");
    while let Some(found) = reader.pop() {
        promised(found == entry(next), "no entry is lost");
        next += 1;
    }
    promised(next == 2 && reader.is_empty(), "no entry comes twice");
}

/// Four entries through two places. The reader marks what it has dropped, before it drops it: a push into
/// a place that was given back must see the mark, or it could as well overwrite an entry that is being read.
fn list_gives_places_back() {
    const CAPACITY: u64 = 2;
    let (mut writer, mut reader) = order_list::<2>(CAPACITY as usize);
    let dropping = word();
    let seen = Arc::clone(&dropping);
    let egress = thread::spawn(move || {
        let mut pushed = 0;
        for _ in 0..4 {
            if writer.push(&entry(pushed)) {
                pushed += 1;
                let freed = pushed.saturating_sub(CAPACITY);
                promised(seen.load(Relaxed) >= freed, "an entry is read before it is overwritten");
            } else {
                promised(pushed >= CAPACITY, "only a full list refuses");
            }
        }
        pushed
    });
    let mut next = 0;
    for _ in 0..2 {
        if let Some(found) = reader.peek() {
            promised(found == entry(next), "an entry is whole, and the next, on any lap");
            next += 1;
            dropping.store(next, Relaxed);
            reader.drop_front();
        }
    }
    let pushed = egress.join().unwrap();
    while let Some(found) = reader.pop() {
        promised(found == entry(next), "a refused push changes nothing");
        next += 1;
    }
    promised(next == pushed, "what was pushed comes out, once");
}

fn list_gauge_stays_in_bounds() {
    let (mut writer, mut reader) = order_list::<1>(1);
    let gauge = writer.gauge();
    let egress = thread::spawn(move || writer.push(&[1]));
    let gateway = thread::spawn(move || reader.pop().is_some());
    promised(gauge.occupancy() <= gauge.capacity(), "status sees no more than there can be");
    let (pushed, popped) = (egress.join().unwrap(), gateway.join().unwrap());
    let left = usize::from(pushed) - usize::from(popped);
    promised(gauge.occupancy() == left, "status sees what is left");
}

// (d) Release by watermark: an order leaves when its input's frames are journaled, not before.

fn orders_leave_below_the_watermark() {
    const SLOTS: usize = 2;
    let frames = Arc::new([0, 0].map(AtomicU64::new));
    let watermark = Arc::new(Watermark::new(0));
    let (mut writer, mut reader) = order_list::<2>(2);
    let journal = {
        let (frames, watermark) = (Arc::clone(&frames), Arc::clone(&watermark));
        thread::spawn(move || {
            for seq in 0..SLOTS {
                frames[seq].store(10 + seq as u64, Relaxed);
                watermark.store(1 + seq as u64);
            }
        })
    };
    let egress = thread::spawn(move || (0..SLOTS as u64).all(|seq| writer.push(&[seq, 20 + seq])));
    let mut released = 0;
    let mut look = |looks: usize| {
        for _ in 0..looks {
            let Some([seq, order]) = reader.peek() else { continue };
            promised((seq, order) == (released, 20 + released), "orders leave whole and in order");
            if watermark.covers(seq) {
                let frame = frames[seq as usize].load(Relaxed);
                promised(frame == 10 + seq, "what led to an order is journaled before it leaves");
                reader.drop_front();
                released += 1;
            }
        }
    };
    look(3);
    journal.join().unwrap();
    promised(egress.join().unwrap(), "a list with room takes an order");
    look(SLOTS);
    promised(released == SLOTS as u64, "every order leaves");
}

// (e) The stop word and the gate at the start.

/// Egress pushes an order and says how many it pushed, and then that it took the input; the gateway handles the
/// order, brings something back, and says that it is done. Who finds all taken and as many done as pushed sees
/// what came back.
fn what_is_done_is_visible() {
    let (mut writer, mut reader) = order_list::<1>(2);
    let back = Arc::new(AtomicU64::new(0));
    let [pushed, taken, done] = [(); 3].map(|()| Arc::new(Gauge::default()));
    let egress = {
        let (pushed, taken) = (Arc::clone(&pushed), Arc::clone(&taken));
        thread::spawn(move || {
            promised(writer.push(&[7]), "an empty list takes one");
            pushed.set(1);
            taken.set(1);
        })
    };
    let gateway = {
        let (back, done) = (Arc::clone(&back), Arc::clone(&done));
        thread::spawn(move || {
            if reader.pop().is_some() {
                back.store(7, Relaxed);
                done.set(1);
            }
        })
    };
    if taken.get() == 1 && done.get() == pushed.get() {
        promised(back.load(Relaxed) == 7, "what came back is there");
    }
    egress.join().unwrap();
    gateway.join().unwrap();
}

fn stop_shows_why() {
    let (stop, why) = (Arc::new(Stop::new()), word());
    let failing = {
        let (stop, why) = (Arc::clone(&stop), Arc::clone(&why));
        thread::spawn(move || {
            why.store(7, Relaxed);
            stop.set();
        })
    };
    for _ in 0..2 {
        if stop.is_set() {
            promised(why.load(Relaxed) == 7, "who sees a stop sees why");
        }
    }
    failing.join().unwrap();
    promised(stop.is_set(), "a stop stays");
}

/// Three arrive; who has looked twice in vain stops everyone, as a thread that cannot start would.
fn start_gate_shows_what_came_before() {
    const LOOKS: usize = 2;
    let gate = Arc::new(StartGate::new(3));
    let stop = Arc::new(Stop::new());
    let ready = Arc::new([0, 0, 0].map(AtomicU64::new));
    let arrive = move |me: usize| {
        ready[me].store(1, Relaxed);
        let mut looks = 0;
        let opened = gate.arrive_and_wait(&stop, || {
            looks += 1;
            if looks == LOOKS {
                stop.set();
            }
        });
        for other in ready.iter().filter(|_| opened) {
            promised(other.load(Relaxed) == 1, "behind the gate everyone is ready");
        }
        promised(opened || stop.is_set(), "the gate opens for all, or for a stop");
    };
    let others = [0, 1].map(|me| {
        let arrive = arrive.clone();
        thread::spawn(move || arrive(me))
    });
    arrive(2);
    for other in others {
        other.join().unwrap();
    }
}
