//! `tenko show`: all about one job.

use std::process::ExitCode;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{Setup, addresses};
use crate::cli::Common;
use crate::error::CommandError;
use crate::{printer, view};

/// Show all that is known about one job.
#[derive(Debug, Args)]
pub struct Show {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
    /// Print JSON
    #[arg(long, env = "TENKO_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

impl Show {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let known = setup.known().await?;
        let (job, state) = known.job(&self.job)?;
        let mut detail = view::detail(job, state, &known.roll, known.now);
        // Where nobody said under which URL a server is reached, there probably is none.
        if setup.config.server.url.is_some() && known.store.live().is_some() {
            let job = std::slice::from_ref(&job.slug);
            detail.ping_url = addresses::urls(&setup, &known.store, job).await?.into_values().next();
        }
        if self.json {
            printer::print_json(&detail)?;
        } else {
            printer::print(&view::detail_text(&detail, known.now))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
