//! What can be seen of a source while it delivers: how many records, how new the newest is, and how far the
//! clock that stamped their receipt stands from the exchange's.

use crate::source::Source;
use serde_json::{Value, json};
use std::sync::Arc;
use sync::Gauge;

/// Figures of one source. Its gateway thread alone writes them; anybody reads.
#[derive(Debug)]
pub struct FeedGauge {
    name: String,
    records: Gauge,
    /// Times and differences, ns, as their bits.
    newest: Gauge,
    last: Gauge,
    least: Gauge,
    most: Gauge,
}

/// `ts_recv` less `ts_event`, ns. Negative where the receiver's clock is behind the exchange's: that is a fact of
/// the recording, and no record is refused for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeedLatency {
    /// Of the newest record.
    pub last: i64,
    /// The smallest.
    pub least: i64,
    /// The largest.
    pub most: i64,
}

/// What a gauge said at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedReading {
    /// The source's name.
    pub name: String,
    /// Records delivered, accepted later or not.
    pub records: u64,
    /// Newest event time, ns UTC; none before the first record.
    pub newest: Option<i64>,
    /// None where the source has no receive times.
    pub latency: Option<FeedLatency>,
}

impl FeedGauge {
    /// One for each source, in their order.
    pub fn of(sources: &[Source]) -> Vec<Arc<Self>> {
        let gauge = |source: &Source| Arc::new(Self::new(&source.name));
        sources.iter().map(gauge).collect()
    }

    fn new(name: &str) -> Self {
        Self {
            name: name.to_string(),
            records: Gauge::default(),
            newest: Gauge::default(),
            last: Gauge::default(),
            least: Gauge::default(),
            most: Gauge::default(),
        }
    }

    /// A record was delivered; the source's thread alone says so.
    #[inline]
    pub fn note(&self, ts_event: i64, ts_recv: i64) {
        let records = self.records.get();
        let latency = ts_recv.saturating_sub(ts_event);
        let first = records == 0;
        let keep = |gauge: &Gauge, value: i64, better: bool| {
            if first || better {
                gauge.set(value as u64);
            }
        };
        keep(&self.newest, ts_event, ts_event > self.newest.get() as i64);
        keep(&self.least, latency, latency < self.least.get() as i64);
        keep(&self.most, latency, latency > self.most.get() as i64);
        self.last.set(latency as u64);
        self.records.set(records + 1);
    }

    /// What it says now.
    pub fn read(&self) -> FeedReading {
        let records = self.records.get();
        let of = |gauge: &Gauge| gauge.get() as i64;
        let latency =
            FeedLatency { last: of(&self.last), least: of(&self.least), most: of(&self.most) };
        FeedReading {
            name: self.name.clone(),
            records,
            newest: (records > 0).then(|| of(&self.newest)),
            // A file without receive times has them equal to the event times.
            latency: (latency.least != 0 || latency.most != 0).then_some(latency),
        }
    }
}

impl FeedReading {
    /// As in `status` and in a summary.
    pub fn json(&self) -> Value {
        let latency = self.latency.map(
            |latency| json!({ "last": latency.last, "least": latency.least, "most": latency.most }),
        );
        json!({
            "name": self.name, "records": self.records, "newest_event_ns": self.newest,
            "latency_ns": latency,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_whose_clock_is_behind_shows_a_latency_below_zero() {
        let gauge = FeedGauge::new("btc");
        assert_eq!((gauge.read().newest, gauge.read().latency), (None, None));
        for (event, received) in [(5_000, 3_700), (7_000, 5_800), (6_000, 4_600)] {
            gauge.note(event, received);
        }
        let reading = gauge.read();
        assert_eq!((reading.records, reading.newest), (3, Some(7_000)));
        let expected = FeedLatency { last: -1_400, least: -1_400, most: -1_200 };
        assert_eq!(reading.latency, Some(expected));
    }

    #[test]
    fn a_file_without_receive_times_has_no_latency() {
        let gauge = FeedGauge::new("spy");
        gauge.note(-5, -5);
        gauge.note(9, 9);
        assert_eq!((gauge.read().newest, gauge.read().latency), (Some(9), None));
    }
}
