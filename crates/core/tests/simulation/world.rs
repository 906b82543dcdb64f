//! A small world: jobs on hosts, a store, checkers, channels, and what goes wrong with them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use jiff::SignedDuration;
use tenko_core::{ChannelName, Evidence, Exit, Job, Kind, RunId, Slug};

use crate::audit::{Audit, Failure};
use crate::bug::Bug;
use crate::channel::Channel;
use crate::checker::Checker;
use crate::job::{DAY, HOUR, MINUTE, SECOND, SimJob, job};
use crate::model::{Dues, Ms};
use crate::plan::Tempo;
use crate::rng::Rng;
use crate::stamp;
use crate::store::Store;

#[derive(Debug)]
enum Event {
    /// A host thinks of running its job, because of this due.
    Due { job: usize, due: usize },
    /// Evidence reaches the store, or tries to.
    Arrival(Box<Evidence>, usize),
    /// A checker does its next step, unless it was woken since for another.
    Step { checker: usize, turn: u64 },
    /// The faults have ended; whoever sleeps is woken.
    Calm,
    /// The intake starts again after an outage.
    IntakeIsBack(Ms, Ms),
    /// A checker's clock is set.
    Clock { checker: usize, skew: Ms },
}

/// What a world has seen, for the figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) worlds: u64,
    pub(crate) job_ms: i64,
    pub(crate) evidence: u64,
    pub(crate) calls: u64,
    pub(crate) lost_races: u64,
    pub(crate) crashes: u64,
    pub(crate) outages: u64,
    pub(crate) flips: u64,
    pub(crate) incidents: u64,
    pub(crate) late_flips: u64,
    pub(crate) notices: u64,
    pub(crate) messages: u64,
    pub(crate) excused: u64,
    pub(crate) dead: u64,
}

impl Tally {
    pub(crate) fn years(&self) -> i64 {
        self.job_ms / (365 * DAY + DAY / 4)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.job_ms += other.job_ms;
        self.evidence += other.evidence;
        self.calls += other.calls;
        self.lost_races += other.lost_races;
        self.crashes += other.crashes;
        self.outages += other.outages;
        self.flips += other.flips;
        self.incidents += other.incidents;
        self.late_flips += other.late_flips;
        self.notices += other.notices;
        self.messages += other.messages;
        self.excused += other.excused;
        self.dead += other.dead;
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: Ms,
    pub(crate) end: Ms,
    heap: BinaryHeap<Reverse<(Ms, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    seq: u64,
    pub(crate) jobs: Vec<SimJob>,
    /// The jobs as the checkers know them.
    pub(crate) roster: BTreeMap<Slug, Job>,
    pub(crate) store: Store,
    pub(crate) channels: BTreeMap<ChannelName, Channel>,
    pub(crate) checkers: Vec<Checker>,
    pub(crate) audit: Audit,
    pub(crate) bug: Option<Bug>,
    pub(crate) tally: Tally,
    /// The time between two dues, roughly.
    pub(crate) period: Ms,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let tempo = Tempo::any(&mut rng);
        let start = 1_700_000_000_000 + rng.within(0, 3 * 365) * DAY;
        let end = start + tempo.period() * rng.within(60, 140);
        let names: Vec<ChannelName> = ["ops", "mail"]
            .iter()
            .take(rng.within(1, 2) as usize)
            .map(|name| ChannelName::new(name).expect("they are valid names"))
            .collect();
        let count = if rng.per_mille(30) { 12 } else { rng.within(1, 5) };
        let jobs: Vec<SimJob> =
            (0..count as usize).map(|index| job(index, tempo, &names, (start, end), &mut rng)).collect();
        let mut roster = jobs.iter().map(|job| (job.job.slug.clone(), job.job.clone())).collect();
        if let Some(bug) = bug {
            bug.bend_jobs(&mut roster);
        }
        let audit = Audit::new(jobs.len(), trace);
        let mut world = Self {
            rng,
            now: start,
            end,
            heap: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            seq: 0,
            jobs,
            roster,
            store: Store::default(),
            channels: BTreeMap::new(),
            checkers: Vec::new(),
            audit,
            bug,
            tally: Tally::default(),
            period: tempo.period(),
        };
        world.furnish(&names);
        world
    }

    fn furnish(&mut self, names: &[ChannelName]) {
        let faults = if self.rng.per_mille(100) { 0 } else { 3 };
        self.store.outages = self.spans(faults, self.period / 20, self.period * 3);
        for name in names {
            let refuses = self.spans(faults, MINUTE, self.period);
            let gone = if self.rng.per_mille(50) { self.rng.within(self.now, self.end) } else { Ms::MAX };
            let ambiguous = self.rng.pick(&[0, 0, 20, 200]);
            self.channels.insert(name.clone(), Channel { refuses, gone, ambiguous });
        }
        for index in 0..self.jobs.len() {
            if self.rng.per_mille(100) {
                self.jobs[index].blind = self.spans(2, self.period / 4, self.period * 4);
            }
            self.at(self.now, Event::Due { job: index, due: 0 });
        }
        for index in 0..self.rng.within(1, 3) as usize {
            let away = self.spans(faults, self.period / 2, self.period * 6);
            let poll = self.rng.within(self.period / 12, self.period).max(MINUTE);
            let daemon = self.rng.per_mille(600);
            self.checkers.push(Checker::new(away, poll, daemon));
            let first = self.now + self.rng.within(0, poll);
            self.at(first, Event::Step { checker: index, turn: 0 });
            self.clocks(index, faults);
        }
        self.at(self.end + 1, Event::Calm);
        for (from, to) in self.store.outages.clone() {
            self.tally.outages += 1;
            self.at(to, Event::IntakeIsBack(from, to));
        }
    }

    /// Clocks drift a little, and are wildly wrong at times.
    fn clocks(&mut self, checker: usize, faults: i64) {
        for _ in 0..faults {
            let at = self.rng.within(self.now, self.end);
            let skew = if self.rng.per_mille(300) {
                self.rng.within(-400 * DAY, 400 * DAY)
            } else {
                self.rng.within(-25 * SECOND, 25 * SECOND)
            };
            self.at(at, Event::Clock { checker, skew });
            let back = at + self.rng.within(MINUTE, self.period * 2);
            let skew = self.rng.within(-5 * SECOND, 5 * SECOND);
            self.at(back, Event::Clock { checker, skew });
        }
    }

    /// At most so many spans that do not touch.
    fn spans(&mut self, most: i64, shortest: Ms, longest: Ms) -> Vec<(Ms, Ms)> {
        let mut spans: Vec<(Ms, Ms)> = Vec::new();
        let count = self.rng.within(0, most);
        for _ in 0..count {
            let from = self.rng.within(self.now, self.end);
            let to = (from + self.rng.within(shortest, longest.max(shortest))).min(self.end);
            spans.push((from, to));
        }
        spans.sort_unstable();
        spans.dedup_by(|later, earlier| later.0 <= earlier.1 + MINUTE);
        spans
    }

    fn at(&mut self, when: Ms, event: Event) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.seq += 1;
        self.heap.push(Reverse((when, self.seq, place)));
    }

    /// Whether faults have ended, so that everything can be delivered.
    pub(crate) fn calm(&self) -> bool {
        self.now > self.end
    }

    /// Lets the world go on until its end, and a while longer so that all is delivered.
    pub(crate) fn run(&mut self) -> Result<(), Failure> {
        let drained = self.end + 5 * HOUR;
        while let Some(Reverse((when, _, place))) = self.heap.pop() {
            let event = self.events[place].take().expect("an event is taken once");
            self.free.push(place);
            if when > drained {
                break;
            }
            self.now = when;
            self.handle(event)?;
        }
        self.tally.worlds = 1;
        self.tally.job_ms = (self.end - self.jobs[0].rules.expected_from) * self.jobs.len() as i64;
        self.farewell()
    }

    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Due { job, due } => self.due(job, due),
            Event::Arrival(piece, job) => self.arrival(piece, job),
            Event::Step { checker, turn } if self.checkers[checker].turn == turn => {
                let wait = self.step(checker)?;
                self.at(self.now + wait.max(1), Event::Step { checker, turn });
            }
            Event::Step { .. } => {}
            Event::Calm => self.wake_all(),
            Event::IntakeIsBack(from, to) => {
                let forgetful = self.has(Bug::GapNotNoted);
                self.store.note_gap(from, to, forgetful);
            }
            Event::Clock { checker, skew } => {
                self.audit.note(self.now, None, || {
                    format!("clock of checker {checker} is off by {} s", skew / SECOND)
                });
                self.checkers[checker].skew = skew;
            }
        }
        Ok(())
    }

    fn wake_all(&mut self) {
        for checker in 0..self.checkers.len() {
            self.checkers[checker].turn += 1;
            let turn = self.checkers[checker].turn;
            self.at(self.now + 1 + checker as Ms, Event::Step { checker, turn });
        }
    }

    /// A host runs its job, or does not; and thinks of the next time.
    fn due(&mut self, index: usize, due: usize) {
        let moment = self.now;
        if moment > self.end {
            return;
        }
        let first = due == 0;
        let job = &self.jobs[index];
        let (habit, period) = (job.habit, job.period);
        let next = match &job.rules.dues {
            Dues::Calendar(dues) => dues.get(due).map(|(due, _)| *due),
            Dues::Every { .. } | Dues::Never => {
                Some(moment + self.rng.within(period * 6 / 10, period * 99 / 100))
            }
        };
        if let Some(next) = next {
            self.at(next.max(moment), Event::Due { job: index, due: due + 1 });
        }
        if first {
            return;
        }
        if self.rng.per_mille(habit.absent / 6) {
            self.jobs[index].gone_until = moment + self.rng.within(period, period * 8);
        }
        if self.jobs[index].gone_until < moment && !self.rng.per_mille(habit.absent) {
            self.run_once(index, moment);
        }
        if self.rng.per_mille(habit.extra) {
            let moment = moment + self.rng.within(0, period);
            self.run_once(index, moment);
        }
    }

    fn run_once(&mut self, index: usize, moment: Ms) {
        let job = &self.jobs[index];
        let (habit, period, limits) = (job.habit, job.period, job.job.limits.clone());
        let rng = &mut self.rng;
        let early = limits.early.as_millis() as Ms;
        let mut start = moment + rng.within(0, (period / 500).max(1));
        if rng.per_mille(60) {
            start = moment - rng.within(0, early * 2);
        }
        if rng.per_mille(habit.late) {
            start = moment + rng.within(0, period * 3 / 2);
        }
        let mut takes = rng.within(habit.takes / 2, habit.takes);
        if rng.per_mille(habit.long) {
            takes = rng.within(takes, period * 3);
        }
        if rng.per_mille(habit.quick) {
            takes = rng.within(1, (takes / 8).max(2));
        }
        let run = RunId(rng.uuid());
        if rng.per_mille(habit.says_start) {
            self.report(index, run, Kind::Start, start.max(self.now), None);
        }
        if self.rng.per_mille(20) {
            self.report(index, run, Kind::Log, (start + takes / 2).max(self.now), None);
        }
        if self.rng.per_mille(habit.hangs) {
            return;
        }
        let end = (start + takes).max(self.now);
        let kind = if self.rng.per_mille(habit.fails) { self.failure() } else { Kind::Success };
        let duration = if self.rng.per_mille(habit.says_duration) { Some(end - start) } else { None };
        self.report(index, run, kind, end, duration);
        if self.rng.per_mille(10) {
            // It said success, and something after it failed all the same.
            let kind = Kind::Fail(self.rng.pick(&[None, Some(Exit::Code(1)), Some(Exit::Signal(9))]));
            let after = end + self.rng.within(0, period);
            self.report(index, run, kind, after, None);
        }
    }

    fn failure(&mut self) -> Kind {
        Kind::Fail(self.rng.pick(&[None, Some(Exit::Code(1)), Some(Exit::Code(3)), Some(Exit::Signal(9))]))
    }

    /// Evidence of something that happens at `moment` is on its way.
    fn report(&mut self, index: usize, run: RunId, kind: Kind, moment: Ms, duration: Option<Ms>) {
        let job = &self.jobs[index];
        let (habit, period, slug) = (job.habit, job.period, job.job.slug.clone());
        let mut piece = Evidence::new(slug, run, kind, stamp(moment + habit.skew));
        piece.report.duration = duration.map(SignedDuration::from_millis);
        let times = if self.rng.per_mille(habit.twice) { 2 } else { 1 };
        for _ in 0..times {
            let delay = if self.rng.per_mille(habit.spooled) {
                let longest = if self.rng.per_mille(100) { period * 12 } else { period * 3 / 2 };
                self.rng.within(SECOND, longest)
            } else {
                self.rng.within(1, 3 * SECOND)
            };
            self.at(moment + delay, Event::Arrival(Box::new(piece.clone()), index));
        }
    }

    fn arrival(&mut self, piece: Box<Evidence>, index: usize) {
        if let Some(back) = self.store.away(self.now).max(self.jobs[index].blind(self.now)) {
            let grace = self.jobs[index].rules.grace.min(HOUR);
            let wait = self.rng.within(SECOND, (grace * 3 / 2).max(2 * SECOND));
            return self.at(back + wait, Event::Arrival(piece, index));
        }
        let now = self.now;
        let told = format!("{} of {} at {}", piece.kind, short(piece.run), piece.at);
        let new = self.store.append(*piece, now);
        self.tally.evidence += u64::from(new);
        self.audit.note(now, Some(index), || {
            if new { format!("evidence: {told}") } else { format!("known: {told}") }
        });
    }

    /// At the very end: nothing is lost, and what could not be delivered is seen.
    fn farewell(&mut self) -> Result<(), Failure> {
        self.tally.dead += self.store.roll.outbox.dead().count() as u64;
        let result = self.audit.farewell(&self.store.roll, self.now);
        self.tally = self.audit.add_to(self.tally);
        result
    }
}

pub(crate) fn short(run: RunId) -> String {
    run.to_string()[..4].to_owned()
}
