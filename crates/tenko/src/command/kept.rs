//! What people decide where a server keeps the store: in one transaction with what is kept of the jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use tenko_core::judge::Gap;
use tenko_core::outbox::Item;
use tenko_core::state::Flip;
use tenko_core::{Roll, Slug};
use tenko_store::live::{By, Case, Decided, Entry, Kept, Live, Wanted};

use crate::error::CommandError;

/// Changes what is kept of jobs, on top of whatever the servers decide meanwhile. `change` gets a roll in which these jobs
/// are and no others, and gives the flips that it brings about, or `None` if there is nothing to change. Says whether
/// there was.
pub(super) async fn change(
    live: &dyn Live,
    jobs: Vec<Slug>,
    gaps: Vec<Gap>,
    now: Timestamp,
    mut change: impl FnMut(&mut Roll) -> Option<Vec<(Slug, Flip)>> + Send + 'static,
) -> Result<bool, CommandError> {
    let changed = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&changed);
    let deciding = move |case: Case| {
        let names: Vec<Slug> = case.entries.iter().map(|(slug, _)| slug.clone()).collect();
        let mut roll = roll_of(case, gaps.clone());
        let flips = change(&mut roll);
        told.store(flips.is_some(), Ordering::Relaxed);
        let Some(flips) = flips else { return Decided::default() };
        let kept = names.into_iter().map(|job| kept(job, &mut roll)).collect();
        Decided { kept, flips, ..Decided::default() }
    };
    live.decide(By::Tool, Wanted::Jobs(jobs), now, Box::new(deciding)).await?;
    Ok(changed.load(Ordering::Relaxed))
}

fn roll_of(case: Case, gaps: Vec<Gap>) -> Roll {
    let mut roll = Roll { gaps, ..Roll::default() };
    for (slug, entry) in case.entries {
        roll.outbox.items.extend(entry.items);
        roll.states.extend(entry.state.map(|state| (slug.clone(), state)));
        roll.declarations.extend(entry.declaration.map(|said| (slug, said)));
    }
    roll
}

fn kept(job: Slug, roll: &mut Roll) -> Kept {
    let is_its = |item: &mut Item| item.notice.job == job;
    let items = roll.outbox.items.extract_if(.., is_its).collect();
    let (state, declaration) = (roll.states.remove(&job), roll.declarations.remove(&job));
    let wake_at = state.as_ref().and_then(|state| state.look_again_at);
    Kept { job, entry: Entry { state, declaration, items }, wake_at }
}
