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
    #[cfg(feature = "server")]
    Serve(command::serve::Serve),
    #[cfg(feature = "server")]
    Healthy(command::healthy::Healthy),
    Jobs(command::jobs::Jobs),
    Show(command::show::Show),
    Log(command::log::Log),
    Gaps(command::gaps::Gaps),
    Pause(command::pause::Pause),
    Resume(command::pause::Resume),
    Forget(command::pause::Forget),
    Schedule(command::schedule::Preview),
    Flush(command::flush::Flush),
    Key(command::key::Key),
    Backup(command::backup::Backup),
    Restore(command::backup::Restore),
    Migrate(command::migrate::Migrate),
    Notify(command::notify::Notify),
    Config(command::config::ConfigCommand),
    #[cfg(feature = "aws-setup")]
    Aws(command::aws::Aws),
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
    use std::collections::BTreeMap;

    use clap::{Arg, CommandFactory as _};

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    /// What no variable could mean: whoever set it would get nothing else any more.
    const WITHOUT_VARIABLE: [&str; 2] = ["help", "version"];

    #[test]
    fn every_flag_has_a_variable_of_its_name_that_means_the_same_everywhere() {
        let mut command = super::Cli::command();
        command.build();
        let mut meaning = BTreeMap::new();
        walk(&command, "tenko", &mut |place, flag| {
            let name = flag.get_long().unwrap_or_else(|| panic!("{place}: {flag} has no long form"));
            if WITHOUT_VARIABLE.contains(&name) {
                return;
            }
            let variable = format!("TENKO_{}", name.to_uppercase().replace('-', "_"));
            let said = flag.get_env().and_then(std::ffi::OsStr::to_str);
            assert_eq!(said, Some(variable.as_str()), "{place} --{name}");
            let kind = (flag.get_value_names().map(<[_]>::to_vec), flag.get_action().takes_values());
            let known = meaning.entry(variable).or_insert_with(|| kind.clone());
            assert_eq!(*known, kind, "{place} --{name}");
        });
        assert!(meaning.len() > 30, "{meaning:?}");
    }

    fn walk(command: &clap::Command, place: &str, see: &mut impl FnMut(&str, &Arg)) {
        let flags = command.get_arguments().filter(|argument| !argument.is_positional());
        flags.for_each(|flag| see(place, flag));
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            walk(below, &format!("{place} {}", below.get_name()), see);
        }
    }
}
