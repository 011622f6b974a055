//! The only file that names the atomics: std's, or loom's under `--cfg loom`.
//!
//! An ordering that a promise rests on is not written where it is used but asked for by its [`Site`], so
//! that the models can relax one at a time and must notice. A plain `Relaxed` in this crate is one that
//! no promise rests on. Outside of the models a site is a constant.

#[cfg(loom)]
pub use loom::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
    },
    thread,
};
pub use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub use std::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence},
    },
    thread,
};

/// Where an ordering or a fence is that a promise rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Site {
    /// Frames are stored before the watermark that covers them.
    WatermarkStore,
    /// Frames are read after the watermark that covers them.
    WatermarkLoad,
    /// Between announcing an order and looking at the kill word.
    PassFence,
    /// Between storing the kill word and counting the announced orders.
    HaltFence,
    /// What was done before a gauge was set is visible to who reads it.
    GaugeSet,
    /// The other side of it.
    GaugeGet,
    /// What was written before a stop is visible to who sees the stop.
    StopSet,
    /// The other side of it.
    StopRead,
    /// What was written before arriving is visible to everyone behind the gate.
    GateArrive,
    /// The other side of it.
    GateWait,
    /// An entry is stored before the tail that covers it.
    PushTail,
    /// An entry is read after the tail that covers it.
    PeekTail,
    /// An entry is read before the head that frees its place.
    DropHead,
    /// A place is overwritten after the head that freed it.
    PushHead,
}

impl Site {
    /// Every site, for the models.
    pub const ALL: [Self; 14] = [
        Self::GaugeSet,
        Self::GaugeGet,
        Self::WatermarkStore,
        Self::WatermarkLoad,
        Self::PassFence,
        Self::HaltFence,
        Self::StopSet,
        Self::StopRead,
        Self::GateArrive,
        Self::GateWait,
        Self::PushTail,
        Self::PeekTail,
        Self::DropHead,
        Self::PushHead,
    ];

    /// The ordering that the site needs.
    const fn needs(self) -> Ordering {
        match self {
            Self::PassFence | Self::HaltFence => Ordering::SeqCst,
            Self::WatermarkStore
            | Self::GaugeSet
            | Self::StopSet
            | Self::GateArrive
            | Self::PushTail
            | Self::DropHead => Ordering::Release,
            Self::WatermarkLoad
            | Self::GaugeGet
            | Self::StopRead
            | Self::GateWait
            | Self::PeekTail
            | Self::PushHead => Ordering::Acquire,
        }
    }
}

/// The ordering of a site: a constant once inlined.
#[cfg(not(loom))]
#[inline]
pub(crate) const fn ordering(site: Site) -> Ordering {
    site.needs()
}

/// The fence of a site.
#[cfg(not(loom))]
#[inline]
pub(crate) fn fence_at(site: Site) {
    fence(site.needs());
}

#[cfg(loom)]
mod mutant {
    //! One site at a time does less than it needs to. The selection is of std, so that loom neither sees
    //! nor permutes it.

    use super::{Ordering, Site, fence};
    use std::sync::atomic::AtomicUsize;

    const NONE: usize = usize::MAX;
    static SELECTED: AtomicUsize = AtomicUsize::new(NONE);

    /// From now on this site is relaxed, or without its fence; `None`: all are as they should be. For the
    /// whole process, so models must not run side by side.
    pub fn select_mutant(site: Option<Site>) {
        SELECTED.store(site.map_or(NONE, |site| site as usize), Ordering::SeqCst);
    }

    fn is_selected(site: Site) -> bool {
        SELECTED.load(Ordering::SeqCst) == site as usize
    }

    pub(crate) fn ordering(site: Site) -> Ordering {
        if is_selected(site) { Ordering::Relaxed } else { site.needs() }
    }

    pub(crate) fn fence_at(site: Site) {
        if !is_selected(site) {
            fence(site.needs());
        }
    }
}

#[cfg(loom)]
pub use mutant::select_mutant;
#[cfg(loom)]
pub(crate) use mutant::{fence_at, ordering};
