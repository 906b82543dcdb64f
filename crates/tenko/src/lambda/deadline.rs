//! When the function would be cut off, and what must be over before that.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// No invocation may take longer (AWS Lambda quotas).
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// For how long one call of a store is tried again, if there is time.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// The longest that one request to a store may take.
const PER_REQUEST: Duration = Duration::from_secs(10);

/// How much time an invocation has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    begun: Instant,
    left: Option<Duration>,
}

impl Deadline {
    /// `deadline` is in milliseconds since 1970, by this machine's clock. One that is past or farther away than any
    /// invocation may take, as emulators send it, tells nothing.
    pub(super) fn new(deadline: u64, now: SystemTime) -> Self {
        let end = UNIX_EPOCH.checked_add(Duration::from_millis(deadline));
        let left = end.and_then(|end| end.duration_since(now).ok());
        Self { begun: Instant::now(), left: left.filter(|left| !left.is_zero() && *left <= LONGEST) }
    }

    /// When no message may be on its way any more: what became of it has still to be stored.
    pub(super) fn stop(self) -> Option<Instant> {
        let left = self.left?;
        let margin = (left / 5).clamp(Duration::from_millis(500), Duration::from_secs(5));
        Some(self.begun + left.saturating_sub(margin))
    }

    /// How long all of it may take, so that something is left to say that it took too long.
    pub(super) fn patience(self) -> Duration {
        let left = self.left.map(|left| {
            left.saturating_sub((left / 20).clamp(Duration::from_millis(100), Duration::from_secs(1)))
        });
        left.unwrap_or(LONGEST)
    }

    /// For how long one call of the store may be tried again.
    pub(super) fn store_retries(self) -> Duration {
        let share = self.left.map_or(RETRY_FOR, |left| left / 4);
        share.clamp(Duration::from_secs(1), RETRY_FOR)
    }

    /// How long one request to the store may take.
    pub(super) fn per_request(self) -> Duration {
        self.store_retries().min(PER_REQUEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(deadline: u64) -> Deadline {
        Deadline::new(deadline, UNIX_EPOCH + Duration::from_secs(1_000))
    }

    #[test]
    fn what_is_left_bounds_everything() {
        let deadline = with(1_060_000);
        let before_the_end = |at: Instant| deadline.begun + Duration::from_secs(60) - at;
        assert_eq!(before_the_end(deadline.stop().unwrap()), Duration::from_secs(5));
        assert_eq!(deadline.patience(), Duration::from_secs(59));
        assert_eq!((deadline.store_retries(), deadline.per_request()), (RETRY_FOR, PER_REQUEST));
        let short = with(1_003_000);
        assert_eq!(short.stop().unwrap() - short.begun, Duration::from_millis(2_400));
        assert_eq!(short.store_retries(), Duration::from_secs(1));
        assert_eq!(short.patience(), Duration::from_millis(2_850));
    }

    #[test]
    fn a_deadline_that_can_not_be_tells_nothing() {
        for absurd in [0, 600_000, 1_000_000, 1_901_000, u64::MAX] {
            let deadline = with(absurd);
            assert!(deadline.stop().is_none(), "{absurd}");
            assert_eq!(deadline.patience(), LONGEST);
            assert_eq!(deadline.store_retries(), RETRY_FOR);
        }
    }
}
