//! What a server can tell of itself at any time without asking anybody: for readiness and metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tenko_core::{ChannelName, Verdict};

/// What a server can tell of itself. Counts begin with its start.
#[derive(Debug, Default)]
pub struct Status {
    /// Pings that were heard, by what they said.
    pub pings: ByKind,
    /// Pings that were refused, because too many waited.
    pub busy: Counter,
    /// Pings that were refused, because the store did not take them.
    pub unstored: Counter,
    /// Pings to jobs that are not known.
    pub unknown: Counter,
    /// Pings that wait to be stored.
    pub waiting: Counter,
    /// Batches of pings that were stored.
    pub batches: Counter,
    /// How long a batch took to be stored, in seconds.
    pub commits: Histogram,
    /// Flips that were decided here.
    pub flips: Counter,
    /// Jobs that could not be judged, because of a mistake in Tenko itself.
    pub unjudged: Counter,
    /// How long notices waited from being written to being accepted, in seconds.
    pub notice_lag: Histogram,
    attended: Moment,
    looked: Moment,
    swept: Moment,
    channels: Mutex<BTreeMap<ChannelName, Told>>,
    census: Mutex<BTreeMap<Verdict, u64>>,
}

/// What a channel was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Notices that it accepted.
    pub accepted: u64,
    /// Attempts at notices that it put off.
    pub put_off: u64,
    /// Notices that it will never accept.
    pub given_up: u64,
}

/// Pings by what they said.
#[derive(Debug, Default)]
pub struct ByKind {
    /// Starts.
    pub start: Counter,
    /// Successes.
    pub success: Counter,
    /// Failures.
    pub fail: Counter,
    /// Remarks.
    pub log: Counter,
    /// Those that the rules of their job ignored.
    pub ignored: Counter,
}

impl Status {
    /// When this node last noted that it is there.
    pub fn attended_at(&self) -> Option<Timestamp> {
        self.attended.get()
    }

    /// When deadlines were last looked at to the end.
    pub fn looked_at(&self) -> Option<Timestamp> {
        self.looked.get()
    }

    /// When all jobs of the configuration had been enrolled; nothing, while that is still under way.
    pub fn swept_at(&self) -> Option<Timestamp> {
        self.swept.get()
    }

    /// What each channel was told.
    pub fn channels(&self) -> BTreeMap<ChannelName, Told> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many jobs there are by verdict, as they were counted last; empty before they were counted for the first time.
    pub fn jobs(&self) -> BTreeMap<Verdict, u64> {
        self.census.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn attended(&self, at: Timestamp) {
        self.attended.set(at);
    }

    pub(super) fn looked(&self, at: Timestamp) {
        self.looked.set(at);
    }

    pub(super) fn swept(&self, at: Timestamp) {
        self.swept.set(at);
    }

    pub(super) fn told(&self, channel: &ChannelName, told: Told) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = channels.entry(channel.clone()).or_default();
        sum.accepted += told.accepted;
        sum.put_off += told.put_off;
        sum.given_up += told.given_up;
    }

    pub(super) fn counted(&self, census: BTreeMap<Verdict, u64>) {
        *self.census.lock().unwrap_or_else(PoisonError::into_inner) = census;
    }
}

/// A number that is counted up and down from everywhere.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn take(&self, fewer: u64) {
        self.0.fetch_sub(fewer, Ordering::Relaxed);
    }
}

/// A moment that is set from everywhere.
#[derive(Debug)]
struct Moment(AtomicI64);

impl Default for Moment {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Moment {
    fn get(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0.load(Ordering::Relaxed)).ok()
    }

    fn set(&self, at: Timestamp) {
        self.0.store(at.as_microsecond(), Ordering::Relaxed);
    }
}

/// How many lengths of time were at most so long.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; Self::BOUNDS.len()],
    more: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    /// The upper bounds of its buckets, in seconds.
    pub const BOUNDS: [f64; 16] =
        [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0, 3600.0];

    /// How many lengths were at most as long as each bound, in the order of [`BOUNDS`](Self::BOUNDS).
    pub fn at_most(&self) -> [u64; Self::BOUNDS.len()] {
        let mut sum = 0;
        self.counts.each_ref().map(|count| {
            sum += count.load(Ordering::Relaxed);
            sum
        })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        let [.., upto_last] = self.at_most();
        upto_last + self.more.load(Ordering::Relaxed)
    }

    /// How long all of them are together, in seconds.
    pub fn sum(&self) -> f64 {
        Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64()
    }

    pub(super) fn note(&self, length: Duration) {
        let seconds = length.as_secs_f64();
        let bucket = Self::BOUNDS.iter().position(|bound| seconds <= *bound);
        bucket.map_or(&self.more, |bucket| &self.counts[bucket]).fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_in_every_bucket_that_is_not_shorter() {
        let histogram = Histogram::default();
        histogram.note(Duration::from_millis(3));
        histogram.note(Duration::from_secs(4000));
        assert_eq!(histogram.at_most()[..5], [0, 0, 0, 1, 1]);
        assert_eq!(histogram.count(), 2);
        assert!((histogram.sum() - 4000.003).abs() < 1e-6);
    }
}
