//! Plain objects that somebody else writes: asked for by HEAD when a due waits for them, and only then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tenko_core::schedule::Direction;
use tenko_core::{Evidence, Exit, Job, JobState, Kind, Roll, RunId, Slug};
use tenko_store::open::{ObjectMeta, OpenOptions, PlainObjects, open_objects};
use tenko_store::{ErrorKind, StoreError};
use uuid::Uuid;

use crate::config::{Config, PlainObject};
use crate::words;

/// How many objects are asked for at once; and after so many that had no answer, a bucket that gave none is left alone,
/// because each of them takes its time.
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

/// A bucket, and how it answers in this roll call.
struct Bucket {
    objects: Result<PlainObjects, StoreError>,
    answers: AtomicUsize,
    silences: AtomicUsize,
}

/// When is it, and what was there by then.
#[derive(Clone, Copy)]
struct View {
    now: Timestamp,
    written_by: Timestamp,
}

/// Asks for the objects of all jobs that wait for one.
pub(super) async fn look(config: &Config, jobs: &BTreeMap<Slug, Job>, roll: &Roll, now: Timestamp) -> Seen {
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
    let (first, others) = questions(config, jobs, roll, view.now);
    let mut buckets = BTreeMap::new();
    for question in &first {
        let url = question.object.url();
        let bucket = Bucket::open(&url, &config.checker.objects).await;
        buckets.insert(url, bucket);
    }
    let mut seen = Seen::default();
    // The first one of each bucket finds out whether there is a bucket at all, for the others.
    for questions in [first, others] {
        let asking = questions.iter().map(|question| ask(&buckets, question, view));
        let mut answers = futures::stream::iter(asking).buffer_unordered(AT_ONCE);
        while let Some((slug, answer)) = answers.next().await {
            match answer {
                Ok(evidence) => seen.evidence.extend(evidence),
                Err(problem) => drop(seen.blind.insert(slug.clone(), problem)),
            }
        }
    }
    seen
}

/// All questions: the first one about each bucket, and the others.
fn questions<'a>(
    config: &'a Config,
    jobs: &'a BTreeMap<Slug, Job>,
    roll: &Roll,
    now: Timestamp,
) -> (Vec<Question<'a>>, Vec<Question<'a>>) {
    let mut known = BTreeSet::new();
    let configured = config.jobs.iter();
    let with_object = configured.filter_map(|(slug, of)| Some((slug, of.object.as_ref()?, jobs.get(slug)?)));
    let all = with_object.flat_map(|(slug, object, job)| {
        let dues = dues(job, roll.states.get(slug), now).into_iter();
        dues.map(move |due| Question { job, object, due })
    });
    all.partition(|question| known.insert(question.object.url()))
}

impl Bucket {
    async fn open(url: &str, options: &OpenOptions) -> Self {
        let objects = open_objects(url, options).await;
        Self { objects, answers: AtomicUsize::new(0), silences: AtomicUsize::new(0) }
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, String> {
        let objects = self.objects.as_ref().map_err(said)?;
        let silences = self.silences.load(Ordering::Relaxed);
        if silences >= AT_ONCE && self.answers.load(Ordering::Relaxed) == 0 {
            return Err(format!(
                "{}/{key} was not asked for: {silences} others had no answer",
                objects.url()
            ));
        }
        let answer = objects.head(key).await;
        let silent = matches!(&answer, Err(error) if error.kind() == ErrorKind::Unavailable);
        let count = if silent { &self.silences } else { &self.answers };
        count.fetch_add(1, Ordering::Relaxed);
        answer.map_err(|error| said(&error))
    }
}

/// The dues for which an object is looked for: all that are open, the newest that was missed, because its object may
/// have come late, and of a job that is new the last one, because a bucket remembers what came before the roll; now, if
/// there was none. None while the job is paused.
fn dues(job: &Job, state: Option<&JobState>, now: Timestamp) -> Vec<Timestamp> {
    if state.is_some_and(|state| state.paused.is_some()) {
        return Vec::new();
    }
    let anchor = state.map_or(now, |state| state.fold.anchor);
    let soon = now.checked_add(job.limits.early).unwrap_or(now);
    let last = job.schedule.previous_due(anchor, soon).unwrap_or(now);
    let open = state.and_then(|state| state.fold.due);
    let newest_first = job.schedule.occurrences(anchor, just_after(now), Direction::Back);
    let waiting = newest_first.take_while(|due| open.is_some_and(|open| *due >= open));
    let mut dues: Vec<Timestamp> = waiting.take(MOST_DUES).collect();
    let missed = state.is_none_or(|state| state.fold.unanswered.is_some() || state.last_success.is_none());
    dues.extend(missed.then_some(last));
    dues.sort();
    dues.dedup();
    dues.drain(..dues.len().saturating_sub(MOST_DUES));
    dues
}

async fn ask<'a>(
    buckets: &BTreeMap<String, Bucket>,
    question: &Question<'a>,
    view: View,
) -> (&'a Slug, Result<Option<Evidence>, String>) {
    let key = question.object.key(question.due, question.job.schedule.time_zone());
    let found = buckets[&question.object.url()].head(&key).await;
    let then = found.map(|found| found.filter(|found| found.last_modified <= view.written_by));
    let evidence = then.map(|found| found.map(|found| evidence(question, &key, &found, view.now)));
    (&question.job.slug, evidence)
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

fn just_after(now: Timestamp) -> Timestamp {
    now.checked_add(SignedDuration::from_nanos(1)).unwrap_or(now)
}

fn before(next: Timestamp, early: SignedDuration) -> Timestamp {
    next.checked_sub(early + SignedDuration::from_millis(1)).unwrap_or(next)
}

fn problem(object: &PlainObject, found: &ObjectMeta, now: Timestamp) -> Option<String> {
    if let Some(least) = object.min_size.filter(|least| found.size < *least) {
        return Some(match found.size {
            0 => format!("is empty; {} or more are expected", bytes(least)),
            size => format!("has {}; {} or more are expected", bytes(size), bytes(least)),
        });
    }
    let age = now.duration_since(found.last_modified);
    let oldest = object.max_age.filter(|oldest| age > *oldest)?;
    Some(format!("is {} old; at most {} is allowed", words::length(age), words::length(oldest)))
}

fn bytes(count: u64) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}
