//! The fold itself: answers, dues and runs under way, in the order of time.

use jiff::{SignedDuration, Timestamp};

use super::Gap;
use crate::evidence::{Kind, RunId};
use crate::job::Job;
use crate::schedule::Schedule;
use crate::state::{Answer, Flip, Fold, Missed, Reason, UnderWay, Verdict};

/// A fold that is being carried on.
pub(super) struct Folding<'a> {
    job: &'a Job,
    gaps: &'a [Gap],
    fold: Fold,
    /// Runs under way that have not overrun.
    open: Vec<UnderWay>,
    flips: Vec<Flip>,
    missed: Vec<Missed>,
}

/// What time alone can bring about.
enum Moment {
    Overran(UnderWay),
    Missed { due: Timestamp, nominal: Timestamp },
}

/// What is replayed.
#[derive(Clone, Copy)]
enum Item<'a> {
    Start(UnderWay),
    Answer(&'a Answer),
}

impl Item<'_> {
    /// Starts come before ends of the same moment; the rest makes the order the same everywhere.
    fn order(&self) -> (Timestamp, bool, RunId, &'static str) {
        match self {
            Self::Start(start) => (start.started, false, start.run, ""),
            Self::Answer(answer) => (answer.at, true, answer.run, answer.kind.word()),
        }
    }
}

impl<'a> Folding<'a> {
    /// Carries on from `fold`, with runs under way that the fold knows of.
    pub(super) fn resume(job: &'a Job, gaps: &'a [Gap], fold: Fold, running: &[UnderWay]) -> Self {
        let open = match job.limits.max_runtime {
            Some(max) => {
                running.iter().copied().filter(|run| end_of(run.started, max) >= fold.until).collect()
            }
            None => Vec::new(),
        };
        Self { job, gaps, fold, open, flips: Vec::new(), missed: Vec::new() }
    }

    /// Ends at `until`: the fold, the flips on the way, and the dues missed on the way.
    pub(super) fn finish(mut self, until: Timestamp) -> (Fold, Vec<Flip>, Vec<Missed>) {
        self.fold.until = self.fold.until.max(until);
        (self.fold, self.flips, self.missed)
    }

    /// Goes through answers and runs in the order of their own time, up to `until`.
    pub(super) fn replay(&mut self, answers: &[Answer], running: &[UnderWay], until: Timestamp) {
        let starts = answers.iter().filter_map(|a| Some(UnderWay { run: a.run, started: a.started? }));
        let starts = starts.chain(running.iter().copied().filter(|run| run.started <= until));
        let mut items: Vec<Item<'_>> =
            starts.map(Item::Start).chain(answers.iter().map(Item::Answer)).collect();
        items.sort_by_key(Item::order);
        for item in items {
            match item {
                Item::Start(start) => {
                    self.advance(start.started);
                    self.start(start);
                }
                Item::Answer(answer) => {
                    self.advance(answer.at);
                    self.answer(answer);
                }
            }
        }
        self.advance(until);
    }

    /// Lets time pass up to, and without, `to`: of an answer and a deadline at the same moment the answer comes first.
    pub(super) fn advance(&mut self, to: Timestamp) {
        while let Some((at, moment)) = self.next() {
            if at >= to {
                break;
            }
            match moment {
                Moment::Overran(run) => self.overran(run, at),
                Moment::Missed { due, nominal } => self.miss(due, nominal),
            }
        }
    }

    /// When time alone next brings something about.
    pub(super) fn next_moment(&self) -> Option<Timestamp> {
        self.next().map(|(at, _)| at)
    }

    /// A run began.
    pub(super) fn start(&mut self, start: UnderWay) {
        if self.job.limits.max_runtime.is_some_and(|max| end_of(start.started, max) >= self.fold.until) {
            self.open.push(start);
        }
        self.fold.sign = self.fold.sign.max(Some(start.started));
    }

    /// A run ended.
    pub(super) fn answer(&mut self, answer: &Answer) {
        self.open.retain(|run| run.run != answer.run);
        self.fold.sign = self.fold.sign.max(Some(answer.at));
        match self.badness(answer) {
            Some(reason) => self.bad(reason, answer.at, Some(answer.run)),
            None => self.good(answer.at),
        }
        self.close_dues(answer.at);
    }

    fn badness(&self, answer: &Answer) -> Option<Reason> {
        match answer.kind {
            Kind::Fail(_) if answer.bad_evidence => Some(Reason::BadEvidence),
            Kind::Fail(_) => Some(Reason::Failed),
            _ => {
                let quickest = self.job.limits.min_runtime?;
                answer.runtime().is_some_and(|runtime| runtime < quickest).then_some(Reason::TooQuick)
            }
        }
    }

    /// Of a run that overran and of a due that was missed at the same moment, the run is the reason.
    fn next(&self) -> Option<(Timestamp, Moment)> {
        let overran = self.job.limits.max_runtime.and_then(|max| {
            let first = self.open.iter().min_by_key(|run| (run.started, run.run))?;
            Some((end_of(first.started, max), Moment::Overran(*first)))
        });
        match (overran, self.next_miss()) {
            (Some(overran), Some(missed)) => Some(if overran.0 <= missed.0 { overran } else { missed }),
            (overran, missed) => overran.or(missed),
        }
    }

    fn next_miss(&self) -> Option<(Timestamp, Moment)> {
        let due = self.fold.due?;
        let limits = &self.job.limits;
        let nominal = match limits.start_within {
            Some(within) if !self.shown_since(due) => end_of(due, within.min(limits.grace)),
            _ if !self.open.is_empty() => return None,
            _ => end_of(due, limits.grace),
        };
        Some((fair_chance(nominal, limits.grace, self.gaps), Moment::Missed { due, nominal }))
    }

    fn shown_since(&self, due: Timestamp) -> bool {
        self.fold.sign.is_some_and(|sign| sign >= end_of(due, -early_of(self.job, self.fold.anchor, due)))
    }

    fn overran(&mut self, run: UnderWay, at: Timestamp) {
        self.open.retain(|open| open.run != run.run);
        self.bad(Reason::Overran, at, Some(run.run));
        self.close_dues(at);
    }

    fn miss(&mut self, due: Timestamp, nominal: Timestamp) {
        self.bad(Reason::Missed, nominal, None);
        let in_a_row = self.fold.unanswered.is_some();
        self.fold.unanswered = self.fold.unanswered.or(Some(due));
        match self.missed.last_mut() {
            Some(missed) if in_a_row => *missed = Missed { last: due, count: missed.count + 1, ..*missed },
            _ => self.missed.push(Missed { first: due, last: due, count: 1 }),
        }
        self.fold.due = self.job.schedule.next_due(self.fold.anchor, due);
    }

    fn good(&mut self, at: Timestamp) {
        self.fold.bad = 0;
        self.fold.bad_run = None;
        self.fold.good = self.fold.good.saturating_add(1).min(self.job.limits.recoveries);
        self.fold.anchor = self.fold.anchor.max(at);
        self.fold.unanswered = None;
        let enough = self.fold.verdict == Verdict::New || self.fold.good >= self.job.limits.recoveries;
        if enough && self.fold.verdict != Verdict::Up {
            self.flip(Verdict::Up, None, at);
        }
    }

    fn bad(&mut self, reason: Reason, at: Timestamp, run: Option<RunId>) {
        self.fold.good = 0;
        let counted = run.is_some() && self.fold.bad_run == run;
        if !counted {
            self.fold.bad = self.fold.bad.saturating_add(1).min(self.job.limits.failures);
        }
        self.fold.bad_run = run;
        if self.fold.verdict != Verdict::Down && self.fold.bad >= self.job.limits.failures {
            self.flip(Verdict::Down, Some(reason), at);
        }
    }

    fn flip(&mut self, new: Verdict, reason: Option<Reason>, at: Timestamp) {
        self.flips.push(Flip { old: self.fold.verdict, new, reason, at, late_delivered: false });
        self.fold.verdict = new;
        self.fold.reason = reason;
        self.fold.since = at;
    }

    /// An answer at `at` answers every due up to then, and one that was about to come.
    fn close_dues(&mut self, at: Timestamp) {
        let Some(due) = self.fold.due else { return };
        let moved = matches!(self.job.schedule, Schedule::Every { .. });
        let next =
            if due > at && !moved { Some(due) } else { self.job.schedule.next_due(self.fold.anchor, at) };
        self.fold.due = match next {
            Some(next) if self.comes_early(at, next) => self.job.schedule.next_due(self.fold.anchor, next),
            next => next,
        };
    }

    fn comes_early(&self, at: Timestamp, due: Timestamp) -> bool {
        let ahead = due.duration_since(at);
        ahead <= self.job.limits.early && ahead <= early_of(self.job, self.fold.anchor, due)
    }
}

/// How long before `due` an answer already counts: never more than a tenth of the gap before it.
fn early_of(job: &Job, anchor: Timestamp, due: Timestamp) -> SignedDuration {
    let early = job.limits.early;
    match job.schedule.previous_due(anchor, due) {
        Some(previous) => early.min(due.duration_since(previous) / 10),
        None => early,
    }
}

/// Deadlines that fall into a gap of intake are judged only after evidence had a chance to arrive.
fn fair_chance(deadline: Timestamp, grace: SignedDuration, gaps: &[Gap]) -> Timestamp {
    let chance = grace.min(Gap::LONGEST_CHANCE);
    gaps.iter().fold(deadline, |moment, gap| {
        if gap.from <= moment && moment < end_of(gap.to, chance) { end_of(gap.to, chance) } else { moment }
    })
}

/// `start` + `length`, at most the end of time.
fn end_of(start: Timestamp, length: SignedDuration) -> Timestamp {
    start.checked_add(length).unwrap_or(if length.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}
