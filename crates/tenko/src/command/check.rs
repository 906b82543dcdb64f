//! `tenko check`: calls the roll once.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tenko_core::outbox::Item;
use tenko_core::{NoticeKind, Slug, Verdict};

use super::Setup;
use crate::checker::{self, Report};
use crate::cli::Common;
use crate::error::CommandError;
use crate::view::{self, JobView};
use crate::{printer, words};

/// Call the roll once: read new evidence, decide, tell people.
///
/// With --dry-run and --at it answers what the roll call would have said at another moment.
///
/// Exit codes: 0 all well, 1 something is down, 2 usage or configuration, 3 could not tell.
#[derive(Debug, Args)]
pub struct Check {
    /// Show, and judge the exit code by, these jobs only; the roll is called for all
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// Say what the roll call would find, store nothing and tell nobody
    #[arg(long)]
    dry_run: bool,
    /// At another moment, past or future (RFC 3339, or civil time in the configured zone)
    #[arg(long, value_name = "TIME", requires = "dry_run")]
    at: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `check --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Answer<'a> {
    at: Timestamp,
    jobs: &'a [JobView],
    delivered: usize,
    undelivered: usize,
    failed_notices: Vec<&'a Item>,
    warnings: &'a [String],
}

impl Check {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let checker = if self.dry_run { setup.judge().await? } else { setup.checker().await? };
        let report = if self.dry_run {
            let at = match &self.at {
                Some(text) => words::parse_moment(text, &setup.config.time_zone)?,
                None => Timestamp::now(),
            };
            checker::as_of(&checker, at).await?
        } else {
            checker.roll_call().await?
        };
        let shown = shown(&self.jobs, &report, &checker.store.url())?;
        if self.json {
            printer::print_json(&answer(&report, &shown))?;
        } else {
            printer::print(&text(&report, &shown))?;
            self.remarks(&report, &setup.config.time_zone);
        }
        Ok(exit_code(&shown))
    }

    /// What people should know beside the verdicts.
    fn remarks(&self, report: &Report, zone: &TimeZone) {
        for warning in &report.warnings {
            printer::remark(&format!("warning: {}", printer::one_line(warning)));
        }
        if self.dry_run {
            let at = words::moment(report.at, zone);
            printer::remark(&format!(
                "this is what the roll call says at {at}; nothing was stored, nobody was told"
            ));
        }
    }
}

/// The jobs of these names, or all of them.
pub(crate) fn shown(names: &[String], report: &Report, store: &str) -> Result<Vec<JobView>, CommandError> {
    if let Some(other) = names.iter().find(|name| !report.jobs.contains_key(name.as_str())) {
        return Err(super::setup::no_job(other, report.jobs.keys(), store));
    }
    let wanted = |slug: &Slug| names.is_empty() || names.iter().any(|name| name == slug.as_str());
    let jobs = report.jobs.iter().filter(|(slug, _)| wanted(slug));
    Ok(jobs
        .map(|(slug, job)| view::job(job, report.roll.states.get(slug), &report.roll, report.at))
        .collect())
}

/// A report for machines.
pub(crate) fn answer<'a>(report: &'a Report, jobs: &'a [JobView]) -> Answer<'a> {
    Answer {
        at: report.at,
        jobs,
        delivered: report.delivered,
        undelivered: report.undelivered,
        failed_notices: report.roll.outbox.dead().collect(),
        warnings: &report.warnings,
    }
}

/// The table, then what was told, and what could not be told.
fn text(report: &Report, jobs: &[JobView]) -> String {
    let mut text = view::table(jobs, report.at);
    if report.delivered > 0 {
        text.push_str(&format!("{} delivered\n", counted(report.delivered)));
    }
    for item in &report.roll.outbox.items {
        text.push_str(&format!("{}\n", undelivered(item, report.at)));
    }
    text
}

pub(super) fn counted(notices: usize) -> String {
    if notices == 1 { "1 notice".into() } else { format!("{notices} notices") }
}

/// One line about a notice that is still in the outbox.
pub(super) fn undelivered(item: &Item, now: Timestamp) -> String {
    use tenko_core::outbox::Status;
    let notice = &item.notice;
    let (fate, said) = match item.status {
        Status::Dead { .. } => ("could not be delivered".to_owned(), ": "),
        Status::Ready { not_before } if not_before > now => {
            (format!("will be tried again {}", words::distance(not_before, now)), ", because: ")
        }
        Status::Ready { .. } => ("is to be delivered".to_owned(), "; the last time: "),
        Status::Claimed { .. } => ("is being delivered".to_owned(), "; the last time: "),
    };
    let why = item.last_error.as_deref().map(|error| format!("{said}{}", printer::one_line(error)));
    let what = what_it_tells(notice.kind);
    let age = words::distance(notice.created_at, now);
    let head = format!("notice {} to {} ({} {what}, {age})", notice.id, notice.channel, notice.job);
    format!("{head} {fate}{}", why.unwrap_or_default())
}

/// What a notice says of its job.
fn what_it_tells(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Down => "is down",
        NoticeKind::Up => "is up again",
        NoticeKind::Reminder(_) => "is still down",
        NoticeKind::Unknown => "can't be judged",
        NoticeKind::Known => "can be judged again",
        NoticeKind::Unstored => "left evidence that could not be stored",
        NoticeKind::Test => "is a test",
    }
}

/// Something down weighs more than something unknown.
fn exit_code(jobs: &[JobView]) -> ExitCode {
    let any = |verdict| jobs.iter().any(|view| view.verdict == verdict);
    ExitCode::from(match (any(Verdict::Down), any(Verdict::Unknown)) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => 0,
    })
}
