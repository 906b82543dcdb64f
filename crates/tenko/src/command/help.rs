//! `tenko completions` and `tenko man`: the command line's own description.

use std::process::ExitCode;

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::CommandError;
use crate::printer;

/// Print completions for a shell.
///
/// For example: `tenko completions bash > /etc/bash_completion.d/tenko`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page.
///
/// For example: `tenko man > /usr/local/share/man/man1/tenko.1`.
#[derive(Debug, Args)]
pub struct Man {
    /// Of a command, in place of the main page
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

impl Completions {
    /// Does it.
    pub fn execute(self) -> Result<ExitCode, CommandError> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tenko", &mut text);
        printer::print(&String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    /// Does it.
    pub fn execute(self) -> Result<ExitCode, CommandError> {
        let mut all = Cli::command();
        all.build();
        let command = match &self.command {
            None => all,
            Some(name) => all.find_subcommand(name).cloned().ok_or_else(|| no_command(&all, name))?,
        };
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text)?;
        printer::print(&String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn no_command(all: &Command, name: &str) -> CommandError {
    let error = CommandError::usage(format!("there is no command {name:?}"));
    match crate::config::nearest(name, all.get_subcommands().map(Command::get_name)) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("tenko --help lists all commands"),
    }
}
