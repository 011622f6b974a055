//! The executions of an instrument that are booked, by the venue's name for them.
//!
//! The last 64; an older one that comes again is told by the order's filled size (`cum_qty`).

use crate::stage::Digest;
use crate::state::state;

/// Executions that are remembered.
pub const SEEN_MAX: usize = 64;

/// The memory.
#[derive(Clone, Debug)]
pub struct Seen {
    ids: [[u8; 24]; SEEN_MAX],
    next: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Self { ids: [[0; 24]; SEEN_MAX], next: 0 }
    }
}

impl Seen {
    /// True the first time; always for an execution without a name.
    pub fn is_new(&mut self, id: [u8; 24]) -> bool {
        if id == [0; 24] {
            return true;
        }
        let new = !self.ids.contains(&id);
        if new {
            self.ids[self.next] = id;
            self.next = (self.next + 1) % SEEN_MAX;
        }
        new
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(self.next as u64);
        for id in self.ids.iter().filter(|id| **id != [0; 24]) {
            let words: [u64; 3] = bytemuck::cast(*id);
            for word in words {
                digest.word(word);
            }
        }
    }
}

state!(Seen { ids, next } check |seen| seen.next < SEEN_MAX);
