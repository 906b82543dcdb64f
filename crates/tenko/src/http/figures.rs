//! What the HTTP server counts.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

/// What the HTTP server counts, from its start.
#[derive(Debug, Default)]
pub struct Figures {
    pub(super) open: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) overdue: AtomicU64,
    pub(super) ambiguous: AtomicU64,
    pub(super) accept_errors: AtomicU64,
    answers: [AtomicU64; 4],
}

/// The figures of one moment. All but `open` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections that are open.
    pub open: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections answered 503 and closed, because there were too many.
    pub refused: u64,
    /// Connections closed because the client took too long.
    pub overdue: u64,
    /// Requests refused because they could be read in two ways.
    pub ambiguous: u64,
    /// Failures to accept a connection, as when the process has no more open files.
    pub accept_errors: u64,
    /// Answers by the first digit of their status: 2xx, 3xx, 4xx, 5xx.
    pub answers: [u64; 4],
}

impl Figures {
    /// The figures of now.
    pub fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            open: read(&self.open),
            accepted: read(&self.accepted),
            refused: read(&self.refused),
            overdue: read(&self.overdue),
            ambiguous: read(&self.ambiguous),
            accept_errors: read(&self.accept_errors),
            answers: [0, 1, 2, 3].map(|class| read(&self.answers[class])),
        }
    }

    pub(super) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        self.answers[class].fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts one more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
