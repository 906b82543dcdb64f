//! `tenko config`: checks, shows and explains the configuration.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use tenko_core::schedule::ScheduleError;

use crate::cli::Common;
use crate::config::{self, Config};
use crate::error::CommandError;
use crate::printer;

/// Check, show and explain the configuration.
#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Report all errors and warnings, each with its place
    Check,
    /// Print the configuration in force, without secrets
    Show,
    /// Print the JSON schema of the configuration
    Schema,
    /// Print an example with everything explained
    Example,
}

impl ConfigCommand {
    /// Does it.
    pub fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let text = match self.action {
            Action::Check => check(common)?,
            Action::Show => config::show(&load(common)?.unwrap_or_default(), Timestamp::now()),
            Action::Schema => config::schema(),
            Action::Example => config::example(),
        };
        printer::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn load(common: &Common) -> Result<Option<Config>, CommandError> {
    Config::load(common.config.as_deref()).map_err(CommandError::usage)
}

fn check(common: &Common) -> Result<String, CommandError> {
    let Some(config) = load(common)? else {
        return Ok("no configuration file: defaults are in force (tenko init writes one)\n".into());
    };
    for warning in &config.warnings {
        printer::remark(warning);
    }
    let counted = |count, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let warnings = match config.warnings.len() {
        0 => String::new(),
        count => format!(", {}", counted(count, "warning")),
    };
    let place = config.source.as_deref().map_or_else(String::new, |path| format!("{}: ", path.display()));
    let jobs = counted(config.jobs.len(), "job");
    Ok(format!("{place}{jobs}, {}{warnings}\n", counted(config.channels.len(), "channel")))
}

/// A schedule that was given on the command line can't be: with a caret under what is wrong.
pub(super) fn schedule_error(error: &ScheduleError) -> CommandError {
    let before: String =
        error.input().chars().take(error.input()[..error.span().start].chars().count()).collect();
    let width = error.input()[error.span()].chars().count().max(1);
    let shown = format!(
        "{error}\n  {}\n  {}{}",
        error.input(),
        " ".repeat(before.chars().count()),
        "^".repeat(width)
    );
    let refused = CommandError::usage(shown);
    match error.hint() {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}
