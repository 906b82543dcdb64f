//! `tenko watch`: calls the roll again and again, as deadlines come.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Setup, check};
use crate::checker::{Checker, Report};
use crate::cli::Common;
use crate::error::{CommandError, Kind};
use crate::{printer, words};

/// The longest sleep, unless the configuration says otherwise: how late new evidence is noticed at most.
const LONGEST: SignedDuration = SignedDuration::from_mins(1);
/// The shortest sleep, so that a deadline that does not go away can't keep the checker busy.
const SHORTEST: SignedDuration = SignedDuration::from_millis(200);

/// Call the roll again and again, as deadlines come.
///
/// That is at each deadline, and at least every `checker.interval` (1 minute). HUP reads the configuration again, TERM and INT end it after the roll call under way.
#[derive(Debug, Args)]
pub struct Watch {}

/// What ends a sleep.
enum Wake {
    Time,
    Reload,
    Stop,
}

struct Signals {
    hup: Signal,
    term: Signal,
    int: Signal,
}

impl Watch {
    /// Does it, until it is told to stop.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let mut signals = Signals {
            hup: signal(SignalKind::hangup())?,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        };
        let mut checker = load(common).await?;
        loop {
            let began = Instant::now();
            let next = match checker.roll_call().await {
                Ok(report) => {
                    match tell(&report) {
                        Err(gone) if gone.kind == Kind::BrokenPipe => return Err(gone),
                        // That it can't be written down is no reason to stop watching.
                        told => told.unwrap_or_else(|error| printer::complain(&error)),
                    }
                    next_call(&checker, &report, began.elapsed())
                }
                Err(error) => {
                    printer::complain(&error.into());
                    longest(&checker)
                }
            };
            match signals.sleep(next).await {
                Wake::Time => {}
                Wake::Stop => return Ok(ExitCode::SUCCESS),
                Wake::Reload => match load(common).await {
                    Ok(fresh) => {
                        checker = fresh;
                        printer::remark("the configuration is read again");
                    }
                    Err(error) => {
                        printer::complain(&error);
                        printer::remark("the configuration that was read before stays in force");
                    }
                },
            }
        }
    }
}

async fn load(common: &Common) -> Result<Checker, CommandError> {
    let setup = Setup::load(common)?;
    setup.remark_warnings();
    setup.checker().await
}

/// One line for each flip, in the job's zone, and for each warning.
fn tell(report: &Report) -> Result<(), CommandError> {
    for (slug, flip) in &report.changes.flips {
        let reason = flip.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let zone = report.jobs.get(slug).map_or(TimeZone::UTC, |job| job.schedule.time_zone().clone());
        let at = words::moment(flip.at, &zone);
        printer::print(&format!("{at}  {slug}: {} -> {}{reason}\n", flip.old, flip.new))?;
    }
    for warning in &report.warnings {
        printer::remark(&format!("warning: {}", printer::one_line(warning)));
    }
    check::remark_given_up(report);
    Ok(())
}

fn longest(checker: &Checker) -> SignedDuration {
    checker.config.checker.interval.unwrap_or(LONGEST)
}

/// How long to sleep after a roll call that took so long. What is due when is told by the clock that the roll call went
/// by, which need not be that of this machine.
fn next_call(checker: &Checker, report: &Report, took: Duration) -> SignedDuration {
    let took = SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX);
    let until =
        report.roll.look_again_at().map(|moment| moment.duration_since(report.at).saturating_sub(took));
    until.unwrap_or(SignedDuration::MAX).clamp(SHORTEST, longest(checker).max(SHORTEST))
}

impl Signals {
    async fn sleep(&mut self, length: SignedDuration) -> Wake {
        let length = Duration::try_from(length).unwrap_or_default();
        tokio::select! {
            () = tokio::time::sleep(length) => Wake::Time,
            _ = self.hup.recv() => Wake::Reload,
            _ = self.term.recv() => Wake::Stop,
            _ = self.int.recv() => Wake::Stop,
        }
    }
}
