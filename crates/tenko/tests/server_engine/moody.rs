//! A store that does not answer as it should, and what a node makes of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tenko::server::intake::{Heard, Refusal, Said};
use tenko_core::outbox::Item;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{ChannelName, Evidence, Slug, Verdict};
use tenko_store::live::{Agenda, Attendance, By, Decide, Entry, Key, Live, Node, Settled, Wanted};
use tenko_store::{
    Appended, Commit, ErrorKind, Facts, News, Result, SharedStore, Snapshot, Store, StoreError,
};
use uuid::Uuid;

use crate::world::{World, ping, until};

/// A store that is not there for so many decisions about pings, or of which so many answers are lost. It has no clock.
#[derive(Debug)]
pub(crate) struct Moody {
    inner: SharedStore,
    pub(crate) away: AtomicUsize,
    pub(crate) lost: AtomicUsize,
    /// Whoever attends next does not come back before this is set, as if by a mistake in the program.
    pub(crate) hangs: AtomicBool,
    pub(crate) released: AtomicBool,
    pub(crate) kind: ErrorKind,
}

impl Moody {
    pub(crate) fn over(inner: &SharedStore, kind: ErrorKind) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            away: 0.into(),
            lost: 0.into(),
            hangs: false.into(),
            released: false.into(),
            kind,
        })
    }

    fn error(&self) -> StoreError {
        StoreError::new(self.kind, "the store is in a mood")
    }

    fn live(&self) -> &dyn Live {
        self.inner.live().unwrap()
    }
}

fn take_one(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok()
}

#[async_trait]
impl Store for Moody {
    fn url(&self) -> String {
        self.inner.url()
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        self.inner.append(evidence).await
    }

    async fn news(&self, since: &Cursor, now: Timestamp) -> Result<News> {
        self.inner.news(since, now).await
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        self.inner.between(job, from, to).await
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        self.inner.read(evidence).await
    }

    async fn load(&self) -> Result<Snapshot> {
        self.inner.load().await
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        self.inner.commit(base, roll, changes).await
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        self.inner.facts(job, limit).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        self.inner.prune(before).await
    }

    fn live(&self) -> Option<&dyn Live> {
        Some(self)
    }
}

#[async_trait]
impl Live for Moody {
    async fn decide(&self, by: By, wanted: Wanted, now: Timestamp, decide: Decide) -> Result<Vec<Appended>> {
        let about_pings = matches!(&wanted, Wanted::Latest(_));
        if about_pings && take_one(&self.away) {
            return Err(self.error());
        }
        let done = Moody::live(self).decide(by, wanted, now, decide).await;
        if about_pings && take_one(&self.lost) { Err(self.error()) } else { done }
    }

    fn at_once(&self) -> usize {
        Moody::live(self).at_once()
    }

    async fn entries(&self, jobs: &[Slug]) -> Result<Vec<Entry>> {
        Moody::live(self).entries(jobs).await
    }

    async fn names(&self, after: Option<&Slug>, most: usize) -> Result<Vec<Slug>> {
        Moody::live(self).names(after, most).await
    }

    async fn attend(&self, node: &Node, now: Timestamp, longest: SignedDuration) -> Result<Attendance> {
        if self.away.load(Ordering::SeqCst) > 0 {
            return Err(self.error());
        }
        if self.hangs.swap(false, Ordering::SeqCst) {
            let began = Instant::now();
            while !self.released.load(Ordering::SeqCst) && began.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let attendance = Moody::live(self).attend(node, now, longest).await?;
        Ok(Attendance { store_time: None, ..attendance })
    }

    async fn leave(&self, node: &Node, now: Timestamp) -> Result<()> {
        Moody::live(self).leave(node, now).await
    }

    async fn attending(&self, now: Timestamp) -> Result<Vec<Node>> {
        Moody::live(self).attending(now).await
    }

    async fn agenda(&self) -> Result<Agenda> {
        Moody::live(self).agenda().await
    }

    async fn changed(&self) {
        Moody::live(self).changed().await;
    }

    async fn ready_channels(&self, now: Timestamp) -> Result<Vec<ChannelName>> {
        Moody::live(self).ready_channels(now).await
    }

    async fn claim(
        &self,
        channel: &ChannelName,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Item>> {
        Moody::live(self).claim(channel, holder, now, until, most).await
    }

    async fn settle(&self, settled: &[Settled]) -> Result<Vec<bool>> {
        Moody::live(self).settle(settled).await
    }

    async fn job_at(&self, address: Uuid) -> Result<Option<Slug>> {
        Moody::live(self).job_at(address).await
    }

    async fn addresses(&self, jobs: &[Slug], proposed: Option<Uuid>) -> Result<Vec<Uuid>> {
        Moody::live(self).addresses(jobs, proposed).await
    }

    async fn keep_key(&self, key: &Key) -> Result<()> {
        Moody::live(self).keep_key(key).await
    }

    async fn keys(&self) -> Result<Vec<Key>> {
        Moody::live(self).keys().await
    }

    async fn forget_key(&self, purpose: &str, name: &str) -> Result<bool> {
        Moody::live(self).forget_key(purpose, name).await
    }
}

#[tokio::test]
async fn fault_18_what_the_store_does_not_take_is_acknowledged_to_nobody() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    let store = world.store();
    let moody = Moody::over(&store, ErrorKind::Unavailable);
    let served = world.serve_on(store, Arc::clone(&moody) as SharedStore).await;
    moody.away.store(1, Ordering::SeqCst);
    let refused = served.try_hear(ping("report", Said::Success)).await;
    assert!(matches!(refused, Err(Refusal::Store(_))), "{refused:?}");
    assert_eq!(served.verdict("report").await, Verdict::New);
    assert_eq!(served.hear("report", Said::Success).await, Heard::Recorded, "it heals by itself");
    assert_eq!(served.engine.status().unstored.get(), 1);
    served.engine.stop().await;
}

#[tokio::test]
async fn fault_27_a_ping_of_which_the_answer_was_lost_is_refused_and_sent_again_it_counts_once_more() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    let store = world.store();
    let moody = Moody::over(&store, ErrorKind::Unavailable);
    let served = world.serve_on(store, Arc::clone(&moody) as SharedStore).await;
    moody.lost.store(1, Ordering::SeqCst);
    let refused = served.try_hear(ping("report", Said::Success)).await;
    assert!(matches!(refused, Err(Refusal::Store(_))), "{refused:?}");
    served.hear("report", Said::Success).await;
    assert_eq!(served.verdict("report").await, Verdict::Up);
    assert_eq!(served.evidence("report").await.len(), 2);
    served.engine.stop().await;
}

#[tokio::test]
async fn fault_16_a_store_that_is_broken_for_good_ends_the_node() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    let store = world.store();
    let moody = Moody::over(&store, ErrorKind::Corrupt);
    let served = world.serve_on(store, Arc::clone(&moody) as SharedStore).await;
    moody.away.store(1000, Ordering::SeqCst);
    world.clocks.pass(SignedDuration::from_secs(10));
    let error = served.engine.failed().await;
    assert_eq!(error.to_string(), "can't keep the store");
}

#[tokio::test]
async fn while_the_store_is_away_nobody_is_missed_and_afterwards_everybody_has_a_fair_chance() {
    let world = World::at("05:25").expect_with("report", "0 5 * * *", |job| {
        job.expected_from = Some(crate::world::moment("04:00"));
    });
    let store = world.store();
    let moody = Moody::over(&store, ErrorKind::Unavailable);
    let served = world.serve_on(store, Arc::clone(&moody) as SharedStore).await;
    moody.away.store(1_000_000, Ordering::SeqCst);
    for _ in 0..4 {
        world.clocks.pass(SignedDuration::from_mins(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    moody.away.store(0, Ordering::SeqCst);
    until("it attends again", async || {
        world.clocks.pass(SignedDuration::from_secs(1));
        served.engine.gaps().len() == 1
    })
    .await;
    assert_eq!(served.verdict("report").await, Verdict::New);
    served.hear("report", Said::Success).await;
    world.pass(&served, "07:00").await;
    assert_eq!(world.ops.told(), Vec::<String>::new());
    served.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_part_hangs_while_the_store_is_away_and_one_that_hangs_in_itself_is_named() {
    let world = World::at("05:00").expect("report", "0 5 * * *");
    let store = world.store();
    let moody = Moody::over(&store, ErrorKind::Unavailable);
    let served = world.serve_on(store, Arc::clone(&moody) as SharedStore).await;
    let hanging_in = |seconds| served.engine.hanging(Instant::now() + Duration::from_secs(seconds));
    moody.away.store(1_000_000, Ordering::SeqCst);
    for _ in 0..4 {
        world.clocks.pass(SignedDuration::from_mins(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
        // One that is just at work would hang if its turn took so long; it is soon done.
        until("nobody hangs", async || hanging_in(40).is_none()).await;
    }
    moody.away.store(0, Ordering::SeqCst);
    moody.hangs.store(true, Ordering::SeqCst);
    until("it hangs", async || {
        world.clocks.pass(SignedDuration::from_secs(10));
        // Whoever has to know first that the node is there.
        matches!(hanging_in(31), Some("attendance" | "deadlines")) && hanging_in(20).is_none()
    })
    .await;
    moody.released.store(true, Ordering::SeqCst);
    until("it moves again", async || hanging_in(31).is_none()).await;
    served.engine.stop().await;
}
