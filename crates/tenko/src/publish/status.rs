//! What a page shows, and what the next one has to know. Documented in `docs/status-page.md`.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tenko_core::calendar::Outcome;
use tenko_core::roll::Cursor;
use tenko_core::{Evidence, Job, JobState, Reason, Slug, Verdict};

use super::{strip, tag};
use crate::checker::Report;
use crate::config::{Config, PublishOptions};
use crate::view;

/// How many dues are shown of each job.
pub(super) const DUES: usize = 30;
/// How many outages that are over are shown.
const OUTAGES: usize = 20;
/// How long an outage that is over is shown.
const SHOWN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How much later than expected a roll call may be before its page counts as stale, at least.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// What was true when the roll was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of this shape: 1.
    pub v: u8,
    /// The title of the page.
    pub title: String,
    /// The language of the page: `en` or `ja`.
    pub language: String,
    /// The zone in which the page shows when the roll was called.
    pub time_zone: String,
    /// When the roll was called.
    pub called_at: Timestamp,
    /// When the next roll call is expected, as far as that is known.
    pub next_call_by: Option<Timestamp>,
    /// After this moment a page that has not been written again shows that nobody calls the roll.
    pub stale_after: Option<Timestamp>,
    /// How many jobs have which verdict.
    pub counts: BTreeMap<Verdict, usize>,
    /// The jobs, by name.
    pub jobs: Vec<JobStatus>,
    /// Outages: those that go on, and those that ended lately, the newest first.
    pub incidents: Vec<Outage>,
    /// How often the roll is called, in seconds, as configured or seen.
    pub called_every: Option<i64>,
    /// For the next page: up to where evidence was read.
    pub cursor: Cursor,
    /// For the next page: since when all evidence was read that came.
    pub complete_from: Timestamp,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Its name.
    pub job: Slug,
    /// Its line about itself.
    pub description: Option<String>,
    /// Its schedule, in words.
    pub schedule: Option<String>,
    /// The zone in which its times are shown.
    pub time_zone: String,
    /// What is true of it.
    pub verdict: Verdict,
    /// Why it is down.
    pub reason: Option<Reason>,
    /// Since when that is so.
    pub since: Timestamp,
    /// Whether a run is under way.
    pub running: bool,
    /// When a run last succeeded.
    pub last_success: Option<Timestamp>,
    /// The next due that is to come.
    pub next_due: Option<Timestamp>,
    /// The last dues, oldest first.
    pub dues: Vec<StripDue>,
}

/// A due and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripDue {
    /// When it was due.
    pub due: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
}

/// A span in which a job was down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// The job.
    pub job: Slug,
    /// Why.
    pub reason: Option<Reason>,
    /// When it went down.
    pub from: Timestamp,
    /// When it was up again; it still is down, if `None`.
    pub to: Option<Timestamp>,
}

impl Status {
    /// Whether a page would look the same, but for the time of the roll call.
    pub(super) fn shows_the_same(&self, other: &Self) -> bool {
        let of_call = |status: &Self| Self {
            called_at: Timestamp::UNIX_EPOCH,
            next_call_by: None,
            stale_after: None,
            called_every: None,
            complete_from: Timestamp::UNIX_EPOCH,
            ..status.clone()
        };
        of_call(self) == of_call(other)
    }
}

/// What is known of the past beside the state of each job.
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// What the page before showed.
    Page(&'a Status),
    /// All evidence since a moment.
    Evidence(&'a [Evidence], Timestamp),
    /// Nothing but what this roll call heard.
    Nothing,
}

/// What is true by the end of a roll call, and what is known of the past.
pub fn status(config: &Config, options: &PublishOptions, report: &Report, past: Known<'_>) -> Status {
    let (before, evidence, complete_from) = match past {
        Known::Page(before) => (Some(before), &*report.heard.evidence, complete_from(report, Some(before))),
        Known::Evidence(evidence, since) => (None, evidence, since),
        Known::Nothing => (None, &*report.heard.evidence, complete_from(report, None)),
    };
    let called_every = called_every(config, report, before);
    let known: HashMap<&Slug, &JobStatus> =
        before.into_iter().flat_map(|before| before.jobs.iter().map(|job| (&job.job, job))).collect();
    let mut heard: HashMap<&Slug, Vec<&Evidence>> = HashMap::new();
    for piece in evidence {
        heard.entry(&piece.job).or_default().push(piece);
    }
    let job = |(slug, job): (&Slug, &Job)| {
        let news = heard.get(slug).map(Vec::as_slice).unwrap_or_default();
        one(job, report, news, (known.get(slug).copied(), complete_from))
    };
    let jobs: Vec<JobStatus> = report.jobs.iter().map(job).collect();
    let mut counts = BTreeMap::new();
    for job in &jobs {
        *counts.entry(job.verdict).or_insert(0) += 1;
    }
    let after = |length: SignedDuration| report.at.checked_add(length).unwrap_or(Timestamp::MAX);
    Status {
        v: 1,
        title: options.title.clone().unwrap_or_else(|| "Tenko".into()),
        language: tag(config.language).into(),
        time_zone: config.time_zone.iana_name().unwrap_or("UTC").into(),
        called_at: report.at,
        next_call_by: called_every.map(after),
        stale_after: called_every
            .map(|every| after(options.every.max(every).saturating_add(every.max(SLACK)))),
        counts,
        jobs,
        incidents: outages(report, before),
        called_every: called_every.map(|every| every.as_secs()),
        cursor: report.roll.cursor.clone(),
        complete_from,
    }
}

/// As configured; else as it was done, where one call soon after another, by hand, is not taken for the habit.
fn called_every(config: &Config, report: &Report, before: Option<&Status>) -> Option<SignedDuration> {
    if config.checker.interval.is_some() {
        return config.checker.interval;
    }
    let seen = report.at.duration_since(report.heard.called_at?);
    let known = before.and_then(|before| before.called_every).map(SignedDuration::from_secs);
    Some(known.map_or(seen, |known| seen.max(known / 2)).max(SignedDuration::from_secs(1)))
}

/// If this roll call began to read where that of the page before had ended, all is known that the page before knew. The
/// first roll call of all reads everything that there is.
fn complete_from(report: &Report, before: Option<&Status>) -> Timestamp {
    match (before, report.heard.called_at) {
        (Some(before), _) if before.cursor == report.heard.since => before.complete_from,
        (_, None) => Timestamp::UNIX_EPOCH,
        (_, Some(called_at)) => called_at,
    }
}

fn one(
    job: &Job,
    report: &Report,
    news: &[&Evidence],
    (before, complete_from): (Option<&JobStatus>, Timestamp),
) -> JobStatus {
    let state = report.roll.states.get(&job.slug);
    let view = view::job(job, state, &report.roll, report.at);
    let missed = report.changes.missed.iter().filter(|(of, _)| *of == job.slug).map(|(_, missed)| *missed);
    let facts = strip::Facts {
        job,
        state,
        gaps: &report.roll.gaps,
        news,
        missed: missed.collect(),
        before,
        complete_from,
        now: report.at,
    };
    JobStatus {
        job: job.slug.clone(),
        description: job.description.clone(),
        schedule: view.schedule,
        time_zone: view.time_zone,
        verdict: view.look.verdict,
        reason: view.look.reason,
        since: view.look.since,
        running: view.look.running,
        last_success: view.last_success,
        next_due: view.look.next_due,
        dues: facts.strip(),
    }
}

/// What flips tell, and what was shown before.
fn outages(report: &Report, before: Option<&Status>) -> Vec<Outage> {
    let mut known: BTreeMap<(Slug, Timestamp), Outage> = BTreeMap::new();
    let shown = before.into_iter().flat_map(|before| &before.incidents);
    for outage in shown.filter(|outage| outage.to.is_some() && report.jobs.contains_key(&outage.job)) {
        known.insert((outage.job.clone(), outage.from), outage.clone());
    }
    for (slug, state) in &report.roll.states {
        for outage in of_job(slug, state) {
            known.insert((slug.clone(), outage.from), outage);
        }
    }
    let oldest = report.at.checked_sub(SHOWN_FOR).unwrap_or(Timestamp::MIN);
    let mut all: Vec<Outage> = known.into_values().collect();
    all.retain(|outage| outage.to.is_none_or(|to| to >= oldest));
    all.sort_by_key(|outage| (outage.to.is_some(), std::cmp::Reverse(outage.from)));
    let open = all.partition_point(|outage| outage.to.is_none());
    all.truncate(open + OUTAGES);
    all
}

fn of_job(slug: &Slug, state: &JobState) -> Vec<Outage> {
    let outage = |from, reason, to| Outage { job: slug.clone(), reason, from, to };
    let mut all: Vec<Outage> = Vec::new();
    for flip in &state.flips {
        if let Some(open) = all.last_mut().filter(|outage| outage.to.is_none()) {
            open.to = Some(flip.at);
        }
        if flip.new == Verdict::Down {
            all.push(outage(flip.at, flip.reason, None));
        }
    }
    // Of a job that is down, however long, the flip is among the newest; but evidence may have moved the moment.
    if state.stored_verdict() != Verdict::Down {
        all.retain(|outage| outage.to.is_some());
    }
    all
}
