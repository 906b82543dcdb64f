//! Reading the command line and `TENKO_*`.
//!
//! A variable that is empty counts as not set. One that is wrong is not allowed to keep `tenko run` from its command:
//! whoever set it may not even know of that command.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};

use super::Cli;
use crate::printer;

/// Reads the command line of this process.
pub(super) fn parse() -> Result<Cli, clap::Error> {
    let empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let any_empty = variables().any(|name| empty(&name));
    let command = || if any_empty { without(Cli::command(), empty) } else { Cli::command() };
    match read(command()) {
        Err(error) if !is_wrong(&error) => Err(error),
        Err(error) if std::env::args_os().any(|argument| argument == "run") => {
            despite_variables(command, error)
        }
        Err(error) => Err(because_of_variable(command, error)),
        Ok(cli) => Ok(cli),
    }
}

fn read(command: Command) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command.try_get_matches()?)
}

/// The names of the variables that are set and may be ours.
fn variables() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.as_encoded_bytes().starts_with(b"TENKO_"))
}

/// Whether it is more than a wish for help.
fn is_wrong(error: &clap::Error) -> bool {
    !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

/// Names the variable without which the call would be right: nobody sees it in the call.
fn because_of_variable(command: impl Fn() -> Command, error: clap::Error) -> clap::Error {
    let mut suspects = variables();
    if let Some(name) = suspects.find(|suspect| read(without(command(), |name| name == suspect)).is_ok()) {
        printer::remark(&format!("tenko: the environment variable {} is wrong:", name.display()));
    }
    error
}

/// Leaves out the one variable that is wrong, or all of them if more are; says so if that helps.
fn despite_variables(command: impl Fn() -> Command, error: clap::Error) -> Result<Cli, clap::Error> {
    for suspect in variables() {
        if let Ok(cli) = read(without(command(), |name| name == suspect)) {
            complain(&error, &format!("{} is ignored", suspect.display()));
            return Ok(cli);
        }
    }
    match read(without(command(), |_| true)) {
        Ok(cli) => {
            complain(&error, "all variables TENKO_* are ignored");
            Ok(cli)
        }
        Err(_) => Err(error),
    }
}

fn complain(error: &clap::Error, consequence: &str) {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    printer::remark(&format!("tenko: {}; {consequence}", first.trim_start_matches("error: ")));
}

/// The command without the variables of which this is true.
fn without(command: Command, drop_it: impl Fn(&OsStr) -> bool) -> Command {
    without_in(command, &drop_it)
}

fn without_in(command: Command, drop_it: &dyn Fn(&OsStr) -> bool) -> Command {
    let deaf = |argument: Arg| match argument.get_env() {
        Some(name) if drop_it(name) => argument.env(Resettable::Reset),
        _ => argument,
    };
    command.mut_args(deaf).mut_subcommands(|subcommand| without_in(subcommand, drop_it))
}
