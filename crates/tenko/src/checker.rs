//! The roll call: read new evidence, decide, store decisions and notices together, deliver.
//!
//! It can be called from anywhere, by any number of checkers at once: whoever commits first has decided, and the
//! others read again. Nothing is kept between two calls but what is in the store, and a note on this machine of when
//! the store could not be reached.

mod afresh;
mod deliver;
mod known;
mod objects;
mod outage;
mod past;
mod rebuild;
mod roster;
mod step;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tenko_core::call::{self, Called, Roster};
use tenko_core::judge::Gap;
use tenko_core::roll::{Changes, Cursor};
use tenko_core::{Evidence, Job, Kind, Notice, NoticeKind, Roll, RunId, Slug};
use tenko_store::{Commit, ErrorKind, News, SharedStore, Snapshot, StoreError, Unreadable};
use uuid::Uuid;

use crate::config::Config;
use crate::notify::Channels;

use deliver::{Claimant, LEAST};
use objects::Seen;

pub use known::up_to_now;
pub use outage::Outage;
pub use past::{Dues, dues, roster};
pub use rebuild::as_of;
pub use roster::{Members, members};
#[cfg(feature = "server")]
pub(crate) use {objects::look as look_for_objects, roster::resolved};

/// How often a roll call that lost a race reads again before it leaves the field to the others.
const TRIES: u32 = 20;
/// How far back evidence is read again, before a due counts as missed, because a sender's clock may be off.
const SECOND_LOOK: SignedDuration = SignedDuration::from_hours(24);

/// Tells the time. Tests bring their own.
pub trait Clock: Debug + Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Calls the roll.
#[derive(Debug)]
pub struct Checker {
    /// What is expected, and who is told.
    pub config: Arc<Config>,
    /// Where evidence and decisions live.
    pub store: SharedStore,
    /// Those who are told.
    pub channels: Channels,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where it is noted that the store could not be reached.
    pub state_dir: Option<PathBuf>,
}

/// What a roll call found and did.
#[derive(Debug, Default)]
pub struct Report {
    /// When it was called.
    pub at: Timestamp,
    /// The roll, as it is now.
    pub roll: Roll,
    /// Every job that was judged.
    pub jobs: BTreeMap<Slug, Job>,
    /// What changed.
    pub changes: Changes,
    /// How many notices were accepted by their channels.
    pub delivered: usize,
    /// How many notices could not be delivered in this roll call; they stay in the outbox.
    pub undelivered: usize,
    /// What people should know beside the verdicts.
    pub warnings: Vec<String>,
    /// What was read, and from where on.
    pub heard: Heard,
}

/// What a roll call read.
#[derive(Debug, Default)]
pub struct Heard {
    /// Evidence that was new, perhaps with some that was not, and objects that were seen: for the status page, and only
    /// kept if there is one.
    pub evidence: Vec<Evidence>,
    /// Up to where evidence had been read before.
    pub since: Cursor,
    /// When the roll was called before.
    pub called_at: Option<Timestamp>,
}

/// What one reading of the store gave, and what followed from it.
struct Decision {
    /// When it was decided, by the clock that is ahead: this one or that of the store.
    at: Timestamp,
    roll: Roll,
    jobs: BTreeMap<Slug, Job>,
    called: Called,
    seen: Seen,
    /// What the status page is made of; empty if there is none.
    heard: Vec<Evidence>,
    warnings: Vec<String>,
}

impl Checker {
    /// Calls the roll once, to the end. Fails if the store can't be read or written; nothing is decided then.
    pub async fn roll_call(&self) -> Result<Report, StoreError> {
        self.roll_call_until(None).await
    }

    /// Like [`roll_call`](Self::roll_call), for whoever will be cut off: at `stop` nothing is being sent any more, and
    /// what was not sent by then stays in the outbox for the next roll call.
    pub async fn roll_call_until(&self, stop: Option<Instant>) -> Result<Report, StoreError> {
        let now = self.clock.now();
        let outage = self.state_dir.as_deref().and_then(|dir| Outage::read(dir, &self.store.url()));
        match self.call_and_deliver(now, outage.as_ref(), stop).await {
            Ok(mut report) => {
                self.sighted(outage, &mut report).await;
                self.leave_evidence(&mut report).await;
                self.heartbeat(&mut report, stop).await;
                self.publish(&mut report, stop).await;
                Ok(report)
            }
            Err(error) => {
                self.blinded(outage, &error, now).await;
                Err(error)
            }
        }
    }

    async fn call_and_deliver(
        &self,
        now: Timestamp,
        outage: Option<&Outage>,
        stop: Option<Instant>,
    ) -> Result<Report, StoreError> {
        let holder = Uuid::new_v4();
        for _ in 0..TRIES {
            let Snapshot { version, roll } = self.store.load().await?;
            let began = now;
            let (now, off) = self.in_step(now);
            let ahead = now.duration_since(began);
            let (previous, since) = (roll.called_at, roll.cursor.clone());
            let mut decision = self.decide(roll, outage, now).await?;
            let at = decision.at;
            let batches = decision.roll.outbox.claim(holder, at);
            let changes = &decision.called.changes;
            match self.store.commit(version, &decision.roll, changes).await? {
                Commit::Lost => continue,
                Commit::Kept => return self.as_a_server_decided(now).await,
                Commit::Won(version) => {
                    let held = Snapshot { version, roll: decision.roll };
                    let claimant = Claimant { holder, decided_at: at, began, ahead, stop };
                    let done = self.deliver(held, batches, claimant).await?;
                    let mut report = Report { at, roll: done.roll, jobs: decision.jobs, ..Report::default() };
                    report.changes = decision.called.changes;
                    report.heard = Heard { evidence: decision.heard, since, called_at: previous };
                    report.delivered = done.delivered;
                    report.undelivered = done.undelivered;
                    report.warnings = decision.warnings;
                    report.warnings.extend(off);
                    report.warnings.extend(self.overdue(previous, now));
                    return Ok(report);
                }
            }
        }
        let problem = format!(
            "can't store decisions in {}: {TRIES} times another checker was quicker",
            self.store.url()
        );
        Err(StoreError::new(ErrorKind::Unavailable, problem))
    }

    /// What is true now, where a server keeps the store and decides: nobody else has to.
    async fn as_a_server_decided(&self, now: Timestamp) -> Result<Report, StoreError> {
        let roll = self.store.load().await?.roll;
        let (roll, jobs) = up_to_now(self, roll, now).await?;
        let told = format!("a server keeps {} and decides; this is what is true now", self.store.url());
        Ok(Report { at: now, roll, jobs, warnings: vec![told], ..Report::default() })
    }

    /// Reads what is new and decides, without storing anything. `now` is from before it was read, so that nothing which
    /// arrives meanwhile is missed; if the store has received something later than that, this clock is behind.
    async fn decide(
        &self,
        roll: Roll,
        outage: Option<&Outage>,
        now: Timestamp,
    ) -> Result<Decision, StoreError> {
        let news = self.store.news(&roll.cursor, now).await?;
        let received = news.evidence.iter().filter_map(|piece| piece.received_at).max();
        let now = received.map_or(now, |received| received.max(now));
        let as_it_was = self.store.may_overlook().then(|| roll.clone());
        let mut decision = self.judge(roll, &news, outage, now, None).await?;
        if let Some((miss, roll)) = decision.called.earliest_miss().zip(as_it_was) {
            let from = miss.checked_sub(SECOND_LOOK).unwrap_or(Timestamp::MIN);
            let mut again = news.clone();
            again.evidence.extend(self.store.between(None, from, Timestamp::MAX).await?);
            decision = self.judge(roll, &again, outage, now, Some(decision.seen)).await?;
        }
        let Decision { roll, called, seen, .. } = &mut decision;
        let evidence: Vec<&Evidence> = news.evidence.iter().chain(&seen.evidence).collect();
        self.add_reports(&mut called.notices, &evidence).await;
        roll.outbox.add(std::mem::take(&mut called.notices));
        if self.config.publish.is_some() {
            decision.heard = news.evidence;
            decision.heard.append(&mut decision.seen.evidence);
        }
        Ok(decision)
    }

    /// Judges by what is new and by the objects that are seen, or were seen already.
    async fn judge(
        &self,
        mut roll: Roll,
        news: &News,
        outage: Option<&Outage>,
        now: Timestamp,
        seen: Option<Seen>,
    ) -> Result<Decision, StoreError> {
        if let Some(outage) = outage {
            roll.add_gap(Gap { from: outage.since, to: now });
        }
        let mut members = self.members(&mut roll, &news.evidence).await?;
        members.warnings.extend(news.unreadable.iter().map(not_evidence));
        let forgets = self.store.forgets();
        if forgets {
            afresh::expect(&mut members, &roll, now);
        }
        let seen = match seen {
            Some(seen) => seen,
            None => objects::look(&self.config, &members.jobs, &roll, now).await,
        };
        if forgets {
            afresh::tell_at_once(&members, &seen, &mut roll, now);
        }
        let evidence = news.evidence.iter().chain(&seen.evidence);
        let roster = Roster { jobs: &members.jobs, blind: &seen.blind };
        let first = roll.called_at.is_none();
        let mut called = call::call(&mut roll, roster, evidence, now);
        if forgets && first {
            afresh::without_the_past(&mut called.notices);
        }
        called.changes.jobs.extend(members.declared);
        let unjudged = called.unjudged.iter();
        members.warnings.extend(unjudged.map(|slug| {
            format!("job {slug} could not be judged: this is a mistake in Tenko itself, please report it")
        }));
        roster::mark_configured(&mut roll, &self.config);
        roll.called_at = Some(now);
        roll.cursor = news.cursor.clone();
        let (jobs, warnings) = (members.jobs, members.warnings);
        Ok(Decision { at: now, roll, jobs, called, seen, heard: Vec::new(), warnings })
    }

    /// Adds to the notices what the runs that they are about said of themselves. That a report can't be read is no
    /// reason not to tell.
    async fn add_reports(&self, notices: &mut [Notice], evidence: &[&Evidence]) {
        for notice in notices {
            let Some(piece) = failing(notice, evidence) else { continue };
            let known = if piece.key.is_some() { self.store.read(piece).await.ok() } else { None };
            let facts = std::mem::take(&mut notice.facts);
            notice.facts = facts.with_evidence(known.as_ref().unwrap_or(piece));
        }
    }

    /// That the previous roll call was too long ago is worth a word: somebody may think that jobs are watched.
    fn overdue(&self, previous: Option<Timestamp>, now: Timestamp) -> Option<String> {
        let (previous, interval) = (previous?, self.config.checker.interval?);
        let age = now.duration_since(previous);
        let zone = &self.config.time_zone;
        (age > interval * 2).then(|| {
            format!(
                "the previous roll call was {} ago, at {}; it should be called every {}",
                crate::words::length(age),
                crate::words::moment(previous, zone),
                crate::words::length(interval)
            )
        })
    }

    /// A checker with a name is a job of that name: whoever watches the store sees that it ran.
    async fn leave_evidence(&self, report: &mut Report) {
        let Some(name) = &self.config.checker.name else { return };
        let mut evidence =
            Evidence::new(name.clone(), RunId(Uuid::now_v7()), Kind::Success, self.clock.now());
        evidence.report.host = crate::place::host();
        if let Err(error) = self.store.append(&[evidence]).await {
            report.warnings.push(format!("the roll call left no evidence: {}", crate::error::chain(&error)));
        }
    }

    async fn heartbeat(&self, report: &mut Report, stop: Option<Instant>) {
        let Some(url) = &self.config.checker.heartbeat else { return };
        let stuck = |moment: Timestamp| report.at.duration_since(moment) > SignedDuration::from_mins(5);
        if report.roll.outbox.items.iter().any(|item| stuck(item.notice.created_at)) {
            report
                .warnings
                .push("the heartbeat was withheld: notices have been undelivered for over 5 minutes".into());
            return;
        }
        let patience = time_left(stop, Duration::MAX).max(LEAST);
        match tokio::time::timeout(patience, crate::notify::ping_heartbeat(url)).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => report.warnings.push(crate::error::chain(&problem)),
            Err(_) => report.warnings.push("there was no time left for the heartbeat".into()),
        }
    }
}

/// The failing evidence that a notice is about, if it is about one: the newest of its job up to the moment that it tells of.
pub(crate) fn failing<'a>(notice: &Notice, evidence: &[&'a Evidence]) -> Option<&'a Evidence> {
    if notice.kind != NoticeKind::Down {
        return None;
    }
    let bad = |piece: &&'a Evidence| {
        let told = piece.effective_at() <= notice.at.max(notice.created_at);
        piece.job == notice.job && matches!(piece.kind, Kind::Fail(_)) && told
    };
    evidence
        .iter()
        .copied()
        .filter(bad)
        .min_by_key(|piece| piece.effective_at().duration_since(notice.at).abs())
}

/// How much time there is, and no more than `most`, for whoever will be cut off at `stop`.
pub(crate) fn time_left(stop: Option<Instant>, most: Duration) -> Duration {
    stop.map_or(most, |stop| stop.saturating_duration_since(Instant::now()).min(most))
}

fn not_evidence(unreadable: &Unreadable) -> String {
    format!("{} is no evidence: {}", crate::printer::harmless(&unreadable.key), unreadable.problem)
}
