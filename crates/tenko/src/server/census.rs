//! How many jobs there are, by verdict: counted now and then, page by page, and never so often that it costs much.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tenko_core::judge::look;
use tenko_core::outbox::Item;
use tenko_core::{Slug, Verdict};
use tenko_store::StoreError;
use tenko_store::live::Entry;

use super::desk::{Desk, Stopwatch};
use super::engine::EngineError;
use super::status::Census;

/// So many jobs are read at once.
const MOST: usize = 500;
/// How often jobs are counted at most.
const EVERY: Duration = Duration::from_secs(30);
/// The pause is so many times as long as the counting took.
const PAUSES: u32 = 50;

/// Counts again and again.
pub(super) async fn count(desk: Arc<Desk>) -> Result<Infallible, EngineError> {
    loop {
        let watch = Stopwatch::start();
        match take(&desk).await {
            Ok(census) => desk.status.counted(census),
            Err(error) => tracing::warn!("jobs can't be counted: {}", crate::error::chain(&error)),
        }
        tokio::time::sleep(EVERY.max(watch.read() * PAUSES)).await;
    }
}

async fn take(desk: &Desk) -> Result<Census, StoreError> {
    let mut census = Census::default();
    let mut after: Option<Slug> = None;
    loop {
        let names = desk.live().names(after.as_ref(), MOST).await?;
        let Some(last) = names.last().cloned() else { return Ok(census) };
        for (slug, entry) in names.iter().zip(desk.live().entries(&names).await?) {
            if let Some(verdict) = verdict(desk, slug, &entry) {
                *census.jobs.entry(verdict).or_default() += 1;
            }
            for dead in entry.items.into_iter().filter(Item::is_dead) {
                *census.dead.entry(dead.notice.channel).or_default() += 1;
            }
        }
        after = Some(last);
    }
}

fn verdict(desk: &Desk, slug: &Slug, entry: &Entry) -> Option<Verdict> {
    let state = entry.state.as_ref()?;
    let job = desk.roster.expected(slug, entry.declaration.as_ref());
    Some(look(&job, state, &desk.gaps(), desk.now()).verdict)
}
