//! What all parts of a node share: the store, the clock, what is expected, and how something is decided.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tenko_core::judge::Gap;
use tenko_core::schedule::later;
use tenko_store::live::{By, Case, Live, Node, Wanted};
use tenko_store::{Appended, ErrorKind, SharedStore, StoreError};
use tokio::sync::Notify;

use super::attendance::Keys;
use super::judge::{Grounds, Sitting};
use super::roster::Roster;
use super::sources::Sources;
use super::status::Status;
use super::steady::Steady;
use crate::checker::Clock as _;
use crate::notify::Channels;

/// A node that did not note that it is there for longer decides about no deadline, and is not ready.
pub(crate) const LONGEST_SILENCE: SignedDuration = SignedDuration::from_secs(30);

/// What all parts of a node share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) node: Node,
    pub(super) clock: Steady,
    pub(super) roster: Arc<Roster>,
    pub(super) channels: Channels,
    pub(super) status: Arc<Status>,
    pub(super) keys: Arc<Keys>,
    pub(super) sources: Arc<Sources>,
    /// There is something to deliver.
    pub(super) to_deliver: Notify,
    /// A deadline is nearer than whoever sleeps until the next one knows.
    pub(super) nearer: Notify,
    /// A job has to be looked for its object.
    pub(super) to_survey: Notify,
    store: SharedStore,
    gaps: RwLock<Arc<[Gap]>>,
    /// Until when whoever waits for deadlines sleeps, in microseconds since 1970.
    sleeps_until: AtomicI64,
}

/// What a decision brought about beside what is stored.
#[derive(Debug)]
pub(super) struct Done<T> {
    /// What became of each piece of evidence.
    pub(super) appended: Vec<Appended>,
    /// What was worked out on the way.
    pub(super) found: T,
}

impl Desk {
    pub(super) fn new(
        node: Node,
        store: SharedStore,
        clock: Steady,
        roster: Arc<Roster>,
        channels: Channels,
    ) -> Self {
        Self {
            node,
            clock,
            roster,
            channels,
            status: Arc::default(),
            keys: Arc::default(),
            sources: Arc::default(),
            to_deliver: Notify::new(),
            nearer: Notify::new(),
            to_survey: Notify::new(),
            store,
            gaps: RwLock::default(),
            sleeps_until: AtomicI64::new(i64::MIN),
        }
    }

    /// The store.
    pub(super) fn store(&self) -> &SharedStore {
        &self.store
    }

    /// The store, as servers keep it.
    pub(super) fn live(&self) -> &dyn Live {
        self.store.live().expect("a node is started on such a store only, and none changes")
    }

    /// What is now.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The spans in which intake was away.
    pub(super) fn gaps(&self) -> Arc<[Gap]> {
        Arc::clone(&self.gaps.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_gaps(&self, gaps: Vec<Gap>) {
        *self.gaps.write().unwrap_or_else(PoisonError::into_inner) = gaps.into();
    }

    /// Decides about jobs in one transaction. `work` may be called several times, and only what it found the last time
    /// counts.
    pub(super) async fn decide<T: Send + 'static>(
        &self,
        wanted: Wanted,
        work: impl Fn(&mut Sitting, Case) -> T + Send + Sync + 'static,
    ) -> Result<Done<T>, StoreError> {
        let work: Arc<Work<T>> = Arc::new(work);
        match self.decide_once(wanted.clone(), &work).await {
            // As after a sleep of the machine: certainly nothing was stored.
            Err(error) if error.kind() == ErrorKind::Unfit => {
                self.attend().await?;
                self.decide_once(wanted, &work).await
            }
            done => done,
        }
    }

    async fn decide_once<T: Send + 'static>(
        &self,
        wanted: Wanted,
        work: &Arc<Work<T>>,
    ) -> Result<Done<T>, StoreError> {
        let at = self.now();
        let grounds = Grounds { roster: Arc::clone(&self.roster), gaps: self.gaps(), now: at };
        let result: Arc<Mutex<Option<(T, Noted)>>> = Arc::default();
        let (kept, work) = (Arc::clone(&result), Arc::clone(work));
        let decide = move |case: Case| {
            let mut sitting = Sitting::new(grounds.clone());
            let found = work(&mut sitting, case);
            let noted = Noted::of(&sitting);
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((found, noted));
            sitting.decided
        };
        let by = By::Node(self.node.id);
        let appended = self.live().decide(by, wanted, at, Box::new(decide)).await?;
        let result = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((found, noted)) = result else {
            return Err(StoreError::new(ErrorKind::Corrupt, "the store did not ask what to decide"));
        };
        self.follow(noted);
        Ok(Done { appended, found })
    }

    /// Wakes whoever has something to do now.
    fn follow(&self, noted: Noted) {
        self.status.flips.add(noted.flips as u64);
        self.status.unjudged.add(noted.unjudged.len() as u64);
        for slug in noted.unjudged {
            tracing::error!(job = %slug, "the job could not be judged: this is a mistake in Tenko itself, please report it");
        }
        if noted.notices {
            self.to_deliver.notify_one();
        }
        if noted.to_survey {
            self.to_survey.notify_one();
        }
        if let Some(wake_at) = noted.wake_at
            && wake_at.as_microsecond() < self.sleeps_until.load(Ordering::SeqCst)
        {
            self.nearer.notify_one();
        }
    }

    /// Returns after so long, or earlier if the clocks have jumped.
    pub(super) async fn pause(&self, length: std::time::Duration) {
        let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
        self.clock.sleep_until(later(self.now(), length)).await;
    }

    /// Notes until when whoever waits for deadlines is going to sleep; whoever decides wakes it if need be.
    pub(super) fn sleeps_until(&self, until: Timestamp) {
        self.sleeps_until.store(until.as_microsecond(), Ordering::SeqCst);
    }
}

type Work<T> = dyn Fn(&mut Sitting, Case) -> T + Send + Sync;

/// What has to be done after a decision is stored.
#[derive(Debug)]
struct Noted {
    notices: bool,
    to_survey: bool,
    wake_at: Option<Timestamp>,
    flips: usize,
    unjudged: Vec<tenko_core::Slug>,
}

impl Noted {
    fn of(sitting: &Sitting) -> Self {
        Self {
            notices: sitting.notices,
            to_survey: sitting.to_survey,
            wake_at: sitting.decided.kept.iter().filter_map(|kept| kept.wake_at).min(),
            flips: sitting.decided.flips.len(),
            unjudged: sitting.unjudged.clone(),
        }
    }
}

/// How long something took, for whoever measures.
#[derive(Debug)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn read(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}
