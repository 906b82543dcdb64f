//! The answer that screen, API, command line and pager share.

use jiff::Timestamp;
use serde::Serialize;

use super::{Event, Gap, step};
use crate::job::Job;
use crate::schedule::Schedule;
use crate::state::{JobState, Reason, Verdict};

/// What is true of a job at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    /// The verdict, as it is shown.
    pub verdict: Verdict,
    /// Since when that is so.
    pub since: Timestamp,
    /// Why, when down.
    pub reason: Option<Reason>,
    /// Whether a run is under way, as far as is known.
    pub running: bool,
    /// The oldest due that is not answered: passed when late or missed, else the next.
    pub due: Option<Timestamp>,
    /// The next due that is to come.
    pub next_due: Option<Timestamp>,
}

/// What is true of a job at `now`, if nothing more is heard. Changes nothing.
pub fn look(job: &Job, state: &JobState, gaps: &[Gap], now: Timestamp) -> Look {
    let mut state = state.clone();
    step(job, &mut state, Event::TimePassed, gaps, now);
    let fold = &state.fold;
    let due = fold.unanswered.or(fold.due);
    let late_since = fold.due.filter(|due| *due <= now && fold.verdict != Verdict::Down);
    let (verdict, since) = match (&state.paused, &state.blind, late_since) {
        (Some(since), ..) => (Verdict::Paused, *since),
        (None, Some(blind), _) => (Verdict::Unknown, blind.since),
        (None, None, Some(due)) => (Verdict::Late, due),
        (None, None, None) => (fold.verdict, fold.since),
    };
    Look {
        verdict,
        since,
        reason: fold.reason.filter(|_| verdict == Verdict::Down),
        running: !state.running.is_empty(),
        due,
        next_due: next_due(job, &state, now),
    }
}

/// `every` counts from the last success, so that a due which has passed stays the next one until it is answered.
fn next_due(job: &Job, state: &JobState, now: Timestamp) -> Option<Timestamp> {
    if matches!(job.schedule, Schedule::Every { .. }) {
        return state.fold.due;
    }
    job.schedule.next_due(state.fold.anchor, now)
}
