//! The parts of a node: none of them ends unnoticed.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::engine::EngineError;
use super::pulse::{Pulse, Rhythm};

/// The parts of a node. Dropped, all of them end at once.
#[derive(Debug)]
pub(super) struct Parts {
    stop: watch::Sender<bool>,
    failed: watch::Sender<Option<EngineError>>,
    /// Those that end by themselves when they are told to.
    ending: JoinSet<()>,
    /// Those that have to be ended.
    endless: JoinSet<()>,
    pulses: Vec<Arc<Pulse>>,
}

impl Parts {
    pub(super) fn new() -> Self {
        let (stop, failed) = (watch::Sender::new(false), watch::Sender::new(None));
        Self { stop, failed, ending: JoinSet::new(), endless: JoinSet::new(), pulses: Vec::new() }
    }

    /// Tells when it is time to end.
    pub(super) fn told_to_stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Starts a part that ends when it is told to, and not before.
    pub(super) fn ending(
        &mut self,
        part: &'static str,
        rhythm: Rhythm,
        work: impl Future<Output = Result<(), EngineError>> + Send + 'static,
    ) {
        let (failed, stop) = (self.failed.clone(), self.stop.subscribe());
        let pulse = self.pulse(part, rhythm);
        self.ending.spawn(async move {
            let error = match pulse.felt(AssertUnwindSafe(work).catch_unwind()).await {
                Ok(Ok(())) if *stop.borrow() => return,
                Ok(Err(error)) => error,
                Ok(Ok(())) | Err(_) => EngineError::Ended { part },
            };
            tell(&failed, error);
        });
    }

    /// Starts a part that never ends by itself.
    pub(super) fn endless(
        &mut self,
        part: &'static str,
        rhythm: Rhythm,
        work: impl Future<Output = Result<Infallible, EngineError>> + Send + 'static,
    ) {
        let failed = self.failed.clone();
        let pulse = self.pulse(part, rhythm);
        self.endless.spawn(async move {
            let error = match pulse.felt(AssertUnwindSafe(work).catch_unwind()).await {
                Ok(Ok(never)) => match never {},
                Ok(Err(error)) => error,
                Err(_) => EngineError::Ended { part },
            };
            tell(&failed, error);
        });
    }

    fn pulse(&mut self, part: &'static str, rhythm: Rhythm) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::new(part, rhythm));
        self.pulses.push(Arc::clone(&pulse));
        pulse
    }

    /// The part that does not move any more, if there is one.
    pub(super) fn hanging(&self, now: Instant) -> Option<&'static str> {
        self.pulses.iter().find_map(|pulse| pulse.hanging(now))
    }

    /// Returns when a part has ended that must not.
    pub(super) async fn failed(&self) -> EngineError {
        let mut failed = self.failed.subscribe();
        match failed.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or(EngineError::Ended { part: "a part" }),
            // The other end is in `self`.
            Err(_) => std::future::pending().await,
        }
    }

    /// Ends all parts, and waits for those that have to finish something.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.ending.join_next().await.is_some() {}
        self.endless.shutdown().await;
    }
}

/// The first error is the one that counts.
fn tell(failed: &watch::Sender<Option<EngineError>>, error: EngineError) {
    failed.send_if_modified(|told| {
        let first = told.is_none();
        if first {
            *told = Some(error);
        }
        first
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn fault_16_a_part_that_panics_or_ends_is_told_at_once() {
        let mut parts = Parts::new();
        parts.endless("one that works", Rhythm::Waits, std::future::pending());
        parts.endless("one that panics", Rhythm::Waits, async { panic!("planted") });
        let told = tokio::time::timeout(Duration::from_secs(5), parts.failed()).await.unwrap();
        assert!(told.to_string().starts_with("one that panics ended"), "{told}");
        let mut parts = Parts::new();
        parts.ending("one that ends", Rhythm::Waits, async { Ok(()) });
        let told = tokio::time::timeout(Duration::from_secs(5), parts.failed()).await.unwrap();
        assert!(told.to_string().starts_with("one that ends ended"), "{told}");
    }

    #[tokio::test]
    async fn a_part_that_was_told_to_end_is_waited_for() {
        let mut parts = Parts::new();
        let mut stop = parts.told_to_stop();
        let (done, mut finished) = tokio::sync::oneshot::channel();
        parts.ending("one that finishes", Rhythm::Waits, async move {
            stop.wait_for(|stop| *stop).await.unwrap();
            tokio::task::yield_now().await;
            done.send(()).unwrap();
            Ok(())
        });
        parts.stop().await;
        assert_eq!(finished.try_recv(), Ok(()));
    }
}
