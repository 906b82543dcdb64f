//! Jobs that are judged by plain objects: looked for when a job waits for one. Of the nodes that attend one looks for all.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tenko_core::schedule::later;
use tenko_core::{Evidence, Job, Roll, Slug};
use tenko_store::StoreError;
use tenko_store::live::{Case, Wanted};

use super::desk::Desk;
use super::engine::EngineError;
use super::judge::{Cause, Sitting};
use crate::checker::look_for_objects;

/// How often objects are looked for, unless the configuration says otherwise.
const EVERY: SignedDuration = SignedDuration::from_mins(1);
/// How long to wait after the store did not answer, and at least between two looks.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);
/// How often a node at whose place another looks asks whether that one is still there.
const TAKES_OVER: SignedDuration = SignedDuration::from_secs(10);
/// So many jobs are decided about in one transaction.
const MOST: usize = 500;

/// Looks for objects again and again.
pub(super) async fn look(desk: Arc<Desk>) -> Result<Infallible, EngineError> {
    let config = &desk.roster.config;
    let with_object = config.jobs.iter().filter(|(_, configured)| configured.object.is_some());
    let jobs: BTreeMap<Slug, Job> =
        with_object.map(|(slug, configured)| (slug.clone(), configured.job.clone())).collect();
    if jobs.is_empty() {
        return std::future::pending().await;
    }
    let longest = config.checker.interval.unwrap_or(EVERY);
    loop {
        let next = match in_turn(&desk, &jobs).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!("objects can't be looked for: {}", crate::error::chain(&error));
                None
            }
        };
        let now = desk.now();
        let (earliest, latest) = (later(now, AGAIN), later(now, longest.max(AGAIN)));
        let until = next.unwrap_or(latest).clamp(earliest, latest);
        tokio::select! {
            () = desk.clock.sleep_until(until) => {}
            () = desk.to_survey.notified() => {}
        }
    }
}

/// Looks for objects, if that is this node's turn. Says when to do it again.
async fn in_turn(desk: &Desk, jobs: &BTreeMap<Slug, Job>) -> Result<Option<Timestamp>, StoreError> {
    desk.be_there().await?;
    if is_first(desk).await? { survey(desk, jobs).await } else { Ok(Some(later(desk.now(), TAKES_OVER))) }
}

/// Whether this node has the smallest id of those that attend. One that has died counts as attending for a minute; and should
/// two take themselves for the first, one of them decides.
async fn is_first(desk: &Desk) -> Result<bool, StoreError> {
    let attending = desk.live().attending(desk.now()).await?;
    Ok(attending.first().is_none_or(|first| desk.node.id <= first.id))
}

/// Looks for the objects that jobs wait for, and judges them by what is there. Says when one has to be looked at next.
async fn survey(desk: &Desk, jobs: &BTreeMap<Slug, Job>) -> Result<Option<Timestamp>, StoreError> {
    let names: Vec<Slug> = jobs.keys().cloned().collect();
    let mut roll = Roll { gaps: desk.gaps().to_vec(), ..Roll::default() };
    for page in names.chunks(MOST) {
        let entries = desk.live().entries(page).await?;
        let states = page.iter().zip(entries).filter_map(|(slug, entry)| Some((slug.clone(), entry.state?)));
        roll.states.extend(states);
    }
    let seen = look_for_objects(&desk.roster.config, jobs, &roll, desk.now()).await;
    let mut news: BTreeMap<Slug, Vec<Evidence>> = BTreeMap::new();
    for piece in seen.evidence {
        news.entry(piece.job.clone()).or_default().push(piece);
    }
    let (news, blind) = (Arc::new(news), Arc::new(seen.blind));
    let mut next = None;
    for page in names.chunks(MOST) {
        let (news, blind) = (Arc::clone(&news), Arc::clone(&blind));
        let work = move |sitting: &mut Sitting, case: Case| {
            for (slug, entry) in case.entries {
                let news = news.get(&slug).map(Vec::as_slice).unwrap_or_default();
                let blind = blind.get(&slug).map(String::as_str);
                sitting.judge(slug, entry, Cause { news, blind, looked: true, ..Cause::default() });
            }
            sitting.looks_again_at()
        };
        let done = desk.decide(Wanted::Jobs(page.to_vec()), work).await?;
        next = next.into_iter().chain(done.found).min();
    }
    Ok(next)
}
