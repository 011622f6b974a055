//! Fail points: a part of a wired machine panics at a chosen input. For tests of what follows a panic; a
//! machine without one has no trace of it.

use crate::pipeline::Pipeline;
use crate::problem::Problem;
use crate::runtime::group::Group;
use crate::runtime::handler::{At, Fault, Handler, Pass, Saved};
use crate::runtime::sink::Tally;
use ringbuf_layout::{InputCell, Part, Slot};

/// Where a part shall panic, in tests of what follows a panic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailPoint {
    /// Which part.
    pub part: Part,
    /// At this input, wherever in its batch it lies.
    pub seq: u64,
}

impl Pipeline<'_> {
    /// Makes a part panic at an input. The sequencer's is in its plan: it stands before
    /// the machine.
    pub fn inject(&mut self, point: FailPoint) {
        for handler in self.groups.iter_mut().flat_map(Group::handlers_mut) {
            if handler.parts().contains(&point.part) {
                let inner = std::mem::replace(handler, Box::new(Nothing));
                *handler = Box::new(Failing { inner, point });
            }
        }
    }
}

struct Nothing;

impl Handler for Nothing {
    fn parts(&self) -> &'static [Part] {
        &[]
    }

    fn on_batch(&mut self, _: &[&Slot], _: &mut Pass) -> Result<(), Problem> {
        Ok(())
    }
}

/// A handler that panics when it comes to its fail point, with what lies before it in the batch done.
struct Failing<'r> {
    inner: Box<dyn Handler + 'r>,
    point: FailPoint,
}

impl Handler for Failing<'_> {
    fn parts(&self) -> &'static [Part] {
        self.inner.parts()
    }

    fn on_batch(&mut self, batch: &[&Slot], pass: &mut Pass) -> Result<(), Problem> {
        let FailPoint { part, seq } = self.point;
        let Some(place) = batch.iter().position(|slot| slot.seq() == seq) else {
            return self.inner.on_batch(batch, pass);
        };
        self.inner.on_batch(&batch[..place], pass)?;
        pass.at = At { part, seq };
        panic!("fail point of {} at {seq}", part.name());
    }

    fn on_unprocessed(&mut self, slot: &Slot, fault: &Fault) -> Result<(), Problem> {
        self.inner.on_unprocessed(slot, fault)
    }

    fn on_panic(&mut self, end: &InputCell, fault: &Fault) -> Result<(), Problem> {
        self.inner.on_panic(end, fault)
    }

    fn close(&mut self) -> Result<(), Problem> {
        self.inner.close()
    }

    fn tally(&self) -> Option<&Tally> {
        self.inner.tally()
    }

    fn states(&mut self, show: &mut dyn FnMut(&'static str, &mut dyn Saved)) {
        self.inner.states(show);
    }
}
