//! A checker, step by step as the real one does it, so that others can come in between and it can die at any point.

use std::collections::{BTreeMap, VecDeque};

use tenko_core::call::{Called, Roster, call};
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::roll::Cursor;
use tenko_core::{Evidence, Roll, Slug};
use uuid::Uuid;

use crate::audit::{Failure, Truth};
use crate::bug::Bug;
use crate::job::{MINUTE, SECOND};
use crate::model::Ms;
use crate::stamp;
use crate::world::World;

/// A clock that is further off than this is not believed.
pub(crate) const CLOCK_LIMIT: Ms = 30 * SECOND;
/// So long after the claim nothing is sent any more: the lease, less what two clocks may be apart.
pub(crate) const SEND_WITHIN: Ms = 60 * SECOND;

#[derive(Debug, Default)]
pub(crate) enum Phase {
    #[default]
    Idle,
    Decide(Box<Reading>),
    Send(Box<Sending>),
    Record(Box<Sending>),
    Settle(u64, Box<Roll>, Box<Sending>),
}

/// What a checker has read.
#[derive(Debug)]
pub(crate) struct Reading {
    version: u64,
    roll: Roll,
    news: Vec<Evidence>,
    upto: usize,
    blind: BTreeMap<Slug, String>,
    /// When it began to read, by its own clock.
    now: Ms,
    /// When that really was.
    truly: Ms,
}

/// What a checker has claimed and what became of it.
#[derive(Debug)]
pub(crate) struct Sending {
    holder: Uuid,
    claimed_at: Ms,
    batches: VecDeque<Batch>,
    results: Vec<(Uuid, Delivery, bool)>,
}

impl Sending {
    /// What a channel accepted and nobody has recorded.
    fn unrecorded(&self) -> impl Iterator<Item = Uuid> {
        self.results.iter().filter(|(.., accepted)| *accepted).map(|(id, ..)| *id)
    }
}

#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) skew: Ms,
    phase: Phase,
    away: Vec<(Ms, Ms)>,
    poll: Ms,
    daemon: bool,
    /// How often it was woken.
    pub(crate) turn: u64,
}

impl Checker {
    pub(crate) fn new(away: Vec<(Ms, Ms)>, poll: Ms, daemon: bool) -> Self {
        Self { skew: 0, phase: Phase::Idle, away, poll, daemon, turn: 0 }
    }
}

impl World {
    /// The next step of a checker; says how long until the one after.
    pub(crate) fn step(&mut self, index: usize) -> Result<Ms, Failure> {
        let phase = std::mem::take(&mut self.checkers[index].phase);
        if !matches!(phase, Phase::Idle) && !self.calm() && self.rng.per_mille(4) {
            return Ok(self.crash(index, &phase));
        }
        match phase {
            Phase::Idle => Ok(self.read(index)),
            Phase::Decide(reading) => self.decide(index, &reading),
            Phase::Send(sending) => self.send(index, sending),
            Phase::Record(sending) => Ok(self.reread(index, sending)),
            Phase::Settle(version, roll, sending) => Ok(self.settle(index, version, *roll, sending)),
        }
    }

    fn crash(&mut self, index: usize, phase: &Phase) -> Ms {
        self.tally.crashes += 1;
        let name = match phase {
            Phase::Idle => "idle",
            Phase::Decide(_) => "before the commit",
            Phase::Send(_) => "while sending",
            Phase::Record(_) | Phase::Settle(..) => "before recording",
        };
        self.audit.note(self.now, None, || format!("checker {index} dies {name}"));
        if let Phase::Send(sending) | Phase::Record(sending) | Phase::Settle(_, _, sending) = phase {
            self.audit.excuse(sending.unrecorded());
        }
        self.rng.within(SECOND, self.period)
    }

    fn local(&self, index: usize) -> Ms {
        if self.calm() { self.now } else { self.now + self.checkers[index].skew }
    }

    fn poll(&self, index: usize) -> Ms {
        if self.calm() { 20 * MINUTE } else { self.checkers[index].poll }
    }

    fn pause(&mut self) -> Ms {
        self.rng.within(10, 2 * SECOND)
    }

    /// Loads the roll and what is new.
    fn read(&mut self, index: usize) -> Ms {
        let now = self.now;
        let away = self.checkers[index].away.iter().find(|(from, to)| (*from..*to).contains(&now));
        if let Some((_, to)) = away.filter(|_| !self.calm()) {
            return to - now;
        }
        if self.store.away(now).is_some() || self.clock_is_wrong(index) {
            return self.poll(index);
        }
        let roll = self.store.roll.clone();
        let read: usize = roll.cursor.0.parse().unwrap_or(0);
        let again = if self.rng.per_mille(100) { self.rng.index(8) } else { 0 };
        let upto = self.store.evidence.len();
        let from = read.saturating_sub(again).min(upto);
        let mut news = self.store.evidence[from..upto].to_vec();
        self.rng.shuffle(&mut news);
        if let Some(bug) = self.bug {
            bug.bend_news(&mut news);
        }
        let is_blind = |job: &&crate::job::SimJob| job.blind(now).is_some();
        let blind = self.jobs.iter().filter(is_blind).map(|job| (job.job.slug.clone(), "403".to_owned()));
        let reading = Reading {
            version: self.store.version,
            roll,
            news,
            upto,
            blind: blind.collect(),
            now: self.local(index),
            truly: now,
        };
        self.checkers[index].phase = Phase::Decide(Box::new(reading));
        if self.rng.per_mille(4) { self.rng.within(SECOND, 10 * MINUTE) } else { self.pause() }
    }

    fn clock_is_wrong(&self, index: usize) -> bool {
        (self.local(index) - self.now).abs() > CLOCK_LIMIT && !self.has(Bug::LocalClockBelieved)
    }

    /// Decides, and commits what was decided.
    fn decide(&mut self, index: usize, reading: &Reading) -> Result<Ms, Failure> {
        if self.store.away(self.now).is_some() || self.clock_is_wrong(index) {
            return Ok(self.poll(index));
        }
        let version = reading.version;
        let (called, roll, batches, holder, now) = self.conclude(index, reading);
        let unsure = !self.calm() && self.rng.per_mille(5);
        let tried = !unsure || self.rng.per_mille(500);
        let won = tried && self.store.commit(version, &roll);
        self.tally.calls += 1;
        if won {
            let evidence = &self.store.evidence[..reading.upto];
            let truth = Truth { now, truly: reading.truly, blind: &reading.blind, gaps: &self.store.gaps };
            self.audit.committed(&mut self.jobs, evidence, &called, &roll, truth)?;
        } else {
            self.tally.lost_races += 1;
        }
        if !won && !self.has(Bug::LostCommitTakenForWon) || unsure {
            return Ok(self.pause());
        }
        let wait = self.until_next(index, &roll, now);
        if batches.is_empty() {
            return Ok(wait);
        }
        let sending = Sending { holder, claimed_at: self.now, batches: batches.into(), results: Vec::new() };
        self.checkers[index].phase = Phase::Send(Box::new(sending));
        Ok(self.pause())
    }

    /// What follows from what was read: decisions, the next roll, what is claimed of it, by whom, and when.
    fn conclude(&mut self, index: usize, reading: &Reading) -> (Called, Roll, Vec<Batch>, Uuid, Ms) {
        let (mut roll, news) = (reading.roll.clone(), &reading.news);
        let newest = news.iter().filter_map(|piece| piece.received_at).max();
        let own = if self.has(Bug::NowTakenAfterReading) { self.local(index) } else { reading.now };
        let now = newest.map_or(Ms::MIN, |at| at.as_millisecond()).max(own);
        let nobody = BTreeMap::new();
        let blind = if self.has(Bug::BlindNotTold) { &nobody } else { &reading.blind };
        let mut called = call(&mut roll, Roster { jobs: &self.roster, blind }, news, stamp(now));
        if let Some(bug) = self.bug {
            bug.bend_called(&mut called, now);
        }
        roll.cursor = Cursor((reading.upto + usize::from(self.has(Bug::CursorTooFar))).to_string());
        roll.called_at = Some(stamp(now));
        let holder = self.rng.uuid();
        let batches = self.claim(&mut roll, &called, holder, now);
        (called, roll, batches, holder, now)
    }

    /// Puts the notices into the outbox and claims what can be sent.
    fn claim(&self, roll: &mut Roll, called: &Called, holder: Uuid, now: Ms) -> Vec<Batch> {
        let kept = roll.outbox.clone();
        roll.outbox.add(called.notices.iter().cloned());
        if self.has(Bug::RecoveryBeforeAlarm) {
            roll.outbox.items.reverse();
        }
        let unclaimed = roll.outbox.clone();
        let batches = roll.outbox.claim(holder, stamp(now));
        match self.bug {
            Some(Bug::ClaimIgnored) => roll.outbox = unclaimed,
            Some(Bug::NoticesOutsideTheCommit) => roll.outbox = kept,
            Some(Bug::RecordedBeforeSent) => {
                for notice in batches.iter().flat_map(|batch| &batch.notices) {
                    roll.outbox.record(notice.id, holder, &Delivery::Accepted, stamp(now));
                }
            }
            _ => {}
        }
        batches
    }

    fn until_next(&mut self, index: usize, roll: &Roll, now: Ms) -> Ms {
        let poll = self.poll(index);
        if !self.checkers[index].daemon {
            return poll;
        }
        let again = roll.look_again_at().map_or(Ms::MAX, |at| at.as_millisecond() - now);
        again.clamp(SECOND, poll)
    }

    /// Sends one message.
    fn send(&mut self, index: usize, mut sending: Box<Sending>) -> Result<Ms, Failure> {
        let in_time = self.now - sending.claimed_at <= SEND_WITHIN || self.has(Bug::SentLongAfterTheClaim);
        let Some(batch) = sending.batches.pop_front().filter(|_| in_time) else {
            self.checkers[index].phase = Phase::Record(sending);
            return Ok(1);
        };
        let (now, calm) = (self.now, self.calm());
        let fate = self.channels[&batch.channel].offer(now, calm, &mut self.rng);
        self.tally.messages += 1;
        self.audit.sent(now, &batch, &fate, &self.store.roll)?;
        for notice in &batch.notices {
            sending.results.push((notice.id, fate.answer.clone(), fate.accepted));
        }
        let frozen = !calm && self.rng.per_mille(4);
        if frozen {
            self.audit.excuse(sending.unrecorded());
        }
        self.checkers[index].phase = Phase::Send(sending);
        Ok(if frozen { self.rng.within(SECOND, 10 * MINUTE) } else { self.pause() })
    }

    /// Loads the newest roll, to record in it what became of the messages.
    fn reread(&mut self, index: usize, sending: Box<Sending>) -> Ms {
        if self.store.away(self.now).is_some() {
            self.audit.excuse(sending.unrecorded());
            return self.poll(index);
        }
        let roll = Box::new(self.store.roll.clone());
        self.checkers[index].phase = Phase::Settle(self.store.version, roll, sending);
        self.pause()
    }

    fn settle(&mut self, index: usize, version: u64, mut roll: Roll, sending: Box<Sending>) -> Ms {
        let now = self.local(index);
        for (id, delivery, _) in &sending.results {
            let accepted = self.has(Bug::RefusalTakenForSuccess);
            let delivery = if accepted { &Delivery::Accepted } else { delivery };
            if self.has(Bug::RecordsNothing) {
                break;
            }
            roll.outbox.record(*id, sending.holder, delivery, stamp(now));
        }
        let unsure = !self.calm() && self.rng.per_mille(5);
        let tried = self.store.away(self.now).is_none() && (!unsure || self.rng.per_mille(500));
        if !tried || !self.store.commit(version, &roll) || unsure {
            self.checkers[index].phase = Phase::Record(sending);
            return self.pause();
        }
        self.until_next(index, &roll, now)
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }
}
