//! The fold itself: answers, dues and runs under way, in the order of time.

use jiff::{SignedDuration, Timestamp};

use super::Gap;
use crate::evidence::{Kind, RunId};
use crate::job::Job;
use crate::schedule::{Schedule, just_before};
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
    /// How many dues in a row were missed here, with no answer in between.
    in_a_row: u64,
}

/// So many missed dues in a row are walked through one by one. Beyond, the walk goes on at the newest, so that no clock
/// and no declaration can make it endless, and the count of missed dues is a lower bound.
const LONGEST_WALK: u64 = 100_000;

/// What time alone can bring about.
enum Moment {
    Overran { run: RunId, deadline: Timestamp },
    Missed { due: Timestamp, deadline: Timestamp },
}

/// What is replayed.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
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

/// Answers, the starts of their runs, and further starts, in the order in which they are replayed.
pub(super) fn in_order(answers: &[Answer], running: impl Iterator<Item = UnderWay>) -> Vec<Item<'_>> {
    let starts = answers.iter().filter_map(Answer::under_way).chain(running);
    let mut items: Vec<Item<'_>> = starts.map(Item::Start).chain(answers.iter().map(Item::Answer)).collect();
    items.sort_by_key(Item::order);
    items
}

impl<'a> Folding<'a> {
    /// Carries on from `fold`, with runs under way that the fold knows of.
    pub(super) fn resume(job: &'a Job, gaps: &'a [Gap], fold: Fold, running: &[UnderWay]) -> Self {
        let none = Vec::new();
        let mut folding =
            Self { job, gaps, fold, open: none, flips: Vec::new(), missed: Vec::new(), in_a_row: 0 };
        for run in running {
            folding.open(*run);
        }
        folding
    }

    /// Ends at `until`: the fold, the flips on the way, and the dues missed on the way.
    pub(super) fn finish(mut self, until: Timestamp) -> (Fold, Vec<Flip>, Vec<Missed>) {
        self.fold.until = self.fold.until.max(until);
        (self.fold, self.flips, self.missed)
    }

    /// Goes through answers and runs in the order of their own time, up to `until`.
    pub(super) fn replay(&mut self, answers: &[Answer], running: &[UnderWay], until: Timestamp) {
        let running = running.iter().copied().filter(|run| run.started <= until);
        for item in in_order(answers, running) {
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
        self.advance_telling(to, |_, _, _| {});
    }

    /// The same, and tells of each thing that time brought about: the fold before it and after it, and when a run
    /// overran, if that is what it was; else dues were missed.
    pub(super) fn advance_telling(
        &mut self,
        to: Timestamp,
        mut tell: impl FnMut(&Fold, &Fold, Option<(RunId, Timestamp)>),
    ) {
        while let Some((at, moment)) = self.next() {
            if at >= to {
                break;
            }
            let before = self.fold;
            let overran = match moment {
                Moment::Overran { run, deadline } => {
                    self.overran(run, deadline, at);
                    Some((run, deadline))
                }
                Moment::Missed { due, deadline } => {
                    self.miss(due, deadline, to);
                    None
                }
            };
            tell(&before, &self.fold, overran);
        }
    }

    /// What follows from everything up to here.
    pub(super) fn fold(&self) -> &Fold {
        &self.fold
    }

    /// When time alone next brings something about.
    pub(super) fn next_moment(&self) -> Option<Timestamp> {
        self.next().map(|(at, _)| at)
    }

    /// A run began.
    pub(super) fn start(&mut self, start: UnderWay) {
        self.open(start);
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

    /// Watches a run, if it is not decided already that it overran.
    fn open(&mut self, run: UnderWay) {
        let Some(max) = self.job.limits.max_runtime else { return };
        if self.fair_chance(end_of(run.started, max)) >= self.fold.until {
            self.open.push(run);
        }
    }

    /// Why an answer is none that counts, if it is not.
    pub(super) fn badness(&self, answer: &Answer) -> Option<Reason> {
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
            let deadline = end_of(first.started, max);
            Some((self.fair_chance(deadline), Moment::Overran { run: first.run, deadline }))
        });
        match (overran, self.next_miss()) {
            (Some(overran), Some(missed)) => Some(if overran.0 <= missed.0 { overran } else { missed }),
            (overran, missed) => overran.or(missed),
        }
    }

    /// The next due that is missed if nothing is heard. While a run is under way that is watched for overrunning, its
    /// end decides; but a later due may want a run of its own sooner.
    fn next_miss(&self) -> Option<(Timestamp, Moment)> {
        let due = self.fold.due?;
        let missed = |due, deadline| (self.fair_chance(deadline), Moment::Missed { due, deadline });
        if let Some(deadline) = start_deadline(self.job, &self.fold, due) {
            return Some(missed(due, deadline));
        }
        let ends = self.open.is_empty().then(|| missed(due, end_of(due, self.job.limits.grace)));
        let starts = self.next_to_start(due).map(|(due, deadline)| missed(due, deadline));
        match (ends, starts) {
            (Some(ends), Some(starts)) => Some(if ends.0 <= starts.0 { ends } else { starts }),
            (ends, starts) => ends.or(starts),
        }
    }

    /// The first due after `due` for which no run has shown itself, and by when one has to.
    fn next_to_start(&self, due: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.job.limits.start_within?;
        // Whatever was due before a run showed itself needs no look.
        let mut due = self.fold.sign.map_or(due, |sign| sign.max(due));
        loop {
            due = self.job.schedule.next_due(self.fold.anchor, due)?;
            if let Some(deadline) = start_deadline(self.job, &self.fold, due) {
                return Some((due, deadline));
            }
        }
    }

    /// A deadline that falls into a gap of intake, or right behind one, is judged only after evidence had the job's
    /// grace, and at most an hour, to arrive after the gap.
    fn fair_chance(&self, deadline: Timestamp) -> Timestamp {
        let chance = self.job.limits.grace.min(Gap::LONGEST_CHANCE);
        self.gaps.iter().fold(deadline, |moment, gap| {
            let fair = end_of(gap.to, chance);
            if gap.from <= moment && moment < fair { fair } else { moment }
        })
    }

    fn overran(&mut self, run: RunId, at: Timestamp, judged: Timestamp) {
        self.open.retain(|open| open.run != run);
        // A success since then says more, where a gap has put off the judging.
        if judged == at || self.fold.anchor <= at {
            self.bad(Reason::Overran, at, Some(run));
        }
        self.close_dues(at);
    }

    fn miss(&mut self, due: Timestamp, deadline: Timestamp, to: Timestamp) {
        self.bad(Reason::Missed, deadline, None);
        self.fold.unanswered = self.fold.unanswered.or(Some(due));
        self.in_a_row += 1;
        match self.missed.last_mut() {
            Some(missed) if self.in_a_row > 1 => {
                *missed = Missed { last: due, count: missed.count + 1, ..*missed };
            }
            _ => self.missed.push(Missed { first: due, last: due, count: 1 }),
        }
        let walked = if self.in_a_row < LONGEST_WALK { due } else { due.max(self.last_before(to)) };
        self.fold.due = self.job.schedule.next_due(self.fold.anchor, walked);
    }

    /// The last moment of which a due is decided before `to`, by whatever limit.
    fn last_before(&self, to: Timestamp) -> Timestamp {
        just_before(end_of(to, -self.job.limits.grace))
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

    /// An answer, good or bad, at `at` answers every due up to then, and one that was about to come.
    fn close_dues(&mut self, at: Timestamp) {
        self.in_a_row = 0;
        let Some(due) = self.fold.due else { return };
        let moved = matches!(self.job.schedule, Schedule::Every { .. }) && self.fold.anchor == at;
        let next =
            if due > at && !moved { Some(due) } else { self.job.schedule.next_due(self.fold.anchor, at) };
        self.fold.due = match next {
            Some(next) if self.comes_early(at, next) => self.job.schedule.next_due(self.fold.anchor, next),
            next => next,
        };
    }

    fn comes_early(&self, at: Timestamp, due: Timestamp) -> bool {
        comes_early(self.job, self.fold.anchor, at, due)
    }
}

/// Whether an answer at `at` came so shortly before `due` that it answers it.
pub(super) fn comes_early(job: &Job, anchor: Timestamp, at: Timestamp, due: Timestamp) -> bool {
    let ahead = due.duration_since(at);
    ahead <= job.limits.early && ahead <= early_of(job, anchor, due)
}

/// By when `due` had to be answered, as far as is known.
pub(crate) fn deadline_of(job: &Job, fold: &Fold, due: Timestamp) -> Timestamp {
    start_deadline(job, fold, due).unwrap_or_else(|| end_of(due, job.limits.grace))
}

/// By when a run has to show itself for `due`, if it has to and did not: any start or end since the due counts, and
/// one that came as early as an answer may.
fn start_deadline(job: &Job, fold: &Fold, due: Timestamp) -> Option<Timestamp> {
    let within = job.limits.start_within?;
    let shown = fold.sign.is_some_and(|sign| sign >= end_of(due, -early_of(job, fold.anchor, due)));
    (!shown).then(|| end_of(due, within.min(job.limits.grace)))
}

/// How long before `due` an answer already counts: never more than a tenth of the gap before it, or behind it if it
/// is the first.
fn early_of(job: &Job, anchor: Timestamp, due: Timestamp) -> SignedDuration {
    let gap = if let Schedule::Every { period, .. } = &job.schedule {
        Some(*period)
    } else if let Some(previous) = job.schedule.previous_due(anchor, due) {
        Some(due.duration_since(previous))
    } else {
        job.schedule.next_due(anchor, due).map(|next| next.duration_since(due))
    };
    gap.map_or(job.limits.early, |gap| job.limits.early.min(gap / 10))
}

/// `start` + `length`, at most the end of time.
fn end_of(start: Timestamp, length: SignedDuration) -> Timestamp {
    start.checked_add(length).unwrap_or(if length.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}
