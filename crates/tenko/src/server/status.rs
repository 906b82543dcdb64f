//! What a server can tell of itself at any time without asking anybody: for readiness and metrics.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;
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
    /// How many pings were in a batch.
    pub batch_sizes: Histogram<Sizes>,
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
    census: Mutex<Census>,
}

/// What was found when all jobs were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// How many jobs there are, by verdict.
    pub jobs: BTreeMap<Verdict, u64>,
    /// How many notices could not be delivered, by channel.
    pub dead: BTreeMap<ChannelName, u64>,
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

    /// How many jobs there are by verdict and what of them could not be told, as it was counted last; empty before that was
    /// done for the first time.
    pub fn census(&self) -> Census {
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

    pub(super) fn counted(&self, census: Census) {
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

/// The bounds of a histogram, and what is between them.
pub trait Scale: Debug {
    /// The upper bounds of the buckets, in its unit.
    const BOUNDS: [f64; BUCKETS];
}

const BUCKETS: usize = 16;

/// Lengths of time, in seconds.
#[derive(Debug)]
pub struct Lengths;

/// Numbers of things.
#[derive(Debug)]
pub struct Sizes;

impl Scale for Lengths {
    const BOUNDS: [f64; BUCKETS] =
        [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0, 3600.0];
}

impl Scale for Sizes {
    const BOUNDS: [f64; BUCKETS] =
        [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0, 192.0, 256.0, 384.0, 512.0];
}

/// How many values were at most so large.
#[derive(Debug)]
pub struct Histogram<S: Scale = Lengths> {
    counts: [AtomicU64; BUCKETS],
    more: AtomicU64,
    millionths: AtomicU64,
    scale: PhantomData<S>,
}

impl<S: Scale> Default for Histogram<S> {
    fn default() -> Self {
        let (counts, more, millionths) = Default::default();
        Self { counts, more, millionths, scale: PhantomData }
    }
}

impl<S: Scale> Histogram<S> {
    /// How many values were at most as large as each bound, in the order of [`Scale::BOUNDS`].
    pub fn at_most(&self) -> [u64; BUCKETS] {
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

    /// All of them together.
    pub fn sum(&self) -> f64 {
        // Millionths of seconds are lengths, too, and are counted without loss.
        Duration::from_micros(self.millionths.load(Ordering::Relaxed)).as_secs_f64()
    }

    fn add(&self, value: f64, millionths: u64) {
        let bucket = S::BOUNDS.iter().position(|bound| value <= *bound);
        bucket.map_or(&self.more, |bucket| &self.counts[bucket]).fetch_add(1, Ordering::Relaxed);
        self.millionths.fetch_add(millionths, Ordering::Relaxed);
    }
}

impl Histogram<Lengths> {
    pub(super) fn note(&self, length: Duration) {
        self.add(length.as_secs_f64(), u64::try_from(length.as_micros()).unwrap_or(u64::MAX));
    }
}

impl Histogram<Sizes> {
    pub(super) fn note(&self, size: u32) {
        self.add(size.into(), u64::from(size) * 1_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_in_every_bucket_that_is_not_shorter() {
        let histogram = Histogram::<Lengths>::default();
        histogram.note(Duration::from_millis(3));
        histogram.note(Duration::from_secs(4000));
        assert_eq!(histogram.at_most()[..5], [0, 0, 0, 1, 1]);
        assert_eq!(histogram.count(), 2);
        assert!((histogram.sum() - 4000.003).abs() < 1e-6);
    }
}
