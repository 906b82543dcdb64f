//! What is kept of jobs, read at most every few seconds, however often somebody asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tenko_core::{JobState, Slug};
use tenko_store::{Result, SharedStore};
use tokio::sync::Mutex;

/// For how long what was read is shown.
const FRESH: Duration = Duration::from_secs(5);
/// So many jobs are read together.
const TOGETHER: usize = 1000;

/// Jobs and their states, by name.
pub(super) type States = Vec<(Slug, JobState)>;

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Jobs(Mutex<Option<(Instant, Arc<States>)>>);

impl Jobs {
    /// The first so many jobs. If the store does not answer: none.
    pub(super) async fn read(&self, store: &SharedStore, most: usize) -> Arc<States> {
        let mut read = self.0.lock().await;
        if let Some((at, states)) = &*read
            && at.elapsed() < FRESH
        {
            return Arc::clone(states);
        }
        let states = states(store, most).await.unwrap_or_else(|error| {
            tracing::warn!("metrics of jobs are left out: {}", crate::error::chain(&error));
            States::new()
        });
        let states = Arc::new(states);
        *read = Some((Instant::now(), Arc::clone(&states)));
        states
    }
}

async fn states(store: &SharedStore, most: usize) -> Result<States> {
    let mut states = States::new();
    let Some(live) = store.live() else { return Ok(states) };
    let mut after: Option<Slug> = None;
    while states.len() < most {
        let names = live.names(after.as_ref(), TOGETHER.min(most - states.len())).await?;
        let Some(last) = names.last() else { break };
        after = Some(last.clone());
        let entries = live.entries(&names).await?;
        let judged = names.into_iter().zip(entries).filter_map(|(slug, entry)| Some((slug, entry.state?)));
        states.extend(judged);
    }
    Ok(states)
}
