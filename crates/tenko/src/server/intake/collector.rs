//! Pings on their way to the disk: whatever has arrived is stored together, and answered when it is there.

use std::cell::Cell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use tenko_core::{Kind, Slug};
use tenko_store::live::{Case, Naming, Wanted};
use tenko_store::{Appended, StoreError};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::line::{Answer, Line, Waiting};
use super::queue::Created;
use super::{Heard, Refusal, Said};
use crate::server::desk::{Desk, Done, Stopwatch};
use crate::server::engine::EngineError;
use crate::server::hearing::{Arrived, Fate};
use crate::server::judge::Sitting;

/// The most pings that are stored together.
const MOST: usize = 512;

/// Stores pings until no more can come, and nothing is left.
pub(in crate::server) async fn collect(
    collector: Collector,
    mut stop: watch::Receiver<bool>,
) -> Result<(), EngineError> {
    let collector = Arc::new(collector);
    let mut lanes = JoinSet::new();
    for _ in 0..collector.desk.live().at_once().max(1) {
        lanes.spawn(Arc::clone(&collector).store_all());
    }
    let closing = async {
        // That nobody can say it any more means it too.
        drop(stop.wait_for(|stop| *stop).await);
        collector.line.close();
    };
    let storing = async {
        while let Some(ended) = lanes.join_next().await {
            ended.map_err(|_| EngineError::Ended { part: "intake" })?;
        }
        Ok(())
    };
    tokio::pin!(closing, storing);
    tokio::select! {
        biased;
        ended = &mut storing => return ended,
        () = closing => {}
    }
    storing.await
}

/// Stores pings: whatever waits when a transaction begins becomes part of it.
#[derive(Debug)]
pub(in crate::server) struct Collector {
    desk: Arc<Desk>,
    line: Arc<Line>,
    created: Arc<Created>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.line.abandon();
    }
}

/// What one transaction is about, taken out of the line when the store gets to it, and the same if it is tried again.
#[derive(Debug)]
struct Taken {
    line: Arc<Line>,
    desk: Arc<Desk>,
    batch: OnceLock<Batch>,
}

impl Taken {
    fn batch(&self) -> &Batch {
        self.batch.get_or_init(|| Batch::of(self.line.take(MOST), &self.desk))
    }
}

/// The pings of one transaction, those of each job together and in the order in which they arrived.
#[derive(Debug)]
struct Batch {
    pings: Vec<Arrived>,
    answers: Mutex<Vec<oneshot::Sender<Answer>>>,
    bytes: usize,
    /// When they were taken.
    at: Timestamp,
    watch: Stopwatch,
}

impl Collector {
    pub(super) fn new(desk: Arc<Desk>, line: Arc<Line>, created: Arc<Created>) -> Self {
        Self { desk, line, created }
    }

    async fn store_all(self: Arc<Self>) {
        while self.line.somebody().await {
            self.store().await;
        }
    }

    async fn store(&self) {
        let (line, desk) = (Arc::clone(&self.line), Arc::clone(&self.desk));
        let taken = Arc::new(Taken { line, desk, batch: OnceLock::new() });
        let result = self.decide(&taken).await;
        // If the store did not even begin, whoever waits is told so.
        let batch = taken.batch();
        let answers = std::mem::take(&mut *batch.answers.lock().unwrap_or_else(PoisonError::into_inner));
        if answers.is_empty() {
            return;
        }
        let (status, count) = (&self.desk.status, answers.len() as u64);
        status.waiting.take(count);
        self.line.done(batch.bytes);
        status.batch_sizes.note(u32::try_from(count).unwrap_or(u32::MAX));
        status.commits.note(batch.watch.read());
        match result {
            Ok(fates) => self.acknowledge(batch, &fates, answers),
            Err(error) => {
                status.unstored.add(count);
                refuse(error, answers);
            }
        }
    }

    async fn decide(&self, taken: &Arc<Taken>) -> Result<Vec<Fate>, StoreError> {
        let named = Arc::clone(taken);
        let naming = Naming::new(move || (named.batch().jobs(), named.batch().at));
        let (heard, created) = (Arc::clone(taken), Arc::clone(&self.created));
        let work = move |sitting: &mut Sitting, case: Case| {
            let batch = heard.batch();
            sitting.grounds.now = batch.at;
            batch.hear(sitting, case, &created)
        };
        let done = self.desk.decide(Wanted::Latest(naming), work).await?;
        self.keep_swallowed(taken, &done).await?;
        Ok(done.found)
    }

    /// An id that was used long ago, and is not among the runs that are known any more, makes a ping look like one that is
    /// stored already. It counted for its job; now it is stored as a run of its own.
    async fn keep_swallowed(&self, taken: &Arc<Taken>, done: &Done<Vec<Fate>>) -> Result<(), StoreError> {
        let is_known = |piece| done.appended.get(piece) == Some(&Appended::Known);
        let found = done.found.iter().enumerate();
        let swallowed: Vec<(usize, Kind)> = found
            .filter(|(_, fate)| fate.piece.is_some_and(is_known))
            .map(|(ping, fate)| (ping, fate.kind))
            .collect();
        if swallowed.is_empty() {
            return Ok(());
        }
        let taken = Arc::clone(taken);
        let again = move |sitting: &mut Sitting, _: Case| {
            for (ping, kind) in &swallowed {
                sitting.keep_as_its_own(&taken.batch().pings[*ping], *kind);
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
            self.created.one_more();
        }
    }
}

fn refuse(error: StoreError, answers: Vec<oneshot::Sender<Answer>>) {
    tracing::error!("{} pings could not be stored: {}", answers.len(), crate::error::chain(&error));
    let error = Arc::new(error);
    for answer in answers {
        drop(answer.send(Err(Refusal::Store(Arc::clone(&error)))));
    }
}

impl Batch {
    fn of(mut waiting: Vec<Waiting>, desk: &Desk) -> Self {
        waiting.sort_by(|one, other| one.arrived.job.cmp(&other.arrived.job));
        let bytes = waiting.iter().map(|waiting| waiting.bytes).sum();
        let apart = waiting.into_iter().map(|waiting| (waiting.arrived, waiting.answer));
        let (pings, answers): (Vec<_>, Vec<_>) = apart.unzip();
        Self { pings, answers: Mutex::new(answers), bytes, at: desk.now(), watch: Stopwatch::start() }
    }

    fn jobs(&self) -> Vec<Slug> {
        let mut jobs: Vec<Slug> = self.pings.iter().map(|arrived| arrived.job.clone()).collect();
        jobs.dedup();
        jobs
    }

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
