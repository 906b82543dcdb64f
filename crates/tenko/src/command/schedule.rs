//! `tenko schedule`: when a schedule is due.

use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum, value_parser};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tenko_core::schedule::{Schedule, ScheduleSpec, Scheduler};

use super::Setup;
use crate::cli::Common;
use crate::error::CommandError;
use crate::{printer, words};

/// Show when a schedule is due.
///
/// Understood are crontab `0 5 * * *`, EventBridge `cron(0 20 * * ? *)` and `rate(1 day)`, systemd `Mon..Fri 05:00`, and
/// lengths of time `15m`.
#[derive(Debug, Args)]
pub struct Preview {
    /// A crontab, EventBridge or systemd expression, or a length of time; several make one schedule
    #[arg(value_name = "EXPR", required = true)]
    expressions: Vec<String>,
    /// Time zone (IANA name) [default: the configured one]
    #[arg(long, value_name = "ZONE", env = "TENKO_TZ")]
    tz: Option<String>,
    /// Whose rule for changes of the clock applies [default: by the syntax]
    #[arg(long, value_enum, env = "TENKO_SCHEDULER")]
    scheduler: Option<SchedulerName>,
    /// From when on (RFC 3339, or civil time in the zone) [default: now]
    #[arg(long, value_name = "TIME", env = "TENKO_FROM")]
    from: Option<String>,
    /// Backwards
    #[arg(long, env = "TENKO_BACK", value_parser = BoolishValueParser::new())]
    back: bool,
    /// How many
    #[arg(short = 'n', long, value_name = "COUNT", env = "TENKO_COUNT", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Print JSON
    #[arg(long, env = "TENKO_JSON", value_parser = BoolishValueParser::new())]
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
        let spec = spec_of(&self.expressions, self.tz.clone(), self.scheduler.map(Into::into))?;
        Schedule::resolve(&spec, default_zone).map_err(|error| super::config::schedule_error(&error))
    }

    fn dues(&self, schedule: &Schedule, from: Timestamp) -> Vec<Timestamp> {
        let mut at = from;
        let next = || {
            at = if self.back { schedule.previous_due(from, at) } else { schedule.next_due(from, at) }?;
            Some(at)
        };
        std::iter::from_fn(next).take(self.count as usize).collect()
    }
}

/// Which syntax the expressions are in: a length of time, systemd's, or else a crontab's or EventBridge's.
fn spec_of(
    expressions: &[String],
    tz: Option<String>,
    scheduler: Option<Scheduler>,
) -> Result<ScheduleSpec, CommandError> {
    let mut spec = ScheduleSpec { tz, scheduler, ..ScheduleSpec::default() };
    let systemd = expressions.iter().filter(|text| looks_like_systemd(text)).count();
    match expressions {
        [only] if looks_like_length(only) => spec.every = Some(only.clone()),
        all if systemd == all.len() => spec.on_calendar = all.to_vec(),
        all if systemd == 0 => spec.cron = all.to_vec(),
        _ => {
            let error = CommandError::usage("the expressions of one schedule must be of one syntax");
            return Err(error.hint("write all as crontabs do, or all as systemd does"));
        }
    }
    Ok(spec)
}

/// A number and one word, such as `15m` or `15 minutes`: also if the word is none that is known.
fn looks_like_length(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    let counted = text.starts_with(|c: char| c.is_ascii_digit());
    counted && !unit.is_empty() && unit.chars().all(char::is_alphabetic)
        || tenko_core::schedule::parse_duration(text).is_ok()
}

/// Whatever has a time of day, a date or a name of systemd's, and not the five or six fields of a crontab.
fn looks_like_systemd(text: &str) -> bool {
    let fields = text.split_whitespace().count();
    let crontab = text.starts_with('@') || text.contains('(') || fields == 5 || fields == 6;
    let named = text.starts_with(|c: char| c.is_alphabetic());
    let dated = text.split_whitespace().any(|field| field.matches('-').count() == 2);
    !crontab && (named || dated || text.contains(':'))
}

fn text(dues: &[Timestamp], zone: &TimeZone, now: Timestamp) -> String {
    if dues.is_empty() {
        return "never\n".into();
    }
    let local =
        |due: &Timestamp| due.to_zoned_datetime(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string();
    if *zone == TimeZone::UTC {
        let rows: Vec<_> = dues.iter().map(|due| vec![local(due), words::distance(*due, now)]).collect();
        return printer::table(&["DUE", "FROM NOW"], &rows);
    }
    let row = |due: &Timestamp| vec![local(due), due.to_string(), words::distance(*due, now)];
    printer::table(&["DUE", "UTC", "FROM NOW"], &dues.iter().map(row).collect::<Vec<_>>())
}
