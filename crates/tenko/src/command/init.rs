//! `tenko init`: writes a first configuration.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jiff::tz::TimeZone;

use crate::cli::Common;
use crate::error::CommandError;
use crate::{place, printer};

/// Write a first configuration.
///
/// Nothing is overwritten.
#[derive(Debug, Args)]
pub struct Init {
    /// Where to
    #[arg(value_name = "FILE", default_value = "tenko.toml")]
    file: PathBuf,
}

impl Init {
    /// Does it.
    pub fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let file = common.config.clone().unwrap_or(self.file);
        let mut options = OpenOptions::new();
        // Secrets may come to stand in it.
        let created = options.write(true).create_new(true).mode(0o600).open(&file);
        let mut out = created.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                CommandError::usage(format!("{} exists already and is left as it is", file.display()))
                    .hint("tenko config check reads it; tenko init OTHER.toml writes elsewhere")
            }
            std::io::ErrorKind::NotFound => CommandError::usage(format!("can't write {}", file.display()))
                .hint("its directory does not exist"),
            _ => CommandError::usage(format!("can't write {}: {error}", file.display())),
        })?;
        out.write_all(first(&TimeZone::system()).as_bytes())?;
        let store = place::default_store(&place::state_dir());
        printer::print(&format!(
            "wrote {file}\n\n\
             Evidence and decisions are kept in {store}, unless the file says otherwise. Next:\n\n  \
             1. let a job leave evidence    tenko run --job daily-report --cron '0 5 * * *' -- /path/to/command\n  \
             2. describe a channel, try it  tenko notify test ops\n  \
             3. call the roll, from cron    */5 * * * * tenko check >/dev/null\n     \
             or all the time             tenko watch\n",
            file = file.display(),
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A configuration that passes as it is, and shows what comes next.
fn first(zone: &TimeZone) -> String {
    include_str!("first.toml").replace("{timezone}", zone.iana_name().unwrap_or("UTC"))
}
