//! Plain objects that somebody else writes: asked for by HEAD when a due waits for them, and only then.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tenko_core::{Evidence, Exit, Job, JobState, Kind, Roll, RunId, Slug};
use tenko_store::StoreError;
use tenko_store::open::{ObjectMeta, PlainObjects, open_objects};
use uuid::Uuid;

use crate::config::{Config, PlainObject};
use crate::words;

/// How many objects are asked for at once.
const AT_ONCE: usize = 16;
/// How many dues of one job are made up for after a long absence: the newest.
const MOST_DUES: usize = 31;
/// The namespace of run ids of plain objects (`UUIDv5`, RFC 9562 section 5.5).
const NAMESPACE: Uuid = Uuid::from_u128(0x0192_6c1e_7e0c_5a3f_9b57_706c_6169_6e21);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Objects, as evidence of their jobs.
    pub(super) evidence: Vec<Evidence>,
    /// Jobs whose object could not be asked for, and why.
    pub(super) blind: BTreeMap<Slug, String>,
}

/// One object that a job may have left for a due.
struct Question<'a> {
    job: &'a Job,
    object: &'a PlainObject,
    due: Timestamp,
}

/// Asks for the objects of all jobs that wait for one.
pub(super) async fn look(config: &Config, jobs: &BTreeMap<Slug, Job>, roll: &Roll, now: Timestamp) -> Seen {
    let mut seen = Seen::default();
    let mut buckets: BTreeMap<String, Result<PlainObjects, StoreError>> = BTreeMap::new();
    let mut questions = Vec::new();
    for (slug, configured) in &config.jobs {
        let (Some(object), Some(job)) = (&configured.object, jobs.get(slug)) else { continue };
        let dues = dues(job, roll.states.get(slug), now);
        if !dues.is_empty() && !buckets.contains_key(object.base()) {
            let bucket = open_objects(object.base(), &config.checker.objects).await;
            buckets.insert(object.base().to_owned(), bucket);
        }
        questions.extend(dues.into_iter().map(|due| Question { job, object, due }));
    }
    let asking = questions.into_iter().map(|question| ask(&buckets, question, now));
    let mut answers = futures::stream::iter(asking).buffer_unordered(AT_ONCE);
    while let Some((slug, answer)) = answers.next().await {
        match answer {
            Ok(evidence) => seen.evidence.extend(evidence),
            Err(problem) => drop(seen.blind.insert(slug, problem)),
        }
    }
    seen
}

/// The dues for which an object is looked for: all that are open, the newest that was missed, because its object may
/// have come late, and of a job that is new the last one, because a bucket remembers what came before the roll.
fn dues(job: &Job, state: Option<&JobState>, now: Timestamp) -> Vec<Timestamp> {
    let anchor = state.map_or(now, |state| state.fold.anchor);
    let soon = now.checked_add(job.limits.early).unwrap_or(now);
    let last = job.schedule.previous_due(anchor, soon);
    let open = state.and_then(|state| state.fold.due);
    let mut dues: Vec<Timestamp> = std::iter::successors(open, |due| job.schedule.next_due(anchor, *due))
        .take_while(|due| *due <= now)
        .collect();
    let missed = state.is_none_or(|state| state.fold.unanswered.is_some() || state.last_success.is_none());
    dues.extend(last.filter(|_| missed));
    dues.sort();
    dues.dedup();
    dues.drain(..dues.len().saturating_sub(MOST_DUES));
    dues
}

async fn ask(
    buckets: &BTreeMap<String, Result<PlainObjects, StoreError>>,
    question: Question<'_>,
    now: Timestamp,
) -> (Slug, Result<Option<Evidence>, String>) {
    let slug = question.job.slug.clone();
    let key = question.object.key(question.due, question.job.schedule.time_zone());
    let answer = match &buckets[question.object.base()] {
        Ok(bucket) => bucket.head(&key).await.map_err(|error| said(&error)),
        Err(error) => Err(said(error)),
    };
    let evidence = answer.map(|found| found.map(|found| evidence(&question, &key, &found, now)));
    (slug, evidence)
}

fn said(error: &StoreError) -> String {
    let hint = error.help().map(|hint| format!(" ({hint})")).unwrap_or_default();
    crate::error::chain(error) + &hint
}

/// An object that is there answers its own due and no other, whenever it was written: its key says which. One that is
/// not as it should be is a bad answer.
fn evidence(question: &Question<'_>, key: &str, found: &ObjectMeta, now: Timestamp) -> Evidence {
    let Question { job, object, due } = question;
    let latest = job.schedule.next_due(*due, *due).map_or(now, |next| before(next, job.limits.early));
    let at = if object.is_dated() {
        found.last_modified.clamp(*due, latest.max(*due))
    } else {
        found.last_modified
    };
    let problem = problem(object, found, now);
    let kind = if problem.is_some() { Kind::Fail(None::<Exit>) } else { Kind::Success };
    let identity = format!("{}/{key} {} {} {:?}", object.base(), found.last_modified, found.size, found.etag);
    let run = RunId(Uuid::new_v5(&NAMESPACE, identity.as_bytes()));
    let mut evidence = Evidence::new(job.slug.clone(), run, kind, at);
    evidence.report.message = problem.map(|problem| format!("{}/{key} {problem}", object.base()));
    evidence
}

fn before(next: Timestamp, early: SignedDuration) -> Timestamp {
    next.checked_sub(early + SignedDuration::from_millis(1)).unwrap_or(next)
}

fn problem(object: &PlainObject, found: &ObjectMeta, now: Timestamp) -> Option<String> {
    if let Some(least) = object.min_size.filter(|least| found.size < *least) {
        return Some(match found.size {
            0 => format!("is empty; at least {least} bytes are expected"),
            size => format!("has {size} bytes; at least {least} are expected"),
        });
    }
    let age = now.duration_since(found.last_modified);
    let oldest = object.max_age.filter(|oldest| age > *oldest)?;
    Some(format!("is {} old; at most {} is allowed", words::length(age), words::length(oldest)))
}
