//! What the read commands show, for people and for machines. The JSON shapes are documented in `docs/json.md`.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tenko_core::judge::{Look, look};
use tenko_core::state::{Answer, Flip, Heard, Incident, UnderWay};
use tenko_core::{Exit, Job, JobState, Kind, Roll, RunId, Slug, Verdict};

use crate::{printer, words};

/// One job, as `check` and `jobs` show it.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// Its name.
    pub job: Slug,
    /// What is true of it.
    #[serde(flatten)]
    pub look: Look,
    /// The last success.
    pub last_success: Option<Timestamp>,
    /// Its schedule, in words.
    pub schedule: Option<String>,
    /// What the store said, when the verdict is `unknown`.
    pub problem: Option<String>,
    /// In which zone its times are shown.
    pub time_zone: String,
    #[serde(skip)]
    zone: TimeZone,
}

/// One job in full, as `show` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct JobDetail {
    /// What the lists show.
    #[serde(flatten)]
    pub view: JobView,
    /// Its line about itself.
    pub description: Option<String>,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// Who is told.
    pub channels: Vec<String>,
    /// From when on it is expected.
    pub expected_from: Option<Timestamp>,
    /// Its limits, in words.
    pub limits: BTreeMap<&'static str, String>,
    /// The open incident.
    pub incident: Option<Incident>,
    /// Runs under way.
    pub under_way: Vec<UnderWay>,
    /// The last start.
    pub last_start: Option<Heard>,
    /// The last failure.
    pub last_fail: Option<Heard>,
    /// The newest answers, oldest first.
    pub answers: Vec<AnswerView>,
    /// The newest flips, oldest first.
    pub flips: Vec<Flip>,
    /// The URL under which it is pinged, where a server is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_url: Option<String>,
}

/// The end of a run.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerView {
    /// When it ended.
    pub at: Timestamp,
    /// Which run.
    pub run: RunId,
    /// `success` or `fail`.
    pub kind: &'static str,
    /// How it failed, if that is known.
    pub exit: Option<Exit>,
    /// When it had started, if that is known.
    pub started: Option<Timestamp>,
    /// How long it took, in milliseconds, if that is known.
    pub duration: Option<i64>,
    /// Whether the evidence itself was judged bad.
    pub bad_evidence: bool,
}

impl From<&Answer> for AnswerView {
    fn from(answer: &Answer) -> Self {
        let exit = match answer.kind {
            Kind::Fail(exit) => exit,
            _ => None,
        };
        Self {
            at: answer.at,
            run: answer.run,
            kind: answer.kind.word(),
            exit,
            started: answer.started,
            duration: answer.runtime().and_then(|length| i64::try_from(length.as_millis()).ok()),
            bad_evidence: answer.bad_evidence,
        }
    }
}

/// The view of one job at `now`.
pub fn job(job: &Job, state: Option<&JobState>, roll: &Roll, now: Timestamp) -> JobView {
    let fresh = JobState::new(job, now);
    let state = state.unwrap_or(&fresh);
    let zone = job.schedule.time_zone().clone();
    JobView {
        job: job.slug.clone(),
        look: look(job, state, &roll.gaps, now),
        last_success: state.last_success.map(|heard| heard.at),
        schedule: job.schedule.in_words(),
        problem: state.blind.as_ref().map(|blind| blind.problem.clone()),
        time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        zone,
    }
}

/// Everything about one job at `now`.
pub fn detail(wanted: &Job, state: Option<&JobState>, roll: &Roll, now: Timestamp) -> JobDetail {
    let limits = &wanted.limits;
    let mut shown =
        BTreeMap::from([("grace", words::length(limits.grace)), ("early", words::length(limits.early))]);
    let optional = [
        ("start_within", limits.start_within),
        ("max_runtime", limits.max_runtime),
        ("min_runtime", limits.min_runtime),
        ("remind", wanted.remind),
    ];
    shown.extend(optional.into_iter().filter_map(|(name, length)| Some((name, words::length(length?)))));
    if (limits.failures, limits.recoveries) != (1, 1) {
        shown.insert("failures", limits.failures.to_string());
        shown.insert("recoveries", limits.recoveries.to_string());
    }
    JobDetail {
        view: job(wanted, state, roll, now),
        description: wanted.description.clone(),
        runbook: wanted.runbook.clone(),
        channels: wanted.channels.iter().map(ToString::to_string).collect(),
        expected_from: state.map(|state| state.expected_from),
        limits: shown,
        incident: state.and_then(|state| state.incident),
        under_way: state.map(|state| state.running.clone()).unwrap_or_default(),
        last_start: state.and_then(|state| state.last_start),
        last_fail: state.and_then(|state| state.last_fail),
        answers: state.map(|state| state.tail.iter().map(AnswerView::from).collect()).unwrap_or_default(),
        flips: state.map(|state| state.flips.clone()).unwrap_or_default(),
        ping_url: None,
    }
}

/// The table of jobs, and why some of them could not be judged.
pub fn table(jobs: &[JobView], now: Timestamp) -> String {
    if jobs.is_empty() {
        return "no jobs yet: describe one in tenko.toml, or let one report with `tenko run --job NAME -- command`\n".into();
    }
    let row = |view: &JobView| {
        vec![
            view.job.to_string(),
            verdict(view) + if view.look.running { ", running" } else { "" },
            words::distance(view.look.since, now),
            view.last_success.map_or("never".into(), |at| words::moment(at, &view.zone)),
            view.look.next_due.map_or("-".into(), |at| words::moment(at, &view.zone)),
        ]
    };
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    let mut text = printer::table(&["JOB", "VERDICT", "SINCE", "LAST SUCCESS", "NEXT DUE"], &rows);
    let problems = jobs.iter().filter_map(|view| Some((view, view.problem.as_ref()?)));
    for (view, problem) in problems {
        text.push_str(&format!("{}: {}\n", view.job, printer::one_line(problem)));
    }
    text
}

/// The verdict with its reason, in its colour.
fn verdict(view: &JobView) -> String {
    let mut text = view.look.verdict.to_string();
    if let Some(reason) = view.look.reason {
        text = format!("{text} ({reason})");
    }
    let style = style_of(view.look.verdict);
    format!("{style}{text}{style:#}")
}

fn style_of(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Up => AnsiColor::Green,
        Verdict::Down => AnsiColor::Red,
        Verdict::Late | Verdict::Unknown => AnsiColor::Yellow,
        Verdict::New | Verdict::Paused => return Style::new().dimmed(),
    };
    Style::new().fg_color(Some(colour.into()))
}

/// Everything about one job, for people.
pub fn detail_text(detail: &JobDetail, now: Timestamp) -> String {
    let view = &detail.view;
    let moment = |at: Timestamp| format!("{} ({})", words::moment(at, &view.zone), words::distance(at, now));
    let mut lines = vec![
        ("job", view.job.to_string()),
        ("verdict", format!("{} since {}", verdict(view), moment(view.look.since))),
    ];
    let clean = |value: String| printer::one_line(&value);
    let mut add = |name, value: Option<String>| lines.extend(value.map(|value| (name, clean(value))));
    add("problem", view.problem.clone());
    add("about", detail.description.clone());
    add("schedule", view.schedule.clone());
    add("waits for", view.look.due.filter(|due| *due <= now).map(moment));
    add("next due", view.look.next_due.map(moment));
    add("last success", view.last_success.map(moment));
    add("last failure", detail.last_fail.map(|heard| format!("{}{}", moment(heard.at), ended(&heard))));
    add("last start", detail.last_start.map(|heard| moment(heard.at)));
    for run in &detail.under_way {
        add("under way", Some(format!("{} since {}", run.run, moment(run.started))));
    }
    let limits: Vec<String> = detail.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
    add("limits", Some(limits.join(", ")));
    let tells = if detail.channels.is_empty() { "nobody".into() } else { detail.channels.join(", ") };
    add("tells", Some(tells));
    add("ping URL", detail.ping_url.clone());
    add("runbook", detail.runbook.clone());
    add("expected from", detail.expected_from.map(moment));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {value}\n");
    lines.iter().map(line).collect()
}

fn ended(heard: &Heard) -> String {
    heard.exit.map_or_else(String::new, |exit| format!(", {}", words::ending(exit)))
}
