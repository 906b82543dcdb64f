//! Deadlines: sleeps until the next one, and judges whatever has to be looked at, and evidence that nobody has heard.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tenko_core::schedule::later;
use tenko_core::{Evidence, Slug};
use tenko_store::StoreError;
use tenko_store::live::{Case, Wanted};

use super::desk::Desk;
use super::engine::EngineError;
use super::judge::{Cause, Sitting};

/// The most jobs, or pieces of evidence, that are decided about in one transaction.
const MOST: usize = 1000;
/// The longest sleep: others may have moved what is to be done next without a word.
const LONGEST: SignedDuration = SignedDuration::from_secs(2);
/// The shortest sleep: stores keep moments in milliseconds.
const SHORTEST: SignedDuration = SignedDuration::from_millis(1);
/// How long to wait after the store did not answer.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// Keeps deadlines until that can't be done any more.
pub(super) async fn keep(desk: Arc<Desk>) -> Result<Infallible, EngineError> {
    let mut silent = false;
    loop {
        // Whoever decides from now on wakes this, whatever it decides.
        desk.sleeps_until(Timestamp::MAX);
        let next = match pass(&desk).await {
            Ok(next) => {
                silent = false;
                next
            }
            Err(error) => {
                if !std::mem::replace(&mut silent, true) {
                    tracing::error!("deadlines can't be looked at: {}", crate::error::chain(&error));
                }
                later(desk.now(), AGAIN)
            }
        };
        sleep(&desk, next).await;
    }
}

async fn sleep(desk: &Desk, next: Timestamp) {
    let now = desk.now();
    let until = next.clamp(later(now, SHORTEST), later(now, LONGEST));
    desk.sleeps_until(until);
    tokio::select! {
        () = desk.clock.sleep_until(until) => {}
        () = desk.nearer.notified() => {}
        () = desk.live().changed() => {
            // They may have written a notice, too.
            desk.to_deliver.notify_one();
        }
    }
}

/// Looks at everything that has to be looked at now. Says when to look again.
async fn pass(desk: &Desk) -> Result<Timestamp, StoreError> {
    desk.be_there().await?;
    // What was heard may show that a deadline was kept.
    hear_all(desk).await?;
    while look_at_due(desk).await? == MOST {
        desk.be_there().await?;
    }
    desk.status.looked(desk.now());
    Ok(desk.live().agenda().await?.look.unwrap_or(Timestamp::MAX))
}

/// Judges jobs by all evidence that no server has heard.
pub(super) async fn hear_all(desk: &Desk) -> Result<(), StoreError> {
    while hear_unheard(desk).await? == MOST {}
    Ok(())
}

/// Judges jobs that have to be looked at. Says how many there were.
async fn look_at_due(desk: &Desk) -> Result<usize, StoreError> {
    let wanted = Wanted::Due { by: desk.now(), most: MOST };
    let work = |sitting: &mut Sitting, case: Case| {
        let count = case.entries.len();
        for (slug, entry) in case.entries {
            sitting.judge(slug, entry, Cause { due: true, ..Cause::default() });
        }
        count
    };
    Ok(desk.decide(wanted, work).await?.found)
}

/// Judges jobs by evidence that no server has heard. Says how much there was.
async fn hear_unheard(desk: &Desk) -> Result<usize, StoreError> {
    let work = |sitting: &mut Sitting, case: Case| {
        let count = case.unheard.len();
        let mut news: BTreeMap<Slug, Vec<Evidence>> = BTreeMap::new();
        for piece in case.unheard {
            news.entry(piece.job.clone()).or_default().push(piece);
        }
        for (slug, entry) in case.entries {
            let news = news.remove(&slug).unwrap_or_default();
            sitting.judge(slug, entry, Cause { news: &news, ..Cause::default() });
        }
        count
    };
    Ok(desk.decide(Wanted::Unheard { most: MOST }, work).await?.found)
}
