//! Evidence of one job: where it belongs among what is known.

use jiff::Timestamp;

use super::folding::Folding;
use super::{Gap, Step};
use crate::evidence::{Evidence, Exit, Kind, RunId};
use crate::job::{Job, Limits};
use crate::schedule::just_after;
use crate::state::{Answer, Flip, Heard, JobState, MAX_RUNNING, UnderWay};

/// Pieces of evidence being followed, one after the other.
pub(super) struct Hearing<'a> {
    job: &'a Job,
    state: &'a mut JobState,
    gaps: &'a [Gap],
    now: Timestamp,
    step: Step,
    /// What was sorted in among older evidence and not weighed yet: the fold has to be done again.
    unweighed: Option<Unweighed>,
}

/// Evidence that came later than newer evidence, or than a decision.
#[derive(Clone, Copy)]
struct Unweighed {
    /// When the oldest of it happened.
    earliest: Timestamp,
    /// When the newest of it arrived.
    learnt: Timestamp,
    /// Whether some of it was long under way.
    late_delivered: bool,
}

impl<'a> Hearing<'a> {
    pub(super) fn new(job: &'a Job, state: &'a mut JobState, gaps: &'a [Gap], now: Timestamp) -> Self {
        Self { job, state, gaps, now, step: Step::default(), unweighed: None }
    }

    pub(super) fn finish(mut self) -> Step {
        self.weigh();
        self.step
    }

    pub(super) fn hear(&mut self, evidence: &Evidence) {
        let at = evidence.effective_at().min(self.now);
        let kind = meaning(self.job, evidence.kind);
        self.step.changed |= note_newest(self.state, evidence, kind, at);
        match kind {
            Kind::Log => {}
            Kind::Start => self.started(evidence, UnderWay { run: evidence.run, started: at }),
            Kind::Success | Kind::Fail(_) => {
                let bad_evidence = self.job.plain_object && matches!(kind, Kind::Fail(_));
                let (run, duration) = (evidence.run, evidence.report.duration);
                self.ended(
                    evidence,
                    Answer { at, run, kind, started: None, duration, bad_evidence, second: false },
                );
            }
        }
    }

    fn started(&mut self, evidence: &Evidence, start: UnderWay) {
        if self.state.tail.iter().any(|answer| answer.run == start.run) {
            return self.started_after_its_end(evidence, start);
        }
        let known = self.state.running.iter().any(|under_way| under_way.run == start.run);
        if known || start.started <= self.state.base.until {
            return;
        }
        if start.started < self.state.fold.until {
            if self.add_running(start) {
                self.weigh_later(evidence, start.started);
            }
            return;
        }
        self.weigh();
        let mut folding = Folding::resume(self.job, self.gaps, self.state.fold, &self.state.running);
        folding.advance(start.started);
        folding.start(start);
        self.keep(folding, start.started);
        self.add_running(start);
    }

    /// What the run took is known now, and may be too much or too little.
    fn started_after_its_end(&mut self, evidence: &Evidence, start: UnderWay) {
        let of_run = |answer: &&mut Answer| answer.run == start.run;
        let mut news = false;
        for answer in self.state.tail.iter_mut().filter(of_run) {
            if answer.started.is_none_or(|known| start.started < known) {
                answer.started = Some(start.started);
                news = true;
            }
        }
        if news {
            self.weigh_later(evidence, start.started);
        }
    }

    fn ended(&mut self, evidence: &Evidence, mut answer: Answer) {
        let state = &mut *self.state;
        let (run, at) = (answer.run, answer.at);
        let same = |known: &Answer| known.run == answer.run && known.kind.word() == answer.kind.word();
        if let Some(index) = state.tail.iter().position(same) {
            if state.tail[index].at <= answer.at {
                return;
            }
            answer.started = state.tail.remove(index).started;
        }
        let of_run = |known: &&Answer| known.run == answer.run;
        let told = state.tail.iter().find(of_run).and_then(|known| known.started);
        let under_way = state.running.iter().find(|under_way| under_way.run == answer.run);
        answer.started = answer.started.or(told).or(under_way.map(|under_way| under_way.started));
        let follows = state.tail.last().is_none_or(|last| order(last) < order(&answer));
        if answer.at <= state.base.until {
            // Too old to matter, but the run is over.
            if under_way.is_some() {
                self.weigh_later(evidence, answer.at);
            }
        } else if follows && answer.at >= state.fold.until {
            self.append(answer);
        } else {
            let place = state.tail.partition_point(|known| order(known) < order(&answer));
            state.tail.insert(place, answer);
            self.weigh_later(evidence, at);
        }
        self.state.running.retain(|under_way| under_way.run != run);
        shorten(self.job, self.state, self.gaps);
    }

    /// The usual case: what happened is newer than all that is known.
    fn append(&mut self, answer: Answer) {
        self.weigh();
        let mut folding = Folding::resume(self.job, self.gaps, self.state.fold, &self.state.running);
        folding.advance(answer.at);
        folding.answer(&answer);
        self.keep(folding, answer.at);
        self.state.tail.push(answer);
    }

    fn keep(&mut self, folding: Folding<'_>, until: Timestamp) {
        let (fold, flips, missed) = folding.finish(until);
        self.state.fold = fold;
        self.step.flips.extend(flips);
        self.step.missed.extend(missed);
        self.step.changed = true;
    }

    /// Notes a run as under way; `false` if there are too many newer ones.
    fn add_running(&mut self, start: UnderWay) -> bool {
        let running = &mut self.state.running;
        let place = running.partition_point(|known| (known.started, known.run) < (start.started, start.run));
        if place == 0 && running.len() == MAX_RUNNING {
            self.step.forgotten.push(start.run);
            return false;
        }
        running.insert(place, start);
        let surplus = running.len().saturating_sub(MAX_RUNNING);
        self.step.forgotten.extend(running.drain(..surplus).map(|under_way| under_way.run));
        true
    }

    fn weigh_later(&mut self, evidence: &Evidence, at: Timestamp) {
        let learnt = evidence.received_at.unwrap_or(self.now).min(self.now);
        let before = self.unweighed.unwrap_or(Unweighed { earliest: at, learnt, late_delivered: false });
        self.unweighed = Some(Unweighed {
            earliest: before.earliest.min(at),
            learnt: before.learnt.max(learnt),
            late_delivered: before.late_delivered || evidence.is_late_delivered(),
        });
    }

    /// Does the fold again over everything that is remembered, and tells the difference in one flip. Dues that turn out
    /// to have been missed or answered in the past are no news: only what is true now is.
    fn weigh(&mut self) {
        let Some(unweighed) = self.unweighed.take() else { return };
        let state = &mut *self.state;
        let until = state.fold.until.max(state.tail.last().map_or(Timestamp::MIN, |answer| answer.at));
        let mut folding = Folding::resume(self.job, self.gaps, state.base, &[]);
        folding.replay(&state.tail, &state.running, until);
        let (fold, ..) = folding.finish(until);
        let old = std::mem::replace(&mut state.fold, fold);
        self.step.changed = true;
        if old.verdict == fold.verdict {
            return;
        }
        // What became true before the last change was told is only learnt now; and an incident that is closed already
        // must not be opened again under its own name.
        let told = self.step.flips.last().or(state.flips.last()).map_or(Timestamp::MIN, |flip| flip.at);
        self.step.flips.push(Flip {
            old: old.verdict,
            new: fold.verdict,
            reason: fold.reason,
            at: if fold.since > told { fold.since } else { unweighed.learnt.max(just_after(told)) },
            late_delivered: unweighed.late_delivered || unweighed.earliest < old.since,
        });
    }
}

/// Exit codes that the job counts as clean are successes.
pub(super) fn meaning(job: &Job, kind: Kind) -> Kind {
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
    let newer = place.is_none_or(|known| match known.run == evidence.run {
        true => at < known.at,
        false => (known.at, known.run) < (at, evidence.run),
    });
    if newer {
        *place = Some(Heard { at, run: evidence.run, exit, duration: evidence.report.duration });
    }
    newer
}

/// Answers sort by time; the rest makes the order of equal times the same everywhere.
fn order(answer: &Answer) -> (Timestamp, RunId, &'static str) {
    (answer.at, answer.run, answer.kind.word())
}

/// Lets go of the oldest answers: what happened before the rest is decided for good.
fn shorten(job: &Job, state: &mut JobState, gaps: &[Gap]) {
    let in_a_row = job.limits.failures.max(job.limits.recoveries).clamp(1, Limits::MAX_IN_A_ROW);
    let most = 2 * in_a_row as usize;
    while state.tail.len() > most {
        let oldest = state.tail.remove(0);
        // Where the start seems to be later than the end, it must not be taken for another run's when it is read again.
        let next = state.tail[0].at;
        let until =
            oldest.started.filter(|started| *started < next).map_or(oldest.at, |at| at.max(oldest.at));
        for answer in state.tail.iter_mut().filter(|answer| answer.run == oldest.run) {
            answer.second = true;
        }
        let mut folding = Folding::resume(job, gaps, state.base, &[]);
        let later = state.tail.iter().filter_map(Answer::under_way);
        let open: Vec<UnderWay> = state.running.iter().copied().chain(later).collect();
        folding.replay(&[oldest], &open, until);
        state.base = folding.finish(until).0;
    }
}
