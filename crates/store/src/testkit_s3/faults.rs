//! What goes wrong on purpose, and what is counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::{Method, Uri};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// To write an object.
    Put,
    /// To read one.
    Get,
    /// To read what is known of one.
    Head,
    /// For a page of keys.
    List,
    /// To remove an object.
    Delete,
    /// Anything else.
    Other,
}

impl Ask {
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        match *method {
            Method::PUT => Self::Put,
            Method::GET if uri.query().is_some_and(|query| query.contains("list-type=2")) => Self::List,
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::DELETE => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// What happens instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This HTTP status, and nothing is done.
    Status(u16),
    /// The answer comes late.
    Delay(Duration),
    /// The connection is cut, and nothing is done.
    Cut,
    /// What was asked for is done, and the connection is cut before the answer.
    ServeThenCut,
}

pub(super) fn code_of(status: u16) -> &'static str {
    match status {
        403 => "AccessDenied",
        409 => "ConditionalRequestConflict",
        429 | 503 => "SlowDown",
        _ => "InternalError",
    }
}

/// What is to go wrong.
#[derive(Debug, Default)]
pub(super) struct Plan {
    faults: Mutex<Vec<(Ask, u64, Fault)>>,
    counts: Mutex<HashMap<Ask, u64>>,
    ignore_conditions: AtomicBool,
    skew: AtomicI64,
}

impl Plan {
    pub(super) fn add(&self, ask: Ask, times: u64, fault: Fault) {
        lock(&self.faults).push((ask, times, fault));
    }

    pub(super) fn take(&self, ask: Ask) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let next = faults.iter_mut().find(|(of, times, _)| *of == ask && *times > 0)?;
        next.1 -= 1;
        Some(next.2)
    }

    pub(super) fn heal(&self) {
        lock(&self.faults).clear();
    }

    pub(super) fn note(&self, ask: Ask) {
        *lock(&self.counts).entry(ask).or_default() += 1;
    }

    pub(super) fn count(&self, ask: Ask) -> u64 {
        lock(&self.counts).get(&ask).copied().unwrap_or(0)
    }

    pub(super) fn reset_counts(&self) {
        lock(&self.counts).clear();
    }

    pub(super) fn ignore_conditions(&self, ignore: bool) {
        self.ignore_conditions.store(ignore, Ordering::SeqCst);
    }

    pub(super) fn ignores_conditions(&self) -> bool {
        self.ignore_conditions.load(Ordering::SeqCst)
    }

    pub(super) fn skew_clock(&self, seconds: i64) {
        self.skew.store(seconds, Ordering::SeqCst);
    }

    /// The time by the clock of the server, in whole seconds.
    pub(super) fn now(&self) -> SystemTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs().saturating_add_signed(self.skew.load(Ordering::SeqCst));
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
