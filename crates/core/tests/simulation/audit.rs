//! Compares what was decided and told with what the model says.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use tenko_core::call::Called;
use tenko_core::notice::{BLIND_TRIES, Notice, NoticeKind, id};
use tenko_core::outbox::{Batch, Status};
use tenko_core::state::JobState;
use tenko_core::{ChannelName, Evidence, Roll, Slug, Verdict};
use uuid::Uuid;

use crate::channel::Fate;
use crate::checker::CLOCK_LIMIT;
use crate::compare::{Call, compare, hear, tell};
use crate::job::{HOUR, SimJob};
use crate::model::{Ms, State, Story, story};
use crate::stamp;
use crate::world::Tally;

/// What was expected and what was found instead.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) job: Option<usize>,
    pub(crate) what: String,
}

/// An incident as it was decided.
#[derive(Clone, Copy, Debug)]
struct Open {
    at: Timestamp,
    told: bool,
    reminders: u64,
}

#[derive(Debug, Default)]
struct Known {
    story: Option<Story>,
    judged: Ms,
    open: Option<Open>,
    blind: Option<(Timestamp, u32)>,
    /// When the last flip was.
    told_until: Ms,
}

/// A notice that is owed, and what became of it.
#[derive(Debug)]
struct Owed {
    job: usize,
    channel: ChannelName,
    kind: NoticeKind,
    about: Timestamp,
    created: Ms,
    accepted: u32,
    excuses: u32,
}

#[derive(Debug)]
pub(crate) struct Audit {
    jobs: Vec<Known>,
    owed: HashMap<Uuid, Owed>,
    gaps: usize,
    read: usize,
    tally: Tally,
    trace: Option<Vec<(Ms, Option<usize>, String)>>,
}

/// What was really so when a checker read.
#[derive(Clone, Copy)]
pub(crate) struct Truth<'a> {
    /// What time the checker thought it was.
    pub(crate) now: Ms,
    /// What time it was.
    pub(crate) truly: Ms,
    /// Of which jobs the evidence could not be read.
    pub(crate) blind: &'a BTreeMap<Slug, String>,
    /// When the intake was away.
    pub(crate) gaps: &'a [(Ms, Ms)],
}

impl Audit {
    pub(crate) fn new(jobs: usize, trace: bool) -> Self {
        Self {
            jobs: (0..jobs).map(|_| Known::default()).collect(),
            owed: HashMap::new(),
            gaps: 0,
            read: 0,
            tally: Tally::default(),
            trace: trace.then(Vec::new),
        }
    }

    pub(crate) fn note(&mut self, now: Ms, job: Option<usize>, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push((now, job, what()));
        }
    }

    /// The last events that concern a job.
    pub(crate) fn timeline(&self, job: Option<usize>) -> String {
        let Some(trace) = &self.trace else { return String::new() };
        let about = trace.iter().filter(|(_, of, _)| of.is_none() || job.is_none() || *of == job);
        let lines: Vec<String> = about.map(|(at, _, what)| format!("  {}  {what}", stamp(*at))).collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// A notice that was accepted may come again: nobody could know that it was.
    pub(crate) fn excuse(&mut self, ids: impl Iterator<Item = Uuid>) {
        for id in ids {
            if let Some(owed) = self.owed.get_mut(&id) {
                owed.excuses += 1;
                self.tally.excused += 1;
            }
        }
    }

    /// A roll call won. Everything in `evidence` was read by then.
    pub(crate) fn committed(
        &mut self,
        jobs: &mut [SimJob],
        evidence: &[Evidence],
        called: &Called,
        roll: &Roll,
        truth: Truth<'_>,
    ) -> Result<(), Failure> {
        let mut news: Vec<Vec<(Ms, Ms)>> = vec![Vec::new(); jobs.len()];
        let mut unheard: Vec<&Evidence> = evidence[self.read.min(evidence.len())..].iter().collect();
        unheard.sort_by_key(|piece| (piece.effective_at(), piece.kind.is_end(), piece.run));
        for piece in unheard {
            let index = index_of(&piece.job);
            if let Some(times) = hear(&mut jobs[index], piece) {
                news[index].push(times);
            }
        }
        self.read = evidence.len();
        let Truth { now, truly, blind, gaps } = truth;
        let other_gaps = std::mem::replace(&mut self.gaps, gaps.len()) != gaps.len();
        for (index, job) in jobs.iter().enumerate() {
            let slug = &job.job.slug;
            let call = Call {
                index,
                now,
                believed: now.min(truly + 2 * CLOCK_LIMIT),
                news: &news[index],
                state: &roll.states[slug],
                flips: called
                    .changes
                    .flips
                    .iter()
                    .filter(|(of, _)| of == slug)
                    .map(|(_, flip)| flip)
                    .collect(),
                missed: called
                    .changes
                    .missed
                    .iter()
                    .filter(|(of, _)| of == slug)
                    .map(|(_, missed)| missed.count)
                    .sum(),
                notices: called.notices.iter().filter(|notice| notice.job == *slug).collect(),
                blind: blind.contains_key(slug),
                told_until: self.jobs[index].told_until,
            };
            self.judge(job, &call, gaps, other_gaps)?;
            self.notices(job, &call)?;
        }
        let again = roll.look_again_at().map_or(Ms::MAX, Timestamp::as_millisecond);
        if again <= now && blind.is_empty() {
            let of = |state: &JobState| state.look_again_at.is_some_and(|at| at.as_millisecond() <= now);
            let jobs: Vec<&Slug> =
                roll.states.iter().filter(|(_, state)| of(state)).map(|(slug, _)| slug).collect();
            let what = format!(
                "at {} it wants to look again at once: {jobs:?}, {:?}",
                stamp(now),
                roll.outbox.ready_at()
            );
            return Err(Failure { job: jobs.first().map(|slug| index_of(slug)), what });
        }
        Ok(())
    }

    /// Compares state and flips with the story so far.
    fn judge(
        &mut self,
        job: &SimJob,
        call: &Call<'_>,
        gaps: &[(Ms, Ms)],
        other_gaps: bool,
    ) -> Result<(), Failure> {
        let known = &mut self.jobs[call.index];
        let before = known.story.take().unwrap_or_else(|| nothing(job));
        let judged_before = known.judged;
        if !call.blind {
            known.judged = known.judged.max(call.believed);
        }
        let newest = call.news.iter().map(|(at, _)| *at).max().unwrap_or(Ms::MIN);
        known.judged = known.judged.max(newest);
        let quiet = call.news.is_empty() && known.judged < before.next && !other_gaps;
        let after = if quiet { before.clone() } else { story(&job.rules, &job.heard, gaps, known.judged) };
        let in_order = call.news.iter().all(|(at, _)| *at > judged_before);
        let problem = compare(call, &before, &after, in_order);
        let told: Vec<String> = call.flips.iter().map(|flip| tell(flip)).collect();
        known.story = Some(after);
        if !call.flips.is_empty() || problem.is_some() {
            self.note(call.now, Some(call.index), || format!("roll call: {told:?}"));
        }
        self.tally.flips += call.flips.len() as u64;
        self.tally.late_flips += call.flips.iter().filter(|flip| flip.late_delivered).count() as u64;
        match problem {
            Some(what) => {
                Err(Failure { job: Some(call.index), what: format!("at {}: {what}", stamp(call.now)) })
            }
            None => Ok(()),
        }
    }

    /// Works out what is to be told and compares.
    fn notices(&mut self, job: &SimJob, call: &Call<'_>) -> Result<(), Failure> {
        let known = &mut self.jobs[call.index];
        let was = known.open;
        for flip in &call.flips {
            let opens = flip.new == Verdict::Down;
            self.tally.incidents += u64::from(opens);
            known.told_until = flip.at.as_millisecond();
            known.open = opens.then_some(Open { at: flip.at, told: false, reminders: 0 });
        }
        let mut due: Vec<(NoticeKind, Timestamp)> = sight(known, call);
        due.extend(owed(known, job, call, was));
        let mut expected: Vec<Uuid> = Vec::new();
        for (kind, about) in due {
            for channel in &job.job.channels {
                let id = id(&job.job.slug, about, kind, channel);
                expected.push(id);
                let (job, channel) = (call.index, channel.clone());
                let owed = Owed { job, channel, kind, about, created: call.now, accepted: 0, excuses: 0 };
                let known = self.owed.insert(id, owed);
                if known.is_some() {
                    return Err(Failure {
                        job: Some(job),
                        what: format!("{kind:?} about {about} is told again"),
                    });
                }
            }
        }
        self.tally.notices += expected.len() as u64;
        let mut found: Vec<Uuid> = call.notices.iter().map(|notice| notice.id).collect();
        expected.sort_unstable();
        found.sort_unstable();
        if expected == found {
            return Ok(());
        }
        let wanted = expected.iter().map(|id| self.owed[id].kind).collect::<Vec<_>>();
        let found = call.notices.iter().map(|notice| (notice.kind, notice.at)).collect::<Vec<_>>();
        let what = format!("at {}: notices {wanted:?} expected, {found:?} found", stamp(call.now));
        Err(Failure { job: Some(call.index), what })
    }

    /// A message went out.
    pub(crate) fn sent(&mut self, now: Ms, batch: &Batch, fate: &Fate, roll: &Roll) -> Result<(), Failure> {
        for notice in &batch.notices {
            let job = index_of(&notice.job);
            let accepted = fate.accepted;
            self.note(now, Some(job), || {
                format!("{:?} to {}: accepted {accepted}, {:?}", notice.kind, notice.channel, fate.answer)
            });
            let fail =
                |what: String| Err(Failure { job: Some(job), what: format!("at {}: {what}", stamp(now)) });
            let Some(owed) = self.owed.get_mut(&notice.id) else {
                return fail(format!("{:?} is sent, and nobody decided it", notice.kind));
            };
            if !accepted {
                continue;
            }
            owed.accepted += 1;
            let repeats = owed.accepted > 1 + owed.excuses;
            if !matches!(fate.answer, tenko_core::outbox::Delivery::Accepted) {
                owed.excuses += 1;
                self.tally.excused += 1;
            }
            if repeats {
                return fail(format!("{:?} is sent again without need", notice.kind));
            }
            if let Some(problem) = self.out_of_order(notice, roll) {
                return fail(problem);
            }
        }
        Ok(())
    }

    /// An alarm comes before its recovery, unless it can't be delivered at all, or both are told as one.
    fn out_of_order(&self, notice: &Notice, roll: &Roll) -> Option<String> {
        let about = notice.facts.down_since?;
        let of = |kind| self.owed.get(&id(&notice.job, about, kind, &notice.channel));
        match notice.kind {
            NoticeKind::Up if !notice.facts.brief => {
                let alarm = of(NoticeKind::Down)?;
                let dead = roll.outbox.dead().any(|item| item.notice.facts.down_since == Some(about));
                (alarm.accepted == 0 && !dead).then(|| "recovery is sent before its alarm".to_owned())
            }
            NoticeKind::Down | NoticeKind::Reminder(_) => {
                let first = of(notice.kind).is_some_and(|owed| owed.accepted == 1);
                let recovered = of(NoticeKind::Up).is_some_and(|owed| owed.accepted > 0);
                (first && recovered).then(|| "alarm is sent after its recovery".to_owned())
            }
            _ => None,
        }
    }

    /// At the very end everything that was owed was accepted, or is visibly dead, or was taken back for its recovery.
    pub(crate) fn farewell(&mut self, roll: &Roll, now: Ms) -> Result<(), Failure> {
        for (id, owed) in &self.owed {
            let item = roll.outbox.items.iter().find(|item| item.notice.id == *id);
            let dead = item.is_some_and(|item| matches!(item.status, Status::Dead { .. }));
            let fresh = owed.created > now - 3 * HOUR;
            if owed.accepted > 0 || dead || fresh || self.made_up_for(owed) {
                continue;
            }
            let what = format!(
                "{:?} about {} was never delivered ({:?})",
                owed.kind,
                owed.about,
                item.map(|i| i.status)
            );
            return Err(Failure { job: Some(owed.job), what });
        }
        Ok(())
    }

    /// Whether what followed says all that this notice would have said.
    fn made_up_for(&self, owed: &Owed) -> bool {
        let later = match owed.kind {
            NoticeKind::Down | NoticeKind::Reminder(_) => NoticeKind::Up,
            NoticeKind::Unknown => NoticeKind::Known,
            NoticeKind::Known => {
                return self.find(owed, NoticeKind::Unknown).is_some_and(|first| first.accepted == 0);
            }
            _ => return false,
        };
        self.find(owed, later).is_some()
    }

    fn find(&self, like: &Owed, kind: NoticeKind) -> Option<&Owed> {
        let same = |owed: &&Owed| {
            owed.job == like.job
                && owed.channel == like.channel
                && owed.about == like.about
                && owed.kind == kind
        };
        self.owed.values().find(same)
    }

    pub(crate) fn add_to(&self, tally: Tally) -> Tally {
        let own = self.tally;
        Tally {
            flips: own.flips,
            incidents: own.incidents,
            late_flips: own.late_flips,
            notices: own.notices,
            excused: own.excused,
            ..tally
        }
    }
}

fn nothing(job: &SimJob) -> Story {
    let since = job.rules.expected_from;
    Story { changes: Vec::new(), state: State::New, since, missed: 0, next: Ms::MIN }
}

fn index_of(slug: &Slug) -> usize {
    slug.as_str()["job-".len()..].parse().expect("all jobs are numbered")
}

/// What is owed about the evidence itself.
fn sight(known: &mut Known, call: &Call<'_>) -> Vec<(NoticeKind, Timestamp)> {
    let now = stamp(call.now);
    match (&mut known.blind, call.blind) {
        (None, false) => Vec::new(),
        (None, true) => {
            known.blind = Some((now, 1));
            Vec::new()
        }
        (Some((since, tries)), true) => {
            *tries += 1;
            if *tries == BLIND_TRIES { vec![(NoticeKind::Unknown, *since)] } else { Vec::new() }
        }
        (Some((since, tries)), false) => {
            let told = (*tries >= BLIND_TRIES).then_some((NoticeKind::Known, *since));
            known.blind = None;
            told.into_iter().collect()
        }
    }
}

/// What is owed about the verdict: one thing, about what is true now.
fn owed(
    known: &mut Known,
    job: &SimJob,
    call: &Call<'_>,
    was: Option<Open>,
) -> Option<(NoticeKind, Timestamp)> {
    if let Some(open) = &mut known.open {
        let passed = call.now - open.at.as_millisecond();
        let number = job.job.remind.map_or(0, |every| passed.max(0) / crate::millis(every)) as u64;
        if !open.told {
            (open.told, open.reminders) = (true, number);
            return Some((NoticeKind::Down, open.at));
        }
        if call.blind {
            // Nobody is reminded of what can't be seen.
            return None;
        }
        let due = number > open.reminders;
        open.reminders = open.reminders.max(number);
        return due.then_some((NoticeKind::Reminder(number), open.at));
    }
    if let Some(was) = was.filter(|was| was.told) {
        return (call.state.fold.verdict == Verdict::Up).then_some((NoticeKind::Up, was.at));
    }
    let unseen = call.flips.iter().rev().find(|flip| flip.new == Verdict::Down)?;
    (call.state.fold.verdict == Verdict::Up).then_some((NoticeKind::Up, unseen.at))
}
