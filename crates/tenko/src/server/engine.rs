//! A node of a server: what it is made of, and how it begins and ends.

use std::sync::Arc;

use jiff::SignedDuration;
use tenko_store::{SharedStore, StoreError};

use super::attendance::Keys;
use super::intake::Hears;
use super::status::Status;
use super::steady::{Clocks, MachineClocks};
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
pub struct Engine {}

impl Engine {
    /// Begins: when this returns, the node attends, and pings are heard.
    ///
    /// # Errors
    /// If the store is none that servers can keep, or does not answer.
    pub async fn start(options: EngineOptions) -> Result<Self, EngineError> {
        todo!("{options:?}")
    }

    /// Where pings go.
    pub fn hears(&self) -> Arc<dyn Hears> {
        todo!()
    }

    /// What there is to tell about it.
    pub fn status(&self) -> Arc<Status> {
        todo!()
    }

    /// The keys that are kept in the store, as they were read last, at most 10 seconds ago while the store answers.
    pub fn keys(&self) -> Arc<Keys> {
        todo!()
    }

    /// Returns when a part of it has ended that it can't do without: then the whole has to end.
    pub async fn failed(&self) -> EngineError {
        todo!()
    }

    /// Ends: no new pings are heard, those that wait are stored and answered, messages that are on their way arrive, what
    /// was claimed besides is given back, and the others see that this node is gone.
    pub async fn stop(self) {
        todo!()
    }
}
