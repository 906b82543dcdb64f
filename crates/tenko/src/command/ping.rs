//! `tenko ping`: leaves evidence by hand.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tenko_core::{Evidence, Exit, Kind, Output, RunId, Slug};
use uuid::Uuid;

use super::Setup;
use crate::cli::Common;
use crate::error::{CommandError, chain};
use crate::report::declare::DeclareFlags;
use crate::report::{Courier, Destination, Fate};
use crate::{place, printer, words};

/// How long it is tried.
const TIME: Duration = Duration::from_secs(10);
/// What is kept of standard input.
const MAX_INPUT: u64 = 10_000;

/// Leave evidence by hand: that a run started, succeeded or failed, or a remark.
///
/// Exit codes: 0 stored, 2 usage or configuration, 3 kept on disk to be sent later.
#[derive(Debug, Args)]
pub struct Ping {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
    /// What to say
    #[arg(value_enum, default_value = "success", value_name = "WHAT")]
    what: What,
    /// Report to this store or Healthchecks-compatible URL, in place of the configured store
    #[arg(long, value_name = "URL", env = "TENKO_TO", hide_env_values = true)]
    to: Option<String>,
    /// Id of the run, a UUID; `start` and the end of one run have the same [default: a new one]
    #[arg(long, value_name = "UUID", env = "TENKO_RUN_ID")]
    run_id: Option<Uuid>,
    /// When it happened (RFC 3339, or civil time in the configured zone) [default: now]
    #[arg(long, value_name = "TIME", env = "TENKO_AT")]
    at: Option<String>,
    /// Exit code, with `fail`
    #[arg(long, value_name = "CODE", env = "TENKO_EXIT")]
    exit: Option<u8>,
    /// A remark; `-` reads it from standard input
    #[arg(short, long, value_name = "TEXT", env = "TENKO_MESSAGE")]
    message: Option<String>,
    /// Try to report so long; then the evidence is kept to be sent later [default: 10s]
    #[arg(long, value_name = "LENGTH", env = "TENKO_REPORT_TIMEOUT")]
    report_timeout: Option<String>,
    #[command(flatten)]
    declare: DeclareFlags,
}

/// What to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Start,
    Success,
    Fail,
    Log,
}

impl Ping {
    /// Does it.
    pub fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load_to_report(common);
        let evidence = self.evidence(&setup)?;
        let url = self.to.clone().unwrap_or_else(|| setup.store_url.clone());
        let is_configured = self.to.is_none() && common.store.is_none();
        let mut courier = Courier::new(Destination::of(&url), &setup.state_dir).configured(is_configured);
        let until = Instant::now() + self.limit()?.or(setup.config.run.report_timeout).unwrap_or(TIME);
        let job = evidence.job.clone();
        match courier.deliver(&[evidence], until) {
            Fate::Stored => Ok(ExitCode::SUCCESS),
            Fate::Spooled(error) => {
                printer::remark(&format!(
                    "tenko: evidence of {job} is kept and will be sent later: {}",
                    chain(&error)
                ));
                Ok(ExitCode::from(3))
            }
            Fate::Refused(error) => Err(CommandError::could_not_tell(format!(
                "evidence of {job} will never be accepted and is given up: {}",
                chain(&error)
            ))),
            Fate::Lost(error, full) => Err(CommandError::could_not_tell(format!(
                "evidence of {job} is lost: {}, and it could not be kept on disk: {}",
                chain(&error),
                chain(&full)
            ))),
        }
    }

    fn evidence(&self, setup: &Setup) -> Result<Evidence, CommandError> {
        let job = Slug::new(&self.job).map_err(|error| {
            let near = error.suggestion().map(|near| format!("use {near}"));
            let refused = CommandError::usage(error);
            near.into_iter().fold(refused, CommandError::hint)
        })?;
        let kind = self.kind()?;
        let at = match &self.at {
            Some(text) => words::parse_moment(text, &setup.config.time_zone)?,
            None => Timestamp::now(),
        };
        let run = RunId(self.run_id.unwrap_or_else(Uuid::now_v7));
        let mut evidence = Evidence::new(job, run, kind, at);
        evidence.report.host = place::host();
        match self.message.as_deref() {
            Some("-") => evidence.report.output = Some(standard_input()?),
            message => evidence.report.message = message.map(str::to_owned),
        }
        evidence.declaration = self.declare.declaration(&evidence.job, &[])?;
        Ok(evidence)
    }

    fn limit(&self) -> Result<Option<Duration>, CommandError> {
        let said = self.report_timeout.as_deref().map(|text| words::parse_length("--report-timeout", text));
        Ok(said.transpose()?.and_then(|length| Duration::try_from(length).ok()))
    }

    fn kind(&self) -> Result<Kind, CommandError> {
        match (self.what, self.exit) {
            (What::Fail, exit) => Ok(Kind::Fail(exit.map(Exit::Code))),
            (_, Some(_)) => Err(CommandError::usage("--exit goes with fail only")),
            (What::Start, None) => Ok(Kind::Start),
            (What::Success, None) => Ok(Kind::Success),
            (What::Log, None) => Ok(Kind::Log),
        }
    }
}

/// The beginning of standard input.
fn standard_input() -> Result<Output, CommandError> {
    let mut text = Vec::new();
    let mut input = std::io::stdin().lock();
    input.by_ref().take(MAX_INPUT).read_to_end(&mut text)?;
    let omitted = std::io::copy(&mut input, &mut std::io::sink())?;
    Ok(Output { head: String::from_utf8_lossy(&text).into_owned(), omitted, ..Output::default() })
}
