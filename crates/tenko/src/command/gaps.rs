//! `tenko gaps`: the calendar of a job's dues, and which of them nobody answered.

mod heat_map;
mod text;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Args;
use clap::builder::BoolishValueParser;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tenko_core::calendar::{Due, Outcome};
use tenko_core::schedule::{Direction, Schedule, just_after, just_before};

use super::Setup;
use crate::checker::{self, Dues};
use crate::cli::Common;
use crate::error::CommandError;
use crate::{printer, words};

/// Show which dues of a job were not answered.
///
/// It is found out from the evidence that is still there, or from the objects that the job left, although perhaps
/// nobody called the roll at that time. With --all every due is listed.
///
/// Exit codes: 0 no gaps, 1 gaps, 2 usage or configuration, 3 could not tell.
#[derive(Debug, Args)]
pub struct Gaps {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
    /// How far back: a length, or a moment
    #[arg(long, env = "TENKO_SINCE", value_name = "LENGTH", default_value = "90d")]
    since: String,
    /// Up to which moment [default: now]
    #[arg(long, env = "TENKO_UNTIL", value_name = "TIME")]
    until: Option<String>,
    /// List all dues, and not the gaps alone
    #[arg(long, env = "TENKO_ALL", value_parser = BoolishValueParser::new())]
    all: bool,
    /// Draw a calendar of days, also where there is no terminal
    #[arg(long, env = "TENKO_HEAT_MAP", value_parser = BoolishValueParser::new())]
    heat_map: bool,
    /// Print JSON
    #[arg(long, env = "TENKO_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// A span with more dues than this is not looked at: nobody would read it.
const MOST_DUES: usize = 250_000;

/// What `gaps --json` prints.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    job: &'a str,
    schedule: Option<String>,
    time_zone: String,
    from: Timestamp,
    to: Timestamp,
    expected_from: Option<Timestamp>,
    evidence_from: Option<Timestamp>,
    counts: Counts,
    longest_gap: Option<Run>,
    problem: Option<&'a str>,
    dues: Vec<&'a Due>,
}

/// How many dues there were, and of which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    dues: usize,
    answered: usize,
    late_delivered: usize,
    late: usize,
    bad: usize,
    missed: usize,
    open: usize,
    paused: usize,
    not_expected: usize,
    unknown: usize,
}

/// Dues one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Run {
    first: Timestamp,
    last: Timestamp,
    dues: usize,
}

impl Gaps {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let checker = setup.judge().await?;
        let now = Timestamp::now();
        let (roll, members) = checker::roster(&checker, now).await?;
        let Some(job) = members.jobs.get(self.job.as_str()) else {
            return Err(super::setup::no_job(&self.job, members.jobs.keys(), &checker.store.url()));
        };
        let zone = job.schedule.time_zone();
        if job.schedule.in_words().is_none() {
            let error =
                CommandError::usage(format!("job {} has no schedule, so that it is never due", job.slug));
            return Err(error.hint("tenko log lists what it reported"));
        }
        let span = self.span(zone, now)?;
        ensure_readable(&job.schedule, span)?;
        let dues = checker::dues(&setup.config, &checker.store, (job, &roll), span, now).await?;
        if self.json {
            let time_zone = zone.iana_name().unwrap_or("UTC").to_owned();
            printer::print_json(&self.answer(&dues, span, job.schedule.in_words(), time_zone))?;
        } else {
            printer::print(&self.text(&dues, span, zone))?;
            if let Some(problem) = &dues.problem {
                printer::remark(&format!("warning: {}", printer::one_line(problem)));
            }
        }
        Ok(exit_code(&dues))
    }

    fn span(&self, zone: &TimeZone, now: Timestamp) -> Result<(Timestamp, Timestamp), CommandError> {
        let to = match &self.until {
            Some(text) => words::parse_moment(text, zone)?.min(now),
            None => now,
        };
        let from = match words::parse_moment(&self.since, zone) {
            Ok(moment) => moment,
            Err(_) => {
                let length = words::parse_length("--since", &self.since)?;
                to.checked_sub(length).unwrap_or(Timestamp::MIN)
            }
        };
        if from >= to {
            return Err(CommandError::usage("there is nothing between --since and --until"));
        }
        // What is due at this moment has come.
        Ok((from, just_after(to)))
    }

    fn shown<'a>(&self, dues: &'a [Due]) -> Vec<&'a Due> {
        dues.iter().filter(|due| self.all || due.outcome.is_gap()).collect()
    }

    fn answer<'a>(
        &'a self,
        dues: &'a Dues,
        (from, to): (Timestamp, Timestamp),
        schedule: Option<String>,
        time_zone: String,
    ) -> Answer<'a> {
        Answer {
            job: &self.job,
            schedule,
            time_zone,
            from,
            to: just_before(to),
            expected_from: dues.expected_from,
            evidence_from: dues.evidence_from,
            counts: Counts::of(&dues.dues),
            longest_gap: longest_gap(&dues.dues),
            problem: dues.problem.as_deref(),
            dues: self.shown(&dues.dues),
        }
    }

    fn text(&self, dues: &Dues, (from, to): (Timestamp, Timestamp), zone: &TimeZone) -> String {
        let mut text = String::new();
        if self.heat_map || std::io::stdout().is_terminal() {
            let days = heat_map::days(&dues.dues, zone);
            text.push_str(&heat_map::draw(&days, (from, to), zone));
        }
        text.push_str(&match self.all {
            true => text::all(&dues.dues, zone),
            false => text::gaps(&dues.dues, zone),
        });
        text.push_str(&text::summary(dues, from, zone));
        text
    }
}

fn ensure_readable(schedule: &Schedule, (from, to): (Timestamp, Timestamp)) -> Result<(), CommandError> {
    let mut newest_first = schedule.occurrences(from, to, Direction::Back);
    if newest_first.nth(MOST_DUES).is_none_or(|due| due < from) {
        return Ok(());
    }
    let error =
        CommandError::usage(format!("there are more than {MOST_DUES} dues between --since and --until"));
    Err(error.hint("say a later --since"))
}

impl Counts {
    fn of(dues: &[Due]) -> Self {
        let mut counts = Self { dues: dues.len(), ..Self::default() };
        for due in dues {
            *counts.place(due.outcome) += 1;
        }
        counts
    }

    fn place(&mut self, outcome: Outcome) -> &mut usize {
        match outcome {
            Outcome::Answered => &mut self.answered,
            Outcome::LateDelivered => &mut self.late_delivered,
            Outcome::Late => &mut self.late,
            Outcome::Bad => &mut self.bad,
            Outcome::Missed => &mut self.missed,
            Outcome::Open => &mut self.open,
            Outcome::Paused => &mut self.paused,
            Outcome::NotExpected => &mut self.not_expected,
            Outcome::Unknown => &mut self.unknown,
        }
    }
}

/// The most gaps one after the other; of several as long, the newest.
fn longest_gap(dues: &[Due]) -> Option<Run> {
    let runs = dues.chunk_by(|one, next| one.outcome.is_gap() == next.outcome.is_gap());
    let gaps = runs.filter(|run| run[0].outcome.is_gap());
    gaps.map(run).max_by_key(|run| run.dues)
}

fn run(dues: &[Due]) -> Run {
    Run { first: dues[0].due, last: dues[dues.len() - 1].due, dues: dues.len() }
}

/// A gap weighs more than what could not be read; that older evidence is not kept is no failure, unless there is none.
fn exit_code(dues: &Dues) -> ExitCode {
    let any = |is: fn(Outcome) -> bool| dues.dues.iter().any(|due| is(due.outcome));
    let nothing = any(|outcome| outcome == Outcome::Unknown) && !any(|outcome| outcome != Outcome::Unknown);
    ExitCode::from(match any(Outcome::is_gap) {
        true => 1,
        false if nothing || dues.problem.is_some() => 3,
        false => 0,
    })
}

#[cfg(test)]
mod tests;
