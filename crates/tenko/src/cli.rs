//! The command line: what can be said, and which command it means.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::command;
use crate::error::CommandError;
use crate::printer;

mod arguments;

/// Roll call for batch jobs: jobs leave evidence, the roll is called, and people are told of whoever did not answer.
#[derive(Debug, Parser)]
#[command(name = "tenko", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Under which heading the help lists what every command understands.
const COMMON: &str = "Common options";

/// What every command understands.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Configuration file [default: ./tenko.toml, then /etc/tenko/tenko.toml]
    #[arg(long, global = true, env = "TENKO_CONFIG", value_name = "FILE", hide_env_values = true)]
    #[arg(help_heading = COMMON)]
    pub config: Option<PathBuf>,
    /// URL of the store, in place of the configured one: sqlite:///path.db, file:///dir, s3://bucket/prefix...
    #[arg(long, global = true, env = "TENKO_STORE", value_name = "URL", hide_env_values = true)]
    #[arg(help_heading = COMMON)]
    pub store: Option<String>,
}

/// The commands. Each is described by its own type, which is what the help shows.
#[derive(Debug, Subcommand)]
pub enum Command {
    Init(command::init::Init),
    Run(Box<command::run::Run>),
    Ping(Box<command::ping::Ping>),
    Check(command::check::Check),
    Watch(command::watch::Watch),
    Jobs(command::jobs::Jobs),
    Show(command::show::Show),
    Log(command::log::Log),
    Gaps(command::gaps::Gaps),
    Pause(command::pause::Pause),
    Resume(command::pause::Resume),
    Forget(command::pause::Forget),
    Schedule(command::schedule::Preview),
    Flush(command::flush::Flush),
    Notify(command::notify::Notify),
    Config(command::config::ConfigCommand),
    Completions(command::help::Completions),
    Man(command::help::Man),
}

/// Reads the command line, does what it says, and tells how that went.
pub fn main() -> ExitCode {
    let cli = match arguments::parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no error. A broken pipe is none either.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    done(command::execute(cli))
}

fn done(result: Result<ExitCode, CommandError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        printer::complain(&error);
        error.exit_code()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
