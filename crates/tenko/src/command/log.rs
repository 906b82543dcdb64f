//! `tenko log`: what happened to one job.

use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, value_parser};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tenko_core::state::{Flip, Missed};
use tenko_core::{Evidence, Exit, Kind, Report, RunId};
use tenko_store::{ErrorKind, SharedStore};

use super::Setup;
use crate::cli::Common;
use crate::error::{CommandError, chain};
use crate::{printer, words};

/// List what happened to one job.
///
/// That is its evidence, its changes of verdict, and the dues it missed; the newest last.
#[derive(Debug, Args)]
pub struct Log {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
    /// How far back
    #[arg(long, value_name = "LENGTH", env = "TENKO_SINCE", default_value = "7d")]
    since: String,
    /// At most so many lines; the newest are kept
    #[arg(short = 'n', long, value_name = "COUNT", env = "TENKO_LINES", default_value_t = 50)]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    lines: u32,
    /// Print what the runs printed, too
    #[arg(long, env = "TENKO_OUTPUT", value_parser = BoolishValueParser::new())]
    output: bool,
    /// Print JSON
    #[arg(long, env = "TENKO_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Entry {
    Evidence {
        at: Timestamp,
        received_at: Option<Timestamp>,
        run: RunId,
        kind: &'static str,
        exit: Option<Exit>,
        late_delivered: bool,
        report: Box<Report>,
        problem: Option<String>,
    },
    Flip(Flip),
    Missed(Missed),
}

impl Log {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let since = words::parse_length("--since", &self.since)?;
        let known = Setup::load(common)?.known().await?;
        let (job, _) = known.job(&self.job)?;
        let from = known.now.checked_sub(since).unwrap_or(Timestamp::MIN);
        let lines = self.lines as usize;
        let facts = known.store.facts(&job.slug, lines).await?;
        let evidence = known.store.between(Some(&job.slug), from, Timestamp::MAX).await?;
        let newest = evidence.len().saturating_sub(lines);
        let mut entries = with_bodies(&known.store, &evidence[newest..]).await?;
        entries.extend(facts.flips.into_iter().filter(|flip| flip.at >= from).map(Entry::Flip));
        entries.extend(facts.missed.into_iter().filter(|missed| missed.last >= from).map(Entry::Missed));
        entries.sort_by_key(Entry::at);
        entries.drain(..entries.len().saturating_sub(lines));
        if self.json {
            printer::print_json(&entries)?;
        } else {
            printer::print(&self.text(&entries, job.schedule.time_zone()))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn text(&self, entries: &[Entry], zone: &TimeZone) -> String {
        if entries.is_empty() {
            return format!(
                "nothing happened to {} in the last {} (--since looks further back)\n",
                self.job, self.since
            );
        }
        entries.iter().map(|entry| self.line(entry, zone)).collect()
    }

    fn line(&self, entry: &Entry, zone: &TimeZone) -> String {
        let at = words::moment(entry.at(), zone);
        match entry {
            Entry::Flip(flip) => {
                let reason = flip.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                let late = if flip.late_delivered { ", by late evidence" } else { "" };
                format!("{at}  {} -> {}{reason}{late}\n", flip.old, flip.new)
            }
            Entry::Missed(missed) if missed.count == 1 => format!("{at}  missed\n"),
            Entry::Missed(missed) => {
                format!(
                    "{at}  missed {} dues, the last at {}\n",
                    missed.count,
                    words::moment(missed.last, zone)
                )
            }
            Entry::Evidence { run, kind, exit, .. } => {
                let exit = exit.map(|exit| format!(" ({})", words::ending(exit))).unwrap_or_default();
                format!("{at}  {kind}{exit}  run {run}{}\n{}", details(entry), self.output_of(entry))
            }
        }
    }

    fn output_of(&self, entry: &Entry) -> String {
        let Entry::Evidence { report, .. } = entry else { return String::new() };
        let Some(output) = report.output.as_ref().filter(|_| self.output) else { return String::new() };
        let omitted = match output.omitted {
            0 => String::new(),
            bytes => format!("\n    ... {bytes} bytes not kept ...\n"),
        };
        let text = format!("{}{omitted}{}", output.head, output.tail);
        printer::harmless(&text).lines().map(|line| format!("    {line}\n")).collect()
    }
}

/// What is known of a run beside its id.
fn details(entry: &Entry) -> String {
    let Entry::Evidence { late_delivered, report, problem, .. } = entry else { return String::new() };
    let took = report.duration.map(|length| format!(", took {}", words::length(length)));
    let host = report.host.as_ref().map(|host| format!(", on {}", printer::one_line(host)));
    let late = late_delivered.then(|| ", delivered late".to_owned());
    let message = report.message.as_ref().map(|message| format!(": {}", printer::one_line(message)));
    let problem = problem.as_ref().map(|problem| format!("; {}", printer::one_line(problem)));
    [took, host, late, message, problem].into_iter().flatten().collect()
}

/// Bodies are read only of what may be shown, a few at a time. One that is not understood concerns its own line.
async fn with_bodies(store: &SharedStore, evidence: &[Evidence]) -> Result<Vec<Entry>, CommandError> {
    let reading = evidence.iter().map(|piece| async move {
        if piece.key.is_none() {
            return Ok(entry(piece.clone(), None));
        }
        match store.read(piece).await {
            Ok(known) => Ok(entry(known, None)),
            Err(error) if of_one_record(error.kind()) => Ok(entry(piece.clone(), Some(chain(&error)))),
            Err(error) => Err(CommandError::from(error)),
        }
    });
    futures::stream::iter(reading).buffered(16).try_collect().await
}

/// Whether it is not the store but what is stored. Missing is what a lifecycle rule has deleted meanwhile.
fn of_one_record(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Newer | ErrorKind::Corrupt | ErrorKind::Missing)
}

impl Entry {
    fn at(&self) -> Timestamp {
        match self {
            Self::Evidence { at, .. } => *at,
            Self::Flip(flip) => flip.at,
            Self::Missed(missed) => missed.first,
        }
    }
}

fn entry(evidence: Evidence, problem: Option<String>) -> Entry {
    let exit = match evidence.kind {
        Kind::Fail(exit) => exit,
        _ => None,
    };
    Entry::Evidence {
        at: evidence.at,
        received_at: evidence.received_at,
        run: evidence.run,
        kind: evidence.kind.word(),
        exit,
        late_delivered: evidence.is_late_delivered(),
        report: Box::new(evidence.report),
        problem,
    }
}
