//! The calendar of a job: every due of a span, and what became of it.
//!
//! It is made from evidence alone, by the same fold that judges, so that it says of a due what the roll call would have
//! decided; and it can be made of a time in which nobody called the roll. What differs is that it knows better: evidence
//! that was delivered long after the deadline answers its due here, and a due that was missed then is no longer.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Exit, Kind, RunId};
use crate::job::Job;
use crate::judge::{Closed, Gap, Hindsight};
use crate::schedule::{Direction, Schedule, just_before};
use crate::state::{Answer, Flip, JobState, Reason, Verdict};

/// What became of a due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A success answered it in time.
    Answered,
    /// A success answered it in time, but the evidence of that arrived only after the deadline.
    LateDelivered,
    /// It is not answered yet, and its grace has not ended.
    Open,
    /// Nobody judged the job then.
    Paused,
    /// The job was not expected yet.
    NotExpected,
    /// Could not tell: evidence of that time is not kept any more, or could not be read.
    Unknown,
    /// A success came after the grace, before the next due.
    Late,
    /// The run that answered it ended badly.
    Bad,
    /// Nobody answered it.
    Missed,
}

impl Outcome {
    /// Whether a success in time was expected and none came. Of what is open, or unknown, that can't be said.
    pub fn is_gap(self) -> bool {
        matches!(self, Self::Late | Self::Bad | Self::Missed)
    }

    /// Whether it was answered in time.
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Answered | Self::LateDelivered)
    }

    /// The word for it, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::LateDelivered => "late_delivered",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::NotExpected => "not_expected",
            Self::Unknown => "unknown",
            Self::Late => "late",
            Self::Bad => "bad",
            Self::Missed => "missed",
        }
    }
}

/// The end of a run, as far as a due is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answering {
    /// When it ended; when it was decided, of a run that overran.
    pub at: Timestamp,
    /// Which run.
    pub run: RunId,
    /// When the evidence arrived, if the store says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// How it failed, if it did and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
}

/// A due and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// When it was due.
    pub due: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, when it is bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What answered it: in time, late, or badly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Answering>,
    /// The first success after a bad answer, if it came before the next due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_up_at: Option<Timestamp>,
}

/// A span in which nobody judged the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it began.
    pub from: Timestamp,
    /// When it ended; not yet, if `None`.
    pub to: Option<Timestamp>,
}

impl Pause {
    /// The pauses that flips tell of, in any order, oldest first. One of which the beginning is forgotten is left out;
    /// `since` is since when the job is paused now.
    pub fn among(flips: &[Flip], since: Option<Timestamp>) -> Vec<Self> {
        let mut changes: Vec<&Flip> = flips.iter().collect();
        changes.sort_by_key(|flip| flip.at);
        let mut pauses: Vec<Self> = Vec::new();
        for flip in changes {
            if flip.new == Verdict::Paused {
                pauses.push(Self { from: flip.at, to: None });
            } else if flip.old == Verdict::Paused
                && let Some(open) = pauses.last_mut().filter(|pause| pause.to.is_none())
            {
                open.to = Some(flip.at);
            }
        }
        pauses.retain(|pause| pause.to.is_some());
        pauses.extend(since.map(|from| Self { from, to: None }));
        pauses
    }
}

/// What is known of a job's past, beside its evidence.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// From when on the job is expected, if that is known; else, and if evidence shows that it ran before, from the
    /// first evidence on.
    pub expected_from: Option<Timestamp>,
    /// From when on evidence is kept: of a due before, without evidence, nothing can be said.
    pub kept_from: Option<Timestamp>,
    /// When nobody judged it, oldest first.
    pub pauses: Vec<Pause>,
    /// When intake was away, oldest first.
    pub gaps: Vec<Gap>,
    /// Dues of which the evidence could not be read.
    pub unread: BTreeSet<Timestamp>,
}

impl Past {
    /// What a roll knows of it. A configuration that says from when on the job is expected comes first; what was heard
    /// of the job before the roll was called counts as well.
    pub fn of(
        job: &Job,
        state: Option<&JobState>,
        gaps: &[Gap],
        evidence: &[Evidence],
        now: Timestamp,
    ) -> Self {
        let first = first_due(job, Hindsight::new(job, gaps, evidence, now).first_sign());
        let known = state.map(|state| state.expected_from);
        let paused = state.and_then(|state| state.paused);
        let flips = state.map(|state| &*state.flips).unwrap_or_default();
        Self {
            expected_from: job.expected_from.or(first.into_iter().chain(known).min()),
            kept_from: None,
            pauses: Pause::among(flips, paused),
            gaps: gaps.to_vec(),
            unread: BTreeSet::new(),
        }
    }
}

/// The due that the first sign of a job is about: it is expected from then on.
fn first_due(job: &Job, sign: Option<Timestamp>) -> Option<Timestamp> {
    let sign = sign?;
    let soon = sign.checked_add(job.limits.early).unwrap_or(sign);
    let due = match job.schedule {
        Schedule::Calendar(_) => job.schedule.previous_due(sign, soon),
        _ => None,
    };
    Some(due.filter(|due| sign.duration_since(*due) <= job.limits.grace).unwrap_or(sign))
}

/// The dues in `from..to` that have come by `now`, oldest first, and what became of each.
///
/// `evidence` is that of the job, in any order; more than of the span does no harm, and what happened shortly before and
/// after it is needed for its first and last dues. Of `every`, a due that a success came before is none: it moved.
pub fn calendar(
    job: &Job,
    past: &Past,
    evidence: &[Evidence],
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Vec<Due> {
    let hindsight = Hindsight::new(job, &past.gaps, evidence, now);
    let expected = past.expected_from.or(first_due(job, hindsight.first_sign())).unwrap_or(now).min(now);
    let mut book = Book { job, hindsight: &hindsight, evidence, dues: Vec::new() };
    book.before(from, expected);
    let mut begin = (expected, false);
    for pause in past.pauses.iter().filter(|pause| pause.from < now) {
        let end = pause.to.unwrap_or(now).min(now);
        if end <= begin.0 {
            continue;
        }
        if pause.from > begin.0 {
            book.judge(begin, (pause.from, true), from);
        }
        book.paused(pause.from.max(begin.0).max(from), end);
        begin = (end, true);
        if pause.to.is_none() {
            return book.finish(past, (from, to), now);
        }
    }
    book.judge(begin, (now, false), from);
    book.finish(past, (from, to), now)
}

struct Book<'a> {
    job: &'a Job,
    hindsight: &'a Hindsight<'a>,
    evidence: &'a [Evidence],
    dues: Vec<Due>,
}

impl Book<'_> {
    /// Before the job was expected there were dues by the calendar alone.
    fn before(&mut self, from: Timestamp, expected: Timestamp) {
        self.by_the_calendar(from, expected, Outcome::NotExpected);
    }

    fn paused(&mut self, from: Timestamp, to: Timestamp) {
        self.by_the_calendar(from, to, Outcome::Paused);
    }

    fn by_the_calendar(&mut self, from: Timestamp, to: Timestamp, outcome: Outcome) {
        if !matches!(self.job.schedule, Schedule::Calendar(_)) {
            return;
        }
        let dues = self.job.schedule.occurrences(from, just_before(from), Direction::Forward);
        let dues = dues.take_while(|due| *due < to);
        self.dues.extend(dues.map(|due| Due { due, outcome, reason: None, by: None, made_up_at: None }));
    }

    fn judge(
        &mut self,
        (from, resumed): (Timestamp, bool),
        (to, paused): (Timestamp, bool),
        shown: Timestamp,
    ) {
        let hindsight = self.hindsight;
        hindsight.judge((from, to), (resumed, paused), shown, |due, closed| match due {
            Some(due) => {
                let due = self.due(due, closed);
                self.dues.push(due);
            }
            None => self.made_up(closed),
        });
    }

    fn due(&self, due: Timestamp, closed: Closed) -> Due {
        let nothing = Due { due, outcome: Outcome::Open, reason: None, by: None, made_up_at: None };
        match closed {
            Closed::Open => nothing,
            Closed::Paused => Due { outcome: Outcome::Paused, ..nothing },
            Closed::Missed => Due { outcome: Outcome::Missed, ..nothing },
            Closed::Overran(run, at) => {
                let by = Some(Answering { at, run, received_at: None, exit: None });
                Due { outcome: Outcome::Bad, reason: Some(Reason::Overran), by, ..nothing }
            }
            Closed::Answer(index, reason) => {
                let (answer, source) = self.hindsight.answer(index);
                let by = self.answering(answer, source);
                let outcome = match reason {
                    Some(_) => Outcome::Bad,
                    None if self.is_late(due, &by) => Outcome::LateDelivered,
                    None => Outcome::Answered,
                };
                Due { outcome, reason, by: Some(by), ..nothing }
            }
        }
    }

    fn answering(&self, answer: &Answer, source: usize) -> Answering {
        let exit = match answer.kind {
            Kind::Fail(exit) => exit,
            _ => None,
        };
        Answering { at: answer.at, run: answer.run, received_at: self.evidence[source].received_at, exit }
    }

    fn is_late(&self, due: Timestamp, by: &Answering) -> bool {
        let deadline = due.checked_add(self.job.limits.grace).unwrap_or(Timestamp::MAX);
        by.at <= deadline && by.received_at.is_some_and(|received| received.duration_since(deadline) > FAIR)
    }

    /// A success that answers no due of its own makes up for the last one, unless that is answered.
    fn made_up(&mut self, closed: Closed) {
        let Closed::Answer(index, None) = closed else { return };
        let (answer, source) = self.hindsight.answer(index);
        let by = self.answering(answer, source);
        let Some(last) = self.dues.last_mut() else { return };
        match last.outcome {
            Outcome::Missed => {
                last.outcome = Outcome::Late;
                last.by = Some(by);
            }
            Outcome::Bad if last.made_up_at.is_none() => last.made_up_at = Some(by.at),
            _ => {}
        }
    }

    fn finish(mut self, past: &Past, (from, to): (Timestamp, Timestamp), now: Timestamp) -> Vec<Due> {
        self.dues.retain(|due| due.due >= from && due.due < to && due.due <= now);
        let lost = |due: &Due| {
            let gone = past.kept_from.is_some_and(|kept| due.due < kept);
            let silent = matches!(due.outcome, Outcome::Missed | Outcome::Open);
            silent && (gone || past.unread.contains(&due.due))
        };
        for due in &mut self.dues {
            if lost(due) {
                due.outcome = Outcome::Unknown;
            }
        }
        self.dues.sort_by_key(|due| due.due);
        self.dues.dedup_by_key(|due| due.due);
        self.dues
    }
}

/// How much later than the deadline evidence may arrive without counting as delivered late: a store may keep whole
/// seconds only.
const FAIR: SignedDuration = SignedDuration::from_secs(2);

#[cfg(test)]
mod tests;
