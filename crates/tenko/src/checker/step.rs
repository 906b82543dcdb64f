//! Whose clock counts: the store's, where it has one. The clock of a checker that is off would find jobs missed that
//! are not due yet, and give up notices that were just written.

use jiff::{SignedDuration, Timestamp};

use super::Checker;

/// Clocks may differ by so much without a word: an answer tells whole seconds, and may have been on its way for long.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

impl Checker {
    /// The moment `now` of this machine's clock by the clock of the store, as its last answer told it, and what people
    /// should know if the two differ.
    pub(crate) fn in_step(&self, now: Timestamp) -> (Timestamp, Option<String>) {
        let Some(theirs) = self.store.answered_at() else { return (now, None) };
        let ahead = self.clock.now().duration_since(theirs);
        if ahead.abs() <= TOLERANCE {
            return (now, None);
        }
        let direction = if ahead.is_positive() { "ahead of" } else { "behind" };
        let warning = format!(
            "the clock of this machine is {} {direction} that of {}; the store's counts",
            crate::words::length(ahead.abs()),
            self.store.url()
        );
        (now.checked_sub(ahead).unwrap_or(theirs), Some(warning))
    }
}
