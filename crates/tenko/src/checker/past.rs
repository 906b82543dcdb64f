//! What became of a job's dues, from the evidence that is still there, whoever called the roll meanwhile or not.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tenko_core::calendar::{Due, Past, calendar};
use tenko_core::schedule::{Direction, Schedule, just_after};
use tenko_core::{Evidence, Job, JobState, Roll, Slug};
use tenko_store::{SharedStore, Snapshot, StoreError};

use super::{Checker, Members, objects};
use crate::config::{Config, PlainObject};

/// For how many dues objects are looked for in one go: as many as a roll call looks for after a long absence.
const DUES_AT_ONCE: usize = 31;
/// How many such looks are taken at once.
const LOOKS: usize = 4;

/// What became of the dues of a job.
#[derive(Debug)]
pub struct Dues {
    /// The dues, oldest first.
    pub dues: Vec<Due>,
    /// From when on the job was expected, as far as is known.
    pub expected_from: Option<Timestamp>,
    /// From when on evidence is kept; of a due before without evidence nothing can be said. `None` if nothing is known
    /// of the job at all.
    pub evidence_from: Option<Timestamp>,
    /// Why objects could not be read, if some could not.
    pub problem: Option<String>,
}

/// What objects tell of the past.
#[derive(Default)]
struct Found {
    evidence: Vec<Evidence>,
    unread: Vec<Timestamp>,
    problem: Option<String>,
}

/// Who would be on the roll if it were called now, with what jobs have said of themselves since the last time. Judges
/// nobody.
///
/// # Errors
///
/// If the store can't be read.
pub async fn roster(checker: &Checker, now: Timestamp) -> Result<(Roll, Members), StoreError> {
    let Snapshot { mut roll, .. } = checker.store.load().await?;
    let news = checker.store.news(&roll.cursor, now).await?;
    let members = checker.members(&mut roll, &news.evidence).await?;
    Ok((roll, members))
}

/// What became of the dues of `job` in `from..to`, up to `now`.
///
/// # Errors
///
/// If the store can't be read. That objects can't be is said in [`Dues::problem`].
pub async fn dues(
    config: &Config,
    store: &SharedStore,
    (job, roll): (&Job, &Roll),
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<Dues, StoreError> {
    let state = roll.states.get(&job.slug);
    let first = from.checked_sub(reach(job)).unwrap_or(Timestamp::MIN);
    let mut evidence = store.between(Some(&job.slug), first, Timestamp::MAX).await?;
    let object = config.jobs.get(&job.slug).and_then(|configured| configured.object.as_ref());
    let mut found = match object {
        Some(object) => look(config, job, object, (from, to.min(now))).await,
        None => Found::default(),
    };
    // By what is there now, an object tells when it was written.
    let oldest = match object {
        Some(_) => found.evidence.iter().map(|piece| due_of(job, piece)).min(),
        None => store.oldest().await?,
    };
    evidence.append(&mut found.evidence);
    let mut past = Past::of(job, state, &roll.gaps, &evidence, now);
    past.kept_from = Some(oldest.into_iter().chain(silent_since(state)).min().unwrap_or(now));
    past.unread.extend(found.unread);
    let expected_from = past.expected_from;
    // Objects declare nothing, and lie there since before anybody looked.
    if job.expected_from.is_none() && (object.is_some() || expected_from.is_none()) {
        past.expected_from = Some(from);
    }
    let flips = store.facts(&job.slug, MOST_FLIPS).await?.flips;
    let paused = state.and_then(|state| state.paused);
    past.pauses = tenko_core::calendar::Pause::among(&flips, paused);
    let dues = calendar(job, &past, &evidence, (from, to), now);
    let evidence_from = past.kept_from.filter(|kept| *kept < now);
    Ok(Dues { dues, expected_from, evidence_from, problem: found.problem })
}

/// So many flips are enough to find the pauses.
const MOST_FLIPS: usize = 1000;

/// How long before a span evidence begins to matter for it.
fn reach(job: &Job) -> SignedDuration {
    let limits = &job.limits;
    let period = match &job.schedule {
        Schedule::Every { period, .. } => *period,
        _ => SignedDuration::ZERO,
    };
    let longest = limits.grace.max(limits.max_runtime.unwrap_or_default());
    longest.saturating_add(period).saturating_add(SignedDuration::from_hours(24))
}

/// Since when nothing was heard of a job, as the roll knows it, whatever is kept.
fn silent_since(state: Option<&JobState>) -> Option<Timestamp> {
    let state = state?;
    let heard = [state.last_start, state.last_success, state.last_fail];
    Some(heard.into_iter().flatten().map(|heard| heard.at).max().unwrap_or(state.expected_from))
}

/// The due that an object answers.
fn due_of(job: &Job, piece: &Evidence) -> Timestamp {
    job.schedule.previous_due(piece.at, just_after(piece.at)).unwrap_or(piece.at)
}

/// Looks for the object of each due of a span.
async fn look(config: &Config, job: &Job, object: &PlainObject, span: (Timestamp, Timestamp)) -> Found {
    let dues = wanted(job, object, span);
    let alone = alone(config, job);
    let jobs = BTreeMap::from([(job.slug.clone(), job.clone())]);
    let looks = dues.chunks(DUES_AT_ONCE).map(|dues| look_at(&alone, &jobs, job, dues));
    let mut found = Found::default();
    let mut looks = futures::stream::iter(looks).buffer_unordered(LOOKS);
    while let Some(look) = looks.next().await {
        found.evidence.extend(look.evidence);
        found.unread.extend(look.unread);
        found.problem = found.problem.or(look.problem);
    }
    found
}

/// The dues of which the objects are to be looked for. One key for all dues tells of the last one alone.
fn wanted(job: &Job, object: &PlainObject, (from, to): (Timestamp, Timestamp)) -> Vec<Timestamp> {
    let newest_first = job.schedule.occurrences(to, just_after(to), Direction::Back);
    let most = if object.is_dated() { usize::MAX } else { 1 };
    let mut dues: Vec<Timestamp> = newest_first.take_while(|due| *due >= from).take(most).collect();
    dues.reverse();
    dues
}

/// A configuration in which there is this job and no other.
fn alone(config: &Config, job: &Job) -> Config {
    let mut alone = Config { checker: config.checker.clone(), ..Config::default() };
    alone.time_zone = config.time_zone.clone();
    let configured = config.jobs.get_key_value(&job.slug);
    alone.jobs =
        configured.map(|(slug, configured)| (slug.clone(), configured.clone())).into_iter().collect();
    alone
}

/// Looks as a roll call does that finds these dues open.
async fn look_at(alone: &Config, jobs: &BTreeMap<Slug, Job>, job: &Job, dues: &[Timestamp]) -> Found {
    let (Some(first), Some(last)) = (dues.first(), dues.last()) else { return Found::default() };
    let mut roll = Roll::default();
    roll.states.insert(job.slug.clone(), JobState::new(job, *first));
    let next = job.schedule.next_due(*last, *last);
    let then = next.and_then(|next| next.checked_sub(job.limits.early).ok()).unwrap_or(*last).max(*last);
    let seen = objects::look(alone, jobs, &roll, then).await;
    let answered: Vec<Timestamp> = seen.evidence.iter().map(|piece| due_of(job, piece)).collect();
    let problem = seen.blind.get(&job.slug).cloned();
    let unread = dues.iter().filter(|due| problem.is_some() && !answered.contains(due)).copied().collect();
    Found { evidence: seen.evidence, unread, problem }
}
