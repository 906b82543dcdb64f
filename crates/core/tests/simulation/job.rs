//! Jobs, what is expected of them, and the habits of the hosts that run them.

use jiff::SignedDuration;
use tenko_core::schedule::Schedule;
use tenko_core::{ChannelName, Job, Slug};

use crate::model::{Dues, Ms, Rules, Runs};
use crate::plan::{Tempo, schedule};
use crate::rng::Rng;
use crate::{millis, stamp};

pub(crate) const SECOND: Ms = 1_000;
pub(crate) const MINUTE: Ms = 60 * SECOND;
pub(crate) const HOUR: Ms = 60 * MINUTE;
pub(crate) const DAY: Ms = 24 * HOUR;

/// How often, in a thousand dues, something goes otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    pub(crate) fails: u64,
    pub(crate) absent: u64,
    pub(crate) hangs: u64,
    pub(crate) late: u64,
    pub(crate) long: u64,
    pub(crate) quick: u64,
    pub(crate) extra: u64,
    pub(crate) spooled: u64,
    pub(crate) twice: u64,
    pub(crate) says_start: u64,
    pub(crate) says_duration: u64,
    /// How far its clock is off.
    pub(crate) skew: Ms,
    /// How long a run takes.
    pub(crate) takes: Ms,
}

#[derive(Debug)]
pub(crate) struct SimJob {
    pub(crate) job: Job,
    pub(crate) rules: Rules,
    pub(crate) habit: Habit,
    /// The usual time between two dues.
    pub(crate) period: Ms,
    /// Until when its host is gone.
    pub(crate) gone_until: Ms,
    /// Spans in which its evidence can't be read, oldest first.
    pub(crate) blind: Vec<(Ms, Ms)>,
    /// All that the checkers have read of it.
    pub(crate) heard: Runs,
}

impl SimJob {
    pub(crate) fn blind(&self, now: Ms) -> Option<Ms> {
        self.blind.iter().find(|(from, to)| (*from..*to).contains(&now)).map(|(_, to)| *to)
    }
}

/// A job with random limits, expected from `from` on, and with its dues until `to`.
pub(crate) fn job(
    index: usize,
    tempo: Tempo,
    channels: &[ChannelName],
    span: (Ms, Ms),
    rng: &mut Rng,
) -> SimJob {
    let (schedule, period) = schedule(tempo, rng);
    let mut job = Job::new(Slug::new(&format!("job-{index}")).expect("it is a valid name"), schedule);
    job.expected_from = Some(stamp(span.0));
    limits(&mut job, period, rng);
    job.channels = channels.iter().filter(|_| rng.per_mille(800)).cloned().collect();
    let remind = rng.within(period / 4 + 1, period * 4).max(10 * MINUTE);
    job.remind = rng.maybe(400, |_| SignedDuration::from_millis(remind));
    let habit = habit(period, job.limits.max_runtime.map(|max| max.as_millis() as Ms), rng);
    let rules = rules(&job, span);
    SimJob { job, rules, habit, period, gone_until: 0, blind: Vec::new(), heard: Runs::default() }
}

fn limits(job: &mut Job, period: Ms, rng: &mut Rng) {
    let part = |rng: &mut Rng, from: Ms, to: Ms| {
        SignedDuration::from_millis(
            rng.within((period * from / 1000).max(SECOND), (period * to / 1000).max(2 * SECOND)),
        )
    };
    let limits = &mut job.limits;
    limits.grace = if rng.per_mille(300) { limits.grace } else { part(rng, 20, 1200) };
    limits.start_within = rng.maybe(250, |rng| part(rng, 5, 300));
    limits.max_runtime = rng.maybe(450, |rng| part(rng, 50, 2500));
    limits.min_runtime = rng.maybe(200, |rng| part(rng, 2, 15));
    limits.failures = if rng.per_mille(250) { rng.within(2, 4) as u32 } else { 1 };
    limits.recoveries = if rng.per_mille(250) { rng.within(2, 4) as u32 } else { 1 };
    if rng.per_mille(300) {
        limits.early = part(rng, 1, 200);
    }
    if rng.per_mille(200) {
        limits.clean_exit = vec![0, 3];
    }
}

fn habit(period: Ms, max_runtime: Option<Ms>, rng: &mut Rng) -> Habit {
    let calm = rng.per_mille(150);
    let mut often = |most: i64| if calm { 0 } else { rng.within(0, most) as u64 };
    let (fails, absent, hangs, late) = (often(150), often(60), often(40), often(80));
    let (long, quick, extra, spooled, twice) = (often(80), often(50), often(60), often(80), often(60));
    let takes = rng.within(period / 200, period / 6).max(SECOND);
    let takes = max_runtime.map_or(takes, |max| takes.min(max * 8 / 10));
    let skew = match rng.within(0, 19) {
        0 => rng.within(-HOUR, HOUR),
        1..=4 => rng.within(-5 * SECOND, 5 * SECOND),
        _ => 0,
    };
    // The start of a run that seems to have ended before it began can't be told from that of another run for ever.
    let starts: &[u64] = if skew > 5 * SECOND { &[0] } else { &[0, 900, 1000] };
    let (says_start, says_duration) = (rng.pick(starts), rng.pick(&[0, 500, 1000]));
    Habit {
        fails,
        absent,
        hangs,
        late,
        long,
        quick,
        extra,
        spooled,
        twice,
        says_start,
        says_duration,
        skew,
        takes,
    }
}

/// The same in the words of the model.
fn rules(job: &Job, span: (Ms, Ms)) -> Rules {
    let limits = &job.limits;
    Rules {
        expected_from: span.0,
        dues: dues(job, span),
        grace: millis(limits.grace),
        start_within: limits.start_within.map(millis),
        max_runtime: limits.max_runtime.map(millis),
        min_runtime: limits.min_runtime.map(millis),
        failures: limits.failures,
        recoveries: limits.recoveries,
        clean_exit: limits.clean_exit.clone(),
    }
}

/// All dues of the span, each with how early it can be answered: a tenth of the time since the one before, at most.
fn dues(job: &Job, (from, to): (Ms, Ms)) -> Dues {
    let (early, schedule, anchor) = (millis(job.limits.early), &job.schedule, stamp(from));
    if let Schedule::Every { period, .. } = schedule {
        let period = millis(*period);
        return Dues::Every { period, early: early.min(period / 10) };
    }
    let mut dues = Vec::new();
    let mut next = schedule.next_due(anchor, stamp(from - 1));
    let mut before = next.and_then(|due| schedule.previous_due(anchor, due));
    while let Some(due) = next.filter(|due| due.as_millisecond() < to + 400 * DAY) {
        let gap = before.map_or(Ms::MAX, |before| millis(due.duration_since(before)));
        dues.push((due.as_millisecond(), early.min(gap / 10)));
        if due.as_millisecond() > to + 8 * DAY {
            break;
        }
        before = next;
        next = schedule.next_due(anchor, due);
    }
    if dues.is_empty() { Dues::Never } else { Dues::Calendar(dues) }
}
