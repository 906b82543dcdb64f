//! A bucket that an application writes into, and a checker that may look at it. All times are of Tokyo, as `day hh:mm`
//! of November 2026.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use tenko::checker::{Checker, Clock, Report, as_of};
use tenko::config::{Config, Outside};
use tenko::notify::{Channel, Channels};
use tenko_core::judge::look;
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::roll::Changes;
use tenko_core::state::Flip;
use tenko_core::{ChannelName, Notice, Verdict};
use tenko_store::open::OpenOptions;
use tenko_store::testkit_s3::{Ask, BUCKET, Key, TestS3};
use tenko_store::{MemoryStore, SharedStore};

/// The job of most stories: due at 05:00, and at 06:00 it is missed.
pub(crate) const DAILY: &str = r#"cron = "0 5 * * *"
grace = "1h"
object = "s3://tenko-test/{date}/evidence.txt""#;

pub(crate) struct Morning {
    pub(crate) s3: TestS3,
    store: SharedStore,
    clock: Arc<Watch>,
    slack: Arc<Slack>,
    config: Config,
}

impl Morning {
    /// One job with these lines of configuration, looked at by one who may get and list.
    pub(crate) async fn with(job: &str) -> Self {
        let s3 = TestS3::start().await;
        let config = config(job);
        assert_eq!(BUCKET, "tenko-test");
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(Watch(Mutex::new(moment("24 00:00"))));
        Self { s3, store, clock, slack: Arc::default(), config }.seen_by(Key::Reader)
    }

    /// The job of most stories, of which the roll was called first at 04:00 on the 24th.
    pub(crate) async fn daily() -> Self {
        let morning = Self::with(DAILY).await;
        assert_eq!(morning.at("24 04:00").await, "new");
        morning
    }

    /// Who looks from now on.
    pub(crate) fn seen_by(mut self, key: Key) -> Self {
        self.look_as(key);
        self
    }

    /// Who looks from now on.
    pub(crate) fn look_as(&mut self, key: Key) {
        let mut env = self.s3.env(key);
        env.insert("AWS_ENDPOINT_URL".into(), self.s3.endpoint());
        env.insert("AWS_ALLOW_HTTP".into(), "true".into());
        self.config.checker.objects =
            OpenOptions { env: Some(env), per_request: Some(Duration::from_secs(5)) };
    }

    /// Decisions are kept elsewhere from now on.
    pub(crate) fn keep_in(&mut self, store: SharedStore) {
        self.store = store;
    }

    pub(crate) fn patience(&mut self, per_request: Duration) {
        self.config.checker.objects.per_request = Some(per_request);
    }

    /// The application uploads something.
    pub(crate) fn upload(&self, time: &str, key: &str, body: &str) {
        let ahead = moment(time).as_second() - Timestamp::now().as_second();
        self.s3.skew_clock(ahead);
        self.s3.put(key, body);
    }

    /// Calls the roll and says what is true then: the verdict and what changed, as `down missed since 24 06:00`.
    pub(crate) async fn at(&self, time: &str) -> String {
        let report = self.roll_call(time).await;
        in_short(&report)
    }

    pub(crate) async fn roll_call(&self, time: &str) -> Report {
        self.clock.set(time);
        self.checker().roll_call().await.unwrap()
    }

    /// What a dry run says of a moment.
    pub(crate) async fn would_be_at(&self, time: &str) -> String {
        in_short(&as_of(&self.checker(), moment(time)).await.unwrap())
    }

    /// What was asked since the last time: so many HEAD and so many LIST, and nothing else.
    pub(crate) fn asked(&self) -> (u64, u64) {
        for ask in [Ask::Get, Ask::Put, Ask::Delete, Ask::Other] {
            assert_eq!(self.s3.count(ask), 0, "{ask:?}");
        }
        let asked = (self.s3.count(Ask::Head), self.s3.count(Ask::List));
        self.s3.reset_counts();
        asked
    }

    /// The notices since the last time.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let batches = std::mem::take(&mut *self.slack.0.lock().unwrap());
        batches.into_iter().flat_map(|batch| batch.notices).collect()
    }

    /// The kinds of the notices since the last time.
    pub(crate) fn told(&self) -> Vec<String> {
        self.notices().iter().map(|notice| format!("{:?}", notice.kind).to_lowercase()).collect()
    }

    /// What was said about the object in the only notice since the last time.
    pub(crate) fn said(&self, kind: &str) -> String {
        let notices = self.notices();
        let [only] = notices.as_slice() else { panic!("{notices:#?}") };
        assert_eq!(format!("{:?}", only.kind).to_lowercase(), kind);
        only.facts.message.clone().unwrap_or_default()
    }

    /// Somebody pauses the job.
    pub(crate) async fn pause(&self, time: &str) {
        let mut held = self.store.load().await.unwrap();
        let (slug, state) = held.roll.states.iter_mut().next().unwrap();
        assert!(state.pause(moment(time)).is_some());
        let changes = Changes { jobs: [slug.clone()].into(), ..Changes::default() };
        self.store.commit(held.version, &held.roll, &changes).await.unwrap();
    }

    fn checker(&self) -> Checker {
        Checker {
            config: Arc::new(self.config.clone()),
            store: Arc::clone(&self.store),
            channels: Channels::default().with(ops(), Arc::clone(&self.slack) as Arc<dyn Channel>),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            state_dir: None,
        }
    }
}

fn config(job: &str) -> Config {
    let text = format!(
        "timezone = \"Asia/Tokyo\"\nnotify = [\"ops\"]\n[channels.ops]\nslack = \"env:HOOK\"\n[jobs.batch]\n{job}\n"
    );
    let env = |name: &str| (name == "HOOK").then(|| "https://hooks.slack.com/services/T0/B0/x".to_owned());
    let outside = Outside { env: &env, read_file: &|_| unreachable!(), exposed: false };
    Config::parse(&text, Path::new("tenko.toml"), &outside).unwrap()
}

fn in_short(report: &Report) -> String {
    let (slug, job) = report.jobs.first_key_value().unwrap();
    let state = &report.roll.states[slug];
    let look = look(job, state, &report.roll.gaps, report.at);
    let flips = report.changes.flips.iter().map(|(_, flip)| flip_in_short(flip));
    let flips: Vec<String> = flips.collect();
    match flips.as_slice() {
        [] => look.verdict.to_string(),
        [only] if look.verdict != Verdict::Unknown => only.clone(),
        several => format!("{}: {}", look.verdict, several.join(", ")),
    }
}

fn flip_in_short(flip: &Flip) -> String {
    let reason = flip.reason.map(|reason| format!(" {reason}")).unwrap_or_default();
    format!("{}{reason} since {}", flip.new, flip.at.to_zoned_datetime(tokyo()).strftime("%d %H:%M"))
}

pub(crate) fn moment(time: &str) -> Timestamp {
    let civil: civil::DateTime = format!("2026-11-{}:00", time.replace(' ', "T")).parse().unwrap();
    civil.to_zoned_datetime(tokyo()).unwrap().timestamp()
}

fn tokyo() -> TimeZone {
    TimeZone::get("Asia/Tokyo").unwrap()
}

fn ops() -> ChannelName {
    ChannelName::new("ops").unwrap()
}

/// A clock that is set by hand.
#[derive(Debug)]
struct Watch(Mutex<Timestamp>);

impl Watch {
    fn set(&self, time: &str) {
        *self.0.lock().unwrap() = moment(time);
    }
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A channel that accepts everything.
#[derive(Debug, Default)]
struct Slack(Mutex<Vec<Batch>>);

#[async_trait]
impl Channel for Slack {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        self.0.lock().unwrap().push(batch.clone());
        Delivery::Accepted
    }
}
