//! Plain objects that somebody else writes: looked for when a due waits for them, and only then.
//!
//! What is known of a bucket is kept apart from what follows from it: [`judge`] says which evidence follows from what is
//! known, or what else it wants to know; [`plan`] says by which requests that is found out most cheaply; [`survey`] asks.
//! So the same objects make the same evidence, however they were asked for.

mod judge;
mod known;
mod plan;
mod survey;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tenko_core::schedule::{Direction, just_after};
use tenko_core::{Evidence, Job, JobState, Roll, Slug};

use crate::config::Config;

use judge::Case;
use known::{Known, Want};
use survey::Bucket;

/// How many dues of one job are made up for after a long absence: the newest.
const MOST_DUES: usize = 31;
/// How often what is known is judged and what is still wanted is asked for. Each time, more is known; this is for the
/// case that objects come and go all the while.
const MOST_ROUNDS: usize = 200;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Objects, as evidence of their jobs.
    pub(crate) evidence: Vec<Evidence>,
    /// Jobs whose object could not be asked for, and why.
    pub(crate) blind: BTreeMap<Slug, String>,
}

/// When is it, and what was there by then.
#[derive(Clone, Copy, Debug)]
struct View {
    now: Timestamp,
    written_by: Timestamp,
}

/// Asks for the objects of all jobs that wait for one.
pub(crate) async fn look(config: &Config, jobs: &BTreeMap<Slug, Job>, roll: &Roll, now: Timestamp) -> Seen {
    // The server's clock may be ahead of this one; what is there is there.
    look_with(config, jobs, roll, View { now, written_by: Timestamp::MAX }).await
}

/// Asks for the objects that jobs waited for at a moment of the past. What was written later was not there then, as far
/// as is known: an object that was written twice looks as if it had been written once, late.
pub(super) async fn look_back(
    config: &Config,
    jobs: &BTreeMap<Slug, Job>,
    roll: &Roll,
    at: Timestamp,
) -> Seen {
    look_with(config, jobs, roll, View { now: at, written_by: at }).await
}

async fn look_with(config: &Config, jobs: &BTreeMap<Slug, Job>, roll: &Roll, view: View) -> Seen {
    let mut waiting = cases(config, jobs, roll, view);
    let mut places = places(&waiting, config).await;
    let mut seen = Seen::default();
    for _ in 0..MOST_ROUNDS {
        let mut wanted = judge_those(&mut waiting, &places, &mut seen);
        let asking = places.iter_mut().filter_map(|(url, (bucket, known))| {
            let wants = wanted.remove(url)?;
            Some(bucket.find_out(wants, known))
        });
        futures::future::join_all(asking).await;
        if waiting.is_empty() {
            break;
        }
    }
    seen.blind.extend(waiting.iter().map(|case| (case.job.slug.clone(), restless(case))));
    seen
}

/// Buckets and directories by their URL, with what is known of each.
type Places = BTreeMap<String, (Bucket, Known)>;

async fn places(cases: &[Case<'_>], config: &Config) -> Places {
    let mut places = Places::new();
    for case in cases {
        if let Entry::Vacant(place) = places.entry(case.object.url()) {
            let bucket = Bucket::open(place.key(), &config.checker.objects).await;
            place.insert((bucket, Known::default()));
        }
    }
    places
}

/// Judges the jobs of which enough is known, and says what has to be known of the others, by place.
fn judge_those(
    waiting: &mut Vec<Case<'_>>,
    places: &Places,
    seen: &mut Seen,
) -> BTreeMap<String, BTreeSet<Want>> {
    let mut wanted: BTreeMap<String, BTreeSet<Want>> = BTreeMap::new();
    waiting.retain(|case| {
        let url = case.object.url();
        let found = judge::judge(case, &places[&url].1);
        if found.wants.is_empty() {
            seen.evidence.extend(found.evidence);
            seen.blind.extend(found.problem.map(|problem| (case.job.slug.clone(), problem)));
            return false;
        }
        wanted.entry(url).or_default().extend(found.wants);
        true
    });
    wanted
}

fn restless(case: &Case<'_>) -> String {
    format!("{} changes faster than it can be looked at", case.object)
}

/// All jobs that wait for an object, and the dues that they wait for.
fn cases<'a>(config: &'a Config, jobs: &'a BTreeMap<Slug, Job>, roll: &Roll, view: View) -> Vec<Case<'a>> {
    let configured = config.jobs.iter();
    let with_object = configured.filter_map(|(slug, of)| Some((slug, of.object.as_ref()?, jobs.get(slug)?)));
    let cases = with_object.map(|(slug, object, job)| {
        let state = roll.states.get(slug);
        let last_success = state.and_then(|state| state.last_success);
        Case { job, object, dues: dues(job, state, view.now), last_success, view }
    });
    cases.filter(|case| !case.dues.is_empty()).collect()
}

/// The dues for which an object is looked for: all that are open, the newest that was missed or answered badly, because
/// its object may have come late, and of a job that is new the last one, because a bucket remembers what came before the
/// roll (now, if there was none), and all since it is expected. None while the job is paused.
fn dues(job: &Job, state: Option<&JobState>, now: Timestamp) -> Vec<Timestamp> {
    if state.is_some_and(|state| state.paused.is_some()) {
        return Vec::new();
    }
    let new = JobState::new(job, job.expected_from.unwrap_or(now));
    let anchor = state.unwrap_or(&new).fold.anchor;
    let soon = now.checked_add(job.limits.early).unwrap_or(now);
    let last = job.schedule.previous_due(anchor, soon).unwrap_or(now);
    let open = state.unwrap_or(&new).fold.due;
    let newest_first = job.schedule.occurrences(anchor, just_after(now), Direction::Back);
    let waiting = newest_first.take_while(|due| open.is_some_and(|open| *due >= open));
    let mut dues: Vec<Timestamp> = waiting.take(MOST_DUES).collect();
    dues.extend(state.is_none_or(may_be_made_up_for).then_some(last));
    dues.sort();
    dues.dedup();
    dues.drain(..dues.len().saturating_sub(MOST_DUES));
    dues
}

/// Whether the last due has no good answer.
fn may_be_made_up_for(state: &JobState) -> bool {
    let failed = state.last_fail.map(|fail| fail.at);
    let succeeded = state.last_success.map(|success| success.at);
    state.fold.unanswered.is_some() || succeeded.is_none() || failed > succeeded
}
