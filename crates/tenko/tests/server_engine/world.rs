//! A small world for servers: one SQLite file or PostgreSQL database, clocks that are set by hand, one channel named `ops`, and
//! any number of nodes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tenko::config::{Config, ConfiguredJob};
use tenko::notify::{Channel, Channels};
use tenko::server::intake::{Addressee, Heard, Ping, Refusal, Said};
use tenko::server::steady::Clocks;
use tenko::server::{Engine, EngineOptions};
use tenko_core::notice::Facts;
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::schedule::{Schedule, ScheduleSpec};
use tenko_core::state::JobState;
use tenko_core::{ChannelName, Evidence, Job, JobSpec, Report, Slug, Verdict};
use tenko_store::live::{Entry, Live, Node};
use tenko_store::{SharedStore, SqliteStore};
use tokio::sync::Notify;
use uuid::Uuid;

/// How long anything may take that has to come about by itself.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) clocks: Arc<ByHand>,
    pub(crate) ops: Arc<Scripted>,
    pub(crate) others: Vec<(ChannelName, Arc<Scripted>)>,
    pub(crate) place: Place,
    pub(crate) queue: usize,
    pub(crate) created_jobs_limit: usize,
}

/// A node, and the store that it keeps.
pub(crate) struct Served {
    clocks: Arc<ByHand>,
    pub(crate) engine: Engine,
    pub(crate) store: SharedStore,
}

impl World {
    /// A world at a moment of 24 November 2026, in UTC, in which nothing is expected yet.
    pub(crate) fn at(time: &str) -> Self {
        Self {
            config: Config { notify: vec![channel("ops")], time_zone: TimeZone::UTC, ..Config::default() },
            clocks: Arc::new(ByHand::at(moment(time))),
            ops: Arc::default(),
            others: Vec::new(),
            place: Place::new(),
            queue: 1000,
            created_jobs_limit: 100,
        }
    }

    /// A world of today, for whoever reads the real clock beside.
    pub(crate) fn today() -> Self {
        Self { clocks: Arc::new(ByHand::at(Timestamp::now())), ..Self::at("00:00") }
    }

    /// Expects a job by a crontab expression, within half an hour, and tells `ops`.
    pub(crate) fn expect(self, name: &str, cron: &str) -> Self {
        self.expect_with(name, cron, |_| {})
    }

    /// The same, with more to say about it.
    pub(crate) fn expect_with(mut self, name: &str, cron: &str, more: impl FnOnce(&mut Job)) -> Self {
        let spec = ScheduleSpec { cron: vec![cron.into()], ..ScheduleSpec::default() };
        let mut job = Job::new(slug(name), Schedule::resolve(&spec, &TimeZone::UTC).unwrap());
        job.limits.grace = SignedDuration::from_mins(30);
        job.channels = vec![channel("ops")];
        more(&mut job);
        let configured =
            ConfiguredJob { job, spec: JobSpec::default(), object: None, source: None, uuid: None };
        self.config.jobs.insert(slug(name), configured);
        self
    }

    /// Another channel.
    pub(crate) fn channel(&mut self, name: &str) -> Arc<Scripted> {
        let scripted = Arc::<Scripted>::default();
        self.others.push((channel(name), Arc::clone(&scripted)));
        scripted
    }

    pub(crate) fn store(&self) -> SharedStore {
        match &self.place {
            Place::Directory(dir) => Arc::new(SqliteStore::open(&dir.path().join("tenko.db")).unwrap()),
            #[cfg(feature = "postgres")]
            Place::Database(database) => crate::peer_postgres::store(database),
        }
    }

    /// All evidence of a job, as whoever comes later finds it.
    pub(crate) async fn evidence(&self, job: &str) -> Vec<Evidence> {
        self.store().between(Some(&slug(job)), Timestamp::MIN, Timestamp::MAX).await.unwrap()
    }

    /// Starts another node.
    pub(crate) async fn serve(&self) -> Served {
        let store = self.store();
        self.serve_on(Arc::clone(&store), store).await
    }

    /// Starts another node, that keeps a store by way of another.
    pub(crate) async fn serve_on(&self, store: SharedStore, shared: SharedStore) -> Served {
        let mut channels =
            Channels::default().with(channel("ops"), Arc::clone(&self.ops) as Arc<dyn Channel>);
        for (name, other) in &self.others {
            channels = channels.with(name.clone(), Arc::clone(other) as Arc<dyn Channel>);
        }
        let mut options = EngineOptions::new(Arc::new(self.config.clone()), shared, channels);
        options.clocks = Arc::clone(&self.clocks) as Arc<dyn Clocks>;
        options.queue = self.queue;
        options.created_jobs_limit = self.created_jobs_limit;
        let served =
            Served { clocks: Arc::clone(&self.clocks), engine: Engine::start(options).await.unwrap(), store };
        until("the jobs are enrolled", async || served.engine.status().swept_at().is_some()).await;
        served
    }

    /// Lets time pass up to a time of day, while somebody attends all along.
    pub(crate) async fn pass(&self, served: &Served, time: &str) {
        let to = moment(time);
        let other = Node { id: Uuid::max(), name: "another".into() };
        let mut now = self.clocks.wall();
        while now < to {
            now = (now + SignedDuration::from_secs(25)).min(to);
            served.live().attend(&other, now, SignedDuration::from_secs(30)).await.unwrap();
        }
        self.jump(served, to).await;
    }

    /// Jumps to a time of day, as if the machine had slept.
    pub(crate) async fn jump(&self, served: &Served, to: Timestamp) {
        self.clocks.pass(to.duration_since(self.clocks.wall()));
        until("deadlines are looked at", async || served.engine.status().looked_at() >= Some(to)).await;
    }
}

/// Where the store lies.
pub(crate) enum Place {
    Directory(tempfile::TempDir),
    #[cfg(feature = "postgres")]
    Database(tenko_store::testkit_postgres::Database),
}

impl Place {
    fn new() -> Self {
        #[cfg(feature = "postgres")]
        if crate::peer_postgres::is_wanted() {
            return Self::Database(crate::peer_postgres::database());
        }
        Self::Directory(tempfile::tempdir().unwrap())
    }
}

impl Served {
    /// The store, as servers keep it.
    pub(crate) fn live(&self) -> &dyn Live {
        self.store.live().unwrap()
    }

    pub(crate) async fn hear(&self, job: &str, said: Said) -> Heard {
        self.try_hear(ping(job, said)).await.unwrap()
    }

    pub(crate) async fn hear_rid(&self, job: &str, said: Said, rid: Uuid) -> Heard {
        self.try_hear(Ping { rid: Some(rid), ..ping(job, said) }).await.unwrap()
    }

    pub(crate) async fn try_hear(&self, ping: Ping) -> Result<Heard, Refusal> {
        let heard = self.engine.hears().hear(ping).await;
        self.later();
        heard
    }

    /// What comes next, comes later.
    pub(crate) fn later(&self) {
        self.clocks.pass(SignedDuration::from_millis(1));
    }

    pub(crate) async fn entry(&self, job: &str) -> Entry {
        self.live().entries(&[slug(job)]).await.unwrap().remove(0)
    }

    pub(crate) async fn state(&self, job: &str) -> JobState {
        self.entry(job).await.state.unwrap_or_else(|| panic!("nothing is kept of {job}"))
    }

    pub(crate) async fn verdict(&self, job: &str) -> Verdict {
        self.state(job).await.stored_verdict()
    }

    /// All evidence of a job, as it happened.
    pub(crate) async fn evidence(&self, job: &str) -> Vec<Evidence> {
        self.store.between(Some(&slug(job)), Timestamp::MIN, Timestamp::MAX).await.unwrap()
    }
}

pub(crate) fn ping(job: &str, said: Said) -> Ping {
    let (rid, at, text) = (None, None, None);
    Ping { to: Addressee::Job(slug(job)), said, rid, create: false, at, report: Report::default(), text }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn moment(time: &str) -> Timestamp {
    let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
    format!("2026-11-24T{time}Z").parse().unwrap()
}

pub(crate) fn slug(name: &str) -> Slug {
    Slug::new(name).unwrap()
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

/// Clocks that are set by hand.
#[derive(Debug)]
pub(crate) struct ByHand {
    both: Mutex<(Timestamp, SignedDuration)>,
    moved: Notify,
}

impl ByHand {
    fn at(moment: Timestamp) -> Self {
        Self { both: Mutex::new((moment, SignedDuration::from_hours(1))), moved: Notify::new() }
    }

    /// Both clocks go on.
    pub(crate) fn pass(&self, length: SignedDuration) {
        let mut both = self.both.lock().unwrap();
        *both = (both.0 + length, both.1 + length);
        drop(both);
        self.moved.notify_waiters();
    }

    /// Somebody sets the clock on the wall.
    pub(crate) fn set_by(&self, length: SignedDuration) {
        self.both.lock().unwrap().0 += length;
        self.moved.notify_waiters();
    }
}

#[async_trait]
impl Clocks for ByHand {
    fn wall(&self) -> Timestamp {
        self.both.lock().unwrap().0
    }

    fn uptime(&self) -> SignedDuration {
        self.both.lock().unwrap().1
    }

    async fn moved(&self) {
        self.moved.notified().await;
    }
}

/// A channel that answers as it is told, and otherwise accepts.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    accepted: Mutex<Vec<Batch>>,
    answers: Mutex<VecDeque<Option<Delivery>>>,
    gate: Mutex<Option<Arc<Notify>>>,
    last: Mutex<Option<Batch>>,
    told_of: AtomicUsize,
    pub(crate) tried: AtomicUsize,
}

impl Scripted {
    pub(crate) fn answer(&self, delivery: Delivery) {
        self.answers.lock().unwrap().push_back(Some(delivery));
    }

    /// The next message gets no answer at all.
    pub(crate) fn hang(&self) {
        self.answers.lock().unwrap().push_back(None);
    }

    /// The next message is accepted when the gate is opened.
    pub(crate) fn wait_for_gate(&self) -> Arc<Notify> {
        let gate = Arc::<Notify>::default();
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    /// The id of the last message that was accepted.
    pub(crate) fn last_id(&self) -> Option<Uuid> {
        self.last.lock().unwrap().as_ref().map(Batch::id)
    }

    /// The facts of the last message that was accepted.
    pub(crate) fn last_facts(&self) -> Option<Facts> {
        self.last.lock().unwrap().as_ref().map(|batch| batch.notices[0].facts.clone())
    }

    /// How many notices were accepted in all.
    pub(crate) fn told_of(&self) -> usize {
        self.told_of.load(Ordering::SeqCst)
    }

    /// What was accepted since the last time, as `job kind` or `digest of n`.
    pub(crate) fn told(&self) -> Vec<String> {
        let batches = std::mem::take(&mut *self.accepted.lock().unwrap());
        batches.iter().map(in_short).collect()
    }

    /// Waits until so many messages were accepted, and takes them.
    pub(crate) async fn hears(&self, messages: usize) -> Vec<String> {
        until("enough was told", async || self.accepted.lock().unwrap().len() >= messages).await;
        self.told()
    }

    pub(crate) async fn is_tried(&self, times: usize) {
        until("it was tried", async || self.tried.load(Ordering::SeqCst) >= times).await;
    }
}

#[async_trait]
impl Channel for Scripted {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        self.tried.fetch_add(1, Ordering::SeqCst);
        let gate = self.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            Some(Some(delivery)) => delivery,
            Some(None) => std::future::pending().await,
            None => {
                self.accepted.lock().unwrap().push(batch.clone());
                *self.last.lock().unwrap() = Some(batch.clone());
                self.told_of.fetch_add(batch.notices.len(), Ordering::SeqCst);
                Delivery::Accepted
            }
        }
    }
}

fn in_short(batch: &Batch) -> String {
    match batch.notices.as_slice() {
        [only] => format!("{} {}", only.job, format!("{:?}", only.kind).to_lowercase()),
        several => format!("digest of {}", several.len()),
    }
}
