//! What follows from evidence and time.
//!
//! The verdict of a job is a fold over its answers, sorted by their own time, with the dues between them. [`step`]
//! continues that fold. Evidence that arrives out of order is sorted in among the newest answers, and the fold is
//! done again from before them, so that the order of arrival does not matter. Older answers can no longer matter:
//! enough newer ones follow to decide.

mod folding;
mod look;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Exit, Kind, RunId};
use crate::job::Job;
use crate::state::{
    Answer, Flip, Fold, Heard, Incident, JobState, MAX_FLIPS, MAX_RUNNING, Missed, UnderWay, Verdict,
};

use folding::Folding;
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
    /// Runs under way that had to be forgotten, because there were more than [`MAX_RUNNING`].
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
            base: fold.clone(),
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

    /// Stops judging the job, as somebody asked at `now`. An open incident ends without a word.
    pub fn pause(&mut self, now: Timestamp) -> Option<Flip> {
        if self.paused.is_some() {
            return None;
        }
        let flip = Flip {
            old: self.fold.verdict,
            new: Verdict::Paused,
            reason: None,
            at: now,
            late_delivered: false,
        };
        self.paused = Some(now);
        self.incident = None;
        self.look_again_at = None;
        self.remember(flip);
        Some(flip)
    }

    /// Judges the job again from `now` on: it is new, and expected at its next due.
    pub fn resume(&mut self, job: &Job, now: Timestamp) -> Option<Flip> {
        self.paused?;
        let flip =
            Flip { old: Verdict::Paused, new: Verdict::New, reason: None, at: now, late_delivered: false };
        let fresh = Self::new(job, now);
        let kept = std::mem::replace(self, fresh);
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

/// Follows one event. `gaps` are the spans in which intake was away, oldest first.
///
/// Evidence carries the state on to the moment at which it happened, not to `now`: more evidence may follow. Hand in
/// what is new sorted by [`Evidence::effective_at`], and then [`Event::TimePassed`].
pub fn step(job: &Job, state: &mut JobState, event: Event<'_>, gaps: &[Gap], now: Timestamp) -> Step {
    let mut step = match event {
        Event::TimePassed if state.look_again_at.is_none_or(|moment| now < moment) => return Step::default(),
        Event::TimePassed => time_passed(job, state, gaps, now),
        Event::Evidence(evidence) => heard(job, state, evidence, gaps, now),
    };
    for flip in &step.flips {
        follow(state, *flip);
    }
    if step.changed {
        state.look_again_at = look_again_at(job, state, gaps);
    }
    step.changed |= !step.flips.is_empty();
    step
}

fn time_passed(job: &Job, state: &mut JobState, gaps: &[Gap], now: Timestamp) -> Step {
    let mut folding = Folding::resume(job, gaps, state.fold.clone(), &state.running);
    let until = just_after(now);
    folding.advance(until);
    let (fold, flips, missed) = folding.finish(until);
    state.fold = fold;
    Step { flips, missed, forgotten: Vec::new(), changed: true }
}

fn heard(job: &Job, state: &mut JobState, evidence: &Evidence, gaps: &[Gap], now: Timestamp) -> Step {
    let at = evidence.effective_at().min(now);
    let kind = meaning(job, evidence.kind);
    let news = note_newest(state, evidence, kind, at);
    let step = match kind {
        Kind::Log => Step::default(),
        _ if state.paused.is_some() => only_running(state, evidence.run, kind, at),
        Kind::Start => started(job, state, UnderWay { run: evidence.run, started: at }, gaps, now),
        Kind::Success | Kind::Fail(_) => {
            let answer = Answer {
                at,
                run: evidence.run,
                kind,
                started: None,
                duration: evidence.report.duration,
                bad_evidence: job.plain_object && matches!(kind, Kind::Fail(_)),
            };
            answered(job, state, answer, gaps, evidence.received_at.unwrap_or(now))
        }
    };
    Step { changed: step.changed || news, ..step }
}

/// Exit codes that the job counts as clean are successes.
fn meaning(job: &Job, kind: Kind) -> Kind {
    match kind {
        Kind::Fail(Some(Exit::Code(code))) if job.limits.clean_exit.contains(&code) => Kind::Success,
        kind => kind,
    }
}

/// Keeps the newest of each kind; says whether this was one.
fn note_newest(state: &mut JobState, evidence: &Evidence, kind: Kind, at: Timestamp) -> bool {
    let (place, exit) = match kind {
        Kind::Start => (&mut state.last_start, None),
        Kind::Success => (&mut state.last_success, None),
        Kind::Fail(exit) => (&mut state.last_fail, exit),
        Kind::Log => return false,
    };
    let heard = Heard { at, run: evidence.run, exit, duration: evidence.report.duration };
    let newer = place.is_none_or(|known| (known.at, known.run) < (at, evidence.run));
    if newer {
        *place = Some(heard);
    }
    newer
}

fn only_running(state: &mut JobState, run: RunId, kind: Kind, at: Timestamp) -> Step {
    let before = state.running.len();
    state.running.retain(|under_way| under_way.run != run);
    let mut forgotten = Vec::new();
    if kind == Kind::Start {
        forgotten = add_running(state, UnderWay { run, started: at });
    }
    Step { changed: state.running.len() != before, forgotten, ..Step::default() }
}

fn started(job: &Job, state: &mut JobState, start: UnderWay, gaps: &[Gap], now: Timestamp) -> Step {
    if let Some(answer) = state.tail.iter_mut().find(|answer| answer.run == start.run) {
        // Its end came first. What it took is known now, and may be too much or too little.
        if answer.started.is_some_and(|known| known <= start.started) {
            return Step::default();
        }
        answer.started = Some(start.started);
        return again(job, state, gaps, now);
    }
    let known = state.running.iter().any(|under_way| under_way.run == start.run);
    if known || start.started <= state.base.until {
        return Step::default();
    }
    if start.started < state.fold.until {
        let forgotten = add_running(state, start);
        return Step { forgotten, changed: true, ..again(job, state, gaps, now) };
    }
    let mut folding = Folding::resume(job, gaps, state.fold.clone(), &state.running);
    folding.advance(start.started);
    folding.start(start);
    let (fold, flips, missed) = folding.finish(start.started);
    state.fold = fold;
    let forgotten = add_running(state, start);
    Step { flips, missed, forgotten, changed: true }
}

fn add_running(state: &mut JobState, start: UnderWay) -> Vec<RunId> {
    let place =
        state.running.partition_point(|known| (known.started, known.run) < (start.started, start.run));
    state.running.insert(place, start);
    let surplus = state.running.len().saturating_sub(MAX_RUNNING);
    state.running.drain(..surplus).map(|under_way| under_way.run).collect()
}

fn answered(job: &Job, state: &mut JobState, mut answer: Answer, gaps: &[Gap], learnt: Timestamp) -> Step {
    let same = |known: &Answer| known.run == answer.run && known.kind.word() == answer.kind.word();
    if let Some(index) = state.tail.iter().position(same) {
        if state.tail[index].at <= answer.at {
            return Step::default();
        }
        answer.started = state.tail[index].started;
        state.tail.remove(index);
    }
    let under_way = state.running.iter().position(|under_way| under_way.run == answer.run);
    let started = under_way.map(|index| state.running[index].started);
    answer.started = answer.started.or(started);
    if answer.at <= state.base.until {
        // Too old to matter, but the run is over.
        let Some(index) = under_way else { return Step::default() };
        state.running.remove(index);
        return again(job, state, gaps, learnt);
    }
    let newest =
        answer.at >= state.fold.until && state.tail.last().is_none_or(|last| order(last) < order(&answer));
    let step =
        if newest { append(job, state, answer, gaps) } else { sort_in(job, state, answer, gaps, learnt) };
    shorten(job, state, gaps);
    step
}

/// The usual case: what happened is newer than all that is known.
fn append(job: &Job, state: &mut JobState, answer: Answer, gaps: &[Gap]) -> Step {
    let mut folding = Folding::resume(job, gaps, state.fold.clone(), &state.running);
    folding.advance(answer.at);
    folding.answer(&answer);
    let (fold, flips, missed) = folding.finish(answer.at);
    state.fold = fold;
    state.running.retain(|under_way| under_way.run != answer.run);
    state.tail.push(answer);
    Step { flips, missed, forgotten: Vec::new(), changed: true }
}

fn sort_in(job: &Job, state: &mut JobState, answer: Answer, gaps: &[Gap], learnt: Timestamp) -> Step {
    state.running.retain(|under_way| under_way.run != answer.run);
    let place = state.tail.partition_point(|known| order(known) < order(&answer));
    state.tail.insert(place, answer);
    again(job, state, gaps, learnt)
}

/// Answers sort by time; the rest makes the order of equal times the same everywhere.
fn order(answer: &Answer) -> (Timestamp, RunId, &'static str) {
    (answer.at, answer.run, answer.kind.word())
}

/// Does the fold again over everything that is remembered, and tells the difference in one flip. Dues that turn out
/// to have been missed or answered in the past are no news: only what is true now is.
fn again(job: &Job, state: &mut JobState, gaps: &[Gap], learnt: Timestamp) -> Step {
    let until = state.fold.until.max(state.tail.last().map_or(Timestamp::MIN, |answer| answer.at));
    let mut folding = Folding::resume(job, gaps, state.base.clone(), &[]);
    folding.replay(&state.tail, &state.running, until);
    let (fold, ..) = folding.finish(until);
    let old = std::mem::replace(&mut state.fold, fold);
    let mut step = Step { changed: true, ..Step::default() };
    if old.verdict != state.fold.verdict {
        let became_true = match state.fold.verdict {
            Verdict::Down => state.fold.since,
            _ => learnt.max(old.since),
        };
        step.flips.push(Flip {
            old: old.verdict,
            new: state.fold.verdict,
            reason: state.fold.reason,
            at: became_true,
            late_delivered: true,
        });
    }
    step
}

/// Lets go of the oldest answers, which can no longer matter.
fn shorten(job: &Job, state: &mut JobState, gaps: &[Gap]) {
    let in_a_row = job.limits.failures.max(job.limits.recoveries).clamp(1, crate::Limits::MAX_IN_A_ROW);
    let most = 2 * in_a_row as usize;
    while state.tail.len() > most {
        let oldest = state.tail.remove(0);
        let until = oldest.at;
        let mut folding = Folding::resume(job, gaps, state.base.clone(), &[]);
        let later = state.tail.iter().filter_map(|a| Some(UnderWay { run: a.run, started: a.started? }));
        let open: Vec<UnderWay> = state.running.iter().copied().chain(later).collect();
        folding.replay(&[oldest], &open, until);
        state.base = folding.finish(until).0;
    }
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

/// The earliest moment at which time alone changes something.
fn look_again_at(job: &Job, state: &JobState, gaps: &[Gap]) -> Option<Timestamp> {
    if state.paused.is_some() {
        return None;
    }
    let moment = Folding::resume(job, gaps, state.fold.clone(), &state.running).next_moment();
    let reminder = state.incident.zip(job.remind).and_then(|(incident, every)| incident.next_reminder(every));
    moment.into_iter().chain(reminder).min()
}

/// The first instant after another.
fn just_after(moment: Timestamp) -> Timestamp {
    moment.checked_add(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MAX)
}

/// The last instant before another.
pub(crate) fn just_before(moment: Timestamp) -> Timestamp {
    moment.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN)
}
