//! Flags by which a job says what is expected of it, so that one crontab line is the whole set-up.

use clap::Args;
use sha2::{Digest as _, Sha256};
use tenko_core::schedule::ScheduleSpec;
use tenko_core::{Declaration, JobSpec, Slug};

use crate::command::schedule::SchedulerName;
use crate::error::CommandError;

/// What is expected of the job; travels in its evidence.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What is expected of the job (travels in its evidence)")]
pub struct DeclareFlags {
    /// Due so long after each success: 15m, 1d
    #[arg(long, value_name = "LENGTH", env = "TENKO_EVERY", conflicts_with_all = ["cron", "on_calendar"])]
    every: Option<String>,
    /// Due by a crontab or EventBridge expression: "0 5 * * *"
    #[arg(long, value_name = "EXPR", env = "TENKO_CRON", conflicts_with = "on_calendar")]
    cron: Vec<String>,
    /// Due by a systemd calendar expression: "Mon..Fri 05:00"
    #[arg(long, value_name = "EXPR", env = "TENKO_ON_CALENDAR")]
    on_calendar: Vec<String>,
    /// Time zone of the schedule [default: this machine's]
    #[arg(long, value_name = "ZONE", env = "TENKO_TZ")]
    tz: Option<String>,
    /// Whose rule for changes of the clock applies [default: by the syntax]
    #[arg(long, value_enum, env = "TENKO_SCHEDULER")]
    scheduler: Option<SchedulerName>,
    /// A success must arrive so long after a due [default: 1h]
    #[arg(long, value_name = "LENGTH", env = "TENKO_GRACE")]
    grace: Option<String>,
    /// A run must start so long after a due
    #[arg(long, value_name = "LENGTH", env = "TENKO_START_WITHIN")]
    start_within: Option<String>,
    /// A run must end so long after its start
    #[arg(long, value_name = "LENGTH", env = "TENKO_MAX_RUNTIME")]
    max_runtime: Option<String>,
    /// A success quicker than this is none
    #[arg(long, value_name = "LENGTH", env = "TENKO_MIN_RUNTIME")]
    min_runtime: Option<String>,
    /// So many bad answers in a row turn the job down [default: 1]
    #[arg(long, value_name = "COUNT", env = "TENKO_FAILURES")]
    failures: Option<u32>,
    /// So many good answers in a row turn it up again [default: 1]
    #[arg(long, value_name = "COUNT", env = "TENKO_RECOVERIES")]
    recoveries: Option<u32>,
    /// Remind so often while it is down
    #[arg(long, value_name = "LENGTH", env = "TENKO_REMIND")]
    remind: Option<String>,
    /// Channels to tell [default: those of the checker's configuration]
    #[arg(long, value_name = "CHANNEL", value_delimiter = ',', env = "TENKO_NOTIFY")]
    notify: Vec<String>,
    /// One line about the job
    #[arg(long, value_name = "TEXT", env = "TENKO_DESCRIPTION")]
    description: Option<String>,
    /// Where to read what to do when it is down
    #[arg(long, value_name = "URL", env = "TENKO_RUNBOOK")]
    runbook: Option<String>,
}

impl DeclareFlags {
    /// The declaration, if the flags make one. It is checked here, where somebody can correct it.
    pub fn declaration(&self, job: &Slug, clean_exit: &[u8]) -> Result<Option<Declaration>, CommandError> {
        let mut spec = self.spec(clean_exit);
        if spec == JobSpec::default() {
            return Ok(None);
        }
        let here = jiff::tz::TimeZone::system();
        let by_clock = !spec.schedule.cron.is_empty() || !spec.schedule.on_calendar.is_empty();
        if by_clock && spec.schedule.tz.is_none() {
            // The roll may be called in another zone.
            spec.schedule.tz = here.iana_name().map(str::to_owned);
        }
        if let Err(errors) = spec.resolve(job.clone(), &here, None) {
            let problems: Vec<String> = errors.iter().map(ToString::to_string).collect();
            return Err(CommandError::usage(format!(
                "what is said about job {job} can't be: {}",
                problems.join("; ")
            )));
        }
        Ok(Some(Declaration { digest: digest(&spec), spec: Some(spec.into()) }))
    }

    fn spec(&self, clean_exit: &[u8]) -> JobSpec {
        let listed = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        JobSpec {
            schedule: ScheduleSpec {
                every: self.every.clone(),
                cron: self.cron.clone(),
                on_calendar: self.on_calendar.clone(),
                tz: self.tz.clone(),
                scheduler: self.scheduler.map(Into::into),
            },
            grace: self.grace.clone(),
            start_within: self.start_within.clone(),
            max_runtime: self.max_runtime.clone(),
            min_runtime: self.min_runtime.clone(),
            failures: self.failures,
            recoveries: self.recoveries,
            clean_exit: (!clean_exit.is_empty()).then(|| clean_exit.to_vec()),
            remind: self.remind.clone(),
            notify: listed(&self.notify),
            description: self.description.clone(),
            runbook: self.runbook.clone(),
            ..JobSpec::default()
        }
    }
}

/// 8 hex digits of the SHA-256 of the specification as JSON.
pub(crate) fn digest(spec: &JobSpec) -> String {
    let text = serde_json::to_vec(spec).unwrap_or_default();
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
