//! A small world: one store, one clock, one channel named `ops`, and any number of checkers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tenko::checker::{Checker, Clock, Report};
use tenko::config::{Config, ConfiguredJob};
use tenko::notify::{Channel, Channels};
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::schedule::{Schedule, ScheduleSpec};
use tenko_core::{ChannelName, Evidence, Exit, Job, JobSpec, Kind, NoticeKind, RunId, Slug};
use tenko_store::{
    Appended, Commit, ErrorKind, Facts, MemoryStore, News, Result, SharedStore, Snapshot, Store, StoreError,
};
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) store: Arc<Moody>,
    pub(crate) clock: Arc<Watch>,
    pub(crate) slack: Arc<Slack>,
    state: tempfile::TempDir,
    runs: AtomicU32,
}

impl World {
    /// A world at a moment of 24 November 2026, in UTC, in which nothing is expected yet.
    pub(crate) fn at(time: &str) -> Self {
        let config = Config { notify: vec![ops()], time_zone: TimeZone::UTC, ..Config::default() };
        Self {
            config,
            store: Arc::new(Moody::default()),
            clock: Arc::new(Watch(Mutex::new(moment(time)))),
            slack: Arc::new(Slack::default()),
            state: tempfile::tempdir().unwrap(),
            runs: AtomicU32::new(0),
        }
    }

    /// Expects a job by a crontab expression, within half an hour, and tells `ops`.
    pub(crate) fn expect(mut self, name: &str, cron: &str) -> Self {
        let spec = ScheduleSpec { cron: vec![cron.into()], ..ScheduleSpec::default() };
        let mut job = Job::new(slug(name), Schedule::resolve(&spec, &TimeZone::UTC).unwrap());
        job.limits.grace = jiff::SignedDuration::from_mins(30);
        job.channels = vec![ops()];
        self.config.jobs.insert(
            slug(name),
            ConfiguredJob { job, spec: JobSpec::default(), object: None, source: None, uuid: None },
        );
        self
    }

    /// Another checker of the same world.
    pub(crate) fn checker(&self) -> Checker {
        Checker {
            config: Arc::new(self.config.clone()),
            store: Arc::clone(&self.store) as SharedStore,
            channels: Channels::default().with(ops(), Arc::clone(&self.slack) as Arc<dyn Channel>),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            state_dir: Some(self.state.path().to_owned()),
        }
    }

    /// Calls the roll at a time of day.
    pub(crate) async fn roll_call(&self, time: &str) -> Report {
        self.clock.set(time);
        self.checker().roll_call().await.unwrap()
    }

    /// A run of the job ends at a time of day.
    pub(crate) async fn ends(&self, name: &str, time: &str, kind: Kind) -> Evidence {
        let run = RunId(Uuid::from_u128(self.runs.fetch_add(1, Ordering::Relaxed).into()));
        let evidence = Evidence::new(slug(name), run, kind, moment(time));
        self.store.append(std::slice::from_ref(&evidence)).await.unwrap();
        evidence
    }

    /// What was told since the last time, as `job kind` or `digest of n`.
    pub(crate) fn told(&self) -> Vec<String> {
        let batches = std::mem::take(&mut *self.slack.accepted.lock().unwrap());
        batches.iter().map(in_short).collect()
    }
}

fn in_short(batch: &Batch) -> String {
    match batch.notices.as_slice() {
        [only] => format!("{} {}", only.job, kind(only.kind)),
        several => format!("digest of {}", several.len()),
    }
}

fn kind(kind: NoticeKind) -> String {
    format!("{kind:?}").to_lowercase()
}

pub(crate) const FAILED: Kind = Kind::Fail(Some(Exit::Code(3)));

pub(crate) fn moment(time: &str) -> Timestamp {
    format!("2026-11-24T{time}:00Z").parse().unwrap()
}

pub(crate) fn slug(name: &str) -> Slug {
    Slug::new(name).unwrap()
}

fn ops() -> ChannelName {
    ChannelName::new("ops").unwrap()
}

/// A clock that is set by hand.
#[derive(Debug)]
pub(crate) struct Watch(Mutex<Timestamp>);

impl Watch {
    pub(crate) fn set(&self, time: &str) {
        *self.0.lock().unwrap() = moment(time);
    }
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A channel that answers as it is told, and otherwise accepts.
#[derive(Debug, Default)]
pub(crate) struct Slack {
    pub(crate) accepted: Mutex<Vec<Batch>>,
    pub(crate) tried: Mutex<Vec<Uuid>>,
    pub(crate) answers: Mutex<VecDeque<Delivery>>,
}

impl Slack {
    pub(crate) fn answer(&self, delivery: Delivery) {
        self.answers.lock().unwrap().push_back(delivery);
    }
}

#[async_trait]
impl Channel for Slack {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        self.tried.lock().unwrap().push(batch.id());
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Delivery::Accepted);
        if answer == Delivery::Accepted {
            self.accepted.lock().unwrap().push(batch.clone());
        }
        answer
    }
}

/// A store that can be out of reach, or refuse the n-th commit from now.
#[derive(Debug, Default)]
pub(crate) struct Moody {
    inner: MemoryStore,
    pub(crate) away: AtomicBool,
    pub(crate) refuse_commit: AtomicU32,
    /// During the next commit this clock goes on to this time.
    pub(crate) frozen_until: Mutex<Option<(Arc<Watch>, &'static str)>>,
    time: Mutex<Option<Timestamp>>,
}

impl Moody {
    /// From now on it has a clock of its own.
    pub(crate) fn answers_at(&self, time: &str) {
        *self.time.lock().unwrap() = Some(moment(time));
    }

    fn reached(&self) -> Result<&MemoryStore> {
        if self.away.load(Ordering::Relaxed) {
            let error = StoreError::new(ErrorKind::Unavailable, "can't list memory:");
            return Err(error.because("connection refused"));
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl Store for Moody {
    fn url(&self) -> String {
        self.inner.url()
    }

    fn answered_at(&self) -> Option<Timestamp> {
        *self.time.lock().unwrap()
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        self.reached()?.append(evidence).await
    }

    async fn news(&self, since: &Cursor, now: Timestamp) -> Result<News> {
        let mut news = self.reached()?.news(since, now).await?;
        // The clock of the store is the one of the world: everything is received when it happens.
        news.evidence.iter_mut().for_each(|piece| piece.received_at = Some(piece.at));
        Ok(news)
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        self.reached()?.between(job, from, to).await
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        self.reached()?.read(evidence).await
    }

    async fn load(&self) -> Result<Snapshot> {
        self.reached()?.load().await
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        let left = self.refuse_commit.load(Ordering::Relaxed);
        if left > 0 {
            self.refuse_commit.store(left - 1, Ordering::Relaxed);
            if left == 1 {
                return Err(StoreError::new(ErrorKind::Unavailable, "can't commit to memory:"));
            }
        }
        if let Some((clock, time)) = self.frozen_until.lock().unwrap().take() {
            clock.set(time);
        }
        self.reached()?.commit(base, roll, changes).await
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        self.reached()?.facts(job, limit).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        self.reached()?.prune(before).await
    }
}
