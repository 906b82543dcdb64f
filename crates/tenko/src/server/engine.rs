//! A node of a server: what it is made of, and how it begins and ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use jiff::SignedDuration;
use tenko_core::judge::Gap;
use tenko_store::live::Node;
use tenko_store::{SharedStore, StoreError};
use uuid::Uuid;

use super::attendance::{self, Keys};
use super::desk::Desk;
use super::intake::Hears;
use super::intake::collector::collect;
use super::intake::queue::{Created, Intake, queue};
use super::parts::Parts;
use super::pulse::Rhythm;
use super::roster::Roster;
use super::sources::{self, Sources, without_sources};
use super::status::Status;
use super::steady::{Clocks, MachineClocks, Steady};
use super::{census, deadlines, delivery, retention, survey, sweep};
use crate::config::Config;
use crate::notify::Channels;

/// What a node needs to know.
#[derive(Debug)]
pub struct EngineOptions {
    /// What is expected, and who is told.
    pub config: Arc<Config>,
    /// Where evidence and decisions live: a store that servers can keep.
    pub store: SharedStore,
    /// Those who are told.
    pub channels: Channels,
    /// The time.
    pub clocks: Arc<dyn Clocks>,
    /// How people call this node: host and address.
    pub name: String,
    /// How many pings can wait to be stored before the next is refused.
    pub queue: usize,
    /// How many jobs that the configuration does not know there may be before pings create no more.
    pub created_jobs_limit: usize,
    /// How long evidence and facts are kept.
    pub retention: SignedDuration,
}

impl EngineOptions {
    /// The usual options.
    pub fn new(config: Arc<Config>, store: SharedStore, channels: Channels) -> Self {
        Self {
            config,
            store,
            channels,
            clocks: Arc::new(MachineClocks),
            name: crate::place::host().unwrap_or_default(),
            queue: 10_000,
            created_jobs_limit: 10_000,
            retention: SignedDuration::from_hours(24 * 90),
        }
    }
}

/// Why a node can't go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The store is none that servers can keep.
    #[error("{url} can't be kept by a server")]
    NotLive {
        /// The store.
        url: String,
    },
    /// The store did not answer as it must.
    #[error("can't {doing}")]
    Store {
        /// What was to be done.
        doing: &'static str,
        /// Why it was not.
        #[source]
        source: Arc<StoreError>,
    },
    /// A part of the server has ended, and this is a mistake in Tenko itself.
    #[error(
        "{part} ended, and a server can't do without: this is a mistake in Tenko itself, please report it"
    )]
    Ended {
        /// Which part.
        part: &'static str,
    },
}

/// A node of a server. It works until it is stopped; dropped, it ends at once, as if it had been killed.
#[derive(Debug)]
pub struct Engine {
    desk: Arc<Desk>,
    intake: Arc<Intake>,
    parts: Parts,
}

impl Engine {
    /// Begins: when this returns, the node attends, and pings are heard.
    ///
    /// # Errors
    /// If the store is none that servers can keep, or does not answer.
    pub async fn start(options: EngineOptions) -> Result<Self, EngineError> {
        if options.store.live().is_none() {
            return Err(EngineError::NotLive { url: options.store.url() });
        }
        let node = Node { id: Uuid::new_v4(), name: options.name };
        let roster = Arc::new(Roster::new(without_sources(&options.config)));
        let clock = Steady::new(options.clocks);
        let desk = Arc::new(Desk::new(node, options.store, clock, roster, options.channels));
        let begun = async {
            desk.attend().await?;
            desk.read_keys().await
        };
        begun
            .await
            .map_err(|source| EngineError::Store { doing: "keep the store", source: source.into() })?;
        let created = Arc::new(Created::new(options.created_jobs_limit));
        let (intake, collector) = queue(&desk, options.queue, Arc::clone(&created));
        let mut parts = Parts::new();
        parts.ending("intake", Rhythm::Waits, collect(collector, parts.told_to_stop()));
        parts.ending("delivery", Rhythm::Looks, delivery::deliver(Arc::clone(&desk), parts.told_to_stop()));
        parts.endless("attendance", Rhythm::Looks, attendance::attend(Arc::clone(&desk)));
        parts.endless("deadlines", Rhythm::Looks, deadlines::keep(Arc::clone(&desk)));
        parts.endless("survey", Rhythm::Waits, survey::look(Arc::clone(&desk)));
        parts.endless("census", Rhythm::Waits, census::count(Arc::clone(&desk)));
        parts.endless(
            "the watch over sources",
            Rhythm::Waits,
            sources::watch(Arc::clone(&desk), options.config),
        );
        parts.endless("sweep", Rhythm::Waits, background(Arc::clone(&desk), created, options.retention));
        Ok(Self { desk, intake: Arc::new(intake), parts })
    }

    /// Where pings go.
    pub fn hears(&self) -> Arc<dyn Hears> {
        Arc::<Intake>::clone(&self.intake)
    }

    /// What there is to tell about it.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.desk.status)
    }

    /// The keys that are kept in the store, as they were read last, at most 10 seconds ago while the store answers.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.desk.keys)
    }

    /// What is known of the stores that others write into.
    pub fn sources(&self) -> Arc<Sources> {
        Arc::clone(&self.desk.sources)
    }

    /// The spans in which intake was away, as they are known to this node.
    pub fn gaps(&self) -> Arc<[Gap]> {
        self.desk.gaps()
    }

    /// The time by which it goes.
    pub fn clock(&self) -> Steady {
        self.desk.clock.clone()
    }

    /// Returns when a part of it has ended that it can't do without: then the whole has to end.
    pub async fn failed(&self) -> EngineError {
        self.parts.failed().await
    }

    /// The part of it that hangs in itself at `now`, if one does. That the store is away makes none hang.
    pub fn hanging(&self, now: Instant) -> Option<&'static str> {
        self.parts.hanging(now)
    }

    /// Ends: no new pings are heard, those that wait are stored and answered, messages that are on their way arrive, what
    /// was claimed besides is given back, and the others see that this node is gone.
    pub async fn stop(self) {
        let Self { desk, intake, parts } = self;
        drop(intake);
        parts.stop().await;
        if let Err(error) = desk.live().leave(&desk.node, desk.now()).await {
            tracing::warn!("the others are not told that this node is gone: {}", crate::error::chain(&error));
        }
    }
}

/// What has time.
async fn background(
    desk: Arc<Desk>,
    created: Arc<Created>,
    retention: SignedDuration,
) -> Result<Infallible, EngineError> {
    sweep::sweep_once(&desk, &created).await;
    retention::keep(&desk, retention).await
}
