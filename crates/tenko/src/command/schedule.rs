//! `tenko schedule`: when a schedule is due.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tenko_core::schedule::{Schedule, ScheduleSpec, Scheduler};

use super::Setup;
use crate::cli::Common;
use crate::error::CommandError;
use crate::{printer, words};

/// Show when a schedule is due: `0 5 * * *`, `cron(0 20 * * ? *)`, `rate(1 day)`, `Mon..Fri 05:00`, `15m`.
#[derive(Debug, Args)]
pub struct Preview {
    /// A crontab, EventBridge or systemd expression, or a length of time; several make one schedule
    #[arg(value_name = "EXPR", required = true)]
    expressions: Vec<String>,
    /// Time zone (IANA name) [default: the configured one]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Whose rule for changes of the clock applies [default: by the syntax]
    #[arg(long, value_enum)]
    scheduler: Option<SchedulerName>,
    /// From when on (RFC 3339, or civil time in the zone) [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Backwards
    #[arg(long)]
    back: bool,
    /// How many
    #[arg(short = 'n', value_name = "COUNT", default_value_t = 10)]
    count: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whose rule for changes of the clock applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchedulerName {
    /// Debian's cron: a skipped fixed time runs after the gap, a repeated one once
    Cron,
    /// systemd: skips, and runs repeated times once
    Systemd,
    /// Amazon EventBridge Scheduler: skips, and runs repeated times once
    Eventbridge,
    /// Kubernetes `CronJob`: skips, and runs repeated times twice
    Kubernetes,
}

impl From<SchedulerName> for Scheduler {
    fn from(name: SchedulerName) -> Self {
        match name {
            SchedulerName::Cron => Self::Cron,
            SchedulerName::Systemd => Self::Systemd,
            SchedulerName::Eventbridge => Self::Eventbridge,
            SchedulerName::Kubernetes => Self::Kubernetes,
        }
    }
}

#[derive(Serialize)]
struct Answer {
    schedule: Option<String>,
    time_zone: String,
    dues: Vec<Timestamp>,
}

impl Preview {
    /// Does it.
    pub fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let default_zone = Setup::load(common).map(|setup| setup.config.time_zone.clone())?;
        let schedule = self.schedule(&default_zone)?;
        let zone = schedule.time_zone().clone();
        let from = match &self.from {
            Some(text) => words::parse_moment(text, &zone)?,
            None => Timestamp::now(),
        };
        let dues = self.dues(&schedule, from);
        if self.json {
            let time_zone = zone.iana_name().unwrap_or("UTC").to_owned();
            printer::print_json(&Answer { schedule: schedule.in_words(), time_zone, dues })?;
        } else {
            printer::print(&text(&dues, &zone, Timestamp::now()))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn schedule(&self, default_zone: &TimeZone) -> Result<Schedule, CommandError> {
        let spec = spec_of(&self.expressions, self.tz.clone(), self.scheduler.map(Into::into));
        Schedule::resolve(&spec, default_zone).map_err(|error| super::config::schedule_error(&error))
    }

    fn dues(&self, schedule: &Schedule, from: Timestamp) -> Vec<Timestamp> {
        let mut at = from;
        let next = || {
            at = if self.back { schedule.previous_due(from, at) } else { schedule.next_due(from, at) }?;
            Some(at)
        };
        std::iter::from_fn(next).take(self.count).collect()
    }
}

/// Which syntax an expression is in: a length of time, systemd's, or else a crontab's or EventBridge's.
fn spec_of(expressions: &[String], tz: Option<String>, scheduler: Option<Scheduler>) -> ScheduleSpec {
    let mut spec = ScheduleSpec { tz, scheduler, ..ScheduleSpec::default() };
    match expressions {
        [only] if tenko_core::schedule::parse_duration(only).is_ok() => spec.every = Some(only.clone()),
        several if several.iter().all(|text| looks_like_systemd(text)) => spec.on_calendar = several.to_vec(),
        several => spec.cron = several.to_vec(),
    }
    spec
}

fn looks_like_systemd(text: &str) -> bool {
    let fields = text.split_whitespace().count();
    let crontab = text.starts_with('@') || text.contains('(') || fields == 5 || fields == 6;
    !crontab
}

fn text(dues: &[Timestamp], zone: &TimeZone, now: Timestamp) -> String {
    if dues.is_empty() {
        return "never\n".into();
    }
    let utc = *zone == TimeZone::UTC;
    let line = |due: &Timestamp| {
        let local = due.to_zoned_datetime(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string();
        vec![local, if utc { String::new() } else { due.to_string() }, words::distance(*due, now)]
    };
    let rows: Vec<Vec<String>> = dues.iter().map(line).collect();
    printer::table(&["DUE", if utc { "" } else { "UTC" }, "FROM NOW"], &rows)
}
