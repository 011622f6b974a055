//! A group: the handlers that share a thread, behind one poller of the ring.

use crate::problem::Problem;
use crate::runtime::handler::{At, Handler, Pass};
use crate::runtime::host::prefetch;
use crate::runtime::latency::Stamps;
use arrayvec::ArrayVec;
use disruptor::{EventPoller, Polling, SingleConsumerBarrier, SingleProducerBarrier};
use ringbuf_layout::{RunEnd, Slot};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use sync::Gauge;

/// Slots that a group takes at once: 64 × 192 bytes stay in the first-level cache between handlers.
pub const BATCH: usize = 64;

/// The poller behind the producer, or behind another group.
pub enum Poller {
    /// Of the first group.
    First(EventPoller<Slot, SingleProducerBarrier>),
    /// Of a later group.
    Later(EventPoller<Slot, SingleConsumerBarrier>),
}

/// Handlers that share a thread. It and each handler lie on cache lines of their own: what a neighbour's
/// thread writes for every slot would be fetched from its core for every slot.
#[repr(align(128))]
pub struct Group<'r> {
    poller: Poller,
    handlers: Vec<Box<dyn Handler + 'r>>,
    ended: bool,
    pass: Pass,
    taken: Arc<Gauge>,
}

impl<'r> Group<'r> {
    /// A group of handlers, run in order, behind a poller.
    pub fn new(poller: Poller, handlers: Vec<Box<dyn Handler + 'r>>) -> Self {
        Self { poller, handlers, ended: false, pass: Pass::new(), taken: Arc::default() }
    }

    /// Takes what the ring has, at most [`BATCH`] slots, through every handler; returns how many. Never
    /// blocks.
    ///
    /// The guard is released only after the last handler returned: if one fails or panics, the
    /// cursor stays, and no later group sees a slot that was not processed. (With the guard's own
    /// drop a panic was measured to hand egress the previous lap's orders.)
    ///
    /// # Errors
    /// A sink's failure.
    pub fn step(&mut self) -> Result<usize, Problem> {
        macro_rules! step {
            ($poller:expr) => {
                match $poller.take(BATCH as u64) {
                    Ok(guard) => {
                        let mut guard = ManuallyDrop::new(guard);
                        let batch = run(&mut *guard, &mut self.handlers, &mut self.pass)?;
                        drop(ManuallyDrop::into_inner(guard));
                        self.ended |= batch.ended;
                        self.taken.set(batch.next_seq);
                        Ok(batch.count)
                    }
                    Err(Polling::NoEvents | Polling::Shutdown) => Ok(0),
                }
            };
        }
        let stepped = match &mut self.poller {
            Poller::First(poller) => step!(poller),
            Poller::Later(poller) => step!(poller),
        };
        if let Some(stamps) = &mut self.pass.stamps {
            stamps.hand_over();
        }
        stepped
    }

    /// Where it is: after a panic, the part and the sequence that panicked.
    pub fn at(&self) -> At {
        self.pass.at
    }

    /// Measures from now on.
    pub fn stamp_with(&mut self, stamps: Stamps) {
        self.pass.stamps = Some(stamps);
    }

    /// Its parts, and the first sequence that it has not taken.
    pub fn gauge(&self) -> (String, Arc<Gauge>) {
        let parts = self.handlers.iter().flat_map(|handler| handler.parts());
        let parts: Vec<&str> = parts.map(|part| part.name()).collect();
        (parts.join("+"), Arc::clone(&self.taken))
    }

    /// Its stamps, if it measured; it measures no longer.
    pub fn take_stamps(&mut self) -> Option<Stamps> {
        self.pass.stamps.take()
    }

    /// The slots that were handed to it and not released by it, after a panic. Releases nothing.
    pub fn pending(&mut self, mut take: impl FnMut(&Slot)) {
        macro_rules! pending {
            ($poller:expr) => {
                if let Ok(guard) = $poller.poll() {
                    let mut guard = ManuallyDrop::new(guard);
                    (&mut *guard).for_each(&mut take);
                }
            };
        }
        match &mut self.poller {
            Poller::First(poller) => pending!(poller),
            Poller::Later(poller) => pending!(poller),
        }
    }

    /// Its handlers, to wrap or to end them.
    pub fn handlers_mut(&mut self) -> &mut [Box<dyn Handler + 'r>] {
        &mut self.handlers
    }

    /// True once the run end went through it: nothing follows.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Its handlers.
    pub fn handlers(&self) -> &[Box<dyn Handler + 'r>] {
        &self.handlers
    }

    /// Closes every handler, in order.
    ///
    /// # Errors
    /// The first failure; the others are closed all the same.
    pub fn close(&mut self) -> Result<(), Problem> {
        let mut result = Ok(());
        for handler in &mut self.handlers {
            let closed = handler.close();
            result = result.and(closed);
        }
        result
    }
}

struct Batch {
    count: usize,
    next_seq: u64,
    ended: bool,
}

/// One batch, handler by handler: a handler's code and state stay hot for 64 slots.
fn run<'g>(
    events: impl Iterator<Item = &'g Slot>,
    handlers: &mut [Box<dyn Handler + '_>],
    pass: &mut Pass,
) -> Result<Batch, Problem> {
    // Not an array that is filled first: 512 bytes of stores a step, behind which a paced input waits.
    let mut batch = ArrayVec::<&Slot, BATCH>::new();
    pass.ask();
    for slot in events {
        // All its lines at once: looked at one by one, each came from the other core by itself.
        prefetch(slot);
        batch.push(slot);
    }
    pass.enter(&batch);
    for handler in handlers {
        handler.on_batch(&batch, pass)?;
    }
    let last = batch.last();
    Ok(Batch {
        count: batch.len(),
        next_seq: last.map_or(0, |slot| slot.seq() + 1),
        ended: last.is_some_and(|slot| slot.input.is::<RunEnd>()),
    })
}

impl core::fmt::Debug for Group<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.handlers.iter().map(|h| h.parts())).finish()
    }
}

impl core::fmt::Debug for Poller {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Poller")
    }
}
