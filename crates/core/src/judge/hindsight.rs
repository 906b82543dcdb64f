//! The same fold, looked at while it is done: which due was closed by what.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Gap;
use super::folding::{Folding, Item, comes_early, in_order};
use super::hearing::meaning;
use crate::evidence::{Evidence, Kind, RunId};
use crate::job::Job;
use crate::schedule::{just_after, just_before};
use crate::state::{Answer, Fold, JobState, Reason, UnderWay};

/// What closed dues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The end of a run: which answer, and why it does not count, if it does not.
    Answer(usize, Option<Reason>),
    /// A run that took too long, and when that was decided.
    Overran(RunId, Timestamp),
    /// Time.
    Missed,
    /// Nobody judged the job.
    Paused,
    /// Nothing yet.
    Open,
}

/// All that is known of a job's runs, as the fold takes it.
#[derive(Debug)]
pub(crate) struct Hindsight<'a> {
    job: &'a Job,
    gaps: &'a [Gap],
    answers: Vec<Answer>,
    /// To which piece of evidence each answer belongs.
    sources: Vec<usize>,
    /// Runs of which no end is known.
    running: Vec<UnderWay>,
}

/// Dues from one on, of which it is known what closed them.
#[derive(Clone, Copy)]
struct Span {
    anchor: Timestamp,
    due: Timestamp,
    end: End,
}

/// Where a span ends.
#[derive(Clone, Copy)]
enum End {
    /// With the last due that an answer at this moment answers.
    Answer(Timestamp),
    /// Before this due.
    Before(Timestamp),
}

impl<'a> Hindsight<'a> {
    /// Sorts evidence of one job, in any order, perhaps with some of it twice.
    pub(crate) fn new(job: &'a Job, gaps: &'a [Gap], evidence: &[Evidence], now: Timestamp) -> Self {
        let mut starts: HashMap<RunId, Timestamp> = HashMap::new();
        let mut ends: HashMap<(RunId, &str), (Answer, usize)> = HashMap::new();
        for (index, piece) in evidence.iter().enumerate() {
            let at = piece.effective_at().min(now);
            match meaning(job, piece.kind) {
                Kind::Log => {}
                Kind::Start => {
                    let known = starts.entry(piece.run).or_insert(at);
                    *known = at.min(*known);
                }
                kind => {
                    let answer = answer(job, piece, kind, at);
                    let known = ends.entry((piece.run, kind.word())).or_insert((answer.clone(), index));
                    if at < known.0.at {
                        *known = (answer, index);
                    }
                }
            }
        }
        let mut ends: Vec<(Answer, usize)> = ends.into_values().collect();
        ends.sort_by_key(|(answer, _)| (answer.at, answer.run, answer.kind.word()));
        let mut ended: HashMap<RunId, ()> = HashMap::new();
        for (answer, _) in &mut ends {
            answer.started = starts.get(&answer.run).copied();
            answer.second = ended.insert(answer.run, ()).is_some();
        }
        let running = starts.into_iter().filter(|(run, _)| !ended.contains_key(run));
        let running = running.map(|(run, started)| UnderWay { run, started }).collect();
        let (answers, sources) = ends.into_iter().unzip();
        Self { job, gaps, answers, sources, running }
    }

    /// The first moment at which a run showed itself.
    pub(crate) fn first_sign(&self) -> Option<Timestamp> {
        let starts = self.running.iter().map(|run| run.started);
        let ends = self.answers.iter().map(|answer| answer.started.unwrap_or(answer.at).min(answer.at));
        starts.chain(ends).min()
    }

    /// An answer, and the index of its evidence.
    pub(crate) fn answer(&self, index: usize) -> (&Answer, usize) {
        (&self.answers[index], self.sources[index])
    }

    /// Judges from `from` to `to`, and tells of all dues from `shown` on what closed them, oldest first. `resumed` says
    /// that what happened before is not weighed, and `paused` that what is open at the end never will be. An answer
    /// that closed no due is told of, too, with none.
    pub(crate) fn judge(
        &self,
        (from, to): (Timestamp, Timestamp),
        (resumed, paused): (bool, bool),
        shown: Timestamp,
        mut tell: impl FnMut(Option<Timestamp>, Closed),
    ) {
        let mut fold = JobState::new(self.job, from).fold;
        fold.until = if resumed { from } else { fold.until };
        let before_it: Vec<UnderWay> = if resumed { self.under_way_at(from) } else { Vec::new() };
        let mut folding = Folding::resume(self.job, self.gaps, fold, &before_it);
        let end = if paused { to } else { just_after(to) };
        for item in in_order(&self.answers, self.running.iter().copied()) {
            let at = match item {
                Item::Start(start) => start.started,
                Item::Answer(answer) => answer.at,
            };
            if at >= end || resumed && at < from {
                continue;
            }
            self.advance(&mut folding, at, shown, &mut tell);
            match item {
                Item::Start(start) => folding.start(start),
                Item::Answer(answer) => self.answered(&mut folding, answer, shown, &mut tell),
            }
        }
        self.advance(&mut folding, end, shown, &mut tell);
        let left =
            folding.fold().due.map(|due| Span { anchor: folding.fold().anchor, due, end: End::Before(end) });
        let closed = if paused { Closed::Paused } else { Closed::Open };
        self.each(left, shown, |due| tell(Some(due), closed));
    }

    fn under_way_at(&self, moment: Timestamp) -> Vec<UnderWay> {
        let ended = self.answers.iter().filter(|answer| answer.at >= moment).filter_map(Answer::under_way);
        ended.chain(self.running.iter().copied()).filter(|run| run.started < moment).collect()
    }

    fn advance(
        &self,
        folding: &mut Folding<'_>,
        to: Timestamp,
        shown: Timestamp,
        tell: &mut impl FnMut(Option<Timestamp>, Closed),
    ) {
        folding.advance_telling(to, |before, after, overran| {
            let Some(due) = before.due else { return };
            let (end, closed) = match overran {
                Some((run, at)) => (End::Answer(at), Closed::Overran(run, at)),
                None => (End::Before(after.due.unwrap_or(just_after(due))), Closed::Missed),
            };
            let span = Span { anchor: before.anchor, due, end };
            self.each(Some(span), shown, |due| tell(Some(due), closed));
        });
    }

    fn answered(
        &self,
        folding: &mut Folding<'_>,
        answer: &Answer,
        shown: Timestamp,
        tell: &mut impl FnMut(Option<Timestamp>, Closed),
    ) {
        let bad = folding.badness(answer);
        let before: Fold = *folding.fold();
        folding.answer(answer);
        let wanted = (answer.at, answer.run, answer.kind.word());
        let index = self.answers.partition_point(|known| (known.at, known.run, known.kind.word()) < wanted);
        let closed = Closed::Answer(index, bad);
        let span = before.due.map(|due| Span { anchor: before.anchor, due, end: End::Answer(answer.at) });
        if self.each(span, shown, |due| tell(Some(due), closed)) == 0 {
            tell(None, closed);
        }
    }

    /// Goes through the dues of a span; says how many it has.
    fn each(&self, span: Option<Span>, shown: Timestamp, mut visit: impl FnMut(Timestamp)) -> usize {
        let Some(Span { anchor, due, end }) = span else { return 0 };
        let is_in = |due: Timestamp| match end {
            End::Answer(at) => due <= at || comes_early(self.job, anchor, at, due),
            End::Before(end) => due < end,
        };
        let mut count = 0;
        let mut next = Some(due).filter(|due| *due >= shown);
        if next.is_none() {
            count += usize::from(is_in(due));
            next = self.job.schedule.next_due(anchor, just_before(shown));
        }
        while let Some(due) = next.filter(|due| is_in(*due)) {
            visit(due);
            count += 1;
            next = self.job.schedule.next_due(anchor, due);
        }
        count
    }
}

fn answer(job: &Job, piece: &Evidence, kind: Kind, at: Timestamp) -> Answer {
    Answer {
        at,
        run: piece.run,
        kind,
        started: None,
        duration: piece.report.duration,
        bad_evidence: job.plain_object && matches!(kind, Kind::Fail(_)),
        second: false,
    }
}
