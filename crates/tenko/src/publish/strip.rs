//! The last dues of a job, from what the page before showed and what this roll call heard.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tenko_core::calendar::{Due, Outcome, Past, calendar};
use tenko_core::judge::Gap;
use tenko_core::schedule::{Direction, Schedule, just_after};
use tenko_core::state::{Answer, Missed};
use tenko_core::{Evidence, Job, JobState, Kind, Verdict};

use super::status::{DUES, JobStatus, StripDue};

/// What the strip of one job follows from.
pub(super) struct Facts<'a> {
    pub(super) job: &'a Job,
    pub(super) state: Option<&'a JobState>,
    pub(super) gaps: &'a [Gap],
    /// What this roll call heard of the job.
    pub(super) news: &'a [&'a Evidence],
    /// What it found missed.
    pub(super) missed: Vec<Missed>,
    /// What was shown before.
    pub(super) before: Option<&'a JobStatus>,
    /// Since when all evidence was heard.
    pub(super) complete_from: Timestamp,
    pub(super) now: Timestamp,
}

impl Facts<'_> {
    /// The last dues, oldest first.
    pub(super) fn strip(&self) -> Vec<StripDue> {
        let shown = self.before.map(|before| before.dues.as_slice()).unwrap_or_default();
        let known: BTreeMap<Timestamp, Outcome> = shown.iter().map(|due| (due.due, due.outcome)).collect();
        let from = self.from();
        let mut strip: BTreeMap<Timestamp, Outcome> = match self.job.schedule {
            // What was due before the success from which `every` counts now can't be found again.
            Schedule::Every { .. } => known.iter().map(|(due, outcome)| (*due, *outcome)).collect(),
            _ => BTreeMap::new(),
        };
        if matches!(self.job.schedule, Schedule::Every { .. }) {
            strip.retain(|due, outcome| *due < from || is_settled(*outcome));
        }
        for due in self.dues(from) {
            strip.insert(due.due, self.outcome(&due, known.get(&due.due).copied()));
        }
        // That nobody had asked for it yet is no news.
        strip.retain(|_, outcome| *outcome != Outcome::NotExpected);
        let strip: Vec<StripDue> =
            strip.into_iter().map(|(due, outcome)| StripDue { due, outcome }).collect();
        strip[strip.len().saturating_sub(DUES)..].to_vec()
    }

    /// From when on dues are looked at anew.
    fn from(&self) -> Timestamp {
        let after = just_after(self.now);
        match self.job.schedule {
            Schedule::Every { .. } => self.anchor(),
            _ => {
                let newest_first = self.job.schedule.occurrences(after, after, Direction::Back);
                newest_first.take(DUES).last().unwrap_or(after)
            }
        }
    }

    /// What `every` counted from when the page before was written; without one, from its first evidence on.
    fn anchor(&self) -> Timestamp {
        let expected = self.state.map_or(self.now, |state| state.expected_from);
        match self.before {
            Some(before) => before.last_success.unwrap_or(expected).max(expected),
            None => {
                self.news.iter().map(|piece| piece.effective_at()).min().unwrap_or(expected).min(expected)
            }
        }
    }

    fn dues(&self, from: Timestamp) -> Vec<Due> {
        let mut evidence: Vec<Evidence> = self.news.iter().map(|piece| (*piece).clone()).collect();
        let tail = self.state.map(|state| state.tail.as_slice()).unwrap_or_default();
        evidence.extend(tail.iter().map(|answer| self.piece(answer)));
        let mut past = Past::of(self.job, self.state, self.gaps, &evidence, self.now);
        if matches!(self.job.schedule, Schedule::Every { .. }) {
            past.expected_from = Some(from);
        }
        calendar(self.job, &past, &evidence, (from, just_after(self.now)), self.now)
    }

    /// An answer that the state remembers, as evidence.
    fn piece(&self, answer: &Answer) -> Evidence {
        let mut piece = Evidence::new(self.job.slug.clone(), answer.run, answer.kind, answer.at);
        piece.report.duration = answer.duration;
        // What the fold took for a success may have been a clean exit; it is one already.
        debug_assert!(!matches!(piece.kind, Kind::Start | Kind::Log));
        piece
    }

    /// What was shown of a due stays, unless that was open or unknown, or evidence has come since that shows it was answered.
    fn outcome(&self, due: &Due, known: Option<Outcome>) -> Outcome {
        let better = match known {
            Some(Outcome::Missed) => due.by.is_some(),
            Some(Outcome::Late) => due.outcome.is_answered(),
            Some(known) => !is_settled(known),
            None => true,
        };
        match (known, due.outcome) {
            (Some(known), _) if !better => known,
            (_, Outcome::Missed) if !self.is_missed(due.due) => Outcome::Unknown,
            (_, outcome) => outcome,
        }
    }

    /// Whether that nobody answered is known, and not only that nothing is remembered of it.
    fn is_missed(&self, due: Timestamp) -> bool {
        due >= self.complete_from
            || self.missed.iter().any(|missed| missed.first <= due && due <= missed.last)
            || self.state.is_some_and(|state| is_down_since_before(state, due))
    }
}

/// Whether the job has been down since before a due, without any answer.
fn is_down_since_before(state: &JobState, due: Timestamp) -> bool {
    state.fold.verdict == Verdict::Down && state.fold.unanswered.is_some_and(|first| first <= due)
}

/// Whether nothing but evidence can change it.
fn is_settled(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Open | Outcome::Unknown | Outcome::NotExpected)
}
