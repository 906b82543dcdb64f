//! `tenko migrate`: brings the tables of a store up to date.

use std::process::ExitCode;

use clap::Args;
use clap::builder::BoolishValueParser;
use tenko_store::open::{self, Tables};

use super::Setup;
use crate::cli::Common;
use crate::error::CommandError;
use crate::printer;

/// Bring the tables of the store up to date, and say what was done.
///
/// Whoever writes to a store does that by itself, a server too; this is for those who want to do it before, or with other
/// rights. Tables are only added to: an older Tenko refuses a store that a newer one has touched.
#[derive(Debug, Args)]
pub struct Migrate {
    /// Only say what would be done
    #[arg(long, env = "TENKO_DRY_RUN", value_parser = BoolishValueParser::new())]
    dry_run: bool,
}

impl Migrate {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let url = open::redact_url(&setup.store_url);
        let Some(Tables { found, current }) = open::tables(&setup.store_url).await? else {
            printer::print(&format!("{url} has no tables; there is nothing to do\n"))?;
            return Ok(ExitCode::SUCCESS);
        };
        if found == current {
            printer::print(&format!("{url} is up to date, at version {current}\n"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let from = if found == 0 { "nothing".to_owned() } else { format!("version {found}") };
        if self.dry_run {
            printer::print(&format!("{url} would be brought from {from} to version {current}\n"))?;
            return Ok(ExitCode::SUCCESS);
        }
        // A store is brought up to date when somebody opens it who may write, and is asked something.
        setup.open_store().await?.load().await?;
        printer::print(&format!("{url} was brought from {from} to version {current}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}
