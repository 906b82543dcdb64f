//! From wall time to instants: what a scheduler does when the clock jumps.

use std::sync::Arc;

use super::{
    Scheduler,
    civil::CivilPattern,
    zone::{Span, ZoneTable},
};

/// What happens to wall times that a zone skips or repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Due whenever the clock on the wall matches: skipped times never, repeated ones twice. Kubernetes `CronJob`, and
    /// the jobs of cron(8) whose minute or hour field starts with `*`.
    WallClock,
    /// Skipped times never, repeated ones the first time. systemd timers and EventBridge Scheduler.
    FirstOnly,
    /// Skipped times at the end of the gap, repeated ones the first time; but a jump of three hours or more is a
    /// correction of the clock, and the new time simply holds. Fixed-time jobs of Debian's cron(8).
    CatchUp,
}

impl Policy {
    /// The rule of a scheduler; `wildcard` says that the hour or the minute is `*`, which only cron cares about.
    pub(super) fn of(scheduler: Scheduler, wildcard: bool) -> Self {
        match scheduler {
            Scheduler::Cron if !wildcard => Self::CatchUp,
            Scheduler::Cron | Scheduler::Kubernetes => Self::WallClock,
            Scheduler::Systemd | Scheduler::Eventbridge => Self::FirstOnly,
        }
    }
}

/// The shift from which cron(8) no longer makes up for a jump.
const CORRECTION: i64 = 3 * 3600;

/// Instants (seconds since the epoch) at which one expression is due.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) pattern: CivilPattern,
    pub(super) policy: Policy,
    pub(super) zone: Arc<ZoneTable>,
}

impl Rule {
    /// The first due after `after`.
    pub(super) fn next(&self, after: i64) -> Option<i64> {
        let mut span = self.zone.at(after);
        let mut from = (after + 1 + span.offset).max(self.first_wall(span));
        let mut hit = self.pattern.next(from);
        loop {
            if let Some(wall) = hit.filter(|wall| *wall < span.end + span.offset) {
                return Some(wall - span.offset);
            }
            let gap = span.end + span.offset;
            span = self.zone.after(span)?;
            let made_up = gap.max(from)..span.start + span.offset;
            if self.catches_up(span) && hit.is_some_and(|wall| made_up.contains(&wall)) {
                return Some(span.start);
            }
            let start = self.first_wall(span);
            if start < from || hit.is_some_and(|wall| wall < start) {
                hit = self.pattern.next(start);
            } else if hit.is_none() {
                return None;
            }
            from = start;
        }
    }

    /// The last due before `before`.
    pub(super) fn previous(&self, before: i64) -> Option<i64> {
        let mut span = self.zone.at(before - 1);
        let mut to = before - 1 + span.offset;
        let mut hit = self.pattern.previous(to);
        loop {
            if let Some(wall) = hit.filter(|wall| *wall >= self.first_wall(span)) {
                return Some(wall - span.offset);
            }
            let end = span.start + span.before;
            if self.catches_up(span) && hit.is_some_and(|wall| wall >= end) {
                return Some(span.start);
            }
            span = self.zone.before(span)?;
            if end > to + 1 || hit.is_some_and(|wall| wall >= end) {
                hit = self.pattern.previous(end - 1);
            } else if hit.is_none() {
                return None;
            }
            to = end - 1;
        }
    }

    /// The first wall time of a span that counts: those that the span repeats may not.
    fn first_wall(&self, span: Span) -> i64 {
        let start = span.start + span.offset;
        match self.policy {
            Policy::WallClock => start,
            Policy::CatchUp if is_correction(span) => start,
            Policy::FirstOnly | Policy::CatchUp => start.max(span.start + span.before),
        }
    }

    fn catches_up(&self, span: Span) -> bool {
        self.policy == Policy::CatchUp && span.offset > span.before && !is_correction(span)
    }
}

fn is_correction(span: Span) -> bool {
    (span.offset - span.before).abs() >= CORRECTION
}
