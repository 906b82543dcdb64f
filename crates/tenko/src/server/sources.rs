//! Stores that others write into: their rolls are called beside, so that one place shows jobs of buckets and pinged jobs
//! together.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tenko_core::schedule::later;
use tenko_core::{Slug, SourceName};
use tenko_store::open::open;
use tenko_store::{RetryingStore, StoreError};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::engine::EngineError;
use crate::checker::{Checker, Report};
use crate::config::{Config, ConfiguredJob};

/// How often a roll is called, unless the configuration says otherwise.
const EVERY: SignedDuration = SignedDuration::from_mins(1);
/// The shortest pause between two roll calls.
const LEAST: SignedDuration = SignedDuration::from_secs(2);
/// For how long one call of a store is tried again.
const RETRY_FOR: std::time::Duration = std::time::Duration::from_secs(15);

/// What the last roll calls over all sources found.
#[derive(Debug, Default)]
pub struct Sources(Mutex<BTreeMap<SourceName, Source>>);

/// What is known of a source.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The last roll call that came to its end.
    pub report: Option<Arc<Report>>,
    /// Why the roll could not be called the last time, if it could not.
    pub problem: Option<String>,
}

impl Sources {
    /// What is known of each source; nothing of those of which the roll was not called yet.
    pub fn all(&self) -> BTreeMap<SourceName, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn called(&self, name: &SourceName, called: Result<Report, String>) {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let source = sources.entry(name.clone()).or_default();
        match called {
            Ok(report) => *source = Source { report: Some(Arc::new(report)), problem: None },
            Err(problem) => source.problem = Some(problem),
        }
    }
}

/// The configuration without the jobs of which the evidence lies elsewhere.
pub(super) fn without_sources(config: &Arc<Config>) -> Arc<Config> {
    if config.jobs.values().all(|configured| configured.source.is_none()) {
        return Arc::clone(config);
    }
    Arc::new(Config { jobs: jobs(config, None), ..Config::clone(config) })
}

/// The configuration for the roll of one source.
fn of_source(config: &Config, name: &SourceName) -> Config {
    let mut own = Config { jobs: jobs(config, Some(name)), publish: None, ..config.clone() };
    own.checker.heartbeat = None;
    own.checker.name = None;
    own
}

fn jobs(config: &Config, source: Option<&SourceName>) -> BTreeMap<Slug, ConfiguredJob> {
    let belongs = |configured: &ConfiguredJob| configured.source.as_ref() == source;
    let of_source = config.jobs.iter().filter(|(_, configured)| belongs(configured));
    of_source.map(|(slug, configured)| (slug.clone(), configured.clone())).collect()
}

/// Calls the rolls of all sources again and again, in a thread of their own.
pub(super) async fn watch(desk: Arc<Desk>, config: Arc<Config>) -> Result<Infallible, EngineError> {
    const ENDED: EngineError = EngineError::Ended { part: "the watch over sources" };
    if config.sources.is_empty() {
        return std::future::pending().await;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|_| ENDED)?;
    // The thread ends when this is dropped, and this ends when the thread does.
    let (_here, gone) = oneshot::channel::<()>();
    let (there, ended) = oneshot::channel::<()>();
    let work = move || {
        let _there = there;
        runtime.block_on(async {
            let all = config.sources.iter().map(|(name, url)| watch_one(&desk, &config, name, url));
            tokio::select! {
                _ = gone => {}
                _ = join_all(all) => {}
            }
        });
    };
    std::thread::Builder::new().name("sources".into()).spawn(work).map_err(|_| ENDED)?;
    drop(ended.await);
    Err(ENDED)
}

async fn watch_one(desk: &Desk, config: &Config, name: &SourceName, url: &str) -> Infallible {
    let config = Arc::new(of_source(config, name));
    let longest = config.checker.interval.unwrap_or(EVERY).max(LEAST);
    let mut checker = None;
    loop {
        let called = call(desk, &config, url, &mut checker).await;
        let next = called.as_ref().ok().and_then(|report| report.roll.look_again_at());
        if let Err(error) = &called {
            tracing::error!(source = %name, "the roll can't be called: {}", crate::error::chain(error));
        }
        desk.sources.called(name, called.map_err(|error| crate::error::chain(&error)));
        let now = desk.now();
        let until = next.unwrap_or(Timestamp::MAX).clamp(later(now, LEAST), later(now, longest));
        desk.clock.sleep_until(until).await;
    }
}

async fn call(
    desk: &Desk,
    config: &Arc<Config>,
    url: &str,
    checker: &mut Option<Checker>,
) -> Result<Report, StoreError> {
    let checker = match checker {
        Some(checker) => checker,
        None => {
            let store = open(url, &config.checker.objects).await?;
            checker.insert(Checker {
                config: Arc::clone(config),
                store: Arc::new(RetryingStore::new(store, RETRY_FOR)),
                channels: desk.channels.clone(),
                clock: Arc::new(desk.clock.clone()),
                state_dir: None,
            })
        }
    };
    checker.roll_call().await
}
