//! `tenko jobs`: lists all jobs.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::Setup;
use crate::cli::Common;
use crate::error::CommandError;
use crate::printer;
use crate::view::{self, JobView};

/// List all jobs, as the last roll call and the time since then leave them.
///
/// Reads no new evidence: that is what `tenko check` does.
#[derive(Debug, Args)]
pub struct Jobs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listing {
    at: jiff::Timestamp,
    called_at: Option<jiff::Timestamp>,
    jobs: Vec<JobView>,
}

impl Jobs {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let known = Setup::load(common)?.known().await?;
        let view = |(slug, job)| view::job(job, known.roll().states.get(slug), known.roll(), known.now);
        let jobs: Vec<JobView> = known.jobs.iter().map(view).collect();
        if self.json {
            printer::print_json(&Listing { at: known.now, called_at: known.roll().called_at, jobs })?;
        } else {
            printer::print(&view::table(&jobs, known.now))?;
            match known.roll().called_at {
                Some(at) => {
                    printer::remark(&format!("roll last called {}", crate::words::distance(at, known.now)));
                }
                None => printer::remark("the roll has never been called: tenko check calls it"),
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
