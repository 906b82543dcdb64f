//! What is known now, for whoever only looks: the last roll call, and what the evidence since then makes of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tenko_core::call::{self, Roster};
use tenko_core::{Job, Roll, Slug};
use tenko_store::StoreError;

use super::Checker;

/// The roll of the last roll call carried on to `now` by the evidence that has arrived since, and the jobs on it. Asks
/// for no plain object: what could not be told about one still can't. It is not for storing, and nobody is told.
pub async fn up_to_now(
    checker: &Checker,
    mut roll: Roll,
    now: Timestamp,
) -> Result<(Roll, BTreeMap<Slug, Job>), StoreError> {
    let news = checker.store.news(&roll.cursor, now).await?;
    let received = news.evidence.iter().filter_map(|piece| piece.received_at).max();
    let members = checker.members(&mut roll, &news.evidence).await?;
    let problem = |(slug, blind): (&Slug, &tenko_core::state::Blind)| (slug.clone(), blind.problem.clone());
    let blind = roll.states.iter().filter_map(|(slug, state)| Some((slug, state.blind.as_ref()?)));
    let blind: BTreeMap<Slug, String> = blind.map(problem).collect();
    let roster = Roster { jobs: &members.jobs, blind: &blind };
    call::call(&mut roll, roster, &news.evidence, received.map_or(now, |received| received.max(now)));
    Ok((roll, members.jobs))
}
