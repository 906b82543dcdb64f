//! `tenko run`: runs a command and leaves evidence of it.
//!
//! The command comes first. It is started before anything else is read or opened, and whatever goes wrong after that
//! is said and does not touch it.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::BoolishValueParser;
use jiff::{SignedDuration, Timestamp};
use tenko_core::{Evidence, Exit, Kind, RunId, Slug};
use uuid::Uuid;

use crate::cli::Common;
use crate::config::Config;
use crate::error::{CommandError, chain};
use crate::exec::{self, Outcome, Task, lock};
use crate::report::declare::DeclareFlags;
use crate::report::{self, Courier, Destination, Fate};
use crate::{place, printer};

mod evidence;

/// A run that ends within this is reported in one go.
const SHORT: Duration = Duration::from_millis(20);
/// How long the start of a longer run is tried to be reported.
const START_TIME: Duration = Duration::from_secs(5);
/// How long all reporting may take after the command, unless configured.
const REPORT_TIME: Duration = Duration::from_secs(10);
/// How much longer the reporter is waited for, so that it can use the spool itself.
const SPOOL_TIME: Duration = Duration::from_secs(1);

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
    /// Keep nothing of the output in the evidence
    #[arg(long, env = "TENKO_NO_OUTPUT", value_parser = BoolishValueParser::new())]
    no_output: bool,
    #[command(flatten)]
    declare: DeclareFlags,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What the reporter is told when the command has ended.
struct Ended {
    at: Timestamp,
    outcome: Outcome,
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
                let (ended, ending) = channel();
                let (done, finished) = channel();
                let reporter = Reporter { run: self, common: common.clone(), start };
                let fallback = reporter.fallback();
                thread::spawn(move || {
                    reporter.report(&ending);
                    // Nobody listens any more if this took too long.
                    let _ = done.send(());
                });
                let outcome = running.wait();
                drop(held);
                finish(outcome, &ended, &finished, fallback)
            }
            Err(error) => {
                printer::remark(&format!("tenko: {}", chain(&error)));
                let code = error.exit_code();
                let end = Evidence::new(job, run, Kind::Fail(Some(Exit::Code(code))), started);
                Reporter { run: self, common: common.clone(), start: end.clone() }
                    .could_not_start(end, &chain(&error));
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
        task.timeout =
            self.timeout.as_deref().and_then(|text| match tenko_core::schedule::parse_duration(text) {
                Ok(length) => Duration::try_from(length).ok(),
                Err(error) => {
                    printer::remark(&format!("tenko: --timeout {text:?} is ignored: {error}"));
                    None
                }
            });
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

/// Hands the end over to the reporter and waits for it, but not for ever.
fn finish(outcome: Outcome, ended: &Sender<Ended>, finished: &Receiver<()>, fallback: Fallback) -> ExitCode {
    let code = exec::exit_code(&outcome.exit);
    let at = Timestamp::now();
    let kept = fallback.evidence(&outcome, at);
    // If the reporter is gone, it says so by not finishing.
    drop(ended.send(Ended { at, outcome }));
    if finished.recv_timeout(REPORT_TIME + SPOOL_TIME).is_err() {
        fallback.keep(&kept);
    }
    ExitCode::from(code)
}

/// What is done when the reporter hangs.
struct Fallback {
    start: Evidence,
    clean_exit: Vec<u8>,
    destination: Option<String>,
}

impl Fallback {
    fn evidence(&self, outcome: &Outcome, at: Timestamp) -> Evidence {
        evidence::end(&self.start, outcome, at, &evidence::Keep::nothing(), &self.clean_exit)
    }

    fn keep(&self, evidence: &Evidence) {
        let state_dir = place::state_dir();
        let url = self.destination.clone().unwrap_or_else(|| place::default_store(&state_dir));
        let courier = Courier::new(Destination::of(&url), &state_dir);
        match courier.keep(std::slice::from_ref(evidence)) {
            Ok(()) => {
                printer::remark("tenko: reporting took too long; the evidence is kept and will be sent later")
            }
            Err(error) => {
                printer::remark(&format!("tenko: reporting took too long, and the evidence is lost: {error}"))
            }
        }
    }
}

/// Reports beside the command.
struct Reporter {
    run: Run,
    common: Common,
    start: Evidence,
}

impl Reporter {
    fn fallback(&self) -> Fallback {
        Fallback {
            start: self.start.clone(),
            clean_exit: self.run.clean_exit(),
            destination: self.run.to.clone().or_else(|| self.common.store.clone()),
        }
    }

    /// Reports the start, unless the run is short, and then the end.
    fn report(mut self, ending: &Receiver<Ended>) {
        let config = self.config();
        let mut courier = self.courier(&config);
        self.start.report.host = place::host();
        match self.run.declare.declaration(&self.start.job, &self.run.clean_exit) {
            Ok(declaration) => self.start.declaration = declaration,
            Err(error) => printer::complain(&error),
        }
        let mut pending = vec![self.start.clone()];
        let ended = match ending.recv_timeout(SHORT) {
            Ok(ended) => ended,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if courier.send(&pending, Instant::now() + START_TIME).is_ok() {
                    pending.clear();
                }
                let Ok(ended) = ending.recv() else { return };
                ended
            }
        };
        let keep = evidence::Keep::of(&config, &self.run.mask_env, self.run.no_output);
        let end = evidence::end(&self.start, &ended.outcome, ended.at, &keep, &self.run.clean_exit());
        pending.push(end.clone());
        hand_over(&mut courier, &config, &pending, &end);
    }

    /// A command that could not be started has failed, too.
    fn could_not_start(self, mut end: Evidence, problem: &str) {
        let config = self.config();
        end.report.host = place::host();
        end.report.message = Some(problem.to_owned());
        end.declaration = self.run.declare.declaration(&end.job, &self.run.clean_exit).ok().flatten();
        hand_over(&mut self.courier(&config), &config, std::slice::from_ref(&end), &end);
    }

    /// A broken configuration is said, and does not matter to the command.
    fn config(&self) -> Config {
        match Config::load(self.common.config.as_deref()) {
            Ok(config) => config.unwrap_or_default(),
            Err(errors) => {
                printer::complain(&CommandError::usage(errors));
                Config::default()
            }
        }
    }

    fn courier(&self, config: &Config) -> Courier {
        let state_dir = place::state_dir();
        let said = self.run.to.clone().or_else(|| self.common.store.clone()).or_else(|| config.store.clone());
        let url = said.unwrap_or_else(|| place::default_store(&state_dir));
        Courier::new(Destination::of(&url), &state_dir)
    }
}

/// Delivers, and says what did not work: here, and to the channels if this is the first time.
fn hand_over(courier: &mut Courier, config: &Config, pending: &[Evidence], end: &Evidence) {
    let until = Instant::now() + config.run.report_timeout.unwrap_or(REPORT_TIME);
    let first = courier.spool_is_empty();
    let problem = match courier.deliver(pending, until) {
        Fate::Stored => return,
        Fate::Spooled(error) => {
            let problem = chain(&error);
            printer::remark(&format!(
                "tenko: evidence of {} is kept and will be sent later: {problem}",
                end.job
            ));
            problem
        }
        Fate::Lost(error, spool) => {
            let problem = format!("{}, and it could not be kept on disk: {}", chain(&error), chain(&spool));
            printer::remark(&format!("tenko: evidence of {} is lost: {problem}", end.job));
            problem
        }
    };
    if first {
        let telling = tokio::time::timeout;
        let said = report::block_on(async {
            telling(START_TIME, report::tell_unstored(config, end, &problem)).await
        });
        if let Ok(Ok(told)) = said {
            for channel in told {
                printer::remark(&format!("tenko: {channel} was told"));
            }
        }
    }
}

/// A length of time from the standard library's.
fn signed(length: Duration) -> SignedDuration {
    SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)
}
