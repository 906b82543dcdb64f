//! The clock of the database.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Now, by the clock of the database, in milliseconds.
pub(super) const CLOCK: &str = "floor(extract(epoch from clock_timestamp()) * 1000)::bigint";

/// What the database last said about the time, and when it did.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<(Timestamp, Instant)>>);

impl Clock {
    /// The database said that it is this moment.
    pub(super) fn set(&self, moment: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((moment, Instant::now()));
    }

    /// What it would say now.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let (moment, said) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        moment.checked_add(said.elapsed().min(Duration::from_hours(24 * 365))).ok()
    }
}
