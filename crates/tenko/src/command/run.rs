//! `tenko run`: runs a command and leaves evidence of it.
//!
//! The command comes first. It is started before anything else is read or opened, and whatever goes wrong after that
//! is said and does not touch it.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use jiff::{SignedDuration, Timestamp};
use tenko_core::{Evidence, Exit, Kind, RunId, Slug};
use uuid::Uuid;

use crate::cli::Common;
use crate::error::chain;
use crate::exec::{self, Task, lock};
use crate::report::declare::DeclareFlags;
use crate::{place, printer};
use reporter::Reporter;

mod evidence;
mod reporter;

/// Run a command and leave evidence of it.
///
/// The command is started first, its output passes through untouched, and the exit code is its own: 128 + number if a
/// signal killed it, 126 and 127 if it could not be started. What can't be reported in time is kept and sent later.
#[derive(Debug, Args)]
pub struct Run {
    /// Name of the job [default: that of the program]
    #[arg(long, value_name = "NAME", env = "TENKO_JOB")]
    job: Option<String>,
    /// Report to this store or Healthchecks-compatible URL, in place of the configured store
    #[arg(long, value_name = "URL", env = "TENKO_TO", hide_env_values = true)]
    to: Option<String>,
    /// Id of the run, a UUID [default: a new one]
    #[arg(long, value_name = "UUID", env = "TENKO_RUN_ID")]
    run_id: Option<Uuid>,
    /// End the command after this time: TERM, and 10 seconds later KILL, to its whole process group
    #[arg(long, value_name = "LENGTH", env = "TENKO_TIMEOUT")]
    timeout: Option<String>,
    /// Do not run while the previous run is still there
    #[arg(long, env = "TENKO_LOCK", value_parser = BoolishValueParser::new())]
    lock: bool,
    /// Show the output only if the command fails
    #[arg(short, long, env = "TENKO_QUIET", value_parser = BoolishValueParser::new())]
    quiet: bool,
    /// Exit codes that count as success
    #[arg(long, value_name = "CODE", value_delimiter = ',', env = "TENKO_CLEAN_EXIT")]
    clean_exit: Vec<u8>,
    /// Mask the values of these variables in the evidence
    #[arg(long, value_name = "NAME", value_delimiter = ',', env = "TENKO_MASK_ENV")]
    mask_env: Vec<String>,
    /// Try to report so long after the command; then the evidence is kept to be sent later [default: 10s]
    #[arg(long, value_name = "LENGTH", env = "TENKO_REPORT_TIMEOUT")]
    report_timeout: Option<String>,
    /// Keep nothing of the output in the evidence
    #[arg(long, env = "TENKO_NO_OUTPUT", value_parser = BoolishValueParser::new())]
    no_output: bool,
    #[command(flatten)]
    declare: DeclareFlags,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Run {
    /// Does it. There is no error: whatever happens, the exit code is the command's.
    pub fn execute(self, common: &Common) -> ExitCode {
        let job = self.job_name();
        let run = RunId(self.run_id.unwrap_or_else(Uuid::now_v7));
        let held = match self.acquire(&job) {
            Ok(held) => held,
            Err(skipped) => return skipped,
        };
        let started = Timestamp::now();
        match exec::spawn(self.task(&job, run)) {
            Ok(running) => {
                let start = Evidence::new(job, run, Kind::Start, started);
                let reporting = Reporter::new(self, common, start).begin();
                let outcome = running.wait();
                drop(held);
                let code = exec::exit_code(&outcome.exit);
                reporting.finish(outcome);
                ExitCode::from(code)
            }
            Err(error) => {
                printer::remark(&format!("tenko: {}", chain(&error)));
                let code = error.exit_code();
                let end = Evidence::new(job, run, Kind::Fail(Some(Exit::Code(code))), started);
                Reporter::new(self, common, end.clone()).could_not_start(end, &chain(&error));
                ExitCode::from(code)
            }
        }
    }

    /// The name of the job: as said, or that of the program. A name that can't be is made one that can: the command
    /// comes first.
    fn job_name(&self) -> Slug {
        let program =
            std::path::Path::new(&self.command[0]).file_name().unwrap_or_default().to_string_lossy();
        let said = self.job.as_deref().unwrap_or(&program);
        Slug::new(said).unwrap_or_else(|error| {
            let near = error.suggestion().and_then(|near| Slug::new(&near).ok());
            let name = near.unwrap_or_else(|| Slug::new("unnamed").expect("the word is a valid name"));
            if self.job.is_some() {
                printer::remark(&format!("tenko: {error}; {name} is used"));
            }
            name
        })
    }

    fn acquire(&self, job: &Slug) -> Result<Option<lock::JobLock>, ExitCode> {
        if !self.lock {
            return Ok(None);
        }
        match lock::try_acquire(&place::state_dir().join("locks"), job.as_str()) {
            Ok(Some(held)) => Ok(Some(held)),
            Ok(None) => {
                printer::remark(&format!("tenko: skipped: the previous run of {job} is still there"));
                Err(ExitCode::SUCCESS)
            }
            Err(error) => {
                printer::remark(&format!("tenko: can't lock, so {job} runs without a lock: {error}"));
                Ok(None)
            }
        }
    }

    fn task(&self, job: &Slug, run: RunId) -> Task {
        let mut task = Task::new(&self.command[0]);
        task.args = self.command[1..].to_vec();
        task.timeout = length("--timeout", self.timeout.as_deref());
        task.quiet = self.quiet;
        task.clean_exit = self.clean_exit();
        task.capture = evidence::CAPTURE;
        task.env =
            vec![("TENKO_JOB".into(), job.as_str().into()), ("TENKO_RUN_ID".into(), run.to_string().into())];
        task
    }

    fn clean_exit(&self) -> Vec<u8> {
        if self.clean_exit.is_empty() { vec![0] } else { self.clean_exit.clone() }
    }
}

/// The length of time that was said; one that can't be is said to be ignored.
fn length(flag: &str, said: Option<&str>) -> Option<Duration> {
    let text = said?;
    match tenko_core::schedule::parse_duration(text) {
        Ok(length) => Duration::try_from(length).ok(),
        Err(error) => {
            printer::remark(&format!("tenko: {flag} {text:?} is ignored: {error}"));
            None
        }
    }
}

/// A length of time from the standard library's.
fn signed(length: Duration) -> SignedDuration {
    SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)
}
