//! One roll call, as far as it is deciding: new evidence in, states and notices out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::{SignedDuration, Timestamp};

use crate::evidence::Evidence;
use crate::job::Job;
use crate::judge::{Event, Gap, Step, step, step_all};
use crate::name::Slug;
use crate::notice::{self, Notice, Pass};
use crate::roll::{Changes, Roll};
use crate::state::{Flip, JobState, Reason, Verdict};

/// How far back a job can declare itself: evidence may have waited on the job's host for so long.
const OLDEST_DECLARATION: SignedDuration = SignedDuration::from_hours(31 * 24);

/// What a roll call has to go by.
#[derive(Clone, Copy, Debug)]
pub struct Roster<'a> {
    /// Every job that is judged, however it became known. States of others are dropped.
    pub jobs: &'a BTreeMap<Slug, Job>,
    /// Jobs whose evidence could not be read, and what the store said.
    pub blind: &'a BTreeMap<Slug, String>,
}

/// What a roll call decided.
#[derive(Clone, Debug, Default)]
pub struct Called {
    /// What is another in the roll now.
    pub changes: Changes,
    /// What is to be told, in order; not in the outbox yet, so that what the runs printed can be added.
    pub notices: Vec<Notice>,
    /// Jobs that could not be judged, because of a mistake in Tenko itself. Their states are as before.
    pub unjudged: Vec<Slug>,
}

impl Called {
    /// The earliest due that was just found missed, if any was: before that is believed, evidence from then on is
    /// worth a second look, because a sender's clock may be off.
    pub fn earliest_miss(&self) -> Option<Timestamp> {
        let missed =
            |(_, flip): &&(Slug, Flip)| flip.new == Verdict::Down && flip.reason == Some(Reason::Missed);
        let down: BTreeSet<&Slug> = self.changes.flips.iter().filter(missed).map(|(slug, _)| slug).collect();
        let dues = self
            .changes
            .missed
            .iter()
            .filter(|(slug, _)| down.contains(slug))
            .map(|(_, missed)| missed.first);
        dues.min()
    }
}

/// Calls the roll at `now` with evidence that is new since the last time, in any order and perhaps known already.
/// What concerns one job does not touch another.
pub fn call<'a>(
    roll: &mut Roll,
    roster: Roster<'_>,
    evidence: impl IntoIterator<Item = &'a Evidence>,
    now: Timestamp,
) -> Called {
    let mut heard = sorted_by_job(evidence, now);
    let gaps = std::mem::take(&mut roll.gaps);
    let mut caller = Caller { gaps: &gaps, now, called: Called::default() };
    caller.forget_others(roll, roster.jobs);
    caller.enrol_new(roll, roster.jobs, &heard);
    // Both have the same names in the same order now.
    for ((slug, job), state) in roster.jobs.iter().zip(roll.states.values_mut()) {
        let news = heard.remove(slug).unwrap_or_default();
        let blind = roster.blind.get(slug).map(String::as_str);
        caller.alone(slug, state, |caller, state| caller.judge(job, state, &news, blind));
    }
    let called = caller.called;
    roll.gaps = gaps;
    called
}

/// The same for one job, whose state is kept by itself: [`None`] before the job was judged for the first time. `blind` is why
/// its evidence could not be read, if it could not.
pub fn call_one<'a>(
    job: &Job,
    state: &mut Option<JobState>,
    evidence: impl IntoIterator<Item = &'a Evidence>,
    blind: Option<&str>,
    gaps: &[Gap],
    now: Timestamp,
) -> Called {
    let mut news: Vec<&Evidence> = evidence.into_iter().collect();
    sort(&mut news, now);
    let mut caller = Caller { gaps, now, called: Called::default() };
    let state = state.get_or_insert_with(|| caller.enrol(job, &news));
    caller.alone(&job.slug, state, |caller, state| caller.judge(job, state, &news, blind));
    caller.called
}

fn sorted_by_job<'a>(
    evidence: impl IntoIterator<Item = &'a Evidence>,
    now: Timestamp,
) -> HashMap<&'a Slug, Vec<&'a Evidence>> {
    let mut by_job: HashMap<&Slug, Vec<&Evidence>> = HashMap::new();
    for piece in evidence {
        by_job.entry(&piece.job).or_default().push(piece);
    }
    for news in by_job.values_mut() {
        sort(news, now);
    }
    by_job
}

fn sort(news: &mut [&Evidence], now: Timestamp) {
    news.sort_by_key(|piece| (piece.effective_at().min(now), piece.kind.is_end(), piece.run));
}

/// Which of some names are not among the others; both are sorted. To walk along both takes a tenth of the time that it
/// takes to look each of them up.
fn missing<'a>(some: impl Iterator<Item = &'a Slug>, others: impl Iterator<Item = &'a Slug>) -> Vec<Slug> {
    let mut others = others.peekable();
    let is_missing = |slug: &&Slug| {
        while others.next_if(|other| other < slug).is_some() {}
        others.next_if_eq(slug).is_none()
    };
    some.filter(is_missing).cloned().collect()
}

struct Caller<'a> {
    gaps: &'a [Gap],
    now: Timestamp,
    called: Called,
}

impl Caller<'_> {
    fn forget_others(&mut self, roll: &mut Roll, jobs: &BTreeMap<Slug, Job>) {
        for slug in missing(roll.states.keys(), jobs.keys()) {
            roll.states.remove(&slug);
            self.called.changes.jobs.insert(slug);
        }
    }

    fn enrol_new(
        &mut self,
        roll: &mut Roll,
        jobs: &BTreeMap<Slug, Job>,
        heard: &HashMap<&Slug, Vec<&Evidence>>,
    ) {
        for slug in missing(jobs.keys(), roll.states.keys()) {
            let news = heard.get(&slug).map(Vec::as_slice).unwrap_or_default();
            let state = self.enrol(&jobs[&slug], news);
            roll.states.insert(slug, state);
        }
    }

    /// A job is expected from the moment it is declared: by its own evidence, or by a configuration when a roll call
    /// first sees that. What evidence says of the distant past or of the future is not believed.
    fn enrol(&mut self, job: &Job, news: &[&Evidence]) -> JobState {
        self.called.changes.jobs.insert(job.slug.clone());
        let oldest = self.now.checked_sub(OLDEST_DECLARATION).unwrap_or(Timestamp::MIN);
        let declared = news.iter().find(|piece| piece.declaration.is_some());
        let declared = declared.map(|piece| piece.effective_at().clamp(oldest, self.now));
        JobState::new(job, job.expected_from.or(declared).unwrap_or(self.now))
    }

    /// Does something about one job. Should it panic, this job stays as it was, and the others go on.
    fn alone(&mut self, slug: &Slug, state: &mut JobState, work: impl FnOnce(&mut Self, &mut JobState)) {
        let before = state.clone();
        let done =
            (self.called.notices.len(), self.called.changes.flips.len(), self.called.changes.missed.len());
        // What is half done is taken back below.
        if catch_unwind(AssertUnwindSafe(|| work(self, state))).is_err() {
            *state = before;
            self.called.notices.truncate(done.0);
            self.called.changes.flips.truncate(done.1);
            self.called.changes.missed.truncate(done.2);
            self.called.unjudged.push(slug.clone());
        }
    }

    fn judge(&mut self, job: &Job, state: &mut JobState, news: &[&Evidence], problem: Option<&str>) {
        let was = state.incident;
        let mut changed = follow_spec(job, state, self.gaps, self.now);
        changed |= match problem.filter(|_| state.paused.is_none()) {
            Some(problem) => self.could_not_tell(job, state, problem),
            None => self.could_tell(job, state),
        };
        let mut flips = Vec::new();
        if !news.is_empty() {
            changed |= self.took(job, step_all(job, state, news, self.gaps, self.now), &mut flips);
        }
        changed |= self.took(job, step(job, state, Event::TimePassed, self.gaps, self.now), &mut flips);
        let notices = notice::tell(job, state, Pass { was, flips: &flips, now: self.now }, self.gaps);
        if changed || !notices.is_empty() {
            self.called.changes.jobs.insert(job.slug.clone());
        }
        self.called.notices.extend(notices);
        self.called.changes.flips.extend(flips.into_iter().map(|flip| (job.slug.clone(), flip)));
    }

    fn took(&mut self, job: &Job, step: Step, flips: &mut Vec<Flip>) -> bool {
        flips.extend(step.flips);
        let missed = step.missed.into_iter().map(|missed| (job.slug.clone(), missed));
        self.called.changes.missed.extend(missed);
        step.changed
    }

    fn could_not_tell(&mut self, job: &Job, state: &mut JobState, problem: &str) -> bool {
        let before = state.blind.clone();
        self.called.notices.extend(notice::could_not_tell(job, state, problem, self.now));
        state.refresh(job, self.gaps);
        state.blind != before
    }

    fn could_tell(&mut self, job: &Job, state: &mut JobState) -> bool {
        if state.blind.is_none() {
            return false;
        }
        self.called.notices.extend(notice::could_tell(job, state, self.now));
        state.refresh(job, self.gaps);
        true
    }
}

/// Follows what was changed in the job's specification since the last roll call. Says whether anything was.
fn follow_spec(job: &Job, state: &mut JobState, gaps: &[Gap], now: Timestamp) -> bool {
    let schedule = job.schedule.in_words();
    let before = state.look_again_at;
    let other = schedule != state.schedule;
    if other {
        state.schedule = schedule;
        state.reschedule(job, now);
    }
    state.refresh(job, gaps);
    other || state.look_again_at != before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Schedule;

    #[test]
    fn fault_15_a_panic_in_one_job_is_undone_and_named() {
        let slug = Slug::new("odd").unwrap();
        let job = Job::new(slug.clone(), Schedule::default());
        let mut state = JobState::new(&job, Timestamp::UNIX_EPOCH);
        let before = state.clone();
        let mut caller = Caller { gaps: &[], now: Timestamp::UNIX_EPOCH, called: Called::default() };
        caller.alone(&slug, &mut state, |caller, state| {
            state.configured = true;
            let due = Timestamp::UNIX_EPOCH;
            caller
                .called
                .changes
                .missed
                .push((slug.clone(), crate::state::Missed { first: due, last: due, count: 1 }));
            panic!("planted");
        });
        assert_eq!(state, before);
        assert!(caller.called.changes.missed.is_empty());
        assert_eq!(caller.called.unjudged, [slug]);
    }
}
