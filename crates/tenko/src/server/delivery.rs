//! Delivery: one worker for each channel that has something to be told, so that a slow channel delays no other.

mod worker;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tenko_core::ChannelName;
use tenko_core::schedule::later;
use tenko_store::StoreError;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::desk::Desk;
use super::engine::EngineError;
use worker::Worker;

/// The longest sleep: others may have written notices without a word.
const LONGEST: SignedDuration = SignedDuration::from_secs(5);
/// How long to wait after the store did not answer.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// Workers, and the channels that they are at.
struct Workers {
    desk: Arc<Desk>,
    stop: watch::Receiver<bool>,
    busy: BTreeSet<ChannelName>,
    running: JoinSet<(ChannelName, Result<(), StoreError>)>,
}

/// Delivers until it is told to stop; then what is on its way arrives, and the rest is given back.
pub(super) async fn deliver(desk: Arc<Desk>, mut stop: watch::Receiver<bool>) -> Result<(), EngineError> {
    let mut workers = Workers { desk, stop: stop.clone(), busy: BTreeSet::new(), running: JoinSet::new() };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        ended = workers.work() => match ended? {},
    }
    while let Some(done) = workers.running.join_next().await {
        workers.done(done)?;
    }
    Ok(())
}

impl Workers {
    async fn work(&mut self) -> Result<Infallible, EngineError> {
        loop {
            let next = match self.start_what_is_ready().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!("the outbox can't be looked at: {}", crate::error::chain(&error));
                    later(self.desk.now(), AGAIN)
                }
            };
            self.sleep(next).await?;
        }
    }

    async fn sleep(&mut self, next: Timestamp) -> Result<(), EngineError> {
        let until = next.min(later(self.desk.now(), LONGEST));
        tokio::select! {
            () = self.desk.clock.sleep_until(until) => Ok(()),
            () = self.desk.to_deliver.notified() => Ok(()),
            Some(done) = self.running.join_next() => self.done(done),
        }
    }

    /// Starts a worker for each channel that has something to be told and has none. Says when to look again.
    async fn start_what_is_ready(&mut self) -> Result<Timestamp, StoreError> {
        let now = self.desk.now();
        for channel in self.desk.live().ready_channels(now).await? {
            if self.busy.insert(channel.clone()) {
                let worker = Worker::new(Arc::clone(&self.desk), channel.clone(), self.stop.clone());
                self.running.spawn(async move { (channel, worker.work().await) });
            }
        }
        let next = self.desk.live().agenda().await?.deliver.unwrap_or(Timestamp::MAX);
        // What is ready of a busy channel is its worker's business, which wakes this one at its end.
        Ok(if next <= now { Timestamp::MAX } else { next })
    }

    /// A worker has ended. One that could not go on is not started again at once.
    fn done(
        &mut self,
        done: Result<(ChannelName, Result<(), StoreError>), JoinError>,
    ) -> Result<(), EngineError> {
        let Ok((channel, result)) = done else { return Err(EngineError::Ended { part: "a channel" }) };
        if let Err(error) = result {
            tracing::error!(%channel, "what became of notices can't be stored: {}", crate::error::chain(&error));
        }
        self.busy.remove(&channel);
        Ok(())
    }
}
