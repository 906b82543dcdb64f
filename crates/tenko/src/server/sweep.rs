//! The sweep at the start: every job of the configuration is enrolled, and what has changed in it is followed.

use tenko_core::Slug;
use tenko_store::live::{Case, Wanted};
use tenko_store::{ErrorKind, StoreError};

use super::deadlines::hear_all;
use super::desk::{Desk, Stopwatch};
use super::intake::queue::Created;
use super::judge::{Cause, Sitting};

/// So many jobs are looked at in one transaction.
const MOST: usize = 200;

/// Enrols the jobs of the configuration, gives them the addresses that it asks for, and looks at all that are kept.
async fn sweep(desk: &Desk, created: &Created) -> Result<(), StoreError> {
    let configured: Vec<Slug> = desk.roster.config.jobs.keys().cloned().collect();
    for page in configured.chunks(MOST) {
        follow(desk, page.to_vec()).await?;
    }
    give_addresses(desk).await?;
    let mut others = 0;
    let mut after = None;
    loop {
        let names = desk.live().names(after.as_ref(), MOST).await?;
        let Some(last) = names.last().cloned() else { break };
        let watch = Stopwatch::start();
        let page: Vec<Slug> = names.into_iter().filter(|slug| !desk.roster.is_configured(slug)).collect();
        if !page.is_empty() {
            others += follow(desk, page).await?;
        }
        after = Some(last);
        // Half of the time is for the others.
        tokio::time::sleep(watch.read()).await;
    }
    created.counted(others);
    desk.status.swept(desk.now());
    Ok(())
}

/// Judges jobs by what is expected of them now; forgets those of which nothing is expected any more. Says how many are kept
/// that the configuration does not know.
async fn follow(desk: &Desk, page: Vec<Slug>) -> Result<usize, StoreError> {
    // What was heard may show that a deadline was kept.
    hear_all(desk).await?;
    let wanted = Wanted::Jobs(page);
    let work = |sitting: &mut Sitting, case: Case| {
        let mut others = 0;
        for (slug, entry) in case.entries {
            let known = sitting.grounds.roster.is_known(&slug, &entry);
            others += usize::from(known && !sitting.grounds.roster.is_configured(&slug));
            if known || entry.state.is_some() {
                sitting.judge(slug, entry, Cause { followed: true, ..Cause::default() });
            }
        }
        others
    };
    Ok(desk.decide(wanted, work).await?.found)
}

async fn give_addresses(desk: &Desk) -> Result<(), StoreError> {
    for (slug, configured) in &desk.roster.config.jobs {
        if let Some(address) = configured.uuid {
            match desk.live().addresses(std::slice::from_ref(slug), Some(address)).await {
                // Pings at it go where the configuration says; it is for people to find another one.
                Err(error) if error.kind() == ErrorKind::Config => {
                    tracing::error!(job = %slug, "{}", crate::error::chain(&error));
                }
                given => drop(given?),
            }
        }
    }
    Ok(())
}

/// Sweeps again and again, until it was done once.
pub(super) async fn sweep_once(desk: &Desk, created: &Created) {
    while let Err(error) = sweep(desk, created).await {
        tracing::error!("the jobs of the configuration can't be enrolled: {}", crate::error::chain(&error));
        desk.pause(std::time::Duration::from_secs(5)).await;
    }
}
