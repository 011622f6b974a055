//! Order events and fills on their way out: at most sixteen of each a slot, the rest, in order, with the next
//! inputs.
//!
//! Room: while anything is carried over, the paper venue matches nothing, so one input adds at most what one
//! book can (an event, a fill, a sibling's event and an acceptance for each of 64 orders), and operators add one
//! event for each order at work. Allocated once.

use crate::orders::book::WORKING_MAX;
use crate::stage::{Digest, Emit};
use crate::state::{Codec, State, StateError, checked};
use bytemuck::Zeroable;
use ringbuf_layout::Execution;
use ringbuf_layout::output::ORDERS_MAX;
use std::collections::VecDeque;

/// The events.
#[derive(Clone, Debug)]
pub struct Outbox {
    queue: VecDeque<Execution>,
    capacity: usize,
}

impl Outbox {
    /// Room for the books of so many instruments.
    pub fn new(instruments: usize) -> Self {
        let capacity = WORKING_MAX * (8 + 2 * instruments);
        Self { queue: VecDeque::with_capacity(capacity), capacity }
    }

    /// True if nothing waits from an earlier input.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// The index of the next event, where the first of the slot has index `first`: what a new order's identity
    /// ends with. `None` if so many wait that an index cannot count them.
    pub fn next_index(&self, first: u8) -> Option<u8> {
        u8::try_from(usize::from(first) + self.queue.len()).ok()
    }

    /// Adds an event.
    ///
    /// # Panics
    /// If its bound is passed: a defect, not data.
    pub fn push(&mut self, event: impl Into<Execution>) {
        assert!(self.queue.len() < self.capacity, "Invariant: {} events wait", self.capacity);
        self.queue.push_back(event.into());
    }

    /// Lets out what this slot may hold, in order.
    pub fn flush(&mut self, out: &mut Emit<'_, Execution>) {
        let (mut orders, mut fills) = (0, 0);
        while let Some(event) = self.queue.front() {
            let count = if event.order().is_some() { &mut orders } else { &mut fills };
            if *count == ORDERS_MAX {
                break;
            }
            *count += 1;
            out.push(*event);
            self.queue.pop_front();
        }
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(self.queue.len() as u64);
        for event in &self.queue {
            let words: &[u64; 24] = bytemuck::cast_ref(event);
            for word in words {
                digest.word(*word);
            }
        }
    }
}

/// An event as it waits: one record, of one of two kinds.
struct Waiting(Execution);

impl State for Waiting {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.bytes(bytemuck::bytes_of_mut(&mut self.0))?;
        checked(&self.0, codec, |event| event.order().is_some() || event.fill().is_some())
    }
}

impl State for Outbox {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { queue, capacity } = self;
        let len = codec.len(queue.len(), *capacity)?;
        if codec.is_loading() {
            queue.clear();
            for _ in 0..len {
                let mut waiting = Waiting(Execution::zeroed());
                waiting.state(codec)?;
                queue.push_back(waiting.0);
            }
            return Ok(());
        }
        queue.iter().try_for_each(|event| Waiting(*event).state(codec))
    }
}
