//! Where pings wait until they are stored.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::{Heard, Refusal};
use crate::server::hearing::Arrived;

/// The most bytes of texts that wait.
const MOST_BYTES: usize = 64 << 20;

/// What a ping is answered.
pub(super) type Answer = Result<Heard, Refusal>;

/// A ping that waits, and whoever waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) arrived: Arrived,
    pub(super) answer: oneshot::Sender<Answer>,
    /// How many bytes it takes while it waits, about.
    pub(super) bytes: usize,
}

/// Pings in the order in which they came. Whoever stores next takes all of them, or as many as make one transaction.
#[derive(Debug)]
pub(super) struct Line {
    places: usize,
    waiting: Mutex<Pings>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Pings {
    pings: VecDeque<Waiting>,
    /// Of these, and of those that are being stored.
    bytes: usize,
    closed: bool,
}

/// Why a ping has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    Full,
    Closed,
}

impl Line {
    /// A line of so many places.
    pub(super) fn new(places: usize) -> Self {
        Self { places: places.max(1), waiting: Mutex::default(), came: Notify::new() }
    }

    /// Puts a ping at its end.
    pub(super) fn put(&self, waiting: Waiting) -> Result<(), NoPlace> {
        let mut line = self.waiting();
        if line.closed {
            return Err(NoPlace::Closed);
        }
        if line.pings.len() >= self.places || line.bytes > MOST_BYTES {
            return Err(NoPlace::Full);
        }
        line.bytes += waiting.bytes;
        line.pings.push_back(waiting);
        drop(line);
        self.came.notify_one();
        Ok(())
    }

    /// Waits until there is somebody. Says whether there is: if not, nobody will come any more.
    pub(super) async fn somebody(&self) -> bool {
        loop {
            let came = self.came.notified();
            {
                let line = self.waiting();
                if !line.pings.is_empty() {
                    return true;
                }
                if line.closed {
                    // For the others that wait.
                    self.came.notify_one();
                    return false;
                }
            }
            came.await;
        }
    }

    /// Takes those at its beginning, at most so many.
    pub(super) fn take(&self, most: usize) -> Vec<Waiting> {
        let mut line = self.waiting();
        let count = line.pings.len().min(most);
        let taken = line.pings.drain(..count).collect();
        if !line.pings.is_empty() {
            self.came.notify_one();
        }
        taken
    }

    /// So many bytes wait no longer.
    pub(super) fn done(&self, bytes: usize) {
        self.waiting().bytes -= bytes;
    }

    /// Nobody may come any more; who is there stays.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.came.notify_one();
    }

    /// Nobody is there any more, and nobody may come: all are told that the server is stopping.
    pub(super) fn abandon(&self) {
        let mut line = self.waiting();
        line.closed = true;
        line.pings.clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Pings> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
