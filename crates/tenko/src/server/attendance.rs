//! That a node is there: noted every few seconds, so that all know when nobody was.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tenko_store::live::Key;
use tenko_store::{ErrorKind, StoreError};

use super::desk::{Desk, LONGEST_SILENCE};
use super::engine::EngineError;
use super::steady::Stepped;
use crate::words;

/// How often it is noted.
const EVERY: Duration = Duration::from_secs(10);
/// How often it is tried again, if the store does not answer.
const AGAIN: Duration = Duration::from_secs(2);

/// Keys that are kept in the store, as they were read last.
#[derive(Debug, Default)]
pub struct Keys(RwLock<Vec<Key>>);

impl Keys {
    /// SHA-256 of each key for a purpose.
    pub fn hashes(&self, purpose: &str) -> Vec<[u8; 32]> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter(|key| key.purpose == purpose).map(|key| key.hash).collect()
    }

    fn replace(&self, keys: Vec<Key>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

impl Desk {
    /// Notes that this node is there, and takes note of when nobody was.
    pub(super) async fn attend(&self) -> Result<(), StoreError> {
        let asked = self.now();
        let attendance = self.live().attend(&self.node, asked, LONGEST_SILENCE).await?;
        if let Some(theirs) = attendance.store_time {
            self.clock.follow(theirs, asked, self.now());
        }
        if let Some(gap) = attendance.found {
            let (from, to) = (gap.from, gap.to);
            tracing::warn!(%from, %to, "nobody heard pings for {}", words::length(to.duration_since(from)));
        }
        self.set_gaps(attendance.gaps);
        self.status.attended(self.now());
        Ok(())
    }

    /// Makes sure that this node has noted lately that it is there: before anybody is declared missed, all have to know
    /// whether pings could be heard.
    pub(super) async fn be_there(&self) -> Result<(), StoreError> {
        let attended = self.status.attended_at();
        if attended.is_some_and(|at| self.now().duration_since(at) <= LONGEST_SILENCE) {
            return Ok(());
        }
        self.attend().await
    }

    pub(super) async fn read_keys(&self) -> Result<(), StoreError> {
        self.keys.replace(self.live().keys().await?);
        Ok(())
    }

    fn compare_clocks(&self) {
        match self.clock.compare() {
            None => {}
            Some(Stepped::Doubted(step)) => {
                let length = words::length(step.abs());
                let direction = if step.is_positive() { "ahead" } else { "back" };
                tracing::warn!(
                    "the clock of this machine was set {direction} by {length}; that is not followed before it stays so for 10 minutes"
                );
            }
            Some(Stepped::Back) => tracing::warn!("the clock of this machine was set right again"),
            Some(Stepped::Believed(_)) => {
                tracing::warn!("the clock of this machine stays as it was set: from now on that is the time");
            }
        }
    }
}

/// Notes again and again that the node is there, until that can't be done any more.
pub(super) async fn attend(desk: Arc<Desk>) -> Result<Infallible, EngineError> {
    let mut silent = false;
    loop {
        desk.compare_clocks();
        let done = match desk.attend().await {
            Ok(()) => desk.read_keys().await,
            Err(error) => Err(error),
        };
        let pause = match done {
            Ok(()) => {
                if std::mem::take(&mut silent) {
                    tracing::info!("the store answers again");
                }
                EVERY
            }
            Err(error) if is_passing(&error) => {
                if !std::mem::replace(&mut silent, true) {
                    tracing::error!("the store does not answer: {}", crate::error::chain(&error));
                }
                AGAIN
            }
            Err(source) => {
                return Err(EngineError::Store { doing: "keep the store", source: Arc::new(source) });
            }
        };
        desk.pause(pause).await;
    }
}

/// Whether a server can wait until it is over.
fn is_passing(error: &StoreError) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Full | ErrorKind::Denied)
}
