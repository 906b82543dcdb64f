//! Pings on their way to the disk: whatever has arrived is stored together, and answered when it is there.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::SignedDuration;
use tenko_core::{Kind, Slug};
use tenko_store::live::{Case, Wanted};
use tenko_store::{Appended, StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::{Addressee, Heard, Hears, Ping, Refusal, Said};
use crate::server::desk::{Desk, Done, Stopwatch};
use crate::server::engine::EngineError;
use crate::server::hearing::{Arrived, Fate};
use crate::server::judge::Sitting;
use crate::server::recent::Recent;

/// The most pings that are stored together.
const MOST: usize = 512;
/// When whoever finds the queue full may come again.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(1);
/// So many addresses are remembered.
const ADDRESSES: usize = 100_000;

type Answer = Result<Heard, Refusal>;

/// The most bytes of texts that wait to be stored.
const MOST_BYTES: usize = 64 << 20;

/// A ping that waits, and whoever waits for it.
#[derive(Debug)]
struct Waiting {
    arrived: Arrived,
    bytes: usize,
    answer: oneshot::Sender<Answer>,
}

/// The way in.
#[derive(Debug)]
pub(in crate::server) struct Intake {
    desk: Arc<Desk>,
    sender: mpsc::Sender<Waiting>,
    addresses: Recent<Uuid, Slug>,
    bytes: Arc<AtomicUsize>,
    lots: Lots,
}

/// Numbers that no other node draws, and none twice in a row.
#[derive(Debug, Default)]
struct Lots {
    seed: RandomState,
    drawn: AtomicU64,
}

impl Lots {
    fn draw(&self) -> u32 {
        let number = self.seed.hash_one(self.drawn.fetch_add(1, Ordering::Relaxed));
        (number >> 32) as u32
    }
}

/// The other end of the queue.
#[derive(Debug)]
pub(in crate::server) struct Collector {
    desk: Arc<Desk>,
    receiver: mpsc::Receiver<Waiting>,
    created: Arc<Created>,
    bytes: Arc<AtomicUsize>,
}

/// How many jobs there are that the configuration does not know, as far as this node knows, and how many there may be.
#[derive(Debug)]
pub(in crate::server) struct Created {
    most: usize,
    known: AtomicUsize,
}

impl Created {
    pub(in crate::server) fn new(most: usize) -> Self {
        Self { most, known: AtomicUsize::new(0) }
    }

    /// Takes note of how many there are.
    pub(in crate::server) fn counted(&self, known: usize) {
        self.known.store(known, Ordering::Relaxed);
    }

    fn may_be_more(&self, than: usize) -> bool {
        self.known.load(Ordering::Relaxed) + than < self.most
    }
}

/// Makes a queue for so many pings.
pub(in crate::server) fn queue(
    desk: &Arc<Desk>,
    length: usize,
    created: Arc<Created>,
) -> (Intake, Collector) {
    let (sender, receiver) = mpsc::channel(length.max(1));
    let bytes = Arc::<AtomicUsize>::default();
    let collector = Collector { desk: Arc::clone(desk), receiver, created, bytes: Arc::clone(&bytes) };
    let (desk, addresses) = (Arc::clone(desk), Recent::new(ADDRESSES));
    (Intake { desk, sender, addresses, bytes, lots: Lots::default() }, collector)
}

#[async_trait]
impl Hears for Intake {
    async fn hear(&self, ping: Ping) -> Answer {
        let status = &self.desk.status;
        let Some(job) = self.job(&ping.to).await? else {
            status.unknown.add(1);
            return Ok(Heard::Unknown);
        };
        let (answer, answered) = oneshot::channel();
        if self.bytes.load(Ordering::Relaxed) > MOST_BYTES {
            return Err(self.busy());
        }
        let bytes = size(&ping);
        let arrived = Arrived { job, ping, at: self.desk.now(), random: self.lots.draw() };
        // Before it is there, so that it is never counted down before it was counted up.
        status.waiting.add(1);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Err(refused) = self.sender.try_send(Waiting { arrived, bytes, answer }) {
            status.waiting.take(1);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(self.refusal(&refused));
        }
        answered.await.unwrap_or(Err(Refusal::Stopping))
    }

    async fn knows(&self, to: &Addressee) -> Result<bool, Refusal> {
        let Some(job) = self.job(to).await? else { return Ok(false) };
        let roster = &self.desk.roster;
        if roster.is_configured(&job) {
            return Ok(true);
        }
        let entries = self.desk.live().entries(std::slice::from_ref(&job)).await;
        let entries = entries.map_err(|error| Refusal::Store(Arc::new(error)))?;
        Ok(entries.first().is_some_and(|entry| roster.is_known(&job, entry)))
    }
}

impl Intake {
    async fn job(&self, to: &Addressee) -> Result<Option<Slug>, Refusal> {
        let address = match to {
            Addressee::Job(slug) => return Ok(Some(slug.clone())),
            Addressee::Address(address) => *address,
        };
        let configured = self.desk.roster.addressed(address).cloned();
        if let Some(slug) = configured.or_else(|| self.addresses.get(&address)) {
            return Ok(Some(slug));
        }
        let found = self.desk.live().job_at(address).await;
        let found = found.map_err(|error| Refusal::Store(Arc::new(error)))?;
        if let Some(slug) = &found {
            self.addresses.put(address, slug.clone());
        }
        Ok(found)
    }

    fn refusal(&self, refused: &mpsc::error::TrySendError<Waiting>) -> Refusal {
        match refused {
            mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
            mpsc::error::TrySendError::Full(_) => self.busy(),
        }
    }

    fn busy(&self) -> Refusal {
        self.desk.status.busy.add(1);
        Refusal::Busy { retry_after: RETRY_AFTER }
    }
}

/// Stores pings until no more can come, and nothing is left.
pub(in crate::server) async fn collect(
    mut collector: Collector,
    mut stop: watch::Receiver<bool>,
) -> Result<(), EngineError> {
    let mut batch = Vec::with_capacity(MOST);
    loop {
        let came = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop), if !collector.receiver.is_closed() => {
                collector.receiver.close();
                continue;
            }
            came = collector.receiver.recv_many(&mut batch, MOST) => came,
        };
        if came == 0 {
            return Ok(());
        }
        collector.wait_for_more(&mut batch).await;
        collector.store(std::mem::replace(&mut batch, Vec::with_capacity(MOST))).await;
    }
}

/// The pings of one transaction, those of each job together and in the order in which they arrived.
#[derive(Debug)]
struct Batch {
    pings: Vec<Arrived>,
}

impl Collector {
    /// Lets those who are just about to bring a ping do so: the disk takes as long for many as for one.
    async fn wait_for_more(&mut self, batch: &mut Vec<Waiting>) {
        tokio::task::yield_now().await;
        while batch.len() < MOST
            && let Ok(one_more) = self.receiver.try_recv()
        {
            batch.push(one_more);
        }
    }

    async fn store(&self, mut waiting: Vec<Waiting>) {
        let watch = Stopwatch::start();
        let bytes = waiting.iter().map(|waiting| waiting.bytes).sum();
        waiting.sort_by(|one, other| one.arrived.job.cmp(&other.arrived.job));
        let apart = waiting.into_iter().map(|waiting| (waiting.arrived, waiting.answer));
        let (pings, answers): (Vec<_>, Vec<_>) = apart.unzip();
        let batch = Arc::new(Batch { pings });
        let result = self.decide(&batch).await;
        let (status, count) = (&self.desk.status, answers.len() as u64);
        status.waiting.take(count);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        status.batches.add(1);
        status.commits.note(watch.read());
        match result {
            Ok(fates) => self.acknowledge(&batch, &fates, answers),
            Err(error) => {
                status.unstored.add(count);
                refuse(error, answers);
            }
        }
    }

    async fn decide(&self, batch: &Arc<Batch>) -> Result<Vec<Fate>, StoreError> {
        let mut jobs: Vec<Slug> = batch.pings.iter().map(|arrived| arrived.job.clone()).collect();
        jobs.dedup();
        let (pings, created) = (Arc::clone(batch), Arc::clone(&self.created));
        let work = move |sitting: &mut Sitting, case: Case| pings.hear(sitting, case, &created);
        let done = self.desk.decide(Wanted::Jobs(jobs), work).await?;
        self.keep_swallowed(batch, &done).await?;
        Ok(done.found)
    }

    /// An id that was used long ago, and is not among the runs that are known any more, makes a ping look like one that is
    /// stored already. It counted for its job; now it is stored as a run of its own.
    async fn keep_swallowed(&self, batch: &Arc<Batch>, done: &Done<Vec<Fate>>) -> Result<(), StoreError> {
        let is_known = |piece| done.appended.get(piece) == Some(&Appended::Known);
        let found = done.found.iter().enumerate();
        let swallowed: Vec<(usize, Kind)> = found
            .filter(|(_, fate)| fate.piece.is_some_and(is_known))
            .map(|(ping, fate)| (ping, fate.kind))
            .collect();
        if swallowed.is_empty() {
            return Ok(());
        }
        let batch = Arc::clone(batch);
        let again = move |sitting: &mut Sitting, _: Case| {
            for (ping, kind) in &swallowed {
                sitting.keep_as_its_own(&batch.pings[*ping], *kind);
            }
        };
        self.desk.decide(Wanted::Jobs(Vec::new()), again).await.map(|_| ())
    }

    fn acknowledge(&self, batch: &Batch, fates: &[Fate], answers: Vec<oneshot::Sender<Answer>>) {
        for ((fate, arrived), answer) in fates.iter().zip(&batch.pings).zip(answers) {
            self.count(fate.heard, arrived.ping.said);
            // Whoever does not wait any more needs no answer.
            drop(answer.send(Ok(fate.heard)));
        }
    }

    fn count(&self, heard: Heard, said: Said) {
        let status = &self.desk.status;
        let counter = match (heard, said) {
            (Heard::Unknown, _) => &status.unknown,
            (Heard::Ignored, _) => &status.pings.ignored,
            (_, Said::Start) => &status.pings.start,
            (_, Said::Success | Said::Exit(0)) => &status.pings.success,
            (_, Said::Fail(_) | Said::Exit(_)) => &status.pings.fail,
            (_, Said::Log) => &status.pings.log,
        };
        counter.add(1);
        if heard == Heard::Created {
            self.created.known.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How many bytes a ping takes while it waits, about.
fn size(ping: &Ping) -> usize {
    let output = ping.report.output.as_ref().map_or(0, |output| output.head.len() + output.tail.len());
    output + ping.text.as_ref().map_or(0, String::len) + ping.report.message.as_ref().map_or(0, String::len)
}

fn refuse(error: StoreError, answers: Vec<oneshot::Sender<Answer>>) {
    tracing::error!("{} pings could not be stored: {}", answers.len(), crate::error::chain(&error));
    let error = Arc::new(error);
    for answer in answers {
        drop(answer.send(Err(Refusal::Store(Arc::clone(&error)))));
    }
}

impl Batch {
    /// Hears the pings of each job; says what became of each ping, in their order.
    fn hear(&self, sitting: &mut Sitting, case: Case, created: &Created) -> Vec<Fate> {
        let newly = Cell::new(0);
        let may_create = || {
            let may = created.may_be_more(newly.get());
            newly.set(newly.get() + usize::from(may));
            may
        };
        let mut entries = case.entries.into_iter().peekable();
        let mut fates = Vec::with_capacity(self.pings.len());
        for pings in self.pings.chunk_by(|one, other| one.job == other.job) {
            let job = &pings[0].job;
            while entries.next_if(|(slug, _)| slug < job).is_some() {}
            let entry = entries.next_if(|(slug, _)| slug == job).map(|(_, entry)| entry);
            fates.extend(sitting.hear(job, entry.unwrap_or_default(), pings, &may_create));
        }
        fates
    }
}
