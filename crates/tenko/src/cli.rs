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

/// What every command understands.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Configuration file [default: ./tenko.toml, then /etc/tenko/tenko.toml]
    #[arg(long, global = true, env = "TENKO_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// URL of the store, in place of the configured one: sqlite:///path.db, file:///dir, s3://bucket/prefix...
    #[arg(long, global = true, env = "TENKO_STORE", value_name = "URL", hide_env_values = true)]
    pub store: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a first configuration
    Init(command::init::Init),
    /// Run a command and leave evidence of it
    Run(Box<command::run::Run>),
    /// Leave evidence by hand
    Ping(Box<command::ping::Ping>),
    /// Call the roll once
    Check(command::check::Check),
    /// Call the roll again and again, as deadlines come
    Watch(command::watch::Watch),
    /// List all jobs
    Jobs(command::jobs::Jobs),
    /// Show all about one job
    Show(command::show::Show),
    /// List what happened to one job
    Log(command::log::Log),
    /// Stop judging a job
    Pause(command::pause::Pause),
    /// Judge a job again
    Resume(command::pause::Resume),
    /// Forget a job that is not configured and will not come back
    Forget(command::pause::Forget),
    /// Show when a schedule is due
    Schedule(command::schedule::Preview),
    /// Send evidence that could not be delivered before
    Flush(command::flush::Flush),
    /// Try a channel, and see what could not be delivered
    Notify(command::notify::Notify),
    /// Check, show and explain the configuration
    Config(command::config::ConfigCommand),
    /// Print completions for a shell
    Completions(command::help::Completions),
    /// Print the manual page
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
