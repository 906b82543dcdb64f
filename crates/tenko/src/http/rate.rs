//! How often one job may be pinged, and how often by one key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::keys::KeyHash;
use super::options::{Options, RateLimit};
use crate::server::intake::Addressee;

/// Above so many buckets, those that are full again are forgotten.
const REMEMBERED: usize = 100_000;

/// How often pings may come, through whichever door.
#[derive(Debug)]
pub struct Rates {
    job: Option<Rate<Addressee>>,
    key: Option<Rate<KeyHash>>,
}

impl Rates {
    pub(super) fn new(options: &Options) -> Self {
        Self { job: options.rate.map(Rate::new), key: options.key_rate.map(Rate::new) }
    }

    /// Counts a ping by somebody who may ping, by this key, if it is by one. First of the job: one that is pinged too often
    /// uses up nothing of its key, which others need.
    ///
    /// # Errors
    /// If it is one too many: when there is room for it.
    pub fn take(&self, by: Option<KeyHash>, to: &Addressee, now: Instant) -> Result<(), Duration> {
        if let Some(rate) = &self.job {
            rate.take(to, now)?;
        }
        match (&self.key, by) {
            (Some(rate), Some(key)) => rate.take(&key, now),
            _ => Ok(()),
        }
    }
}

/// A bucket of tokens for each job, or each key.
#[derive(Debug)]
struct Rate<K> {
    every: Duration,
    burst: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Clone + Eq + Hash> Rate<K> {
    fn new(limit: RateLimit) -> Self {
        let every = Duration::from_mins(1) / limit.per_minute.max(1);
        Self { every, burst: f64::from(limit.burst.max(1)), buckets: Mutex::default() }
    }

    /// Takes a token of this one.
    ///
    /// # Errors
    /// If there is none: when there will be one.
    fn take(&self, whose: &K, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > REMEMBERED {
            buckets.retain(|_, bucket| self.filled(*bucket, now).tokens < self.burst);
        }
        let full = Bucket { tokens: self.burst, at: now };
        let bucket = buckets.entry(whose.clone()).or_insert(full);
        *bucket = self.filled(*bucket, now);
        if bucket.tokens < 1.0 {
            return Err(self.every.mul_f64(1.0 - bucket.tokens));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> Bucket {
        let new = now.duration_since(bucket.at).as_secs_f64() / self.every.as_secs_f64();
        Bucket { tokens: (bucket.tokens + new).min(self.burst), at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_its_burst_then_its_rate_and_the_others_are_not_concerned() {
        let rate = Rate::new(RateLimit { per_minute: 6, burst: 3 });
        let (one, other) = (Addressee::Address(uuid::Uuid::nil()), Addressee::Address(uuid::Uuid::max()));
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for _ in 0..3 {
            rate.take(&one, begin).unwrap();
        }
        assert_eq!(rate.take(&one, begin), Err(Duration::from_secs(10)));
        rate.take(&other, begin).unwrap();
        assert_eq!(rate.take(&one, at(4)), Err(Duration::from_secs(6)));
        rate.take(&one, at(10)).unwrap();
        rate.take(&one, at(10)).unwrap_err();
        for _ in 0..3 {
            rate.take(&one, at(1000)).unwrap();
        }
        rate.take(&one, at(1000)).unwrap_err();
    }
}
