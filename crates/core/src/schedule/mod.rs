//! When a job is due.
//!
//! A [`ScheduleSpec`] is what somebody wrote; a [`Schedule`] is what it means and cannot be wrong. Instants are UTC;
//! civil time exists only in here. Three syntaxes (crontab, EventBridge, systemd) become one kind of pattern over wall
//! times, and the rule of the scheduler that really runs the job turns wall times into instants.

mod civil;
mod crontab;
mod dst;
mod duration;
mod error;
mod eventbridge;
mod fields;
mod occurrences;
mod oncalendar;
mod resolve;
mod spec;
mod zone;

use std::{fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use self::dst::Rule;
pub use self::{
    duration::parse_duration,
    error::{Field, ParseError, ScheduleError},
    occurrences::{Direction, Occurrences, just_after, just_before, later},
    spec::{ScheduleSpec, Scheduler},
};

/// Says when a job is due.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// Never; the job is judged by what it reports.
    Unscheduled {
        /// The zone in which times of the job are shown.
        tz: TimeZone,
    },
    /// One period after the anchor, and every further period.
    Every {
        /// At least a second.
        period: SignedDuration,
        /// The zone in which times of the job are shown.
        tz: TimeZone,
    },
    /// Whenever a wall clock shows one of a set of times.
    Calendar(Arc<Calendar>),
}

/// A set of wall times in a zone, with the rule for clock changes. Made by [`Schedule::resolve`].
#[derive(Debug)]
pub struct Calendar {
    rules: Box<[Rule]>,
    texts: Box<[String]>,
    tz: TimeZone,
    /// Whose rule was asked for, when it is not that of the syntax.
    scheduler: Option<Scheduler>,
}

impl Schedule {
    /// Finds out what a spec means. `default_tz` applies when neither `tz` nor the expression names a zone.
    ///
    /// Names of zones come from the database that is compiled in, never from the host.
    ///
    /// # Errors
    ///
    /// When more than one kind of schedule is given, when a text is not understood or too long (200 bytes, 32
    /// expressions), when a zone is unknown, and when an expression can never be due between 1970 and 2199.
    pub fn resolve(spec: &ScheduleSpec, default_tz: &TimeZone) -> Result<Self, ScheduleError> {
        resolve::resolve(spec, default_tz)
    }

    /// The first due strictly after `after`, or none when there is no further one before the year 2200.
    ///
    /// Only `every` looks at `anchor`, the last success or the declaration: it is due at `anchor` + k periods, k >= 1.
    pub fn next_due(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Unscheduled { .. } => None,
            Self::Every { period, .. } => {
                let passed =
                    (after.as_nanosecond() - anchor.as_nanosecond()).checked_div_euclid(period.as_nanos())?;
                nth_period(anchor, *period, passed.max(0) + 1)
            }
            Self::Calendar(calendar) => calendar.next(after),
        }
    }

    /// The last due strictly before `before`, or none when there is no earlier one since 1970.
    ///
    /// For `every` no due is earlier than `anchor` + one period.
    pub fn previous_due(&self, anchor: Timestamp, before: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Unscheduled { .. } => None,
            Self::Every { period, .. } => {
                let passed = (before.as_nanosecond() - anchor.as_nanosecond() - 1)
                    .checked_div_euclid(period.as_nanos())?;
                (passed >= 1).then(|| nth_period(anchor, *period, passed)).flatten()
            }
            Self::Calendar(calendar) => calendar.previous(before),
        }
    }

    /// All dues strictly after (or, backwards, strictly before) `from`, nearest first. `anchor` as in
    /// [`next_due`](Self::next_due).
    pub fn occurrences(&self, anchor: Timestamp, from: Timestamp, direction: Direction) -> Occurrences<'_> {
        Occurrences::new(self, anchor, from, direction)
    }

    /// The zone in which the job's times are to be shown, and in which its expressions are read.
    pub fn time_zone(&self) -> &TimeZone {
        match self {
            Self::Unscheduled { tz } | Self::Every { tz, .. } => tz,
            Self::Calendar(calendar) => &calendar.tz,
        }
    }

    /// The schedule in a few words, such as `every 15m`, `0 5 * * * (Asia/Tokyo)` or `0 5 * * * (Asia/Tokyo, kubernetes)`;
    /// none when there is none. Two schedules with the same words are due at the same times.
    pub fn in_words(&self) -> Option<String> {
        (!matches!(self, Self::Unscheduled { .. })).then(|| self.to_string())
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Unscheduled { tz: TimeZone::UTC }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unscheduled { .. } => f.write_str("no schedule"),
            Self::Every { period, .. } => write!(f, "every {}", duration::shown(*period)),
            Self::Calendar(calendar) => {
                write!(f, "{} ({}", calendar.texts.join(", "), zone::shown(&calendar.tz))?;
                match calendar.scheduler {
                    Some(scheduler) => write!(f, ", {scheduler})"),
                    None => f.write_str(")"),
                }
            }
        }
    }
}

impl Calendar {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = floor(after);
        let second = self.rules.iter().filter_map(|rule| rule.next(after)).min()?;
        Timestamp::from_second(second).ok()
    }

    fn previous(&self, before: Timestamp) -> Option<Timestamp> {
        let floor = floor(before);
        let before = if before.subsec_nanosecond() == 0 { floor } else { floor + 1 };
        let second = self.rules.iter().filter_map(|rule| rule.previous(before)).max()?;
        Timestamp::from_second(second).ok()
    }
}

fn floor(instant: Timestamp) -> i64 {
    instant.as_second() - i64::from(instant.subsec_nanosecond() < 0)
}

fn nth_period(anchor: Timestamp, period: SignedDuration, count: i128) -> Option<Timestamp> {
    let passed = period.as_nanos().checked_mul(count)?;
    Timestamp::from_nanosecond(anchor.as_nanosecond().checked_add(passed)?).ok()
}
