//! Whether a part of a node still moves, whatever the store does: for whoever can start the process anew.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// No part computes for so long without a pause.
const LONGEST_TURN: Duration = Duration::from_secs(30);
/// No part that looks again and again pauses for so long: a store answers or fails much sooner.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// How a part goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rhythm {
    /// It may wait for as long as there is nothing to do.
    Waits,
    /// It looks every few seconds whether there is something to do.
    Looks,
}

/// The pulse of a part.
#[derive(Debug)]
pub(super) struct Pulse {
    part: &'static str,
    rhythm: Rhythm,
    beat: Mutex<Beat>,
}

#[derive(Clone, Copy, Debug)]
enum Beat {
    /// It is at work since.
    Turns(Instant),
    /// It waits for something since.
    Pauses(Instant),
}

impl Pulse {
    pub(super) fn new(part: &'static str, rhythm: Rhythm) -> Self {
        Self { part, rhythm, beat: Mutex::new(Beat::Pauses(Instant::now())) }
    }

    /// Does work of which the pulse is felt.
    pub(super) async fn felt<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            *self.beat() = Beat::Turns(Instant::now());
            let polled = work.as_mut().poll(context);
            *self.beat() = Beat::Pauses(Instant::now());
            polled
        })
        .await
    }

    /// The part, if it does not move any more.
    pub(super) fn hanging(&self, now: Instant) -> Option<&'static str> {
        let (since, longest) = match *self.beat() {
            Beat::Turns(since) => (since, LONGEST_TURN),
            Beat::Pauses(since) if self.rhythm == Rhythm::Looks => (since, LONGEST_PAUSE),
            Beat::Pauses(_) => return None,
        };
        (now.saturating_duration_since(since) > longest).then_some(self.part)
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds_from_now(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn who_only_waits_may_wait_for_ever_and_who_looks_may_not() {
        let (waits, looks) = (Pulse::new("waits", Rhythm::Waits), Pulse::new("looks", Rhythm::Looks));
        for pulse in [&waits, &looks] {
            pulse.felt(tokio::task::yield_now()).await;
            assert_eq!(pulse.hanging(seconds_from_now(100)), None);
        }
        assert_eq!(waits.hanging(seconds_from_now(100_000)), None);
        assert_eq!(looks.hanging(seconds_from_now(121)), Some("looks"));
        looks.felt(tokio::task::yield_now()).await;
        assert_eq!(looks.hanging(Instant::now()), None, "it moves again");
    }

    #[tokio::test]
    async fn who_does_not_come_back_from_a_turn_hangs() {
        let pulse = Pulse::new("turns", Rhythm::Waits);
        pulse
            .felt(async {
                assert_eq!(pulse.hanging(seconds_from_now(29)), None);
                assert_eq!(pulse.hanging(seconds_from_now(31)), Some("turns"));
            })
            .await;
        assert_eq!(pulse.hanging(seconds_from_now(31)), None);
    }
}
