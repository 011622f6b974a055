//! The runtime's clock: the CPU's time stamp counter, calibrated, or the operating system's monotonic clock
//! where the counter cannot be trusted. Stages never see it.

/// Nanoseconds since the clock was made: one counter read, one multiplication.
#[derive(Clone, Debug)]
pub struct Clock {
    clock: quanta::Clock,
    anchor: u64,
}

impl Default for Clock {
    fn default() -> Self {
        // The crate calibrates once a process and checks that the counter is invariant.
        let clock = quanta::Clock::new();
        let anchor = clock.raw();
        Self { clock, anchor }
    }
}

impl Clock {
    /// Nanoseconds since the clock was made; never 0, so that 0 can mean "no stamp". Two threads that hold
    /// clones of one clock can compare their readings.
    #[inline]
    pub fn now(&self) -> u64 {
        self.clock.delta_as_nanos(self.anchor, self.clock.raw()) + 1
    }

    /// What a reading costs, in nanoseconds: the mean of 1,000.
    pub fn cost_ns(&self) -> f64 {
        const READINGS: u32 = 1_000;
        let from = self.now();
        for _ in 1..READINGS {
            std::hint::black_box(self.now());
        }
        (self.now() - from) as f64 / f64::from(READINGS)
    }
}
