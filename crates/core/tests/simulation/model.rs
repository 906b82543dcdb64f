//! The plainest reading of DESIGN sections 6 and 7: all runs ever heard of, all dues ever, counted from scratch.
//!
//! Nothing is shared with the fold of the core but the schedule, of which only the list of dues is taken. Times are
//! milliseconds since 1970.

use uuid::Uuid;

pub(crate) type Ms = i64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Missed,
    Failed,
    Overran,
    TooQuick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    New,
    Up,
    Down(Why),
}

impl State {
    pub(crate) fn is_down(self) -> bool {
        matches!(self, Self::Down(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) to: State,
    pub(crate) at: Ms,
}

/// When a job is due.
#[derive(Clone, Debug)]
pub(crate) enum Dues {
    /// All of them, each with how early it can be answered, oldest first.
    Calendar(Vec<(Ms, Ms)>),
    /// So long after the last success, or after the declaration.
    Every {
        period: Ms,
        early: Ms,
    },
    Never,
}

/// What is expected of a job.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) expected_from: Ms,
    pub(crate) dues: Dues,
    pub(crate) grace: Ms,
    pub(crate) start_within: Option<Ms>,
    pub(crate) max_runtime: Option<Ms>,
    pub(crate) min_runtime: Option<Ms>,
    pub(crate) failures: u32,
    pub(crate) recoveries: u32,
    pub(crate) clean_exit: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Start,
    Success(Option<Ms>),
    Fail(Option<u8>, Option<Ms>),
    Log,
}

/// A run and all that was ever heard of it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    id: Uuid,
    start: Option<Ms>,
    success: Option<(Ms, Option<Ms>)>,
    fail: Option<Ms>,
    /// It was over by then, and when exactly was heard too late to matter.
    over: Option<Ms>,
    /// When it started was heard so late that this is the first moment for which that still matters.
    matters_from: Ms,
}

/// All runs of a job that were ever heard of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Vec<Run>);

impl Runs {
    /// Evidence is idempotent by run and kind; of two moments the earlier counts. What happened before the newest
    /// answers (twice as many as flip the job) is decided for good: of it only that a run is over still counts.
    pub(crate) fn hear(&mut self, rules: &Rules, id: Uuid, said: Said, at: Ms) -> bool {
        let said = match said {
            Said::Log => return false,
            Said::Fail(Some(code), took) if rules.clean_exit.contains(&code) => Said::Success(took),
            said => said,
        };
        let decided = self.decided_until(rules);
        let index = self.0.iter().rposition(|run| run.id == id).unwrap_or_else(|| {
            self.0.push(Run {
                id,
                start: None,
                success: None,
                fail: None,
                over: None,
                matters_from: Ms::MIN,
            });
            self.0.len() - 1
        });
        let run = &mut self.0[index];
        let known = match said {
            Said::Start => run.start,
            Said::Success(_) => run.success.map(|(at, _)| at),
            Said::Fail(..) | Said::Log => run.fail,
        };
        if known.is_some_and(|known| known <= at) {
            return false;
        }
        if at <= decided {
            match said {
                Said::Start if run.ends().any(|end| end > decided) => {
                    (run.start, run.matters_from) = (Some(at), decided + 1);
                }
                Said::Start => {}
                _ => run.over = run.over.or(Some(decided)),
            }
            return true;
        }
        match said {
            Said::Start => run.start = Some(at),
            Said::Success(took) => run.success = Some((at, took)),
            Said::Fail(..) | Said::Log => run.fail = Some(at),
        }
        true
    }

    /// The newest answer that is decided for good.
    fn decided_until(&self, rules: &Rules) -> Ms {
        let most = 2 * rules.failures.max(rules.recoveries) as usize;
        let mut newest: Vec<Ms> = Vec::with_capacity(most + 2);
        for end in self.0.iter().flat_map(Run::ends) {
            let place = newest.partition_point(|known| *known > end);
            newest.insert(place, end);
            newest.truncate(most + 1);
        }
        newest.get(most).copied().unwrap_or(Ms::MIN)
    }
}

impl Run {
    fn ends(&self) -> impl Iterator<Item = Ms> {
        self.success.map(|(at, _)| at).into_iter().chain(self.fail)
    }

    fn first_end(&self) -> Ms {
        self.ends().chain(self.over).min().unwrap_or(Ms::MAX)
    }

    /// Whether it was under way at a moment: it had started and neither ended nor overran.
    fn under_way(&self, moment: Ms, rules: &Rules, gaps: &[(Ms, Ms)]) -> bool {
        let (Some(start), Some(max)) = (self.start, rules.max_runtime) else { return false };
        let from = start.max(self.matters_from);
        from <= moment && moment < self.first_end().min(fair_chance(start + max, rules.grace, gaps))
    }
}

/// An answer, good or bad, or the absence of one.
#[derive(Clone, Copy, Debug)]
struct Fact {
    /// Its place in the order of time.
    when: Ms,
    /// At the same moment: what was heard, then what overran, then what was missed.
    rank: u8,
    /// Of the same rank: what began first, the run or the due.
    began: Ms,
    run: Uuid,
    /// When it became true; earlier than `when` if it was judged later because of a gap.
    at: Ms,
    bad: Option<Why>,
}

/// What is true of a job, and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Story {
    pub(crate) changes: Vec<Change>,
    pub(crate) state: State,
    pub(crate) since: Ms,
    /// How many dues were ever missed.
    pub(crate) missed: u64,
    /// Nothing changes before this moment, if nothing more is heard.
    pub(crate) next: Ms,
}

/// Tells the story of a job up to and including `now` from all that was ever heard.
pub(crate) fn story(rules: &Rules, runs: &Runs, gaps: &[(Ms, Ms)], now: Ms) -> Story {
    let mut next = Ms::MAX;
    let heard = heard(rules, runs);
    let mut overran = overran(rules, runs, gaps, now, &mut next);
    // Where a gap has put off the judging, a success since the deadline says more.
    let better = |fact: &Fact, good: &Fact| good.bad.is_none() && fact.at < good.at && good.at <= fact.when;
    let superseded = |fact: &Fact| {
        fact.at < fact.when && (fact.at < rules.expected_from || heard.iter().any(|good| better(fact, good)))
    };
    let judging = Judging { rules, runs, gaps, heard: &heard, overran: &overran, signs: signs(runs), now };
    let missed = judging.missed(&mut next);
    overran.retain(|fact| !superseded(fact));
    let mut facts = heard.clone();
    facts.extend(overran);
    facts.extend(missed);
    facts.sort_by_key(|fact| (fact.when, fact.rank, fact.began, fact.run));
    let missed = facts.iter().filter(|fact| fact.bad == Some(Why::Missed)).count() as u64;
    let changes = count(rules, &facts);
    let last = changes.last();
    let state = last.map_or(State::New, |change| change.to);
    let since = last.map_or(rules.expected_from, |change| change.at);
    Story { state, since, missed, next, changes }
}

/// Every end that was heard, by time.
fn heard(rules: &Rules, runs: &Runs) -> Vec<Fact> {
    let mut answers = Vec::with_capacity(runs.0.len() + 8);
    for run in &runs.0 {
        if let Some((at, took)) = run.success {
            let took = took.or_else(|| Some(at - run.start?)).filter(|took| *took >= 0);
            let quick = rules.min_runtime.is_some_and(|least| took.is_some_and(|took| took < least));
            answers.push(Fact {
                when: at,
                rank: 0,
                began: 0,
                run: run.id,
                at,
                bad: quick.then_some(Why::TooQuick),
            });
        }
        if let Some(at) = run.fail {
            answers.push(Fact { when: at, rank: 0, began: 0, run: run.id, at, bad: Some(Why::Failed) });
        }
    }
    answers.sort_by_key(|fact| (fact.when, fact.run));
    answers
}

/// Every run that did not end in time.
fn overran(rules: &Rules, runs: &Runs, gaps: &[(Ms, Ms)], now: Ms, next: &mut Ms) -> Vec<Fact> {
    let mut overran = Vec::new();
    let Some(max) = rules.max_runtime else { return overran };
    for run in &runs.0 {
        let Some(at) = run.start.map(|start| start + max) else { continue };
        let when = fair_chance(at, rules.grace, gaps);
        if run.first_end() <= when || when < run.matters_from {
            continue;
        }
        if when > now {
            *next = (*next).min(when);
        } else {
            overran.push(Fact { when, rank: 1, began: at - max, run: run.id, at, bad: Some(Why::Overran) });
        }
    }
    overran
}

/// Every moment at which a run showed itself.
fn signs(runs: &Runs) -> Vec<Ms> {
    let start = |run: &Run| run.start.filter(|at| *at >= run.matters_from);
    let of = |run: &Run| [start(run), run.success.map(|(at, _)| at), run.fail];
    let mut signs: Vec<Ms> = runs.0.iter().flat_map(of).flatten().collect();
    signs.sort_unstable();
    signs
}

struct Judging<'a> {
    rules: &'a Rules,
    runs: &'a Runs,
    gaps: &'a [(Ms, Ms)],
    heard: &'a [Fact],
    overran: &'a [Fact],
    signs: Vec<Ms>,
    now: Ms,
}

impl Judging<'_> {
    fn missed(&self, next: &mut Ms) -> Vec<Fact> {
        let mut missed = Vec::new();
        match &self.rules.dues {
            Dues::Never => {}
            Dues::Calendar(dues) => {
                for (due, early) in dues {
                    if *due >= self.rules.expected_from && !self.judge(*due, *early, &mut missed, next) {
                        break;
                    }
                }
            }
            Dues::Every { period, early } => {
                let good = self.heard.iter().filter(|answer| answer.bad.is_none()).map(|answer| answer.at);
                let mut anchors: Vec<Ms> = vec![self.rules.expected_from];
                anchors.extend(good.filter(|at| *at >= self.rules.expected_from));
                for (index, anchor) in anchors.iter().enumerate() {
                    let until = anchors.get(index + 1).copied().unwrap_or(Ms::MAX);
                    let mut due = anchor + period;
                    while due <= until && self.judge(due, *early, &mut missed, next) {
                        due += period;
                    }
                }
            }
        }
        // Whoever did not even start for a later due has been found missing already.
        let outweighed = |(index, (fact, no_start)): (usize, &(Fact, bool))| {
            let later =
                missed[index + 1..].iter().any(|(later, no_start)| *no_start && later.when < fact.when);
            (*no_start || !later).then_some(*fact)
        };
        missed.iter().enumerate().filter_map(outweighed).collect()
    }

    /// Judges one due; `false` if neither it nor what follows it can be judged yet.
    fn judge(&self, due: Ms, early: Ms, missed: &mut Vec<(Fact, bool)>, next: &mut Ms) -> bool {
        let from = due - early;
        let index = self.heard.partition_point(|answer| answer.when < from);
        let heard = self.heard.get(index).map_or(Ms::MAX, |answer| answer.when);
        let overran = self.overran.iter().filter(|fact| fact.at >= from).map(|fact| fact.when).min();
        let answered = heard.min(overran.unwrap_or(Ms::MAX));
        match self.too_late(due, from, answered) {
            Some((when, ..)) if when > self.now => {
                *next = (*next).min(when);
                return due <= self.now;
            }
            Some((when, at, no_start)) => {
                let bad = Some(Why::Missed);
                missed.push((Fact { when, rank: 2, began: due, run: Uuid::nil(), at, bad }, no_start));
            }
            None => {}
        }
        true
    }

    /// When a due counts as missed, the moment at which it then was, and whether for want of a start; never, if it is
    /// answered in time.
    fn too_late(&self, due: Ms, from: Ms, answered: Ms) -> Option<(Ms, Ms, bool)> {
        let grace = self.rules.grace;
        if let Some(within) = self.rules.start_within {
            let at = due + within.min(grace);
            let when = fair_chance(at, grace, self.gaps);
            let index = self.signs.partition_point(|sign| *sign < from);
            let shown = self.signs.get(index).copied().unwrap_or(Ms::MAX);
            if answered > when && shown > when {
                return Some((when, at, true));
            }
        }
        let at = due + grace;
        let when = fair_chance(at, grace, self.gaps);
        (answered > when && !self.under_way(when)).then_some((when, at, false))
    }

    fn under_way(&self, moment: Ms) -> bool {
        self.runs.0.iter().any(|run| run.under_way(moment, self.rules, self.gaps))
    }
}

/// A deadline in a gap of intake is judged when evidence has had the job's grace, at most an hour, to arrive.
fn fair_chance(deadline: Ms, grace: Ms, gaps: &[(Ms, Ms)]) -> Ms {
    let mut deadline = deadline;
    for (from, to) in gaps {
        let fair = to + grace.min(3_600_000);
        if (*from..fair).contains(&deadline) {
            deadline = fair;
        }
    }
    deadline
}

/// So many bad answers in a row and it is down, so many good ones and it is up.
fn count(rules: &Rules, facts: &[Fact]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut state = State::New;
    let (mut bad, mut good, mut bad_run) = (0, 0, None);
    for fact in facts {
        let to = match fact.bad {
            None => {
                (bad, bad_run, good) = (0, None, good + 1);
                if good < rules.recoveries && state != State::New || state == State::Up {
                    continue;
                }
                State::Up
            }
            Some(why) => {
                let run = (why != Why::Missed).then_some(fact.run);
                if run.is_none() || bad_run != run {
                    bad += 1;
                }
                (good, bad_run) = (0, run);
                if bad < rules.failures || state.is_down() {
                    continue;
                }
                State::Down(why)
            }
        };
        state = to;
        changes.push(Change { to, at: fact.at });
    }
    changes
}
