//! Dues one after the other.

use jiff::{SignedDuration, Timestamp};

use super::Schedule;

/// The way to walk through time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the future.
    Forward,
    /// Towards the past.
    Back,
}

/// The first instant after another; of the last one there is, itself.
pub fn just_after(moment: Timestamp) -> Timestamp {
    moment.checked_add(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MAX)
}

/// The last instant before another; of the first one there is, itself.
pub fn just_before(moment: Timestamp) -> Timestamp {
    moment.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN)
}

/// The instant so long after another, or before it, if that is negative; the last or first one there is, where it would lie
/// beyond.
pub fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}

/// Walks through the dues of a schedule, nearest first; made by [`Schedule::occurrences`].
#[derive(Clone, Debug)]
pub struct Occurrences<'a> {
    schedule: &'a Schedule,
    anchor: Timestamp,
    at: Option<Timestamp>,
    direction: Direction,
}

impl<'a> Occurrences<'a> {
    pub(super) fn new(
        schedule: &'a Schedule,
        anchor: Timestamp,
        from: Timestamp,
        direction: Direction,
    ) -> Self {
        Self { schedule, anchor, at: Some(from), direction }
    }
}

impl Iterator for Occurrences<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let at = self.at?;
        self.at = match self.direction {
            Direction::Forward => self.schedule.next_due(self.anchor, at),
            Direction::Back => self.schedule.previous_due(self.anchor, at),
        };
        self.at
    }
}

impl std::iter::FusedIterator for Occurrences<'_> {}
