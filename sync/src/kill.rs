//! The kill word: the last thing that is looked at before an order leaves.
//!
//! ```text
//!  gateway, before every order            operator, or a fault
//!  ───────────────────────────            ────────────────────
//!  announced = n                          word = halted
//!  SeqCst fence                           SeqCst fence
//!  look at the words                      n = announced
//!  halted: announced = n − 1, stay        return n
//!  else:   n leaves
//! ```
//!
//! The two fences have an order. If the gateway's is first, the other side counts `n`; if it is
//! second, the gateway sees the halt. So an order that leaves in spite of a halt has been counted by it.
//!
//! Taking a number back keeps this: a number is taken back only by the order that announced it, so once
//! `n` has left, every later value of `announced` is at least `n`. A count may be one too high, for
//! an order that looks at the word just then and stays; it is never too low.

use crate::line::Line;
use crate::shim::{Arc, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed, Site, fence_at};

/// What may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Trading {
    /// Every order.
    Active = 0,
    /// Orders that reduce a position. Which ones do is judged before the gateway, not by this word.
    Reducing = 1,
    /// None.
    Halted = 2,
}

impl Trading {
    /// Its name, as status prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reducing => "reducing",
            Self::Halted => "halted",
        }
    }

    /// A word that nobody knows halts.
    const fn of(word: usize) -> Self {
        match word {
            0 => Self::Active,
            1 => Self::Reducing,
            _ => Self::Halted,
        }
    }
}

/// The operators' word and the latch of faults. Shared by reference: many may halt, one thread passes.
#[derive(Debug)]
pub struct KillWord {
    /// Written by the gateway thread alone.
    announced: Line<AtomicU64>,
    /// A [`Trading`]; behind an `Arc` of its own for signal handlers.
    word: Arc<AtomicUsize>,
    /// 0, or the code of the first fault. Never cleared.
    latched: AtomicU32,
}

impl Default for KillWord {
    fn default() -> Self {
        Self::new()
    }
}

impl KillWord {
    /// Active, and no order announced.
    pub fn new() -> Self {
        Self {
            announced: Line(AtomicU64::new(0)),
            word: Arc::new(AtomicUsize::new(Trading::Active as usize)),
            latched: AtomicU32::new(0),
        }
    }

    /// What may leave now.
    #[inline]
    pub fn state(&self) -> Trading {
        let word = Trading::of(self.word.load(Relaxed));
        if self.latched() == 0 { word } else { Trading::Halted }
    }

    /// The code of the fault that halted, or 0.
    #[inline]
    pub fn latched(&self) -> u32 {
        self.latched.load(Relaxed)
    }

    /// What the operators want, faults aside.
    pub fn operator_state(&self) -> Trading {
        Trading::of(self.word.load(Relaxed))
    }

    /// The operators' word itself, for a signal handler: 2 halts. Who stores it there is told no
    /// count; the next order that has not yet looked at it stays.
    #[cfg(not(loom))]
    pub fn operator_word(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.word)
    }

    /// An operator's reduction or halt. Returns the number of orders announced so far: after
    /// `tighten(Halted)` returned `n`, no order with a number above `n` leaves until a resume lets it. Order
    /// `n` itself may still be on its way out, or have stayed.
    ///
    /// It only tightens: a reduction does not lift a halt, and a latched fault stays whatever is commanded.
    pub fn tighten(&self, trading: Trading) -> u64 {
        self.word.fetch_max(trading as usize, Relaxed);
        self.count()
    }

    /// Halts for a fault until the process ends; the first code wins. Returns the same count as
    /// [`tighten`](Self::tighten), to the first fault and to every later one.
    pub fn latch(&self, code: u32) -> u64 {
        // 0 means no fault, and a fault without a code is one nevertheless.
        let code = code.max(1);
        // Who comes second has the same promise: the word that it lost to is before its fence too.
        let _ = self.latched.compare_exchange(0, code, Relaxed, Relaxed);
        self.count()
    }

    /// Lifts an operator's halt or reduction. False, and nothing is changed, if a fault has latched or
    /// the word changed while this looked at it. A halt upon a halt changes nothing and is lifted
    /// with it, so whoever commands does it under one lock; a signal that must not be lifted is sent again.
    pub fn resume(&self) -> bool {
        let seen = self.word.load(Relaxed);
        let active = Trading::Active as usize;
        self.latched() == 0 && self.word.compare_exchange(seen, active, Relaxed, Relaxed).is_ok()
    }

    /// Asks to let one order leave, and numbers it, from 1. The caller is the one gateway thread, asks
    /// immediately before the order leaves, and sends nothing for an error; after `Ok` it must send
    /// without waiting for anything, since a halt counts the order as gone.
    ///
    /// # Errors
    /// [`Trading::Halted`]: the order stays and its number is given to the next.
    #[inline]
    pub fn pass(&self) -> Result<u64, Trading> {
        let number = self.announced() + 1;
        self.announced.0.store(number, Relaxed);
        fence_at(Site::PassFence);
        let state = self.state();
        if state == Trading::Halted {
            self.announced.0.store(number - 1, Relaxed);
            return Err(state);
        }
        Ok(number)
    }

    /// How many orders have left, or one more while an order is looking at the word.
    #[inline]
    pub fn announced(&self) -> u64 {
        self.announced.0.load(Relaxed)
    }

    /// The count that a halt returns: read behind the fence, so that it misses no order that missed the
    /// halt.
    fn count(&self) -> u64 {
        fence_at(Site::HaltFence);
        self.announced()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_halted_order_stays_and_gives_its_number_back() {
        let kill = KillWord::new();
        assert_eq!(kill.pass(), Ok(1));
        assert_eq!(kill.tighten(Trading::Halted), 1);
        assert_eq!(kill.pass(), Err(Trading::Halted));
        assert_eq!((kill.announced(), kill.state()), (1, Trading::Halted));
        assert!(kill.resume());
        assert_eq!(kill.tighten(Trading::Reducing), 1);
        assert_eq!((kill.pass(), kill.state().name()), (Ok(2), "reducing"));
    }

    #[test]
    fn the_first_fault_latches_whatever_is_commanded() {
        let kill = KillWord::new();
        assert_eq!((kill.latch(7), kill.latch(8)), (0, 0));
        assert!(!kill.resume());
        kill.tighten(Trading::Active);
        assert_eq!((kill.state(), kill.latched()), (Trading::Halted, 7));
        assert_eq!(kill.pass(), Err(Trading::Halted));
    }

    #[test]
    fn a_fault_without_a_code_halts() {
        let kill = KillWord::new();
        kill.latch(0);
        assert_eq!((kill.state(), kill.latched()), (Trading::Halted, 1));
    }

    #[test]
    fn a_signal_halts_and_so_does_a_word_that_nobody_knows() {
        let kill = KillWord::new();
        for word in [2, 3, usize::MAX] {
            kill.operator_word().store(word, Relaxed);
            assert_eq!(kill.pass(), Err(Trading::Halted));
        }
        assert!(kill.resume());
        assert_eq!(kill.pass(), Ok(1));
    }

    #[test]
    fn no_order_leaves_above_the_count_that_a_halt_returned() {
        let (kill, sent, done) = (KillWord::new(), AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    match kill.pass() {
                        Ok(number) => sent.store(number, Relaxed),
                        Err(_) => std::thread::yield_now(),
                    }
                }
            });
            for _ in 0..1_000 {
                let halted_at = kill.tighten(Trading::Halted);
                std::thread::yield_now();
                let seen = sent.load(Relaxed);
                assert!(seen <= halted_at, "{seen} left after a halt at {halted_at}");
                assert!(kill.resume());
                std::thread::yield_now();
            }
            done.store(true, Relaxed);
        });
        assert_eq!(kill.announced(), sent.into_inner());
    }
}
