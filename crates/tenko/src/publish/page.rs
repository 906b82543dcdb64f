//! The page, made from a status alone: no script, nothing from elsewhere, and all text escaped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tenko_core::Verdict;
use tenko_core::calendar::Outcome;

use super::status::{JobStatus, Outage, Status, StripDue};
use super::words::{Labels, Words};
use crate::printer::one_line;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

#[derive(Serialize)]
struct Page<'a> {
    lang: &'a str,
    title: String,
    policy: String,
    icon: String,
    style: &'static str,
    labels: &'static Labels,
    /// The word for how it is, as a class.
    mood: &'static str,
    headline: String,
    counts: Vec<Badge>,
    called: Moment,
    next: String,
    down: Vec<OutageRow>,
    recent: Vec<OutageRow>,
    jobs: Vec<JobRow<'a>>,
    key: Vec<Badge>,
}

/// A word and its colour.
#[derive(Serialize)]
struct Badge {
    class: &'static str,
    text: String,
}

/// A moment for people and for machines.
#[derive(Serialize)]
struct Moment {
    text: String,
    machine: String,
}

#[derive(Serialize)]
struct OutageRow {
    job: String,
    reason: String,
    from: Moment,
    to: Option<Moment>,
    lasted: String,
    since: String,
}

#[derive(Serialize)]
struct JobRow<'a> {
    name: &'a str,
    description: Option<String>,
    schedule: Option<String>,
    verdict: Badge,
    reason: Option<String>,
    running: bool,
    since: String,
    since_machine: String,
    last_success: Option<Moment>,
    next_due: Option<Moment>,
    never: String,
    none: String,
    /// The class of each bar, with what it says when pointed at.
    bars: Vec<Badge>,
    summary: String,
    last_gap: Option<String>,
}

/// The page as HTML.
///
/// # Errors
///
/// Only if its template is wrong, which a test would have told.
pub fn render(status: &Status) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.render_str(TEMPLATE, Serde(&page(status)))
}

fn page(status: &Status) -> Page<'_> {
    let view =
        View { words: Words::of(&status.language), zone: zone(&status.time_zone), now: status.called_at };
    let count = |verdict| status.counts.get(&verdict).copied().unwrap_or(0);
    let (down, unknown, late) = (count(Verdict::Down), count(Verdict::Unknown), count(Verdict::Late));
    let mood = match (down, unknown + late) {
        (0, 0) => "well",
        (0, _) => "unsure",
        _ => "down",
    };
    let mut jobs: Vec<&JobStatus> = status.jobs.iter().collect();
    jobs.sort_by_key(|job| weight(job.verdict));
    let (open, over): (Vec<&Outage>, Vec<&Outage>) =
        status.incidents.iter().partition(|outage| outage.to.is_none());
    Page {
        lang: &status.language,
        title: one_line(&status.title),
        policy: policy(),
        icon: icon(mood),
        style: STYLE,
        labels: view.words.labels(),
        mood,
        headline: view.words.headline(down, unknown, late, status.jobs.len()),
        counts: view.counts(status),
        called: view.called(),
        next: view.next(status),
        down: open.into_iter().map(|outage| view.outage(outage, status)).collect(),
        recent: over.into_iter().map(|outage| view.outage(outage, status)).collect(),
        jobs: jobs.into_iter().map(|job| view.job(job)).collect(),
        key: view.key(status),
    }
}

/// The order of the page: what needs somebody first.
fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Down => 0,
        Verdict::Unknown => 1,
        Verdict::Late => 2,
        Verdict::New => 3,
        Verdict::Up => 4,
        Verdict::Paused => 5,
    }
}

const OUTCOMES: [Outcome; 9] = [
    Outcome::Answered,
    Outcome::LateDelivered,
    Outcome::Late,
    Outcome::Bad,
    Outcome::Missed,
    Outcome::Open,
    Outcome::Paused,
    Outcome::NotExpected,
    Outcome::Unknown,
];

struct View {
    words: Words,
    zone: TimeZone,
    now: Timestamp,
}

impl View {
    fn moment(&self, at: Timestamp, zone: &TimeZone) -> Moment {
        Moment { text: self.words.moment(at, zone, self.now), machine: at.to_string() }
    }

    fn called(&self) -> Moment {
        let Moment { text, machine } = self.moment(self.now, &self.zone);
        Moment { text: self.words.called(&text), machine }
    }

    fn next(&self, status: &Status) -> String {
        let Some((next, stale)) = status.next_call_by.zip(status.stale_after) else {
            return self.words.no_next();
        };
        self.words.next(&self.moment(next, &self.zone).text, &self.moment(stale, &self.zone).text)
    }

    fn counts(&self, status: &Status) -> Vec<Badge> {
        let mut counts: Vec<_> = status.counts.iter().collect();
        counts.sort_by_key(|(verdict, _)| weight(**verdict));
        let badge = |(verdict, count): (&Verdict, &usize)| Badge {
            class: class(*verdict),
            text: format!("{} {count}", self.words.verdict(*verdict)),
        };
        counts.into_iter().map(badge).collect()
    }

    fn outage(&self, outage: &Outage, status: &Status) -> OutageRow {
        let of_job = status.jobs.iter().find(|job| job.job == outage.job);
        let zone = of_job.map_or_else(|| self.zone.clone(), |job| zone(&job.time_zone));
        let from = self.moment(outage.from, &zone);
        let until = outage.to.unwrap_or(self.now);
        OutageRow {
            job: outage.job.to_string(),
            reason: outage.reason.map(|reason| self.words.reason(reason)).unwrap_or_default(),
            since: self.words.since(&from.text),
            from,
            to: outage.to.map(|to| self.moment(to, &zone)),
            lasted: self.words.length(until.duration_since(outage.from)),
        }
    }

    fn job<'a>(&self, job: &'a JobStatus) -> JobRow<'a> {
        let zone = zone(&job.time_zone);
        let last_gap = job.dues.iter().rev().find(|due| due.outcome.is_gap());
        JobRow {
            name: job.job.as_str(),
            description: job.description.as_deref().map(one_line),
            schedule: job.schedule.as_deref().map(one_line),
            verdict: Badge { class: class(job.verdict), text: self.words.verdict(job.verdict) },
            reason: job.reason.map(|reason| self.words.reason(reason)),
            running: job.running,
            since: self.words.since(&self.moment(job.since, &zone).text),
            since_machine: job.since.to_string(),
            last_success: job.last_success.map(|at| self.moment(at, &zone)),
            next_due: job.next_due.map(|at| self.moment(at, &zone)),
            never: self.words.never(),
            none: self.words.none(),
            bars: job.dues.iter().map(|due| self.bar(due, &zone)).collect(),
            summary: self.summary(&job.dues),
            last_gap: last_gap.map(|due| self.bar(due, &zone).text),
        }
    }

    fn bar(&self, due: &StripDue, zone: &TimeZone) -> Badge {
        let at = self.words.moment(due.due, zone, self.now);
        Badge { class: due.outcome.word(), text: format!("{at}: {}", self.words.outcome(due.outcome)) }
    }

    fn summary(&self, dues: &[StripDue]) -> String {
        let counted =
            OUTCOMES.map(|outcome| (outcome, dues.iter().filter(|due| due.outcome == outcome).count()));
        let counted: Vec<_> = counted.into_iter().filter(|(_, count)| *count > 0).collect();
        self.words.counted(&counted)
    }

    /// What the bars mean that are there.
    fn key(&self, status: &Status) -> Vec<Badge> {
        let there = |outcome: &Outcome| {
            status.jobs.iter().any(|job| job.dues.iter().any(|due| due.outcome == *outcome))
        };
        let badge = |outcome: Outcome| Badge { class: outcome.word(), text: self.words.outcome(outcome) };
        OUTCOMES.into_iter().filter(there).map(badge).collect()
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::New => "new",
        Verdict::Up => "up",
        Verdict::Late => "late",
        Verdict::Down => "down",
        Verdict::Paused => "paused",
        Verdict::Unknown => "unknown",
    }
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// Nothing but this style and the icon is let in.
fn policy() -> String {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
}

/// A dot in the colour of the day.
fn icon(mood: &str) -> String {
    let colour = match mood {
        "well" => "2f9e63",
        "unsure" => "d18b13",
        _ => "d6453d",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}
