//! What follows from evidence and time.
//!
//! The verdict of a job is a fold over its answers, sorted by their own time, with the dues between them. [`step`]
//! continues that fold. Evidence that arrives out of order is sorted in among the newest answers, and the fold is
//! done again from before them, so that the order of arrival does not matter.
//!
//! How many of the newest answers are kept is the bound of that: twice as many as have to come in a row to flip the
//! job. What happened before them is decided for good ([`JobState::base`]), and evidence of it that arrives only then
//! changes nothing but the newest start, success and failure.

mod folding;
mod hearing;
mod hindsight;
mod look;
#[cfg(test)]
pub(crate) mod tests;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, RunId};
use crate::job::Job;
use crate::schedule::{just_after, just_before};
use crate::state::{Flip, Fold, Incident, JobState, MAX_FLIPS, Missed, Verdict};

use folding::Folding;
pub(crate) use folding::deadline_of;
use hearing::Hearing;
pub(crate) use hindsight::{Closed, Hindsight};
pub use look::{Look, look};

/// Something that a job's state follows from.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Evidence of this job, new or not.
    Evidence(&'a Evidence),
    /// Nothing but time.
    TimePassed,
}

/// A span in which evidence could not arrive, because intake itself was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
}

impl Gap {
    /// The longest time that evidence is given to arrive after a gap.
    pub const LONGEST_CHANCE: SignedDuration = SignedDuration::from_hours(1);
}

/// What a step brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Changes of verdict, in order.
    pub flips: Vec<Flip>,
    /// Dues that nobody answered in time.
    pub missed: Vec<Missed>,
    /// Runs under way that had to be forgotten, because there were more than [`MAX_RUNNING`](crate::state::MAX_RUNNING).
    pub forgotten: Vec<RunId>,
    /// Whether anything in the state changed that is worth storing.
    pub changed: bool,
}

impl JobState {
    /// The state of a job that is expected from a moment on and of which nothing was heard.
    pub fn new(job: &Job, expected_from: Timestamp) -> Self {
        let fold = Fold {
            until: Timestamp::MIN,
            verdict: Verdict::New,
            since: expected_from,
            reason: None,
            bad: 0,
            good: 0,
            bad_run: None,
            anchor: expected_from,
            sign: None,
            due: job.schedule.next_due(expected_from, just_before(expected_from)),
            unanswered: None,
        };
        let mut state = Self {
            expected_from,
            schedule: job.schedule.in_words(),
            configured: false,
            base: fold,
            fold,
            tail: Vec::new(),
            running: Vec::new(),
            paused: None,
            last_start: None,
            last_success: None,
            last_fail: None,
            incident: None,
            blind: None,
            flips: Vec::new(),
            look_again_at: None,
        };
        state.look_again_at = look_again_at(job, &state, &[]);
        state
    }

    /// Stops judging the job, as somebody asked at `now`. An open incident ends without a word, and so does not being
    /// able to tell. Evidence is still noted.
    pub fn pause(&mut self, now: Timestamp) -> Option<Flip> {
        if self.paused.is_some() {
            return None;
        }
        let flip = plain_flip(self.fold.verdict, Verdict::Paused, now);
        self.paused = Some(now);
        self.incident = None;
        self.blind = None;
        self.look_again_at = None;
        self.remember(flip);
        Some(flip)
    }

    /// Judges the job again from `now` on: it is new, and expected at its next due.
    pub fn resume(&mut self, job: &Job, now: Timestamp) -> Option<Flip> {
        self.paused?;
        let flip = plain_flip(Verdict::Paused, Verdict::New, now);
        let kept = std::mem::replace(self, Self::new(job, now));
        self.base.until = now;
        self.fold.until = now;
        self.last_start = kept.last_start;
        self.last_success = kept.last_success;
        self.last_fail = kept.last_fail;
        self.running = kept.running;
        self.flips = kept.flips;
        self.remember(flip);
        self.look_again_at = look_again_at(job, self, &[]);
        Some(flip)
    }

    /// Follows a change of the job's schedule or limits at `now`: what is known stays, and the next due is asked
    /// of the new schedule, so that no due before `now` is demanded of a schedule that did not exist then.
    pub fn reschedule(&mut self, job: &Job, now: Timestamp) {
        for fold in [&mut self.fold, &mut self.base] {
            let after = fold.until.max(now);
            fold.due = job.schedule.next_due(fold.anchor.max(self.expected_from), after);
        }
        self.look_again_at = look_again_at(job, self, &[]);
    }

    /// Works out anew when to look again, after something beside evidence and time has changed.
    pub(crate) fn refresh(&mut self, job: &Job, gaps: &[Gap]) {
        self.look_again_at = look_again_at(job, self, gaps);
    }

    fn remember(&mut self, flip: Flip) {
        if self.flips.len() == MAX_FLIPS {
            self.flips.remove(0);
        }
        self.flips.push(flip);
    }
}

fn plain_flip(old: Verdict, new: Verdict, at: Timestamp) -> Flip {
    Flip { old, new, reason: None, at, late_delivered: false }
}

/// Follows one event. `gaps` are the spans in which intake was away, oldest first.
///
/// Evidence carries the state on to the moment at which it happened, not to `now`: more evidence may follow. Hand in
/// what is new sorted by [`Evidence::effective_at`], and then [`Event::TimePassed`]; for much evidence at once
/// [`step_all`] does the same in less time.
pub fn step(job: &Job, state: &mut JobState, event: Event<'_>, gaps: &[Gap], now: Timestamp) -> Step {
    match event {
        Event::TimePassed if state.look_again_at.is_none_or(|moment| now < moment) => Step::default(),
        Event::TimePassed => time_passed(job, state, gaps, now),
        Event::Evidence(evidence) => step_all(job, state, &[evidence], gaps, now),
    }
}

/// Follows several pieces of evidence of one job, sorted by [`Evidence::effective_at`]. What was delivered late is
/// weighed together, so that a host which was offline for days is caught up with in one go.
pub fn step_all(job: &Job, state: &mut JobState, news: &[&Evidence], gaps: &[Gap], now: Timestamp) -> Step {
    let mut hearing = Hearing::new(job, state, gaps, now);
    for evidence in news {
        hearing.hear(evidence);
    }
    let step = hearing.finish();
    conclude(job, state, step, gaps)
}

fn time_passed(job: &Job, state: &mut JobState, gaps: &[Gap], now: Timestamp) -> Step {
    let until = just_after(now);
    let mut folding = Folding::resume(job, gaps, state.fold, &state.running);
    folding.advance(until);
    let (fold, flips, missed) = folding.finish(until);
    state.fold = fold;
    conclude(job, state, Step { flips, missed, forgotten: Vec::new(), changed: true }, gaps)
}

/// Follows what a step brought about. Of a paused job nothing follows.
fn conclude(job: &Job, state: &mut JobState, mut step: Step, gaps: &[Gap]) -> Step {
    if state.paused.is_some() {
        step.flips.clear();
        step.missed.clear();
    }
    for flip in &step.flips {
        follow(state, *flip);
    }
    if step.changed {
        state.look_again_at = look_again_at(job, state, gaps);
    }
    step
}

fn follow(state: &mut JobState, flip: Flip) {
    match (flip.new, flip.reason) {
        (Verdict::Down, Some(reason)) => {
            state.incident = Some(Incident { opened_at: flip.at, reason, told: false, reminders: 0 });
        }
        _ => state.incident = None,
    }
    state.remember(flip);
}

/// The earliest moment at which time alone changes something: never while the job is paused or can't be seen.
fn look_again_at(job: &Job, state: &JobState, gaps: &[Gap]) -> Option<Timestamp> {
    if state.paused.is_some() || state.blind.is_some() {
        return None;
    }
    let moment = Folding::resume(job, gaps, state.fold, &state.running).next_moment();
    let reminder = state.incident.zip(job.remind).and_then(|(incident, every)| incident.next_reminder(every));
    moment.into_iter().chain(reminder).min()
}
