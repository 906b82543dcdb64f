//! `tenko show`: all about one job.

use std::process::ExitCode;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::Setup;
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
        let known = Setup::load(common)?.known().await?;
        let (job, state) = known.job(&self.job)?;
        let detail = view::detail(job, state, &known.roll, known.now);
        if self.json {
            printer::print_json(&detail)?;
        } else {
            printer::print(&view::detail_text(&detail, known.now))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
